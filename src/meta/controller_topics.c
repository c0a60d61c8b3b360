/*
 * Creating and deleting topics and adding partitions: Kafka's checks, in Kafka's order, in Kafka's
 * words. A request is one change of the log: its records are atomic.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "meta/controller_impl.h"
#include "meta/controller_records.h"
#include "proto/remove_topic_record.h"
#include "proto/topic_record.h"

#define TOPIC_NAME_MAX 249
/* Of the names in a message, so that a long list of them costs no more than the list itself. */
#define NAMES_LEN_MAX 1000

static void refuse(enum err *err, struct str *message, enum err why, struct str text)
{
	*err = why;
	*message = text;
}

/* -- names ---------------------------------------------------------------------------------- */

static bool name_chars_are_legal(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
		    c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

/* What is wrong with the name; a null str: nothing. */
static struct str name_fault(struct arena *arena, struct str name)
{
	const char *prefix = "Topic name is invalid: ";

	if (name.len == 0)
		return arena_printf(arena, "%sthe empty string is not allowed", prefix);
	if (str_eq(name, STR(".")) || str_eq(name, STR("..")))
		return arena_printf(arena, "%s'%.*s' is not allowed", prefix, STR_ARG(name));
	if (name.len > TOPIC_NAME_MAX)
		return arena_printf(
		    arena, "%sthe length of '%.*s' is longer than the max allowed length %d",
		    prefix, STR_ARG(name), TOPIC_NAME_MAX);
	if (!name_chars_are_legal(name))
		return arena_printf(arena,
				    "%s'%.*s' contains one or more characters other than ASCII "
				    "alphanumerics, '.', '_' and '-'",
				    prefix, STR_ARG(name));
	return STR_NULL;
}

enum err controller_check_name(struct arena *arena, struct str name, struct str *message)
{
	*message = name_fault(arena, name);
	return message->ptr == NULL ? ERR_OK : ERR_INVALID_TOPIC_EXCEPTION;
}

static void check_name(struct controller *ctl, struct arena *arena,
		       struct controller_new_topic *topic)
{
	struct str other;

	topic->err = controller_check_name(arena, topic->name, &topic->message);
	other = image_topic_collision(ctl->next, topic->name);
	if (topic->err == ERR_OK && other.ptr != NULL)
		refuse(&topic->err, &topic->message, ERR_INVALID_TOPIC_EXCEPTION,
		       arena_printf(arena, "Topic '%.*s' collides with existing topic: %.*s",
				    STR_ARG(topic->name), STR_ARG(other)));
	if (image_topic_by_name(ctl->next, topic->name) != NULL)
		refuse(&topic->err, &topic->message, ERR_TOPIC_ALREADY_EXISTS,
		       arena_printf(arena, "Topic '%.*s' already exists.", STR_ARG(topic->name)));
}

/* -- configs -------------------------------------------------------------------------------- */

static void check_nulls(struct arena *arena, struct controller_new_topic *topic)
{
	struct str names = STR_NULL;

	for (size_t i = 0; i < topic->configs_len; i++) {
		if (topic->configs[i].value.ptr != NULL || names.len > NAMES_LEN_MAX)
			continue;
		names = names.ptr == NULL ? topic->configs[i].name
					  : arena_printf(arena, "%.*s,%.*s", STR_ARG(names),
							 STR_ARG(topic->configs[i].name));
	}
	if (names.ptr != NULL)
		refuse(&topic->err, &topic->message, ERR_INVALID_CONFIG,
		       arena_printf(arena, "Null value not supported for topic configs: %.*s",
				    STR_ARG(names)));
}

static void check_configs(struct controller *ctl, struct arena *arena,
			  struct controller_new_topic *topic)
{
	struct config_pair *pairs = arena_array(arena, topic->configs_len, sizeof(*pairs));
	const struct config *cfg = ctl->options.config;
	char why[CONFIG_MESSAGE_SIZE];
	enum err err = pairs == NULL ? ERR_NOMEM : ERR_OK;

	why[0] = 0;
	check_nulls(arena, topic);
	if (topic->err != ERR_OK)
		return;
	for (size_t i = 0; err == ERR_OK && i < topic->configs_len; i++) {
		pairs[i] = (struct config_pair){topic->configs[i].name, topic->configs[i].value};
		err = config_check_change(cfg, CONFIG_RESOURCE_TOPIC, topic->name, pairs[i], why);
	}
	if (err == ERR_OK)
		err = config_check_together(cfg, ctl->next, CONFIG_RESOURCE_TOPIC, topic->name,
					    pairs, topic->configs_len, why);
	if (err != ERR_OK)
		refuse(&topic->err, &topic->message, err, arena_printf(arena, "%s", why));
}

/* ConfigRecords come behind the TopicRecord and before the partitions. */
static void put_configs(struct controller *ctl, const struct controller_new_topic *topic,
			struct mrec_list *list)
{
	for (size_t i = 0; i < topic->configs_len; i++)
		controller_put_config(list, IMAGE_CONFIG_TOPIC, topic->name, topic->configs[i].name,
				      topic->configs[i].value);
	for (size_t i = 0; i < topic->configs_len; i++)
		controller_put_clear_elr(ctl, list, IMAGE_CONFIG_TOPIC, topic->name,
					 topic->configs[i].name);
}

/* -- create topics -------------------------------------------------------------------------- */

/* Orders the assignments by index: they must be 0, 1, 2, ... */
static enum err check_assignments(struct controller *ctl, struct arena *arena,
				  struct controller_new_topic *topic,
				  const struct controller_assignment **sorted)
{
	int factor = -1;

	for (size_t i = 0; i < topic->assignments_len; i++) {
		const struct controller_assignment *assignment = &topic->assignments[i];
		size_t at = (size_t)assignment->idx;
		enum err err;

		if (assignment->idx >= 0 && at < topic->assignments_len && sorted[at] != NULL) {
			topic->message = arena_printf(
			    arena,
			    "Found multiple manual partition assignments for partition %" PRId32,
			    assignment->idx);
			return ERR_INVALID_REPLICA_ASSIGNMENT;
		}
		err = controller_check_assignment(ctl, arena, assignment, assignment->idx, factor,
						  &topic->message);
		if (err != ERR_OK)
			return err;
		factor = (int)assignment->brokers_len;
		if (assignment->idx >= 0 && at < topic->assignments_len)
			sorted[at] = assignment;
	}
	for (size_t i = 0; i < topic->assignments_len; i++) {
		if (sorted[i] != NULL)
			continue;
		topic->message = STR("partitions should be a consecutive 0-based integer sequence");
		return ERR_INVALID_REPLICA_ASSIGNMENT;
	}
	return ERR_OK;
}

static void put_topic(struct mrec_list *list, struct uuid id, struct str name)
{
	struct topic_record m;

	topic_record_init(&m);
	m.name = name;
	m.topic_id = id;
	topic_record_encode(&m, mrec_begin(list, TOPIC_RECORD_API_KEY, 0), 0);
	mrec_end(list);
}

static enum err create_assigned(struct controller *ctl, struct arena *arena,
				struct controller_new_topic *topic, struct mrec_list *list)
{
	size_t len = topic->assignments_len;
	const struct controller_assignment **sorted = arena_array(arena, len, sizeof(*sorted));
	enum err err;

	if (sorted == NULL)
		return ERR_NOMEM;
	if (topic->replication_factor != -1) {
		topic->message = STR("A manual partition assignment was specified, but replication "
				     "factor was not set to -1.");
		return ERR_INVALID_REQUEST;
	}
	if (topic->num_partitions != -1) {
		topic->message = STR("A manual partition assignment was specified, but "
				     "numPartitions was not set to -1.");
		return ERR_INVALID_REQUEST;
	}
	err = check_assignments(ctl, arena, topic, sorted);
	if (err != ERR_OK)
		return err;
	put_topic(list, topic->id, topic->name);
	put_configs(ctl, topic, list);
	for (size_t i = 0; err == ERR_OK && i < len; i++)
		err = controller_put_partition(ctl, list, arena, topic->id, (int32_t)i,
					       sorted[i]->brokers, sorted[i]->brokers_len);
	topic->partitions_made = (int32_t)len;
	topic->replicas_made = (int16_t)sorted[0]->brokers_len;
	return err;
}

static enum err create_placed(struct controller *ctl, struct arena *arena,
			      struct controller_new_topic *topic, struct mrec_list *list)
{
	const struct config *cfg = ctl->options.config;
	int factor = topic->replication_factor;
	int32_t count = topic->num_partitions;
	enum err err;

	if (factor < -1 || factor == 0) {
		topic->message = STR("Replication factor must be larger than 0, or -1 to use the "
				     "default value.");
		return ERR_INVALID_REPLICATION_FACTOR;
	}
	if (count < -1 || count == 0) {
		topic->message =
		    STR("Number of partitions was set to an invalid non-positive value.");
		return ERR_INVALID_PARTITIONS;
	}
	if (factor == -1)
		factor = (int)config_int64(cfg, CONFIG_DEFAULT_REPLICATION_FACTOR);
	if (count == -1)
		count = (int32_t)config_int64(cfg, CONFIG_NUM_PARTITIONS);
	err = controller_check_factor(ctl, arena, factor, &topic->message);
	if (err != ERR_OK)
		return err;
	put_topic(list, topic->id, topic->name);
	put_configs(ctl, topic, list);
	for (int32_t i = 0; err == ERR_OK && i < count; i++)
		err = controller_put_partition(ctl, list, arena, topic->id, i,
					       &ctl->options.node_id, 1);
	topic->partitions_made = count;
	topic->replicas_made = (int16_t)factor;
	return err;
}

static enum err check_room(const struct controller *ctl, struct str *message)
{
	const struct controller_hooks *hooks = &ctl->options.hooks;

	if (hooks->has_room == NULL || hooks->has_room(hooks->ctx))
		return ERR_OK;
	*message = STR("There is no space left for new partitions.");
	return ERR_NOSPACE;
}

static void create_topic(struct controller *ctl, struct arena *arena,
			 struct controller_new_topic *topic, struct mrec_list *list)
{
	if (topic->err == ERR_OK)
		check_configs(ctl, arena, topic);
	if (topic->err == ERR_OK)
		topic->err = check_room(ctl, &topic->message);
	if (topic->err != ERR_OK)
		return;
	topic->id = rnd_uuid(&ctl->rnd);
	topic->err = topic->assignments_len > 0 ? create_assigned(ctl, arena, topic, list)
						: create_placed(ctl, arena, topic, list);
}

int64_t controller_partitions_asked(const struct controller *ctl,
				    const struct controller_new_topic *topics, size_t topics_len)
{
	int64_t sum = 0;

	for (size_t i = 0; i < topics_len; i++) {
		if (topics[i].assignments_len > 0)
			sum += (int64_t)topics[i].assignments_len;
		else if (topics[i].num_partitions == -1)
			sum += config_int64(ctl->options.config, CONFIG_NUM_PARTITIONS);
		else if (topics[i].num_partitions > 0)
			sum += topics[i].num_partitions;
	}
	return sum;
}

static void create_all(struct controller *ctl, struct arena *arena,
		       struct controller_new_topic *topics, size_t topics_len, bool validate_only)
{
	struct mrec_list list;
	enum err err = ERR_OK;

	mrec_list_init(&list);
	for (size_t i = 0; i < topics_len; i++)
		check_name(ctl, arena, &topics[i]);
	for (size_t i = 0; i < topics_len; i++)
		create_topic(ctl, arena, &topics[i], &list);
	if (arena->failed)
		err = ERR_NOMEM;
	else if (!validate_only)
		err = controller_submit(ctl, &list);
	for (size_t i = 0; err != ERR_OK && i < topics_len; i++)
		refuse(&topics[i].err, &topics[i].message, err, STR_NULL);
	mrec_list_fini(&list);
}

void controller_create_topics(struct controller *ctl, struct arena *arena,
			      struct controller_new_topic *topics, size_t topics_len,
			      bool validate_only)
{
	enum err err = controller_check(ctl);
	struct str message = STR_NULL;

	/* Both overflow and absurdity are met before anything is allocated for it. */
	if (err == ERR_OK && controller_partitions_asked(ctl, topics, topics_len) >
				 CONTROLLER_PARTITIONS_REQUEST_MAX) {
		err = ERR_POLICY_VIOLATION;
		message = STR("Excessively large number of partitions per request.");
	}
	for (size_t i = 0; i < topics_len; i++) {
		topics[i].id = uuid_of(0, 0);
		topics[i].partitions_made = 0;
		topics[i].replicas_made = 0;
		refuse(&topics[i].err, &topics[i].message, err, message);
	}
	if (err == ERR_OK)
		create_all(ctl, arena, topics, topics_len, validate_only);
}

/* -- delete topics -------------------------------------------------------------------------- */

static void put_removal(struct mrec_list *list, struct uuid id)
{
	struct remove_topic_record m;

	remove_topic_record_init(&m);
	m.topic_id = id;
	remove_topic_record_encode(&m, mrec_begin(list, REMOVE_TOPIC_RECORD_API_KEY, 0), 0);
	mrec_end(list);
}

static enum err delete_topic(struct controller *ctl, struct arena *arena,
			     struct controller_del_topic *topic)
{
	const struct image_topic *found = image_topic_by_id(ctl->next, topic->id);
	struct mrec_list list;
	enum err err;

	if (found == NULL)
		return ERR_UNKNOWN_TOPIC_ID;
	topic->name = arena_str(arena, found->name);
	if (topic->name.ptr == NULL)
		return ERR_NOMEM;
	mrec_list_init(&list);
	put_removal(&list, topic->id);
	err = controller_submit(ctl, &list);
	mrec_list_fini(&list);
	return err;
}

void controller_delete_topics(struct controller *ctl, struct arena *arena,
			      struct controller_del_topic *topics, size_t topics_len)
{
	enum err err = controller_check(ctl);

	for (size_t i = 0; i < topics_len; i++) {
		topics[i].message = STR_NULL;
		topics[i].name = STR_NULL;
		topics[i].err = err != ERR_OK ? err : delete_topic(ctl, arena, &topics[i]);
		if (topics[i].err == ERR_UNKNOWN_TOPIC_ID)
			topics[i].message = STR("This server does not host this topic ID.");
	}
}

/* -- more partitions ------------------------------------------------------------------------ */

static enum err check_count(struct arena *arena, const struct image_topic *topic,
			    struct controller_more_partitions *more)
{
	int32_t now = topic->partitions_len;

	if (more->count == now) {
		more->message =
		    arena_printf(arena, "Topic already has %" PRId32 " partition(s).", now);
		return ERR_INVALID_PARTITIONS;
	}
	if (more->count < now) {
		more->message = arena_printf(arena,
					     "The topic %.*s currently has %" PRId32
					     " partition(s); %" PRId32 " would not be an increase.",
					     STR_ARG(more->name), now, more->count);
		return ERR_INVALID_PARTITIONS;
	}
	if (more->has_assignments && more->assignments_len != (size_t)(more->count - now)) {
		more->message = arena_printf(arena,
					     "Attempted to add %" PRId32
					     " additional partition(s), but only %zu assignment(s) "
					     "were specified.",
					     more->count - now, more->assignments_len);
		return ERR_INVALID_REPLICA_ASSIGNMENT;
	}
	if (more->count - now > CONTROLLER_PARTITIONS_REQUEST_MAX) {
		more->message = STR("Excessively large number of partitions per request.");
		return ERR_POLICY_VIOLATION;
	}
	return ERR_OK;
}

static enum err put_more(struct controller *ctl, struct arena *arena,
			 struct controller_more_partitions *more, const struct image_topic *topic,
			 struct mrec_list *list)
{
	const struct image_partition *first = image_partition_at(topic, 0);
	int32_t now = topic->partitions_len;
	int factor = first == NULL ? 1 : first->replicas_len;
	enum err err = ERR_OK;

	for (size_t i = 0; err == ERR_OK && i < more->assignments_len; i++)
		err = controller_check_assignment(ctl, arena, &more->assignments[i],
						  now + (int32_t)i, factor, &more->message);
	if (err == ERR_OK && !more->has_assignments)
		err = controller_check_factor(ctl, arena, factor, &more->message);
	for (int32_t i = now; err == ERR_OK && i < more->count; i++) {
		const struct controller_assignment *assignment =
		    more->has_assignments ? &more->assignments[i - now] : NULL;

		err = assignment == NULL
			  ? controller_put_partition(ctl, list, arena, topic->id, i,
						     &ctl->options.node_id, 1)
			  : controller_put_partition(ctl, list, arena, topic->id, i,
						     assignment->brokers, assignment->brokers_len);
	}
	return err;
}

static enum err create_more(struct controller *ctl, struct arena *arena,
			    struct controller_more_partitions *more, bool validate_only)
{
	const struct image_topic *topic = image_topic_by_name(ctl->next, more->name);
	struct mrec_list list;
	enum err err;

	if (topic == NULL)
		return ERR_UNKNOWN_TOPIC_OR_PARTITION;
	err = check_count(arena, topic, more);
	if (err == ERR_OK)
		err = check_room(ctl, &more->message);
	if (err != ERR_OK)
		return err;
	mrec_list_init(&list);
	err = put_more(ctl, arena, more, topic, &list);
	if (err == ERR_OK && arena->failed)
		err = ERR_NOMEM;
	if (err == ERR_OK && !validate_only)
		err = controller_submit(ctl, &list);
	mrec_list_fini(&list);
	return err;
}

void controller_create_partitions(struct controller *ctl, struct arena *arena,
				  struct controller_more_partitions *topics, size_t topics_len,
				  bool validate_only)
{
	enum err err = controller_check(ctl);

	for (size_t i = 0; i < topics_len; i++) {
		topics[i].message = STR_NULL;
		topics[i].err =
		    err != ERR_OK ? err : create_more(ctl, arena, &topics[i], validate_only);
	}
}

/* -- topics that the broker makes itself ---------------------------------------------------- */

static enum err create_one(struct controller *ctl, struct controller_new_topic *topic)
{
	struct arena arena;
	enum err err;

	arena_init(&arena, 4 << 20);
	controller_create_topics(ctl, &arena, topic, 1, false);
	err = topic->err;
	/* No client is told why there is no coordinator, and it asks again and again. */
	if (err != ERR_OK && image_name_is_internal(topic->name) &&
	    log_allowed(&ctl->internal_limit, 1))
		log_warn("meta", "cannot make the topic %.*s: %.*s", STR_ARG(topic->name),
			 STR_ARG(topic->message.ptr != NULL ? topic->message
							    : str_of(err_text(err))));
	topic->message = STR_NULL;
	arena_fini(&arena);
	return err;
}

bool controller_may_auto_create(const struct controller *ctl, size_t topics_len)
{
	int64_t each = config_int64(ctl->options.config, CONFIG_NUM_PARTITIONS);

	return (int64_t)topics_len <= CONTROLLER_PARTITIONS_REQUEST_MAX / each;
}

enum err controller_auto_create(struct controller *ctl, struct str name)
{
	struct controller_new_topic topic = {.name = name,
					     .num_partitions = -1,
					     .replication_factor = -1};

	return create_one(ctl, &topic);
}

/* With these settings, which live as long as the call. */
static void create_configured(struct controller *ctl, struct controller_new_topic *topic,
			      struct controller_config_entry *configs, size_t configs_len)
{
	topic->configs = configs;
	topic->configs_len = configs_len;
	(void)create_one(ctl, topic); /* what goes wrong is logged, and is in topic->err */
	topic->configs = NULL;
	topic->configs_len = 0;
}

static void create_offsets(struct controller *ctl, struct controller_new_topic *topic)
{
	const struct config *cfg = ctl->options.config;
	struct controller_config_entry configs[] = {
	    {STR("compression.type"), STR("producer")},
	    {STR("cleanup.policy"), STR("compact")},
	    {STR("segment.bytes"), config_str(cfg, CONFIG_OFFSETS_TOPIC_SEGMENT_BYTES)},
	};

	topic->num_partitions = (int32_t)config_int64(cfg, CONFIG_OFFSETS_TOPIC_NUM_PARTITIONS);
	topic->replication_factor =
	    (int16_t)config_int64(cfg, CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR);
	create_configured(ctl, topic, configs, ARRAY_LEN(configs));
}

static void create_transactions(struct controller *ctl, struct controller_new_topic *topic)
{
	const struct config *cfg = ctl->options.config;
	struct controller_config_entry configs[] = {
	    {STR("compression.type"), STR("uncompressed")},
	    {STR("cleanup.policy"), STR("compact")},
	    {STR("min.insync.replicas"), config_str(cfg, CONFIG_TRANSACTION_STATE_LOG_MIN_ISR)},
	    {STR("segment.bytes"), config_str(cfg, CONFIG_TRANSACTION_STATE_LOG_SEGMENT_BYTES)},
	    {STR("unclean.leader.election.enable"), STR("false")},
	};

	topic->num_partitions =
	    (int32_t)config_int64(cfg, CONFIG_TRANSACTION_STATE_LOG_NUM_PARTITIONS);
	topic->replication_factor =
	    (int16_t)config_int64(cfg, CONFIG_TRANSACTION_STATE_LOG_REPLICATION_FACTOR);
	create_configured(ctl, topic, configs, ARRAY_LEN(configs));
}

enum err controller_ensure_internal(struct controller *ctl, struct str name)
{
	struct controller_new_topic topic = {.name = name};

	if (image_topic_by_name(ctl->published, name) != NULL)
		return ERR_OK;
	if (image_topic_by_name(ctl->next, name) != NULL)
		return ERR_COORDINATOR_NOT_AVAILABLE;
	if (str_eq(name, STR("__transaction_state")))
		create_transactions(ctl, &topic);
	else
		create_offsets(ctl, &topic);
	/* An error is logged, and may come right, as when a disk is full. */
	return ERR_COORDINATOR_NOT_AVAILABLE;
}
