/* What the files of consumer groups share; nobody else includes it. */
#ifndef GROUP_CONSUMER_INT_H
#define GROUP_CONSUMER_INT_H

#include "group/consumer.h"
#include "group/group_int.h"

/* Of a group before its first member; in Kafka, too, the first assignment is of the next one. */
#define CONSUMER_EPOCH_FIRST 1

struct cmember {
	struct group *group;
	struct str id;
	bool known; /* its member record is there; else it is what other records left */
	struct consumer_about about;
	int32_t epoch, previous_epoch;
	enum consumer_member_state state;
	struct tpset assigned, revoking; /* what it has; of that, what it shall give back */
	struct tpset target;		 /* what it is to have */
	bool leaving;			 /* in the event at hand */
	struct deadline session, rebalance;
	struct deadline join, sync; /* of a classic one */
	int32_t rebalance_epoch;    /* in which `rebalance` was set */
	UT_hash_handle hh;	    /* consumer->members */
	UT_hash_handle hh_instance; /* consumer->statics */
};

/* Who has a partition: nobody else may be given it meanwhile. */
struct cowner {
	struct tp tp; /* the key, without its epoch */
	struct cmember *member;
	UT_hash_handle hh;
};

/* What a pattern matched when it was last looked at. */
struct cregex {
	struct str regex;
	struct str *topics;
	size_t topics_len;
	int64_t version, made_ms;
	UT_hash_handle hh;
};

struct consumer {
	int32_t epoch;	       /* of the group */
	int64_t metadata_hash; /* of its topics when the epoch was set */
	int32_t assignment_epoch;
	int64_t assignment_ms;
	uint64_t topics_version; /* of the topics that metadata_hash was last compared with */
	bool topics_seen;
	struct cmember *members, *statics;
	struct cowner *owners;
	struct cregex *regexes;
	/* Members that speak the classic protocol, and what they offer. */
	size_t classics_len;
	struct protocol_count *protocols;
};

/* A member as it will be when this event's records are in: what handlers compute with. */
struct cnext {
	const struct cmember *old; /* as it is; NULL when new */
	struct str id;
	struct consumer_about about;
	int32_t epoch, previous_epoch;
	enum consumer_member_state state;
	struct tpset assigned, revoking, target;
	bool stepped; /* by consumer_reconcile() */
};

/* One event on one group. */
struct cevent {
	struct shard *shard;
	struct consumer *c; /* NULL: the group is not there yet */
	struct moment now;
	const struct consumer_cfg *cfg; /* NULL outside of a member's request */
	struct fx *fx;
	struct str group_id;
	/* The one that changes, and the one that goes: either may be NULL. */
	struct cnext *next;
	const struct cmember *gone;
	int32_t epoch, assignment_epoch; /* as they will be */
	const struct consumer_record
	    *resolved; /* a pattern that this event has looked at, or NULL */
};

/* A walk over the members as of after the event; zeroed at its begin. `member` is NULL at the one
 * that changes. */
struct cpos {
	bool begun, next_given;
	const struct cmember *member;
};

/* -- consumer_state.c: state from records -- */
void consumer_replay(struct group *group, const struct fx_record *record);
/* All members and the rest go; answers nobody: heartbeats do not wait. */
void consumer_clear(struct group *group);
/* After the log is in: drops what is no member, sets sessions. */
void consumer_loaded(struct group *group, struct moment now);
struct cmember *consumer_find(const struct consumer *c, struct str id);
struct cmember *consumer_find_static(const struct consumer *c, struct str instance_id);
/* NULL: free. */
const struct cmember *consumer_owner(const struct consumer *c, const struct tp *tp);
size_t consumer_members_len(const struct consumer *c);
struct str consumer_state_name(const struct consumer *c);

/* -- consumer_update.c: a member's word, in either protocol; all but three want ev->next ---- */
/* For a member that has none: lives as long as the event. */
struct str consumer_new_id(struct shard *shard, struct fx *fx);
struct tpset consumer_copy_set(struct fx *fx, struct tpset set);
const struct join_protocol *consumer_copy_protocols(struct fx *fx, const struct join_protocol *list,
						    size_t len);
/* May it come in? ERR_GROUP_MAX_SIZE_REACHED, ERR_COORDINATOR_NOT_AVAILABLE. */
enum err consumer_check_room(const struct cevent *ev, struct str member_id) must_check;
/* ev->next is a new member, or goes on from what a member is. */
void consumer_begin_new(struct cevent *ev, struct str id);
void consumer_continue(struct cevent *ev, const struct cmember *member);
/* ev->next takes a static member's place, with all that it had. */
void consumer_replace(struct cevent *ev, const struct cmember *member, struct str id);
void consumer_take_str(struct str *field, struct str told); /* null: as it was */
/* What came of it, once ev->next->about is as it will be. */
struct update_told {
	bool is_new;	   /* there is something to be written */
	bool subscription; /* and to be assigned anew */
};
struct update_told consumer_told(struct cevent *ev, const struct consumer_about *before);
/* A new epoch of the group, where subscriptions or topics have changed. */
void consumer_bump(struct cevent *ev, bool subscription_changed);
/* A new target, where there is a new epoch and it is time for it. */
enum err consumer_maybe_assign(struct cevent *ev) must_check;

