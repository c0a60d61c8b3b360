/*
 * Starting and stopping as a KRaft broker and its controller do, record for record.
 *
 * Start: a new raft epoch; the first records of a new cluster; this broker's registration (its
 * epoch is the record's offset), fenced; unfenced, and every partition without a leader gets one
 * from its ISR, its eligible replicas, or its last known leader. After an unclean stop the broker
 * leaves ISR and eligible replicas first, so that the election counts as an unclean one and leader
 * epochs move on.
 *
 * Stop: in controlled shutdown; every partition to its eligible replicas, without a leader; fenced.
 * Without it the next start of Apache Kafka would wait for this broker's session to end.
 */
#include <inttypes.h>

#include "base/log.h"
#include "meta/controller_impl.h"
#include "meta/datadir.h"
#include "meta/election.h"
#include "proto/broker_registration_change_record.h"
#include "proto/config_record.h"
#include "proto/register_broker_record.h"

/* Elections of many partitions go to the log in portions: they need not be one unit. */
#define PORTION_RECORDS 5000

/* -- elections ------------------------------------------------------------------------------ */

static bool ids_have(struct image_ids ids, int32_t id)
{
	for (size_t i = 0; i < ids.len; i++)
		if (ids.ptr[i] == id)
			return true;
	return false;
}

static bool concerns(const struct election *election, const struct image_partition *part)
{
	if (election->add != ELECTION_NOBODY)
		return part->leader == IMAGE_NO_LEADER;
	if (election->remove != ELECTION_NOBODY)
		return ids_have(image_isr(part), election->remove) ||
		       part->leader == election->remove;
	return ids_have(image_isr(part), election->unclean) ||
	       ids_have(image_elr(part), election->unclean) || part->leader == election->unclean;
}

static enum err run_topic(struct controller *ctl, struct election *election, struct uuid topic_id,
			  struct mrec_list *list)
{
	const struct image_topic *topic = image_topic_by_id(ctl->next, topic_id);
	int32_t partitions_len = topic->partitions_len;
	enum err err = ERR_OK;

	controller_election_rules(ctl, topic->name, election);
	for (int32_t i = 0; err == ERR_OK && i < partitions_len; i++) {
		const struct image_partition *part = image_partition_find(ctl->next, topic_id, i);

		if (part == NULL || !concerns(election, part))
			continue;
		election->img = ctl->next;
		err = election_run(election, topic_id, i, part, list);
		if (err == ERR_OK && list->len >= PORTION_RECORDS)
			err = controller_submit(ctl, list);
	}
	return err;
}

/* Over all partitions; what is in the list goes before the first change. */
static enum err run_all(struct controller *ctl, struct election *election, struct mrec_list *list)
{
	const struct image_topic *topic = image_topic_seek(ctl->next, STR(""), false);
	enum err err = ERR_OK;

	while (err == ERR_OK && topic != NULL) {
		struct uuid id = topic->id;

		err = run_topic(ctl, election, id, list);
		topic = image_topic_by_id(ctl->next, id);
		topic = image_topic_seek(ctl->next, topic->name, true);
	}
	return err != ERR_OK ? err : controller_submit(ctl, list);
}

static struct election nobody(void)
{
	return (struct election){.remove = ELECTION_NOBODY,
				 .add = ELECTION_NOBODY,
				 .unclean = ELECTION_NOBODY};
}

/* -- the first records ---------------------------------------------------------------------- */

static enum err put_min_isr(struct controller *ctl, struct mrec_list *list)
{
	struct config_record m;

	config_record_init(&m);
	m.resource_type = IMAGE_CONFIG_BROKER;
	m.resource_name = STR("");
	m.name = STR("min.insync.replicas");
	m.value = config_str(ctl->options.config, CONFIG_MIN_INSYNC_REPLICAS);
	config_record_encode(&m, mrec_begin(list, CONFIG_RECORD_API_KEY, 0), 0);
	mrec_end(list);
	return controller_submit(ctl, list);
}

