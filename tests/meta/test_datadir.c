/* Identity and formatting of a log directory, and the quorum-state file. */
#include "golden.h"
#include "image_make.h"

#include "meta/datadir.h"
#include "meta/msnap.h"
#include "meta/quorum_state.h"
#include "proto/voters_record.h"

static struct rnd rnd;
static struct clock_fake fake;

static struct datadir_options some_options(void)
{
	rnd_init_seed(&rnd, 1);
	clock_fake_init(&fake, 1700000000000);
	return (struct datadir_options){
	    .clock = &fake.clock,
	    .rnd = &rnd,
	    .node_id = 7,
	    .static_voters = true,
	    .controller_listener = STR("CONTROLLER"),
	    .controller_host = STR("localhost"),
	    .controller_port = 9093,
	};
}

static void formats_then_reads(void **state)
{
	struct datadir_options options = some_options();
	char dir[64], message[DATADIR_MESSAGE_SIZE] = "", *path;
	struct datadir first, second;
	bool formatted;

	scratch_make(dir);
	assert_int_equal(datadir_open(dir, &options, &first, &formatted, message), ERR_OK);
	assert_true(formatted);
	assert_int_equal(first.node_id, 7);
	assert_int_equal(strlen(first.cluster_id), 22);
	assert_int_equal(datadir_open(dir, &options, &second, &formatted, message), ERR_OK);
	assert_false(formatted);
	assert_string_equal(first.cluster_id, second.cluster_id);
	assert_true(uuid_eq(first.directory_id, second.directory_id));
	path = file_path(dir, "__cluster_metadata-0");
	assert_false(file_exists(path));
	free(path);
	scratch_remove(dir);
}

static void bootstrap_has_the_features(void **state)
{
	struct datadir_options options = some_options();
	char dir[64], message[DATADIR_MESSAGE_SIZE] = "";
	struct image *img = image_new(STR("c"));
	struct datadir datadir;
	struct mrec_list list;
	bool formatted;

	scratch_make(dir);
	mrec_list_init(&list);
	assert_int_equal(datadir_open(dir, &options, &datadir, &formatted, message), ERR_OK);
	assert_int_equal(datadir_bootstrap(dir, &list, message), ERR_OK);
	apply_all(img, &list);
	assert_int_equal(image_feature_level(img, STR("metadata.version")), 30);
	assert_int_equal(image_feature_level(img, STR("eligible.leader.replicas.version")), 1);
	assert_int_equal(image_feature_level(img, STR("share.version")), 0);
	mrec_list_fini(&list);
	image_unref(img);
	scratch_remove(dir);
}

static void standalone_has_its_voter(void **state)
{
	struct datadir_options options = some_options();
	char dir[64], message[DATADIR_MESSAGE_SIZE] = "", *path;
	struct voters_record voters;
	struct mreplay replay;
	struct datadir datadir;
	struct arena arena;
	bool formatted;
	struct rd rd;

	scratch_make(dir);
	options.static_voters = false;
	assert_int_equal(datadir_open(dir, &options, &datadir, &formatted, message), ERR_OK);
	path = file_path(dir, "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint");
	assert_int_equal(mreplay_init(&replay, STR("c")), ERR_OK);
	assert_int_equal(msnap_load(path, &replay), ERR_OK);
	assert_int_equal(replay.kraft_version, 1);
	arena_init(&arena, 1 << 20);
	rd = rd_of(replay.voters);
	assert_int_equal(voters_record_decode(&voters, &rd, 0, &arena), ERR_OK);
	assert_int_equal(voters.voters[0].voter_id, 7);
	assert_true(uuid_eq(voters.voters[0].voter_directory_id, datadir.directory_id));
	assert_int_equal(voters.voters[0].endpoints[0].port, 9093);
	arena_fini(&arena);
	mreplay_fini(&replay);
	free(path);
	scratch_remove(dir);
}

static void reads_what_stock_formatted(void **state)
{
	struct datadir_options options = some_options();
	char dir[64], message[DATADIR_MESSAGE_SIZE] = "";
	struct datadir datadir;
	bool formatted;

	scratch_make(dir);
	scratch_copy("voters/meta.properties", dir, "meta.properties");
	assert_int_equal(datadir_open(dir, &options, &datadir, &formatted, message), ERR_BADCONFIG);
	assert_non_null(strstr(message, "node.id is 1, and the settings say 7"));
	options.node_id = 1;
	assert_int_equal(datadir_open(dir, &options, &datadir, &formatted, message), ERR_OK);
	assert_string_equal(datadir.cluster_id, "wTD4ntBDSnKoruywk3i5iQ");
	options.cluster_id = STR("another");
	assert_int_equal(datadir_open(dir, &options, &datadir, &formatted, message), ERR_BADCONFIG);
	scratch_remove(dir);
}

