/*
 * Log directories in the metadata: which replica lies in which, and what becomes of those in one
 * that fails.
 *
 * As Apache Kafka 4.3 does it, where broker and controller talk by AssignReplicasToDirs and the
 * heartbeat's OfflineLogDirs, and leave these records:
 *
 * - A broker with one directory: its id is in the PartitionRecord. With several the record says
 *   UNASSIGNED; the broker makes the partition where it likes, and a PartitionChangeRecord with the
 *   directories follows. The same at a start, for a partition that lies elsewhere than the metadata
 *   says.
 * - A directory that fails: a PartitionChangeRecord for each partition that loses its leader (isr
 *   [], leader -1, eligible and last known leader this broker), then a
 *   BrokerRegistrationChangeRecord of version 2 with the directories that are left. (Seen with
 *   4.3.1, a second directory on a file system that ran full.) They come back with the next
 *   registration that has the directory.
 */
#include <stdlib.h>

#include "meta/controller_impl.h"
#include "meta/controller_records.h"
#include "meta/election.h"
#include "proto/broker_registration_change_record.h"
#include "proto/partition_change_record.h"

#define PORTION_RECORDS		5000
#define DIRECTORIES_VERSION_MIN 1 /* of PartitionChangeRecord */

/* Which of the replicas is this broker's; replicas.len when none. */
static size_t own_replica(const struct controller *ctl, const struct image_partition *part)
{
	struct image_ids replicas = image_replicas(part);
	size_t i = 0;

	while (i < replicas.len && replicas.ptr[i] != ctl->options.node_id)
		i++;
	return i;
}

/* -- where replicas are --------------------------------------------------------------------- */

struct uuid controller_dir_for_new(const struct controller *ctl, int32_t broker_id)
{
	const struct image_broker *broker = image_broker_find(ctl->next, broker_id);

	if (broker != NULL && broker->log_dirs_len == 1)
		return broker->log_dirs[0];
	return IMAGE_DIR_UNASSIGNED;
}

enum err controller_note_dir(struct controller *ctl, struct uuid topic_id, int32_t idx,
			     struct uuid dir)
{
	struct controller_assign *assigns = ctl->assigns;
	size_t size = ctl->assigns_size;

	if (ctl->assigns_len == size) {
		size = size == 0 ? 64 : size * 2;
		assigns = realloc(assigns, size * sizeof(*assigns));
		if (assigns == NULL)
			return ERR_NOMEM;
		ctl->assigns = assigns;
		ctl->assigns_size = size;
	}
	assigns[ctl->assigns_len++] = (struct controller_assign){topic_id, idx, dir};
	return ERR_OK;
}

static enum err put_assign(struct controller *ctl, const struct controller_assign *assign,
			   int version, struct mrec_list *list)
{
	const struct image_partition *part =
	    image_partition_find(ctl->next, assign->topic_id, assign->idx);
	size_t own = part != NULL ? own_replica(ctl, part) : 0;
	struct partition_change_record m;
	struct uuid *dirs;

	/* Deleted meanwhile, or said already. */
	if (part == NULL || own == part->replicas_len ||
	    uuid_eq(part->directories[own], assign->dir))
		return ERR_OK;
	dirs = malloc(part->replicas_len * sizeof(*dirs));
	if (dirs == NULL)
		return ERR_NOMEM;
	memcpy(dirs, part->directories, part->replicas_len * sizeof(*dirs));
	dirs[own] = assign->dir;
	partition_change_record_init(&m);
	m.topic_id = assign->topic_id;
	m.partition_id = assign->idx;
	m.directories = dirs;
	m.directories_len = part->replicas_len;
	partition_change_record_encode(&m,
				       mrec_begin(list, PARTITION_CHANGE_RECORD_API_KEY, version),
				       version);
	mrec_end(list);
	free(dirs);
	return list->bytes.err;
}

enum err controller_assign_dirs(struct controller *ctl)
{
	int version = mrec_version_partition_change(controller_metadata_version(ctl));
	struct mrec_list list;
	enum err err = ERR_OK;

	mrec_list_init(&list);
	for (size_t i = 0;
	     err == ERR_OK && version >= DIRECTORIES_VERSION_MIN && i < ctl->assigns_len; i++) {
		err = put_assign(ctl, &ctl->assigns[i], version, &list);
		if (err == ERR_OK && list.len >= PORTION_RECORDS)
			err = controller_submit(ctl, &list);
	}
	ctl->assigns_len = 0;
	if (err == ERR_OK)
		err = controller_submit(ctl, &list);
	mrec_list_fini(&list);
	return err;
}

/* -- a directory that fails ----------------------------------------------------------------- */

