/*
 * ApiVersions (18), versions 0-4: what this broker serves.
 *
 * The list is made from the handlers that exist and cannot differ from them, but for Produce, whose
 * lowest version is shown as 0: librdkafka takes a broker without Produce 0 for one that cannot
 * compress (Kafka 4 does the same, and like it we close a connection that really sends 0-2).
 * A version that is not known is answered, as the only API, with error 35 in the form of version 0.
 *
 * v0  keys and versions
 * v1  throttle time
 * v2  nothing new
 * v3  flexible; the client's name; features (supported ones with a minimum of 1 and more only)
 * v4  supported features with a minimum of 0, too
 */
#include "api/handlers.h"
#include "meta/features.h"
#include "meta/image.h"
#include "proto/api_versions.h"
#include "proto/produce.h"

#define VERSION_MAX 4

static bool api_versions_list(struct api_versions_res *res, struct arena *arena)
{
	size_t len = 0;

	while (api_table[len] != NULL)
		len++;
	res->api_keys = api_versions_res_api_version_array(arena, len);
	if (res->api_keys == NULL)
		return false;
	for (; res->api_keys_len < len; res->api_keys_len++) {
		const struct api_handler *handler = api_table[res->api_keys_len];
		struct api_versions_res_api_version *entry = &res->api_keys[res->api_keys_len];

		entry->api_key = handler->key;
		entry->min_version = handler->key == PRODUCE_API_KEY ? 0 : handler->version_min;
		entry->max_version = handler->version_max;
	}
	return true;
}

static bool api_versions_supported(struct api_versions_res *res, int version, struct arena *arena)
{
	res->supported_features = api_versions_res_supported_feature_key_array(arena, features_len);
	if (res->supported_features == NULL)
		return false;
	for (size_t i = 0; i < features_len; i++) {
		struct api_versions_res_supported_feature_key *key =
		    &res->supported_features[res->supported_features_len];

		if (version < 4 && features_table[i].min == 0)
			continue;
		key->name = str_of(features_table[i].name);
		key->min_version = features_table[i].min;
		key->max_version = features_table[i].max;
		res->supported_features_len++;
	}
	return true;
}

/* Never more than the handlers can do, whatever another broker has finalized in this directory. */
static bool api_versions_finalized(struct api_versions_res *res, const struct image *image,
				   struct arena *arena)
{
	res->finalized_features_epoch = image->offset;
	res->finalized_features = api_versions_res_finalized_feature_key_array(arena, features_len);
	if (res->finalized_features == NULL)
		return false;
	for (size_t i = 0; i < features_len; i++) {
		struct api_versions_res_finalized_feature_key *key =
		    &res->finalized_features[res->finalized_features_len];
		struct str name = str_of(features_table[i].name);
		int16_t level = image_feature_level(image, name);

		if (level > features_table[i].max)
			level = features_table[i].max;
		if (level <= 0)
			continue;
		key->name = name;
		key->min_version_level = key->max_version_level = level;
		res->finalized_features_len++;
	}
	return true;
}

/* The client guessed too high: tell it the range in the oldest form, which all can read. */
static void api_versions_unknown(struct req *req)
{
	struct api_versions_res_api_version range = {API_VERSIONS_API_KEY, 0, VERSION_MAX};
	struct api_versions_res res;
	struct wr *wr = api_begin(req);

	api_versions_res_init(&res);
	res.error_code = errcode_of(ERR_UNSUPPORTED_VERSION);
	res.api_keys = &range;
	res.api_keys_len = 1;
	api_versions_res_encode(&res, wr, 0);
	api_end(req);
}

static void api_versions_handle(struct api_loop *al, struct req *req)
{
	int version = req->header.api_version;
	struct api_versions_req in;
	struct api_versions_res res;
	enum err err;

	if (version < 0 || version > VERSION_MAX) {
		api_versions_unknown(req);
		return;
	}
	err = api_versions_req_decode(&in, &req->body, version, &req->arena);
	if (err != ERR_OK) {
		api_malformed(req, err);
		return;
	}
	api_versions_res_init(&res);
	if (!api_versions_list(&res, &req->arena) ||
	    !api_versions_supported(&res, version, &req->arena) ||
	    !api_versions_finalized(&res, al->image, &req->arena)) {
		api_overload(req);
		return;
	}
	api_versions_res_encode(&res, api_begin(req), version);
	api_end(req);
}

const struct api_handler api_api_versions = {
    .key = API_VERSIONS_API_KEY,
    .version_min = 0,
    .version_max = VERSION_MAX,
    .handle = api_versions_handle,
};
