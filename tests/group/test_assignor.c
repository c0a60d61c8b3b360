/* The assignors: what they give is whole, fair, wanted, and what was there stays where it may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "assign_lines.h"
#include "base/rnd.h"
#include "group/assignor.h"

#define TOPICS_MAX  6
#define MEMBERS_MAX 9
#define PARTS_MAX   12

struct setting {
	struct arena arena;
	struct assignor_topic topics[TOPICS_MAX];
	struct assignor_member members[MEMBERS_MAX];
	uint32_t subs[MEMBERS_MAX][TOPICS_MAX];
	char ids[MEMBERS_MAX][24];
	struct assignor_spec spec;
};

static void setting_members(struct setting *s, struct rnd *rnd, size_t len, bool alike)
{
	for (size_t m = 0; m < len; m++) {
		struct assignor_member *member = &s->members[m];

		snprintf(s->ids[m], sizeof(s->ids[m]), "m%zu", m);
		member->id = str_of(s->ids[m]);
		member->topics = s->subs[m];
		member->topics_len = 0;
		for (uint32_t t = 0; t < s->spec.topics_len; t++)
			if (alike || rnd_below(rnd, 2) == 0)
				s->subs[m][member->topics_len++] = t;
	}
	s->spec.members = s->members;
	s->spec.members_len = len;
}

static void setting_init(struct setting *s, struct rnd *rnd, bool alike)
{
	*s = (struct setting){0};
	arena_init(&s->arena, 1 << 24);
	s->spec.topics_len = 1 + rnd_below(rnd, TOPICS_MAX);
	s->spec.topics = s->topics;
	for (size_t t = 0; t < s->spec.topics_len; t++)
		s->topics[t] =
		    (struct assignor_topic){uuid_of(7, t), (int32_t)rnd_below(rnd, PARTS_MAX + 1)};
	setting_members(s, rnd, 1 + rnd_below(rnd, MEMBERS_MAX), alike);
}

static bool subscribes(const struct assignor_member *member, uint32_t topic)
{
	for (size_t i = 0; i < member->topics_len; i++)
		if (member->topics[i] == topic)
			return true;
	return false;
}

/* Each partition that anybody wants has exactly one owner, who wants it. */
static void check_whole(const struct setting *s)
{
	for (uint32_t t = 0; t < s->spec.topics_len; t++) {
		for (int32_t p = 0; p < s->topics[t].partitions_len; p++) {
			size_t owners = 0, wanted = 0;

			for (size_t m = 0; m < s->spec.members_len; m++) {
				bool has = tpset_find(s->members[m].target, s->topics[t].id, p);

				wanted += subscribes(&s->members[m], t);
				owners += has;
				assert_true(!has || subscribes(&s->members[m], t));
			}
			assert_int_equal(owners, wanted > 0);
		}
	}
	for (size_t m = 0; m < s->spec.members_len; m++)
		for (size_t i = 1; i < s->members[m].target.len; i++)
			assert_true(tp_compare(&s->members[m].target.at[i - 1],
					       &s->members[m].target.at[i]) < 0);
}

/* No partition could move to a subscriber that has less by two. */
static void check_fair(const struct setting *s)
{
	for (size_t from = 0; from < s->spec.members_len; from++)
		for (size_t to = 0; to < s->spec.members_len; to++)
			for (uint32_t t = 0; t < s->spec.topics_len; t++) {
				bool could = false;

				for (int32_t p = 0; p < s->topics[t].partitions_len; p++)
					could = could || tpset_find(s->members[from].target,
								    s->topics[t].id, p) != NULL;
				if (could && subscribes(&s->members[to], t))
					assert_true(s->members[from].target.len <=
						    s->members[to].target.len + 1);
			}
}

static void uniform_is_whole_and_fair(void **state)
{
	struct rnd rnd;

	(void)state;
	rnd_init_seed(&rnd, 11);
	for (int round = 0; round < 2000; round++) {
		struct setting s;

		setting_init(&s, &rnd, round % 2 == 0);
		assert_int_equal(assignor_uniform(&s.spec, &s.arena), ERR_OK);
		check_whole(&s);
		check_fair(&s);
		arena_fini(&s.arena);
	}
}

