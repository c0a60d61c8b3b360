/* Loops: mail between threads, tasks of the turn, timers, workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "base/worker.h"

#define SENDERS 4
#define MAILS	20000

struct letter {
	struct mail mail;
	int sender, number;
};

struct inbox {
	struct loop *loop;
	int last[SENDERS], seen;
};

static struct inbox inbox;

static void letter_arrives(struct mail *mail)
{
	struct letter *letter = container_of(mail, struct letter, mail);

	assert_true(loop_is_mine(inbox.loop));
	assert_int_equal(letter->number, inbox.last[letter->sender] + 1);
	inbox.last[letter->sender] = letter->number;
	if (++inbox.seen == SENDERS * MAILS)
		loop_stop(inbox.loop);
}

static void *letter_sender(void *arg)
{
	struct letter *letters = arg;

	for (int i = 0; i < MAILS; i++)
		loop_post(inbox.loop, &letters[i].mail);
	return NULL;
}

static void mail_of_each_sender_comes_in_order(void **state)
{
	struct letter *letters[SENDERS];
	pthread_t threads[SENDERS];

	inbox = (struct inbox){.loop = loop_new("test", &clock_real)};
	assert_int_equal(loop_start(inbox.loop), ERR_OK);
	for (int s = 0; s < SENDERS; s++) {
		letters[s] = calloc(MAILS, sizeof(*letters[s]));
		for (int i = 0; i < MAILS; i++)
			letters[s][i] = (struct letter){{.deliver = letter_arrives}, s, i + 1};
		pthread_create(&threads[s], NULL, letter_sender, letters[s]);
	}
	for (int s = 0; s < SENDERS; s++)
		pthread_join(threads[s], NULL);
	loop_join(inbox.loop);
	assert_int_equal(inbox.seen, SENDERS * MAILS);
	loop_free(inbox.loop);
	for (int s = 0; s < SENDERS; s++)
		free(letters[s]);
}

struct tower {
	struct loop_bell bell;
	_Atomic int rung;
	int heard, last;
};

static void bell_is_heard(struct loop_bell *bell)
{
	struct tower *tower = container_of(bell, struct tower, bell);

	assert_true(loop_is_mine(bell->loop));
	tower->heard++;
	tower->last = atomic_load_explicit(&tower->rung, memory_order_relaxed);
	if (tower->last == SENDERS * MAILS)
		loop_stop(bell->loop);
}

static void *bell_ringer(void *arg)
{
	struct tower *tower = arg;

	for (int i = 0; i < MAILS; i++) {
		atomic_fetch_add_explicit(&tower->rung, 1, memory_order_relaxed);
		loop_bell_ring(&tower->bell);
	}
	return NULL;
}

/* What was done before a ring is seen by the hearing that follows it, however many share it. */
static void the_last_ring_of_a_bell_is_heard(void **state)
{
	struct loop *loop = loop_new("test", &clock_real);
	struct tower tower = {.rung = 0};
	pthread_t threads[SENDERS];

	loop_bell_init(&tower.bell, loop, bell_is_heard);
	assert_int_equal(loop_start(loop), ERR_OK);
	for (int s = 0; s < SENDERS; s++)
		pthread_create(&threads[s], NULL, bell_ringer, &tower);
	for (int s = 0; s < SENDERS; s++)
		pthread_join(threads[s], NULL);
	loop_join(loop);
	assert_int_equal(tower.last, SENDERS * MAILS);
	assert_in_range(tower.heard, 1, SENDERS * MAILS);
	loop_free(loop);
}

struct chain {
	struct loop *loop;
	struct loop_task task, second;
	int runs, second_runs;
};

static void chain_second(struct loop_task *task)
{
	container_of(task, struct chain, second)->second_runs++;
}

static void chain_first(struct loop_task *task)
{
	struct chain *chain = container_of(task, struct chain, task);

	chain->runs++;
	loop_defer(chain->loop, &chain->second);
}

static void a_task_runs_once_a_turn_with_those_it_defers(void **state)
{
	struct chain chain = {.loop = loop_new("test", &clock_real),
			      .task = {.run = chain_first},
			      .second = {.run = chain_second}};

	loop_defer(chain.loop, &chain.task);
	loop_defer(chain.loop, &chain.task);
	loop_turn(chain.loop, false);
	assert_int_equal(chain.runs, 1);
	assert_int_equal(chain.second_runs, 1);
	loop_turn(chain.loop, false);
	assert_int_equal(chain.runs, 1);
	loop_free(chain.loop);
}

struct alarm {
	struct loop_timer timer;
	int fired;
};

static void alarm_fires(struct loop_timer *timer)
{
	container_of(timer, struct alarm, timer)->fired++;
}

static void a_timer_fires_once_unless_stopped(void **state)
{
	struct loop *loop = loop_new("test", &clock_real);
	struct alarm one = {.fired = 0}, two = {.fired = 0};

	loop_timer_init(&one.timer, loop, alarm_fires);
	loop_timer_init(&two.timer, loop, alarm_fires);
	loop_timer_start(&one.timer, 1);
	loop_timer_start(&two.timer, 1);
	loop_timer_stop(&two.timer);
	assert_true(loop_timer_is_set(&one.timer));
	assert_false(loop_timer_is_set(&two.timer));
	while (one.fired == 0)
		loop_turn(loop, true);
	assert_int_equal(one.fired, 1);
	assert_int_equal(two.fired, 0);
	assert_false(loop_timer_is_set(&one.timer));
	loop_free(loop);
}

struct task {
	struct job job;
	struct loop *loop;
	int *left;
	pthread_t ran_on;
};

static void task_run(struct job *job)
{
	container_of(job, struct task, job)->ran_on = pthread_self();
}

static void task_done(struct job *job)
{
	struct task *task = container_of(job, struct task, job);

	assert_true(loop_is_mine(task->loop));
	assert_false(pthread_equal(task->ran_on, pthread_self()));
	if (--*task->left == 0)
		loop_stop(task->loop);
}

static void jobs_run_on_workers_and_come_home(void **state)
{
	struct loop *loop = loop_new("test", &clock_real);
	struct worker_pool *pool = worker_pool_new(3);
	struct task tasks[100];
	int left = 100;

	for (int i = 0; i < 100; i++) {
		tasks[i] = (struct task){.job = {.home = loop, .run = task_run, .done = task_done},
					 .loop = loop,
					 .left = &left};
		worker_submit(pool, &tasks[i].job);
	}
	loop_run(loop);
	assert_int_equal(left, 0);
	worker_pool_free(pool);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mail_of_each_sender_comes_in_order),
	    cmocka_unit_test(the_last_ring_of_a_bell_is_heard),
	    cmocka_unit_test(a_task_runs_once_a_turn_with_those_it_defers),
	    cmocka_unit_test(a_timer_fires_once_unless_stopped),
	    cmocka_unit_test(jobs_run_on_workers_and_come_home),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