/* -- consumer_emit.c: records from what is to be -- */
void consumer_emit_group(struct cevent *ev, int64_t metadata_hash);
void consumer_emit_member(struct cevent *ev, struct str id, const struct consumer_about *about);
void consumer_emit_current(struct cevent *ev, const struct cnext *next);
void consumer_emit_target(struct cevent *ev, struct str id, struct tpset target);
void consumer_emit_target_epoch(struct cevent *ev, int64_t made_ms);
void consumer_emit_removal(struct cevent *ev, struct str member);
/* All of the group, with ev->next where it has records by now. */
void consumer_emit_tombstones(struct cevent *ev);
void consumer_emit_all_tombstones(const struct group *group, struct fx *fx);

/* -- consumer_topics.c: what members subscribe to -- */
/* NULL at the end. */
const struct consumer_about *consumer_next_about(const struct cevent *ev, struct cpos *pos);
/* Topic names of all members, sorted, without doubles, as of after the event. */
void consumer_subscribed(const struct cevent *ev, struct str **names, size_t *names_len);
/* Of one member: its names and what its pattern matches. */
void consumer_subscription(const struct cevent *ev, const struct consumer_about *about,
			   struct str **names, size_t *names_len);
/* The same names and the same pattern. */
bool consumer_same_subscription(const struct consumer_about *a, const struct consumer_about *b);
/* A sorted copy without doubles. */
const struct str *consumer_sort_names(struct fx *fx, const struct str *names, size_t *len);
/* Changes when a subscribed topic comes, goes, or grows. */
int64_t consumer_hash(const struct cevent *ev, const struct str *names, size_t names_len);
bool consumer_is_subscribed(const struct consumer *c, struct str topic);

/* -- consumer_target.c -- */
/* The assignor that most members name; the default where none has a wish. */
struct str consumer_assignor(const struct cevent *ev);
/* A new target assignment for ev->epoch, into records; ev->next->target is set. */
enum err consumer_assign(struct cevent *ev) must_check;

/* -- consumer_reconcile.c -- */
/*
 * A step of the member towards its target; emits it when there was one. ERR_FENCED_MEMBER_EPOCH:
 * nobody here can tell where it stands.
 */
enum err consumer_reconcile(struct cevent *ev, bool subscription_changed, bool has_owned,
			    struct tpset owned) must_check;

/* -- consumer_leave.c -- */
/* An event on a group that is there. */
struct cevent consumer_event(struct group *group, struct moment now, struct fx *fx);
/* Out of the group, by its will or not. */
void consumer_remove(struct cevent *ev, struct cmember *member);
/* LeaveGroup, which may name members of both protocols. */
void consumer_leave(struct group *group, struct moment now, struct leave_member *members,
		    size_t members_len, struct fx *fx);
void consumer_session_due(struct cmember *member, struct moment now, struct fx *fx);
void consumer_rebalance_due(struct cmember *member, struct moment now, struct fx *fx);
void consumer_join_due(struct cmember *member, struct moment now, struct fx *fx);
void consumer_sync_due(struct cmember *member, struct moment now, struct fx *fx);
void consumer_settle(struct shard *shard, struct moment now, const struct fx_consumer *done);

/* -- consumer_classic.c: members that speak the classic protocol -- */
void consumer_join(struct group *group, struct moment now, const struct join_ask *ask,
		   struct fx *fx);
void consumer_settle_joined(struct shard *shard, struct moment now, struct fx *fx, enum err err);
void consumer_sync(struct group *group, struct moment now, const struct sync_ask *ask,
		   struct fx *fx);
enum err consumer_beat(struct group *group, struct moment now, struct str member_id,
		       struct str instance_id, int32_t generation) must_check;

/* -- consumer_regex.c -- */
/*
 * Looks at which topics the pattern of ev->next is for, where that is not known or may have
 * changed; emits what it found. text: the one that the member now says, null: as before.
 * ERR_INVALID_REGULAR_EXPRESSION with a message.
 */
enum err consumer_resolve(struct cevent *ev, struct str text, struct str *message) must_check;
/* After ev->gone or ev->next is known: patterns that no member has any more get tombstones. */
void consumer_drop_unused_regex(struct cevent *ev, struct str regex);

#endif
