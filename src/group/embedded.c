/* The consumer protocol inside the classic one. See embedded.h. */
#include "group/embedded.h"

#include "proto/consumer_protocol_assignment.h"
#include "proto/consumer_protocol_subscription.h"

#define VERSION_MAX CONSUMER_PROTOCOL_SUBSCRIPTION_MAX_VERSION
_Static_assert(CONSUMER_PROTOCOL_ASSIGNMENT_MAX_VERSION == VERSION_MAX, "both have the same");
/* More than that no group of ours can have. */
#define ASSIGNMENT_MAX_BYTES ((size_t)256 << 20)

/* False: there is none. */
static bool embedded_version(struct rd *rd, int *version)
{
	*version = rd_int16(rd);
	if (*version > VERSION_MAX)
		*version = VERSION_MAX;
	return rd->err == ERR_OK && *version >= 0;
}

/* -- reading ------------------------------------------------------------------------------- */

/* In both messages a topic is its name and its partitions. */
#define NAMED_PARTITIONS     struct consumer_protocol_subscription_topic_partition
#define NAMED_PARTITIONS_TOO struct consumer_protocol_assignment_topic_partition
_Static_assert(sizeof(NAMED_PARTITIONS) == sizeof(NAMED_PARTITIONS_TOO) &&
		   offsetof(NAMED_PARTITIONS, topic) == offsetof(NAMED_PARTITIONS_TOO, topic) &&
		   offsetof(NAMED_PARTITIONS, partitions) ==
		       offsetof(NAMED_PARTITIONS_TOO, partitions) &&
		   offsetof(NAMED_PARTITIONS, partitions_len) ==
		       offsetof(NAMED_PARTITIONS_TOO, partitions_len),
	       "both say it alike");

static struct tpset embedded_set(const NAMED_PARTITIONS *topics, size_t topics_len,
				 const struct consumer_topics *view, struct fx *fx)
{
	size_t count = 0, len = 0;
	struct tp *list;

	for (size_t i = 0; i < topics_len; i++)
		count += topics[i].partitions_len;
	list = fx_alloc(fx, count, sizeof(*list));
	for (size_t i = 0; i < topics_len; i++) {
		int32_t partitions_len;
		struct uuid id;

		if (view == NULL ||
		    !view->by_name(view->ctx, topics[i].topic, &id, &partitions_len))
			continue;
		for (size_t k = 0; k < topics[i].partitions_len; k++)
			list[len++] =
			    (struct tp){.topic = id, .partition = topics[i].partitions[k]};
	}
	return tpset_make(list, len);
}

bool embedded_read_subscription(struct bytes metadata, const struct consumer_topics *view,
				struct fx *fx, struct embedded_subscription *out)
{
	struct consumer_protocol_subscription v;
	struct rd rd = rd_of(metadata);
	int version;

	*out = (struct embedded_subscription){0};
	if (metadata.len > EMBEDDED_MAX_BYTES || !embedded_version(&rd, &version) ||
	    consumer_protocol_subscription_decode(&v, &rd, version, &fx->arena) != ERR_OK)
		return false;
	out->topics = v.topics;
	out->topics_len = v.topics_len;
	out->rack_id = v.rack_id;
	out->owned = embedded_set(v.owned_partitions, v.owned_partitions_len, view, fx);
	return true;
}

bool embedded_read_assignment(struct bytes assignment, const struct consumer_topics *view,
			      struct fx *fx, struct tpset *out, bool *has_user_data)
{
	struct consumer_protocol_assignment v;
	struct rd rd = rd_of(assignment);
	int version;

	*out = TPSET_NONE;
	*has_user_data = false;
	if (assignment.len == 0)
		return true;
	if (assignment.len > EMBEDDED_MAX_BYTES || !embedded_version(&rd, &version) ||
	    consumer_protocol_assignment_decode(&v, &rd, version, &fx->arena) != ERR_OK)
		return false;
	*has_user_data = v.user_data.len > 0;
	*out = embedded_set((const NAMED_PARTITIONS *)v.assigned_partitions,
			    v.assigned_partitions_len, view, fx);
	return true;
}

/* -- writing ------------------------------------------------------------------------------- */

/* The topic's name; null when it is gone. */
static struct str embedded_name(const struct consumer_topics *view, struct uuid id)
{
	struct str name;

	return view != NULL && view->by_id(view->ctx, id, &name) ? name : STR_NULL;
}

struct bytes embedded_write_assignment(struct tpset set, struct bytes metadata,
				       const struct consumer_topics *view, struct fx *fx)
{
	struct rd rd = rd_of(metadata);
	struct bytes written;
	size_t topics = 0;
	struct wr wr;
	int version;

	if (!embedded_version(&rd, &version))
		version = 0;
	for (size_t i = 0; i < set.len; i += tpset_run(set, i))
		topics += embedded_name(view, set.at[i].topic).ptr != NULL;
	wr_init(&wr, ASSIGNMENT_MAX_BYTES);
	wr_int16(&wr, (int16_t)version);
	wr_array(&wr, topics, false, false);
	for (size_t i = 0, run; i < set.len; i += run) {
		struct str name = embedded_name(view, set.at[i].topic);

		run = tpset_run(set, i);
		if (name.ptr == NULL)
			continue;
		wr_str(&wr, name, false, false);
		wr_array(&wr, run, false, false);
		for (size_t k = i; k < i + run; k++)
			wr_int32(&wr, set.at[k].partition);
	}
	wr_bytes(&wr, BYTES_NULL, false, true); /* no user data */
	must(wr.err == ERR_OK);
	written = fx_bytes(fx, wr_written(&wr));
	wr_fini(&wr);
	return written;
}
