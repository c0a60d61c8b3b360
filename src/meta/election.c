/* The change of one partition: see election.h. */
#include "meta/election.h"

#include <stdlib.h>

#include "proto/partition_change_record.h"

#define RECOVERING 1

/* A list of replicas in the making; never longer than the room that it was given. */
struct set {
	int32_t *ids;
	size_t len;
};

struct run {
	const struct election *election;
	const struct image_partition *part;
	bool elr_enabled;
	struct set isr, elr;
	int32_t leader;
	bool unclean;
	bool isr_forced; /* by an unclean election */
};

static bool has(const int32_t *ids, size_t len, int32_t id)
{
	for (size_t i = 0; i < len; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static bool set_has(const struct set *set, int32_t id)
{
	return has(set->ids, set->len, id);
}

static void set_only(struct set *set, int32_t id)
{
	set->ids[0] = id;
	set->len = 1;
}

static void set_drop(struct set *set, int32_t id)
{
	size_t n = 0;

	for (size_t i = 0; i < set->len; i++)
		if (set->ids[i] != id)
			set->ids[n++] = set->ids[i];
	set->len = n;
}

static bool set_is(const struct set *set, struct image_ids ids)
{
	return set->len == ids.len &&
	       (ids.len == 0 || memcmp(set->ids, ids.ptr, ids.len * sizeof(*ids.ptr)) == 0);
}

/* -- who may lead --------------------------------------------------------------------------- */

static bool acceptable(const struct run *run, int32_t id)
{
	const struct election *election = run->election;
	const struct image_broker *broker = image_broker_find(election->img, id);
	struct image_ids replicas = image_replicas(run->part);

	if (broker == NULL || id == election->remove || id == election->unclean)
		return false;
	if (id != election->add && (broker->fenced || broker->in_shutdown))
		return false;
	for (size_t i = 0; i < replicas.len; i++)
		if (replicas.ptr[i] == id)
			return image_broker_has_dir(broker, run->part->directories[i]);
	return false;
}

static bool valid_leader(const struct run *run, int32_t id)
{
	if (!set_has(&run->isr, id) && (run->isr.len > 0 || !set_has(&run->elr, id)))
		return false;
	return acceptable(run, id);
}

static bool last_known_may_lead(const struct run *run)
{
	return run->elr_enabled && run->elr.len == 0 && run->isr.len == 0 &&
	       run->part->last_known_elr_len == 1;
}

static void elect(struct run *run)
{
	struct image_ids replicas = image_replicas(run->part);

	if (valid_leader(run, run->part->leader)) {
		run->leader = run->part->leader;
		return;
	}
	for (size_t i = 0; i < replicas.len; i++) {
		if (valid_leader(run, replicas.ptr[i])) {
			run->leader = replicas.ptr[i];
			return;
		}
	}
	run->unclean = true;
	if (last_known_may_lead(run) && acceptable(run, image_last_known_elr(run->part).ptr[0])) {
		run->leader = image_last_known_elr(run->part).ptr[0];
		return;
	}
	for (size_t i = 0; run->election->unclean_allowed && i < replicas.len; i++) {
		if (acceptable(run, replicas.ptr[i])) {
			run->leader = replicas.ptr[i];
			return;
		}
	}
	run->unclean = false;
	run->leader = IMAGE_NO_LEADER;
}

/* -- the sets ------------------------------------------------------------------------------- */

static void target_isr(struct run *run)
{
	struct image_ids isr = image_isr(run->part);

	for (size_t i = 0; i < isr.len; i++)
		if (isr.ptr[i] != run->election->remove && isr.ptr[i] != run->election->unclean)
			run->isr.ids[run->isr.len++] = isr.ptr[i];
}

static void elr_add(struct run *run, struct image_ids from)
{
	for (size_t i = 0; i < from.len; i++)
		if (!set_has(&run->isr, from.ptr[i]) && !set_has(&run->elr, from.ptr[i]) &&
		    from.ptr[i] != run->election->unclean)
			run->elr.ids[run->elr.len++] = from.ptr[i];
}

/* Those who were in sync when the ISR fell under the minimum stay eligible. */
static void target_elr(struct run *run)
{
	size_t min_isr = run->part->replicas_len;

	if ((size_t)run->election->min_isr < min_isr)
		min_isr = (size_t)run->election->min_isr;
	if (!run->elr_enabled || run->isr.len >= min_isr)
		return;
	elr_add(run, image_elr(run->part));
	elr_add(run, image_isr(run->part));
}

/* -- the record ----------------------------------------------------------------------------- */

static void fill_leader(struct run *run, struct partition_change_record *m)
{
	if (run->leader == run->part->leader)
		return;
	m->leader = run->leader;
	if (run->unclean) {
		set_only(&run->isr, run->leader);
		run->isr_forced = true;
		if (run->part->leader_recovery_state != RECOVERING)
			m->leader_recovery_state = RECOVERING;
	} else if (set_has(&run->elr, run->leader)) {
		set_only(&run->isr, run->leader);
		set_drop(&run->elr, run->leader);
	}
}

static void fill_sets(struct run *run, struct partition_change_record *m)
{
	if (run->isr_forced || !run->elr_enabled)
		run->elr.len = 0;
	if (!set_is(&run->elr, image_elr(run->part))) {
		m->eligible_leader_replicas = run->elr.ids;
		m->eligible_leader_replicas_len = run->elr.len;
	}
	if (run->isr_forced ||
	    ((run->isr.len > 0 || run->elr_enabled) && !set_is(&run->isr, image_isr(run->part)))) {
		m->isr = run->isr.ids;
		m->isr_len = run->isr.len;
	}
}

/*
 * The last leader is kept when the ISR becomes empty, and forgotten when there is a leader again.
 */
static void fill_last_known(struct run *run, struct partition_change_record *m)
{
	struct image_ids known = image_last_known_elr(run->part);
	int32_t leader = run->part->leader;

	if (!run->elr_enabled)
		return;
	if (m->isr != NULL && m->isr_len == 0 && (known.len != 1 || known.ptr[0] != leader)) {
		m->last_known_elr = (int32_t *)&run->part->leader;
		m->last_known_elr_len = 1;
	} else if ((m->leader >= 0 ||
		    (leader != IMAGE_NO_LEADER && m->leader != IMAGE_NO_LEADER)) &&
		   known.len > 0) {
		m->last_known_elr = PROTO_EMPTY;
	}
}

static bool changes(const struct partition_change_record *m)
{
	return m->isr != NULL || m->leader != -2 || m->leader_recovery_state != -1 ||
	       m->eligible_leader_replicas != NULL || m->last_known_elr != NULL;
}

static void add_record(const struct partition_change_record *m, const struct image *img,
		       struct mrec_list *list)
{
	int16_t metadata_version = image_feature_level(img, STR("metadata.version"));
	int version = mrec_version_partition_change(metadata_version);

	partition_change_record_encode(m,
				       mrec_begin(list, PARTITION_CHANGE_RECORD_API_KEY, version),
				       version);
	mrec_end(list);
}

enum err election_run(const struct election *election, struct uuid topic_id, int32_t idx,
		      const struct image_partition *part, struct mrec_list *list)
{
	size_t room = (size_t)part->replicas_len + part->isr_len + part->elr_len + 1;
	struct run run = {.election = election, .part = part};
	struct partition_change_record m;
	int32_t *ids = calloc(2 * room, sizeof(*ids));

	if (ids == NULL)
		return ERR_NOMEM;
	run.isr.ids = ids;
	run.elr.ids = ids + room;
	run.elr_enabled =
	    image_feature_level(election->img, STR("eligible.leader.replicas.version")) > 0;
	target_isr(&run);
	target_elr(&run);
	elect(&run);
	partition_change_record_init(&m);
	m.topic_id = topic_id;
	m.partition_id = idx;
	fill_leader(&run, &m);
	fill_sets(&run, &m);
	fill_last_known(&run, &m);
	if (changes(&m))
		add_record(&m, election->img, list);
	free(ids);
	return list->bytes.err;
}
