/* Elections: who leads, who is in sync, who stays eligible; rules of KIP-966 as Apache Kafka 4.3
 * has them. */
#include "image_make.h"

#include "meta/election.h"

/* Brokers 1 to 3, replicas of one partition; 3 is fenced. */
struct cluster {
	struct image *img;
	struct mrec_list list;
	struct election election;
};

static struct cluster cluster;

static void put(struct image_ids isr, struct image_ids elr, struct image_ids last_known,
		int32_t leader)
{
	static const int32_t replicas[] = {1, 2, 3};
	static const struct uuid dirs[3] = {{{9, 9, 9}}, {{9, 9, 9}}, {{9, 9, 9}}};
	struct image_partition_state state = {
	    .leader = leader,
	    .leader_epoch = 5,
	    .partition_epoch = 7,
	    .replicas = {replicas, 3},
	    .isr = isr,
	    .elr = elr,
	    .last_known_elr = last_known,
	    .directories = dirs,
	};

	assert_int_equal(image_partition_put(cluster.img, make_id(1), 0, &state), ERR_OK);
}

#define NONE ((struct image_ids){NULL, 0})
#define IDS(...) \
	((struct image_ids){(const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / 4})

/* Runs the election and applies its record; how many records there were. */
static size_t run(void)
{
	size_t len;

	cluster.election.img = cluster.img;
	assert_int_equal(election_run(&cluster.election, make_id(1), 0,
				      image_partition_find(cluster.img, make_id(1), 0),
				      &cluster.list),
			 ERR_OK);
	len = cluster.list.len;
	apply_all(cluster.img, &cluster.list);
	return len;
}

static void expect_ids(struct image_ids got, struct image_ids expected)
{
	assert_int_equal(got.len, expected.len);
	for (size_t i = 0; i < got.len; i++)
		assert_int_equal(got.ptr[i], expected.ptr[i]);
}

static void expect(struct image_ids isr, struct image_ids elr, struct image_ids last_known,
		   int32_t leader, int32_t leader_epoch)
{
	const struct image_partition *part = image_partition_find(cluster.img, make_id(1), 0);

	expect_ids(image_isr(part), isr);
	expect_ids(image_elr(part), elr);
	expect_ids(image_last_known_elr(part), last_known);
	assert_int_equal(part->leader, leader);
	assert_int_equal(part->leader_epoch, leader_epoch);
}

static int set_up(void **state)
{
	cluster.img = image_new(STR("c"));
	mrec_list_init(&cluster.list);
	make_feature(&cluster.list, "metadata.version", 30);
	make_feature(&cluster.list, "eligible.leader.replicas.version", 1);
	make_topic(&cluster.list, make_id(1), "t");
	for (int32_t id = 1; id <= 3; id++) {
		make_broker(&cluster.list, id, 10 + id);
		if (id < 3)
			make_broker_change(&cluster.list, id, 10 + id, -1, 0);
	}
	apply_all(cluster.img, &cluster.list);
	cluster.election = (struct election){.remove = ELECTION_NOBODY,
					     .add = ELECTION_NOBODY,
					     .unclean = ELECTION_NOBODY,
					     .min_isr = 1};
	return 0;
}

static int tear_down(void **state)
{
	image_unref(cluster.img);
	mrec_list_fini(&cluster.list);
	return 0;
}

static void nothing_changes_with_a_good_leader(void **state)
{
	put(IDS(1, 2), NONE, NONE, 1);
	assert_int_equal(run(), 0);
}

static void leader_moves_within_the_isr(void **state)
{
	cluster.election.remove = 1;
	put(IDS(1, 2), NONE, NONE, 1);
	assert_int_equal(run(), 1);
	expect(IDS(2), NONE, NONE, 2, 6);
}

static void shrinking_isr_keeps_leader_and_epoch(void **state)
{
	cluster.election.remove = 2;
	put(IDS(1, 2), NONE, NONE, 1);
	run();
	expect(IDS(1), NONE, NONE, 1, 5);
}

static void those_below_min_isr_stay_eligible(void **state)
{
	cluster.election.min_isr = 2;
	cluster.election.remove = 2;
	put(IDS(1, 2), NONE, NONE, 1);
	run();
	expect(IDS(1), IDS(2), NONE, 1, 5);
	cluster.election.remove = 1;
	run();
	/* 2 is live and eligible now that nobody is in sync. */
	expect(IDS(2), IDS(1), NONE, 2, 6);
}

static void last_one_leaves_for_elr_and_is_remembered(void **state)
{
	cluster.election.remove = 1;
	put(IDS(1), NONE, NONE, 1);
	run();
	expect(NONE, IDS(1), IDS(1), -1, 6);
	cluster.election.remove = ELECTION_NOBODY;
	run();
	expect(IDS(1), NONE, NONE, 1, 7);
	assert_int_equal(image_partition_find(cluster.img, make_id(1), 0)->leader_recovery_state,
			 0);
}

static void unclean_stop_leaves_only_the_last_known_leader(void **state)
{
	cluster.election.unclean = 1;
	put(IDS(1), NONE, NONE, 1);
	run();
	expect(NONE, NONE, IDS(1), -1, 6);
	cluster.election.unclean = ELECTION_NOBODY;
	run();
	expect(IDS(1), NONE, NONE, 1, 7);
	assert_int_equal(image_partition_find(cluster.img, make_id(1), 0)->leader_recovery_state,
			 1);
}

static void unclean_stop_after_fencing_clears_elr(void **state)
{
	cluster.election.unclean = 1;
	put(NONE, IDS(1), IDS(1), -1);
	assert_int_equal(run(), 1);
	expect(NONE, NONE, IDS(1), -1, 5);
}

static void fenced_replica_leads_only_when_added(void **state)
{
	put(NONE, IDS(3), IDS(3), -1);
	assert_int_equal(run(), 0);
	cluster.election.add = 3;
	assert_int_equal(run(), 1);
	expect(IDS(3), NONE, NONE, 3, 6);
}

static void unclean_election_takes_any_live_replica_if_allowed(void **state)
{
	put(IDS(3), NONE, NONE, 3);
	cluster.election.remove = 3;
	run();
	expect(NONE, IDS(3), IDS(3), -1, 6);
	cluster.election.remove = ELECTION_NOBODY;
	assert_int_equal(run(), 0);
	cluster.election.unclean_allowed = true;
	assert_int_equal(run(), 1);
	expect(IDS(1), NONE, NONE, 1, 7);
	assert_int_equal(image_partition_find(cluster.img, make_id(1), 0)->leader_recovery_state,
			 1);
}

static void without_elr_the_isr_never_empties(void **state)
{
	make_feature(&cluster.list, "eligible.leader.replicas.version", 0);
	apply_all(cluster.img, &cluster.list);
	cluster.election.remove = 1;
	put(IDS(1), NONE, NONE, 1);
	run();
	expect(IDS(1), NONE, NONE, -1, 6);
	cluster.election.remove = ELECTION_NOBODY;
	run();
	expect(IDS(1), NONE, NONE, 1, 7);
}

static void replica_in_a_foreign_directory_cannot_lead(void **state)
{
	static const int32_t replicas[] = {1};
	static const struct uuid dirs[1] = {{{8, 8, 8}}};
	struct image_partition_state state1 = {
	    .leader = -1,
	    .replicas = {replicas, 1},
	    .elr = {replicas, 1},
	    .last_known_elr = {replicas, 1},
	    .directories = dirs,
	};

	assert_int_equal(image_partition_put(cluster.img, make_id(1), 0, &state1), ERR_OK);
	assert_int_equal(run(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(nothing_changes_with_a_good_leader),
	    TEST(leader_moves_within_the_isr),
	    TEST(shrinking_isr_keeps_leader_and_epoch),
	    TEST(those_below_min_isr_stay_eligible),
	    TEST(last_one_leaves_for_elr_and_is_remembered),
	    TEST(unclean_stop_leaves_only_the_last_known_leader),
	    TEST(unclean_stop_after_fencing_clears_elr),
	    TEST(fenced_replica_leads_only_when_added),
	    TEST(unclean_election_takes_any_live_replica_if_allowed),
	    TEST(without_elr_the_isr_never_empties),
	    TEST(replica_in_a_foreign_directory_cannot_lead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
