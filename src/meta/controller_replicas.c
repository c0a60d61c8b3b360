/* Where partitions may be put, and the record that puts one there: for new topics and more
 * partitions. */
#include <inttypes.h>
#include <stdlib.h>

#include "meta/controller_impl.h"
#include "meta/controller_records.h"
#include "proto/partition_record.h"

/* Can this broker be given a partition now? */
static bool is_active(const struct controller *ctl, int32_t id)
{
	const struct image_broker *broker = image_broker_find(ctl->next, id);

	return broker != NULL && !broker->fenced && !broker->in_shutdown;
}

static bool is_cordoned(const struct image_broker *broker)
{
	size_t cordoned = 0;

	for (size_t i = 0; i < broker->log_dirs_len; i++)
		for (size_t k = 0; k < broker->cordoned_dirs_len; k++)
			cordoned += uuid_eq(broker->log_dirs[i], broker->cordoned_dirs[k]);
	return broker->log_dirs_len > 0 && cordoned == broker->log_dirs_len;
}

/* Those that have a directory which is not cordoned. */
static int brokers_len(const struct controller *ctl)
{
	const struct image_broker *broker = image_broker_seek(ctl->next, 0);
	int len = 0;

	for (; broker != NULL;
	     broker = broker->id == INT32_MAX ? NULL : image_broker_seek(ctl->next, broker->id + 1))
		len += !is_cordoned(broker);
	return len;
}

enum err controller_check_factor(struct controller *ctl, struct arena *arena, int factor,
				 struct str *message)
{
	if (factor > brokers_len(ctl)) {
		*message =
		    arena_printf(arena,
				 "Unable to replicate the partition %d time(s): The target "
				 "replication factor of %d cannot be reached because only %d "
				 "broker(s) are registered or some brokers have all their "
				 "log directories cordoned.",
				 factor, factor, brokers_len(ctl));
		return ERR_INVALID_REPLICATION_FACTOR;
	}
	if (factor != 1 || !is_active(ctl, ctl->options.node_id)) {
		*message = arena_printf(arena,
					"Unable to replicate the partition %d time(s): All brokers "
					"are currently fenced or in controlled shutdown.",
					factor);
		return ERR_INVALID_REPLICATION_FACTOR;
	}
	return ERR_OK;
}

static int int32_cmp(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

enum err controller_check_brokers(const struct image *image, struct arena *arena,
				  const int32_t *brokers, size_t len, struct str *message)
{
	int32_t *ids = arena_array(arena, len + 1, sizeof(*ids));

	if (ids == NULL)
		return ERR_NOMEM;
	if (len == 0) {
		*message = STR("The manual partition assignment includes an empty replica list.");
		return ERR_INVALID_REPLICA_ASSIGNMENT;
	}
	memcpy(ids, brokers, len * sizeof(*ids));
	qsort(ids, len, sizeof(*ids), int32_cmp);
	for (size_t i = 0; i < len; i++) {
		if (image_broker_find(image, ids[i]) == NULL) {
			*message = arena_printf(arena,
						"The manual partition assignment includes broker "
						"%" PRId32 ", but no such broker is registered.",
						ids[i]);
			return ERR_INVALID_REPLICA_ASSIGNMENT;
		}
		if (i > 0 && ids[i] == ids[i - 1]) {
			*message =
			    arena_printf(arena,
					 "The manual partition assignment includes the broker "
					 "%" PRId32 " more than once.",
					 ids[i]);
			return ERR_INVALID_REPLICA_ASSIGNMENT;
		}
	}
	return ERR_OK;
}

enum err controller_check_assignment(struct controller *ctl, struct arena *arena,
				     const struct controller_assignment *assignment, int32_t idx,
				     int factor, struct str *message)
{
	size_t len = assignment->brokers_len;
	bool any_active = false;
	enum err err;

	err = controller_check_brokers(ctl->next, arena, assignment->brokers, len, message);
	if (err != ERR_OK)
		return err;
	for (size_t i = 0; i < len; i++)
		any_active |= is_active(ctl, assignment->brokers[i]);
	if (factor >= 0 && (size_t)factor != len) {
		*message =
		    arena_printf(arena,
				 "The manual partition assignment includes a partition with %zu "
				 "replica(s), but this is not consistent with previous "
				 "partitions, which have %d replica(s).",
				 len, factor);
		return ERR_INVALID_REPLICA_ASSIGNMENT;
	}
	if (any_active)
		return ERR_OK;
	*message = arena_printf(arena,
				"All brokers specified in the manual partition assignment for "
				"partition %" PRId32 " are fenced or in controlled shutdown.",
				idx);
	return ERR_INVALID_REPLICA_ASSIGNMENT;
}

enum err controller_put_partition(struct controller *ctl, struct mrec_list *list,
				  struct arena *arena, struct uuid topic_id, int32_t idx,
				  const int32_t *brokers, size_t len)
{
	int version = mrec_version_partition(controller_metadata_version(ctl));
	struct partition_record m;

	partition_record_init(&m);
	m.partition_id = idx;
	m.topic_id = topic_id;
	m.replicas = (int32_t *)brokers;
	m.replicas_len = len;
	m.isr = arena_array(arena, len, sizeof(*m.isr));
	m.directories = arena_array(arena, len, sizeof(*m.directories));
	if (m.isr == NULL || m.directories == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < len; i++) {
		if (is_active(ctl, brokers[i]))
			m.isr[m.isr_len++] = brokers[i];
		m.directories[i] = controller_dir_for_new(ctl, brokers[i]);
	}
	must(m.isr_len > 0);
	m.directories_len = len;
	m.leader = m.isr[0];
	m.leader_epoch = 0;
	m.partition_epoch = 0;
	partition_record_encode(&m, mrec_begin(list, PARTITION_RECORD_API_KEY, version), version);
	mrec_end(list);
	return list->bytes.err;
}