static enum err bootstrap(struct controller *ctl, struct mrec_list *list)
{
	char message[DATADIR_MESSAGE_SIZE];
	enum err err;

	if (controller_metadata_version(ctl) > 0)
		return ERR_OK;
	err = datadir_bootstrap(ctl->dir, list, message);
	if (err != ERR_OK) {
		log_error("meta", "%s", message);
		return err;
	}
	err = controller_submit(ctl, list);
	if (err == ERR_OK && controller_metadata_version(ctl) == 0) {
		log_error("meta", "%s/bootstrap.checkpoint sets no metadata.version", ctl->dir);
		return ERR_BADFILE;
	}
	if (err == ERR_OK &&
	    image_feature_level(ctl->next, STR("eligible.leader.replicas.version")) > 0)
		err = put_min_isr(ctl, list);
	return err;
}

/* -- registration --------------------------------------------------------------------------- */

static void put_broker_change(struct controller *ctl, struct mrec_list *list, int8_t fenced,
			      int8_t in_shutdown)
{
	int version = in_shutdown != 0 ? 1 : 0;
	struct broker_registration_change_record m;

	broker_registration_change_record_init(&m);
	m.broker_id = ctl->options.node_id;
	m.broker_epoch = ctl->broker_epoch;
	m.fenced = fenced;
	m.in_controlled_shutdown = in_shutdown;
	broker_registration_change_record_encode(
	    &m, mrec_begin(list, BROKER_REGISTRATION_CHANGE_RECORD_API_KEY, version), version);
	mrec_end(list);
}

/* What this broker can work with; the finalized level of each must be in it. */
static const struct {
	const char *name;
	int16_t min, max;
} supported[] = {
    {"metadata.version", MREC_METADATA_VERSION_MIN, MREC_METADATA_VERSION_MAX},
    {"kraft.version", 0, 1},
    {"group.version", 0, 1},
    {"transaction.version", 0, 2},
    {"eligible.leader.replicas.version", 0, 1},
};

static void fill_registration(struct controller *ctl, struct register_broker_record *m)
{
	for (size_t i = 0; i < m->end_points_len; i++) {
		const struct image_endpoint *endpoint = &ctl->options.endpoints[i];

		m->end_points[i].name = endpoint->listener;
		m->end_points[i].host = endpoint->host;
		m->end_points[i].port = endpoint->port;
		m->end_points[i].security_protocol = endpoint->security_protocol;
	}
	for (size_t i = 0; i < ARRAY_LEN(supported); i++) {
		m->features[i].name = str_of(supported[i].name);
		m->features[i].min_supported_version = supported[i].min;
		m->features[i].max_supported_version = supported[i].max;
	}
	m->broker_id = ctl->options.node_id;
	m->broker_epoch = ctl->broker_epoch;
	m->incarnation_id = rnd_uuid(&ctl->rnd);
	m->rack = ctl->options.rack;
	m->fenced = true;
	m->log_dirs = (struct uuid *)ctl->options.log_dirs;
	m->log_dirs_len = ctl->options.log_dirs_len;
}

static enum err put_registration(struct controller *ctl, struct mrec_list *list)
{
	int version = mrec_version_register_broker(controller_metadata_version(ctl));
	struct register_broker_record m;
	struct arena arena;
	enum err err = ERR_NOMEM;

	arena_init(&arena, 1 << 20);
	register_broker_record_init(&m);
	m.end_points_len = ctl->options.endpoints_len;
	m.end_points = register_broker_record_broker_endpoint_array(&arena, m.end_points_len);
	m.features_len = ARRAY_LEN(supported);
	m.features = register_broker_record_broker_feature_array(&arena, m.features_len);
	if (m.end_points != NULL && m.features != NULL) {
		fill_registration(ctl, &m);
		register_broker_record_encode(
		    &m, mrec_begin(list, REGISTER_BROKER_RECORD_API_KEY, version), version);
		mrec_end(list);
		err = list->bytes.err;
	}
	arena_fini(&arena);
	return err;
}

