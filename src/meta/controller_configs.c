/*
 * Dynamic configs (IncrementalAlterConfigs and AlterConfigs), and producer ids: Kafka's checks, in
 * Kafka's words. A resource is changed as a whole or not at all.
 */
#include <inttypes.h>

#include "meta/controller_impl.h"
#include "meta/controller_records.h"
#include "proto/clear_elr_record.h"
#include "proto/config_record.h"
#include "proto/producer_ids_record.h"

/* -- records -------------------------------------------------------------------------------- */

void controller_put_config(struct mrec_list *list, enum image_config_type type, struct str resource,
			   struct str key, struct str value)
{
	struct config_record m;

	config_record_init(&m);
	m.resource_type = (int8_t)type;
	m.resource_name = resource;
	m.name = key;
	m.value = value;
	config_record_encode(&m, mrec_begin(list, CONFIG_RECORD_API_KEY, 0), 0);
	mrec_end(list);
}

void controller_put_clear_elr(const struct controller *ctl, struct mrec_list *list,
			      enum image_config_type type, struct str resource, struct str key)
{
	struct clear_elr_record m;

	if (!str_eq(key, STR("min.insync.replicas")) ||
	    image_feature_level(ctl->next, STR("eligible.leader.replicas.version")) == 0)
		return;
	clear_elr_record_init(&m);
	m.topic_name = type == IMAGE_CONFIG_TOPIC ? resource : STR("");
	clear_elr_record_encode(&m, mrec_begin(list, CLEAR_ELR_RECORD_API_KEY, 0), 0);
	mrec_end(list);
}

/* -- what is asked for ---------------------------------------------------------------------- */

/* One resource's change in the making: name and new value; a null value: deleted. */
struct alter {
	struct controller *ctl;
	struct arena *arena;
	struct controller_config_resource *resource;
	enum image_config_type type;
	struct config_pair *pairs;
	size_t pairs_len;
};

static enum err refuse(struct alter *alter, enum err err, struct str message)
{
	alter->resource->message = message;
	return err;
}

static enum err check_broker_name(struct alter *alter)
{
	struct str name = alter->resource->name;
	int64_t id;

	if (name.len == 0)
		return ERR_OK;
	if (!str_to_int64(name, &id))
		return refuse(alter, ERR_INVALID_REQUEST,
			      arena_printf(alter->arena,
					   "Node id must be an integer, but it is: %.*s",
					   STR_ARG(name)));
	if (id != alter->ctl->options.node_id)
		return refuse(alter, ERR_INVALID_REQUEST,
			      arena_printf(alter->arena,
					   "Unexpected broker id, expected %" PRId32
					   ", but received %.*s",
					   alter->ctl->options.node_id, STR_ARG(name)));
	return ERR_OK;
}

static enum err check_resource(struct alter *alter)
{
	struct str name = alter->resource->name;

	switch (alter->type) {
	case IMAGE_CONFIG_TOPIC:
		if (image_topic_by_name(alter->ctl->next, name) != NULL)
			return ERR_OK;
		return refuse(alter, ERR_UNKNOWN_TOPIC_OR_PARTITION,
			      arena_printf(alter->arena, "The topic '%.*s' does not exist.",
					   STR_ARG(name)));
	case IMAGE_CONFIG_BROKER:
		return check_broker_name(alter);
	case IMAGE_CONFIG_CLIENT_METRICS:
	case IMAGE_CONFIG_GROUP:
		if (name.len > 0)
			return ERR_OK;
		return refuse(alter, ERR_INVALID_REQUEST,
			      alter->type == IMAGE_CONFIG_GROUP
				  ? STR("Default group resources are not allowed.")
				  : STR("Subscription name can't be empty"));
	}
	return refuse(alter, ERR_INVALID_REQUEST,
		      arena_printf(alter->arena, "Unknown resource type %d.",
				   alter->resource->type));
}

static enum err check_changes(struct alter *alter)
{
	const struct controller_config_change *changes = alter->resource->changes;
	size_t len = alter->resource->changes_len;
	struct str nulls = STR_NULL;

	for (size_t i = 0; i < len; i++) {
		if (changes[i].value.ptr == NULL && changes[i].op != CONTROLLER_CONFIG_DELETE)
			nulls = nulls.ptr == NULL
				    ? changes[i].name
				    : arena_printf(alter->arena, "%.*s, %.*s", STR_ARG(nulls),
						   STR_ARG(changes[i].name));
	}
	if (nulls.ptr != NULL)
		return refuse(alter, ERR_INVALID_REQUEST,
			      arena_printf(alter->arena, "Null value not supported for : %.*s",
					   STR_ARG(nulls)));
	return ERR_OK;
}

/* -- the new values ------------------------------------------------------------------------- */

#define CHANGES_MAX 2000 /* more than there are configs */

static struct config_pair *pair_find(struct alter *alter, struct str name)
{
	for (size_t i = 0; i < alter->pairs_len; i++)
		if (str_eq(alter->pairs[i].name, name))
			return &alter->pairs[i];
	return NULL;
}