/* When one leaves or joins a group of one mind, only what has to move moves. */
static void uniform_is_sticky(void **state)
{
	struct rnd rnd;

	(void)state;
	rnd_init_seed(&rnd, 12);
	for (int round = 0; round < 2000; round++) {
		struct setting s;
		size_t total = 0, kept = 0, len;

		setting_init(&s, &rnd, true);
		len = s.spec.members_len;
		assert_int_equal(assignor_uniform(&s.spec, &s.arena), ERR_OK);
		for (size_t m = 0; m < len; m++) {
			s.members[m].before = s.members[m].target;
			total += s.members[m].target.len;
		}
		if (len < MEMBERS_MAX)
			setting_members(&s, &rnd, len + 1, true);
		assert_int_equal(assignor_uniform(&s.spec, &s.arena), ERR_OK);
		check_whole(&s);
		check_fair(&s);
		for (size_t m = 0; m < len; m++)
			kept += tpset_and(s.members[m].before, s.members[m].target, &s.arena).len;
		if (s.spec.members_len > len)
			assert_int_equal(kept, total - s.members[len].target.len);
		else
			assert_int_equal(kept, total);
		arena_fini(&s.arena);
	}
}

/* Every partition with a random member, or with nobody. */
static void setting_had(struct setting *s, struct rnd *rnd)
{
	struct tp *had[MEMBERS_MAX];
	size_t len[MEMBERS_MAX] = {0};

	for (size_t m = 0; m < s->spec.members_len; m++)
		had[m] = arena_array(&s->arena, TOPICS_MAX * PARTS_MAX + 1, sizeof(**had));
	for (size_t t = 0; t < s->spec.topics_len; t++)
		for (int32_t p = 0; p < s->topics[t].partitions_len; p++) {
			size_t m = rnd_below(rnd, s->spec.members_len + 1);

			if (m < s->spec.members_len)
				had[m][len[m]++] = (struct tp){s->topics[t].id, p, 0};
		}
	for (size_t m = 0; m < s->spec.members_len; m++)
		s->members[m].before = tpset_make(had[m], len[m]);
}

/* What is to move in a group of one mind, whoever had what, is what somebody had too much. */
static void r5_uniform_moves_no_more_than_it_must(void **state)
{
	struct rnd rnd;

	(void)state;
	rnd_init_seed(&rnd, 15);
	for (int round = 0; round < 2000; round++) {
		size_t total = 0, kept = 0, may_stay = 0, extra, share;
		struct setting s;

		setting_init(&s, &rnd, true);
		setting_had(&s, &rnd);
		for (size_t t = 0; t < s.spec.topics_len; t++)
			total += (size_t)s.topics[t].partitions_len;
		share = total / s.spec.members_len;
		extra = total % s.spec.members_len;
		assert_int_equal(assignor_uniform(&s.spec, &s.arena), ERR_OK);
		for (size_t m = 0; m < s.spec.members_len; m++) {
			struct assignor_member *member = &s.members[m];
			size_t one_more = member->before.len > share && extra > 0;

			extra -= one_more;
			may_stay +=
			    member->before.len < share ? member->before.len : share + one_more;
			kept += tpset_and(member->before, member->target, &s.arena).len;
		}
		assert_int_equal(kept, may_stay);
		arena_fini(&s.arena);
	}
}

/* A log or a classic member may say anything of what was assigned. */
static void r5_what_does_not_exist_is_not_kept(void **state)
{
	struct tp before[] = {{.topic = uuid_of(7, 0), .partition = -2},
			      {.topic = uuid_of(7, 0), .partition = 1},
			      {.topic = uuid_of(7, 0), .partition = INT32_MAX},
			      {.topic = uuid_of(8, 0), .partition = 0}};
	struct setting s;
	struct rnd rnd;

	(void)state;
	rnd_init_seed(&rnd, 14);
	setting_init(&s, &rnd, true);
	s.spec.topics_len = 1;
	s.topics[0].partitions_len = 3;
	setting_members(&s, &rnd, 2, true);
	s.members[1].before = tpset_make(before, ARRAY_LEN(before));
	assert_int_equal(assignor_uniform(&s.spec, &s.arena), ERR_OK);
	check_whole(&s);
	assert_non_null(tpset_find(s.members[1].target, s.topics[0].id, 1));
	arena_fini(&s.arena);
}