static void refuses_properties(const char *text, const char *expected)
{
	struct datadir_options options = some_options();
	char dir[64], message[DATADIR_MESSAGE_SIZE] = "", *path;
	struct datadir datadir;
	bool formatted;

	scratch_make(dir);
	path = file_path(dir, "meta.properties");
	assert_int_equal(file_replace(path, (struct bytes){(const uint8_t *)text, strlen(text)},
				      false),
			 ERR_OK);
	assert_int_equal(datadir_open(dir, &options, &datadir, &formatted, message), ERR_BADFILE);
	if (strstr(message, expected) == NULL)
		fail_msg("%s", message);
	free(path);
	scratch_remove(dir);
}

static void refuses_damaged_properties(void **state)
{
	refuses_properties("", "version is ''");
	refuses_properties("version=0\ncluster.id=c\nbroker.id=1\n", "version is '0'");
	refuses_properties("version=1\nnode.id=7", "cluster.id");
	refuses_properties("version=1\ncluster.id=c\nnode.id=x", "node.id");
	refuses_properties("version=1\ncluster.id=c\nnode.id=7\ndirectory.id=no", "directory.id");
}

/* -- quorum-state --------------------------------------------------------------------------- */

static enum err read_state(const char *dir, struct quorum_state *state, int32_t node_id)
{
	char *path = file_path(dir, "quorum-state");
	enum err err = quorum_state_read(path, node_id, state);

	free(path);
	return err;
}

static void reads_both_forms_of_quorum_state(void **state)
{
	struct quorum_state quorum;
	char dir[64];

	scratch_make(dir);
	assert_int_equal(read_state(dir, &quorum, 1), ERR_NOFILE);
	scratch_copy("voters/quorum-state", dir, "quorum-state");
	assert_int_equal(read_state(dir, &quorum, 1), ERR_OK);
	assert_int_equal(quorum.leader_epoch, 3);
	assert_int_equal(quorum.leader_id, 1);
	assert_int_equal(quorum.data_version, 0);
	assert_false(quorum.foreign_voters);
	assert_int_equal(read_state(dir, &quorum, 2), ERR_OK);
	assert_true(quorum.foreign_voters);
	scratch_copy("standalone/quorum-state", dir, "quorum-state");
	assert_int_equal(read_state(dir, &quorum, 2), ERR_OK);
	assert_int_equal(quorum.leader_epoch, 1);
	assert_int_equal(quorum.data_version, 1);
	assert_false(quorum.foreign_voters);
	scratch_remove(dir);
}

static void writes_quorum_state_as_stock_does(void **state)
{
	struct quorum_state quorum = {.leader_id = 1, .leader_epoch = 3, .voted_id = -1};
	char dir[64], *path, *ours, *stock;
	size_t ours_len, stock_len;

	scratch_make(dir);
	path = file_path(dir, "quorum-state");
	for (int16_t version = 0; version <= 1; version++) {
		quorum.data_version = version;
		quorum.leader_epoch = version == 0 ? 3 : 1;
		assert_int_equal(quorum_state_write(path, &quorum), ERR_OK);
		assert_int_equal(file_read_all(path, 1000, &ours, &ours_len), ERR_OK);
		stock =
		    golden_read(version == 0 ? "voters/quorum-state" : "standalone/quorum-state",
				&stock_len);
		assert_int_equal(ours_len, stock_len);
		assert_memory_equal(ours, stock, ours_len);
		free(ours);
		free(stock);
	}
	free(path);
	scratch_remove(dir);
}

static void refuses_damaged_quorum_state(void **state)
{
	static const char *const texts[] = {
	    "",
	    "{}",
	    "{\"leaderId\":1,\"leaderEpoch\":-1,\"votedId\":-1,\"data_version\":1}",
	    "{\"leaderId\":1,\"leaderEpoch\":99999999999,\"votedId\":-1,\"data_version\":1}",
	    "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"data_version\":2}",
	};
	struct quorum_state quorum;
	char dir[64], *path;

	scratch_make(dir);
	path = file_path(dir, "quorum-state");
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct bytes text = {(const uint8_t *)texts[i], strlen(texts[i])};

		assert_int_equal(file_replace(path, text, false), ERR_OK);
		assert_int_equal(read_state(dir, &quorum, 1), ERR_BADFILE);
	}
	free(path);
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(formats_then_reads),
	    cmocka_unit_test(bootstrap_has_the_features),
	    cmocka_unit_test(standalone_has_its_voter),
	    cmocka_unit_test(reads_what_stock_formatted),
	    cmocka_unit_test(refuses_damaged_properties),
	    cmocka_unit_test(reads_both_forms_of_quorum_state),
	    cmocka_unit_test(writes_quorum_state_as_stock_does),
	    cmocka_unit_test(refuses_damaged_quorum_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