static enum err elect_without(struct controller *ctl, struct uuid dir, struct uuid topic_id,
			      struct mrec_list *list)
{
	const struct image_topic *topic = image_topic_by_id(ctl->next, topic_id);
	int32_t partitions_len = topic->partitions_len;
	struct election election = {.remove = ctl->options.node_id,
				    .add = ELECTION_NOBODY,
				    .unclean = ELECTION_NOBODY};
	enum err err = ERR_OK;

	controller_election_rules(ctl, topic->name, &election);
	for (int32_t i = 0; err == ERR_OK && i < partitions_len; i++) {
		const struct image_partition *part = image_partition_find(ctl->next, topic_id, i);
		size_t own = part != NULL ? own_replica(ctl, part) : 0;

		if (part == NULL || own == part->replicas_len ||
		    !uuid_eq(part->directories[own], dir))
			continue;
		election.img = ctl->next;
		err = election_run(&election, topic_id, i, part, list);
		if (err == ERR_OK && list->len >= PORTION_RECORDS)
			err = controller_submit(ctl, list);
	}
	return err;
}

static void put_dirs_left(struct controller *ctl, const struct image_broker *broker,
			  struct uuid failed, struct mrec_list *list)
{
	struct uuid *left = calloc(broker->log_dirs_len, sizeof(*left));
	struct broker_registration_change_record m;

	must(left != NULL);
	broker_registration_change_record_init(&m);
	m.broker_id = broker->id;
	m.broker_epoch = broker->epoch;
	m.log_dirs = left;
	for (size_t i = 0; i < broker->log_dirs_len; i++)
		if (!uuid_eq(broker->log_dirs[i], failed))
			left[m.log_dirs_len++] = broker->log_dirs[i];
	broker_registration_change_record_encode(
	    &m, mrec_begin(list, BROKER_REGISTRATION_CHANGE_RECORD_API_KEY, 2), 2);
	mrec_end(list);
	free(left);
}

static enum err dir_failed(struct controller *ctl, struct uuid dir, struct mrec_list *list)
{
	const struct image_topic *topic;
	enum err err = controller_assign_dirs(ctl);

	topic = image_topic_seek(ctl->next, STR(""), false);
	while (err == ERR_OK && topic != NULL) {
		struct uuid id = topic->id;

		err = elect_without(ctl, dir, id, list);
		topic = image_topic_by_id(ctl->next, id);
		topic = image_topic_seek(ctl->next, topic->name, true);
	}
	if (err != ERR_OK)
		return err;
	put_dirs_left(ctl, image_broker_find(ctl->next, ctl->options.node_id), dir, list);
	return controller_submit(ctl, list);
}

enum err controller_dir_failed(struct controller *ctl, struct uuid dir)
{
	const struct image_broker *broker = image_broker_find(ctl->next, ctl->options.node_id);
	struct mrec_list list;
	enum err err = controller_check(ctl);

	/* One that was not registered is no partition's. */
	if (err != ERR_OK || broker == NULL || broker->log_dirs_len == 0 ||
	    !image_broker_has_dir(broker, dir))
		return err;
	mrec_list_init(&list);
	err = dir_failed(ctl, dir, &list);
	mrec_list_fini(&list);
	return err;
}

/* -- cordoned ones -------------------------------------------------------------------------- */

void controller_put_cordoned(struct controller *ctl, struct mrec_list *list)
{
	struct broker_registration_change_record m;

	if (mrec_version_register_broker(controller_metadata_version(ctl)) < 4)
		return;
	broker_registration_change_record_init(&m);
	m.broker_id = ctl->options.node_id;
	m.broker_epoch = ctl->broker_epoch;
	m.cordoned_log_dirs = ctl->cordoned_len > 0 ? ctl->cordoned : PROTO_EMPTY;
	m.cordoned_log_dirs_len = ctl->cordoned_len;
	broker_registration_change_record_encode(
	    &m, mrec_begin(list, BROKER_REGISTRATION_CHANGE_RECORD_API_KEY, 3), 3);
	mrec_end(list);
}

enum err controller_cordon(struct controller *ctl, const struct uuid *dirs, size_t len)
{
	struct uuid *copy = calloc(len + 1, sizeof(*copy));
	struct mrec_list list;
	enum err err = controller_check(ctl);

	if (copy == NULL)
		return ERR_NOMEM;
	if (len > 0)
		memcpy(copy, dirs, len * sizeof(*copy));
	free(ctl->cordoned);
	ctl->cordoned = copy;
	ctl->cordoned_len = len;
	if (err != ERR_OK || ctl->broker_epoch < 0)
		return err;
	mrec_list_init(&list);
	controller_put_cordoned(ctl, &list);
	err = controller_submit(ctl, &list);
	mrec_list_fini(&list);
	return err;
}