static bool leads_any(const struct controller *ctl)
{
	IMAGE_TOPICS_FOREACH(ctl->next, topic)
	for (int32_t i = 0; i < topic->partitions_len; i++)
		if (image_partition_at(topic, i)->leader == ctl->options.node_id)
			return true;
	return false;
}

/*
 * Was the last stop a clean one of the registration that the log knows? The mark says so; but when
 * the metadata log has lost its end, what the stop wrote there is gone, and leaders are who they
 * were.
 */
static bool stopped_cleanly(const struct controller *ctl)
{
	const struct image_broker *broker = image_broker_find(ctl->next, ctl->options.node_id);

	return broker == NULL ||
	       (broker->epoch == ctl->options.previous_broker_epoch && !leads_any(ctl));
}

static enum err register_broker(struct controller *ctl, struct mrec_list *list)
{
	struct election election = nobody();
	enum err err = ERR_OK;

	election.unclean = ctl->options.node_id;
	if (!stopped_cleanly(ctl)) {
		log_info("meta", "the last stop was not clean: leaders are elected anew");
		err = run_all(ctl, &election, list);
	}
	ctl->broker_epoch = mlog_next_offset(ctl->log);
	if (err == ERR_OK)
		err = put_registration(ctl, list);
	return err != ERR_OK ? err : controller_submit(ctl, list);
}

static enum err unfence(struct controller *ctl, struct mrec_list *list)
{
	struct election election = nobody();

	election.add = ctl->options.node_id;
	put_broker_change(ctl, list, -1, 0);
	controller_put_cordoned(ctl, list);
	return run_all(ctl, &election, list);
}

/* -- start and stop ------------------------------------------------------------------------- */

static enum err start_steps(struct controller *ctl, struct mrec_list *list)
{
	enum err err = mlog_lead(ctl->log);

	if (err == ERR_OK)
		err = bootstrap(ctl, list);
	if (err == ERR_OK)
		err = register_broker(ctl, list);
	if (err == ERR_OK)
		err = controller_assign_dirs(ctl); /* who may lead depends on it */
	if (err == ERR_OK)
		err = unfence(ctl, list);
	return err != ERR_OK ? err : controller_flush_now(ctl);
}

enum err controller_start(struct controller *ctl)
{
	struct mrec_list list;
	enum err err;

	must_be(ctl, CONTROLLER_MAGIC);
	mrec_list_init(&list);
	err = start_steps(ctl, &list);
	mrec_list_fini(&list);
	if (err != ERR_OK) {
		log_error("meta", "cannot start the controller: %s", err_text(err));
		return err;
	}
	if (ctl->published->offline_len > 0)
		log_warn("meta", "%" PRId64 " of %" PRId64 " partitions have no leader",
			 ctl->published->offline_len, ctl->published->partitions_len);
	log_info("meta",
		 "broker %" PRId32 " registered with epoch %" PRId64 "; %zu topics, %" PRId64
		 " partitions",
		 ctl->options.node_id, ctl->broker_epoch, image_topics_len(ctl->published),
		 ctl->published->partitions_len);
	return ERR_OK;
}

void controller_stop(struct controller *ctl, struct controller_wait *wait)
{
	struct election election = nobody();
	struct mrec_list list;
	enum err err = controller_check(ctl);

	election.remove = ctl->options.node_id;
	mrec_list_init(&list);
	if (err == ERR_OK) {
		put_broker_change(ctl, &list, 0, 1);
		err = run_all(ctl, &election, &list);
	}
	if (err == ERR_OK) {
		put_broker_change(ctl, &list, 1, 0);
		err = controller_submit(ctl, &list);
	}
	mrec_list_fini(&list);
	ctl->stopping = true;
	loop_timer_stop(&ctl->snapshot_timer);
	if (err != ERR_OK)
		log_error("meta", "the controlled shutdown failed: %s", err_text(err));
	controller_commit(ctl, wait);
}