static bool list_has(struct str list, struct str entry)
{
	struct str each;
	size_t pos = 0;

	while (config_list_next(list, &pos, &each))
		if (str_eq(each, entry))
			return true;
	return false;
}

/* list with the entries of `more` that it has not yet, or without those of `less`. */
static struct str list_append(struct arena *arena, struct str list, struct str more)
{
	struct str each;
	size_t pos = 0;

	while (config_list_next(more, &pos, &each)) {
		if (list_has(list, each))
			continue;
		list = list.len == 0
			   ? each
			   : arena_printf(arena, "%.*s,%.*s", STR_ARG(list), STR_ARG(each));
	}
	return list;
}

static struct str list_subtract(struct arena *arena, struct str list, struct str less)
{
	struct str each, left = STR("");
	size_t pos = 0;

	while (config_list_next(list, &pos, &each)) {
		if (list_has(less, each))
			continue;
		left = left.len == 0
			   ? each
			   : arena_printf(arena, "%.*s,%.*s", STR_ARG(left), STR_ARG(each));
	}
	return left;
}

/* What a list is changed from: the record, else the static value or the default. */
static struct str list_base(struct alter *alter, enum config_id id, struct str name)
{
	struct str now =
	    image_config_get(alter->ctl->next, alter->type, alter->resource->name, name);

	if (now.ptr != NULL)
		return now;
	if (config_rows[id].resource == CONFIG_RESOURCE_BROKER)
		now = config_str(alter->ctl->options.config, id);
	else if (config_rows[id].synonyms[0] != CONFIG_NONE)
		now = config_str(alter->ctl->options.config, config_rows[id].synonyms[0]);
	else
		now = str_of(config_rows[id].value_default);
	return now.ptr == NULL ? STR("") : now;
}

static enum err list_change(struct alter *alter, const struct controller_config_change *change,
			    struct str *value)
{
	enum config_id id = config_find((enum config_resource)alter->resource->type, change->name);
	bool append = change->op == CONTROLLER_CONFIG_APPEND;
	struct str base;

	if (id == CONFIG_NONE || config_rows[id].type != CONFIG_TYPE_LIST)
		return refuse(alter, ERR_INVALID_CONFIG,
			      arena_printf(alter->arena,
					   "Can't %s to key %.*s because its type is not LIST.",
					   append ? "APPEND" : "SUBTRACT", STR_ARG(change->name)));
	if (append && change->value.len == 0)
		return refuse(alter, ERR_INVALID_CONFIG,
			      arena_printf(alter->arena,
					   "Configuration '%.*s' values must not be empty.",
					   STR_ARG(change->name)));
	base = list_base(alter, id, change->name);
	*value = append ? list_append(alter->arena, base, change->value)
			: list_subtract(alter->arena, base, change->value);
	return ERR_OK;
}

static enum err take_change(struct alter *alter, const struct controller_config_change *change)
{
	struct config_pair *pair = &alter->pairs[alter->pairs_len];

	if (pair_find(alter, change->name) != NULL)
		return refuse(alter, ERR_INVALID_REQUEST,
			      STR("Error due to duplicate config keys"));
	pair->name = change->name;
	alter->pairs_len++;
	switch (change->op) {
	case CONTROLLER_CONFIG_SET:
		pair->value = change->value;
		return ERR_OK;
	case CONTROLLER_CONFIG_DELETE:
		pair->value = STR_NULL;
		return ERR_OK;
	case CONTROLLER_CONFIG_APPEND:
	case CONTROLLER_CONFIG_SUBTRACT:
		return list_change(alter, change, &pair->value);
	default:
		return refuse(alter, ERR_INVALID_REQUEST,
			      arena_printf(alter->arena, "Unknown operation type %d.", change->op));
	}
}

/* AlterConfigs: what is set and not named goes. */
static enum err take_deletions(struct alter *alter, size_t room)
{
	struct image_config config = {.key = STR_NULL};

	while (image_config_next(alter->ctl->next, alter->type, alter->resource->name, config.key,
				 &config)) {
		if (pair_find(alter, config.key) != NULL)
			continue;
		if (alter->pairs_len == room)
			return ERR_INVALID_REQUEST;
		alter->pairs[alter->pairs_len++] = (struct config_pair){config.key, STR_NULL};
	}
	return ERR_OK;
}

static enum err take_changes(struct alter *alter)
{
	const struct controller_config_resource *resource = alter->resource;
	size_t room = resource->changes_len + (resource->replace ? CHANGES_MAX : 0);
	enum err err = ERR_OK;

	if (resource->changes_len > CHANGES_MAX)
		return refuse(alter, ERR_INVALID_REQUEST, STR("Too many configs in one request."));
	alter->pairs = arena_array(alter->arena, room, sizeof(*alter->pairs));
	if (alter->pairs == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; err == ERR_OK && i < resource->changes_len; i++)
		err = take_change(alter, &resource->changes[i]);
	if (err == ERR_OK && resource->replace)
		err = take_deletions(alter, room);
	return err;
}

/* -- the checks of what would be ------------------------------------------------------------ */