static void range_is_whole_and_in_ranges(void **state)
{
	struct rnd rnd;

	(void)state;
	rnd_init_seed(&rnd, 13);
	for (int round = 0; round < 2000; round++) {
		struct setting s;

		setting_init(&s, &rnd, round % 2 == 0);
		assert_int_equal(assignor_range(&s.spec, &s.arena), ERR_OK);
		check_whole(&s);
		for (size_t m = 0; m < s.spec.members_len; m++)
			for (size_t i = 1; i < s.members[m].target.len; i++) {
				const struct tp *at = &s.members[m].target.at[i];

				if (uuid_eq(at->topic, at[-1].topic))
					assert_int_equal(at->partition, at[-1].partition + 1);
			}
		arena_fini(&s.arena);
	}
}

/* As Kafka's documents have it: 2 topics of 3, 2 members: 0 1 and 2, alike in both topics. */
static void range_gives_topics_alike(void **state)
{
	struct setting s;
	struct rnd rnd;

	(void)state;
	rnd_init_seed(&rnd, 1);
	setting_init(&s, &rnd, true);
	s.spec.topics_len = 2;
	s.topics[0] = (struct assignor_topic){uuid_of(1, 1), 3};
	s.topics[1] = (struct assignor_topic){uuid_of(1, 2), 3};
	setting_members(&s, &rnd, 2, true);
	s.members[1].instance_id = STR("a"); /* static members come first */
	assert_int_equal(assignor_range(&s.spec, &s.arena), ERR_OK);
	assert_int_equal(s.members[1].target.len, 4);
	assert_int_equal(s.members[0].target.len, 2);
	assert_non_null(tpset_find(s.members[0].target, uuid_of(1, 1), 2));
	assert_non_null(tpset_find(s.members[0].target, uuid_of(1, 2), 2));
	arena_fini(&s.arena);
}

static void names_of_assignors(void **state)
{
	(void)state;
	assert_true(assignor_by_name(STR("range")) == assignor_range);
	assert_true(assignor_by_name(STR("uniform")) == assignor_uniform);
	assert_null(assignor_by_name(STR("sticky")));
}

static void a_set_is_sorted_and_without_doubles(void **state)
{
	struct tp list[] = {{uuid_of(2, 0), 1, 0},
			    {uuid_of(1, 0), 5, 0},
			    {uuid_of(2, 0), 0, 0},
			    {uuid_of(1, 0), 5, 0}};
	struct tpset set = tpset_make(list, 4);

	(void)state;
	assert_int_equal(set.len, 3);
	assert_int_equal(set.at[0].partition, 5);
	assert_int_equal(tpset_run(set, 1), 2);
	assert_null(tpset_find(set, uuid_of(1, 0), 4));
	assert_true(tpset_contains(set, (struct tpset){set.at + 1, 2}));
	assert_false(tpset_contains((struct tpset){set.at + 1, 2}, set));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(uniform_is_whole_and_fair),
	    cmocka_unit_test(uniform_is_sticky),
	    cmocka_unit_test(r5_uniform_moves_no_more_than_it_must),
	    cmocka_unit_test(r5_what_does_not_exist_is_not_kept),
	    cmocka_unit_test(range_is_whole_and_in_ranges),
	    cmocka_unit_test(range_gives_topics_alike),
	    cmocka_unit_test(names_of_assignors),
	    cmocka_unit_test(a_set_is_sorted_and_without_doubles),
	};

	if (argc > 1 && strcmp(argv[1], "--lines") == 0)
		return assign_lines();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
