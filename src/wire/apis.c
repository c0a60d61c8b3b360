/* The table of Kafka's APIs (see apis.h), from the heads of protocol/NN_*.msg. */
#include "wire/apis.h"

#include "base/must.h"

#define API_VERSIONS_KEY 18

static const struct api_info apis[APIS_KEY_MAX + 1] = {
#define API(key, name, min, max, flexible, broker, controller) \
	[key] = {#name, key, min, max, flexible, broker, controller},
#include "proto/api_list.h"
#undef API
};

const struct api_info *apis_find(int16_t key)
{
	if (key < 0 || key > APIS_KEY_MAX || apis[key].name == NULL)
		return NULL;
	return &apis[key];
}

const char *apis_name(int16_t key)
{
	const struct api_info *api = apis_find(key);
	return api != NULL ? api->name : "unknown";
}

bool apis_request_tags(int16_t key, int16_t version)
{
	const struct api_info *api = apis_find(key);
	return api != NULL && version >= api->flexible_version;
}

bool apis_response_tags(int16_t key, int16_t version)
{
	return key != API_VERSIONS_KEY && apis_request_tags(key, version);
}