/* All settings that the resource would have: those it has, with the changes. */
static enum err check_together(struct alter *alter, char why[CONFIG_MESSAGE_SIZE])
{
	struct image_config config = {.key = STR_NULL};
	struct config_pair *all;
	size_t len = alter->pairs_len;

	while (image_config_next(alter->ctl->next, alter->type, alter->resource->name, config.key,
				 &config))
		len++;
	all = arena_array(alter->arena, len, sizeof(*all));
	if (all == NULL)
		return ERR_NOMEM;
	len = 0;
	for (size_t i = 0; i < alter->pairs_len; i++)
		if (alter->pairs[i].value.ptr != NULL)
			all[len++] = alter->pairs[i];
	config.key = STR_NULL;
	while (image_config_next(alter->ctl->next, alter->type, alter->resource->name, config.key,
				 &config))
		if (pair_find(alter, config.key) == NULL)
			all[len++] = (struct config_pair){config.key, config.value};
	return config_check_together(alter->ctl->options.config, alter->ctl->next,
				     (enum config_resource)alter->resource->type,
				     alter->resource->name, all, len, why);
}

static enum err check_values(struct alter *alter)
{
	char why[CONFIG_MESSAGE_SIZE] = "";
	enum err err = ERR_OK;

	for (size_t i = 0; err == ERR_OK && i < alter->pairs_len; i++)
		err = config_check_change(alter->ctl->options.config,
					  (enum config_resource)alter->resource->type,
					  alter->resource->name, alter->pairs[i], why);
	if (err == ERR_OK)
		err = check_together(alter, why);
	if (err == ERR_OK)
		return ERR_OK;
	return refuse(alter, err, why[0] != 0 ? arena_printf(alter->arena, "%s", why) : STR_NULL);
}

/* -- the change ----------------------------------------------------------------------------- */

/* A broker's setting is written even when it stays the same: that makes brokers load it again. */
static bool is_same(const struct alter *alter, const struct config_pair *pair)
{
	struct str now =
	    image_config_get(alter->ctl->next, alter->type, alter->resource->name, pair->name);

	if (alter->type == IMAGE_CONFIG_BROKER)
		return false;
	return (now.ptr == NULL) == (pair->value.ptr == NULL) && str_eq(now, pair->value);
}

static enum err submit(struct alter *alter)
{
	struct str name = alter->resource->name;
	struct mrec_list list;
	enum err err;

	mrec_list_init(&list);
	for (size_t i = 0; i < alter->pairs_len; i++)
		if (!is_same(alter, &alter->pairs[i]))
			controller_put_config(&list, alter->type, name, alter->pairs[i].name,
					      alter->pairs[i].value);
	for (size_t i = 0; i < alter->pairs_len; i++)
		if (!is_same(alter, &alter->pairs[i]))
			controller_put_clear_elr(alter->ctl, &list, alter->type, name,
						 alter->pairs[i].name);
	err = controller_submit(alter->ctl, &list);
	mrec_list_fini(&list);
	return err;
}

static enum err alter_resource(struct alter *alter, bool validate_only)
{
	enum err err = controller_check(alter->ctl);

	if (err == ERR_OK)
		err = check_resource(alter);
	if (err == ERR_OK)
		err = check_changes(alter);
	if (err == ERR_OK)
		err = take_changes(alter);
	if (err == ERR_OK)
		err = check_values(alter);
	if (err == ERR_OK && alter->arena->failed)
		err = ERR_NOMEM;
	return err != ERR_OK || validate_only ? err : submit(alter);
}

void controller_alter_configs(struct controller *ctl, struct arena *arena,
			      struct controller_config_resource *resources, size_t resources_len,
			      bool validate_only)
{
	for (size_t i = 0; i < resources_len; i++) {
		struct alter alter = {
		    .ctl = ctl,
		    .arena = arena,
		    .resource = &resources[i],
		    .type = (enum image_config_type)resources[i].type,
		};

		resources[i].message = STR_NULL;
		resources[i].err = alter_resource(&alter, validate_only);
	}
}

/* -- producer ids --------------------------------------------------------------------------- */

enum err controller_producer_ids(struct controller *ctl, int64_t *first)
{
	struct producer_ids_record m;
	struct mrec_list list;
	enum err err = controller_check(ctl);

	if (err != ERR_OK)
		return err;
	*first = ctl->next->next_producer_id;
	if (*first > INT64_MAX - CONTROLLER_PRODUCER_ID_BLOCK)
		return ERR_UNKNOWN_SERVER_ERROR;
	mrec_list_init(&list);
	producer_ids_record_init(&m);
	m.broker_id = ctl->options.node_id;
	m.broker_epoch = ctl->broker_epoch;
	m.next_producer_id = *first + CONTROLLER_PRODUCER_ID_BLOCK;
	producer_ids_record_encode(&m, mrec_begin(&list, PRODUCER_IDS_RECORD_API_KEY, 0), 0);
	mrec_end(&list);
	err = controller_submit(ctl, &list);
	mrec_list_fini(&list);
	return err;
}
