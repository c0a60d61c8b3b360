/* Fetch sessions: what they remember, forget and refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/fetch_session.h"

#define SLOTS 3

struct world {
	struct clock_fake clock;
	struct loop *loop;
	struct fetch_sessions *sessions;
};

static int setup(void **state)
{
	static struct world w;

	clock_fake_init(&w.clock, 0);
	w.loop = loop_new("test", &w.clock.clock);
	w.sessions = fetch_sessions_new(w.loop, 5, SLOTS);
	*state = &w;
	return w.sessions != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fetch_sessions_free(w->sessions);
	loop_free(w->loop);
	return 0;
}

static bool put(struct world *w, struct fetch_session *session, const char *topic, int32_t idx,
		int64_t offset)
{
	struct fetch_req_fetch_topic name = {.topic = str_of(topic), .topic_id = uuid_of(7, 7)};
	struct fetch_req_fetch_partition part = {.partition = idx, .fetch_offset = offset};

	return fetch_session_put(w->sessions, session, &name, &part);
}

static void remembers_and_updates_partitions(void **state)
{
	struct world *w = *state;
	struct fetch_session *session = fetch_session_make(w->sessions, false);
	char name[] = "topic";

	assert_true(put(w, session, name, 0, 10));
	assert_true(put(w, session, name, 1, 20));
	assert_true(put(w, session, name, 0, 11));
	memset(name, 'x', sizeof(name) - 1); /* the session has its own copy */
	assert_int_equal(session->parts_len, 2);
	assert_true(TAILQ_FIRST(&session->parts)->fetch_offset == 11);
	assert_true(str_eq(TAILQ_FIRST(&session->parts)->topic, STR("topic")));
}

static void tells_topics_apart_by_name_or_by_id(void **state)
{
	struct world *w = *state;
	struct fetch_session *by_name = fetch_session_make(w->sessions, false);
	struct fetch_session *by_id = fetch_session_make(w->sessions, true);

	assert_true(put(w, by_name, "a", 0, 0) && put(w, by_name, "b", 0, 0));
	assert_int_equal(by_name->parts_len, 2);
	assert_true(put(w, by_id, "a", 0, 0) && put(w, by_id, "b", 0, 0));
	assert_int_equal(by_id->parts_len, 1);
}

static void forgets_what_it_is_told_to(void **state)
{
	struct world *w = *state;
	struct fetch_session *session = fetch_session_make(w->sessions, false);
	int32_t gone[] = {1, 99};
	struct fetch_req_forgotten_topic topic = {.topic = STR("a"),
						  .partitions = gone,
						  .partitions_len = 2};

	assert_true(put(w, session, "a", 0, 0) && put(w, session, "a", 1, 0));
	fetch_session_forget(w->sessions, session, &topic);
	assert_int_equal(session->parts_len, 1);
	assert_int_equal(TAILQ_FIRST(&session->parts)->idx, 0);
}

static void ids_tell_the_loop_and_are_found(void **state)
{
	struct world *w = *state;
	struct fetch_session *session = fetch_session_make(w->sessions, false);

	assert_true(session->id > 0);
	assert_int_equal(session->id % FETCH_SESSION_LOOPS_MAX, 5);
	assert_ptr_equal(fetch_session_find(w->sessions, session->id), session);
	assert_null(fetch_session_find(w->sessions, session->id ^ FETCH_SESSION_LOOPS_MAX));
}

static void replaces_only_a_session_that_was_idle_for_long(void **state)
{
	struct world *w = *state;
	struct fetch_session *first = fetch_session_make(w->sessions, false);
	int32_t first_id = first->id;

	for (int i = 1; i < SLOTS; i++)
		assert_non_null(fetch_session_make(w->sessions, false));
	assert_null(fetch_session_make(w->sessions, false));
	clock_fake_advance(&w->clock, 119999);
	assert_null(fetch_session_make(w->sessions, false));
	clock_fake_advance(&w->clock, 1);
	assert_non_null(fetch_session_make(w->sessions, false));
	assert_null(fetch_session_find(w->sessions, first_id));
}

static void a_busy_session_lives_until_its_request_ends(void **state)
{
	struct world *w = *state;
	struct fetch_session *session = fetch_session_make(w->sessions, false);
	int32_t id = session->id;

	session->busy = true;
	fetch_session_close(w->sessions, session);
	assert_null(fetch_session_find(w->sessions, id));
	assert_true(session->closed); /* and still ours: ASan tells */
	fetch_session_unbusy(w->sessions, session);
}

static void rotation_moves_a_partition_behind_the_others(void **state)
{
	struct world *w = *state;
	struct fetch_session *session = fetch_session_make(w->sessions, false);

	assert_true(put(w, session, "a", 0, 0) && put(w, session, "a", 1, 0));
	fetch_session_rotate(session, TAILQ_FIRST(&session->parts));
	assert_int_equal(TAILQ_FIRST(&session->parts)->idx, 1);
}

static void epochs_wrap_to_one(void **state)
{
	assert_int_equal(fetch_session_next_epoch(1), 2);
	assert_int_equal(fetch_session_next_epoch(INT32_MAX), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(remembers_and_updates_partitions),
	    TEST(tells_topics_apart_by_name_or_by_id),
	    TEST(forgets_what_it_is_told_to),
	    TEST(ids_tell_the_loop_and_are_found),
	    TEST(replaces_only_a_session_that_was_idle_for_long),
	    TEST(a_busy_session_lives_until_its_request_ends),
	    TEST(rotation_moves_a_partition_behind_the_others),
	    TEST(epochs_wrap_to_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
