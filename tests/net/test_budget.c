/* The shared budget: turns, one too large, giving up, and two threads at it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>

#include "net/budget.h"

struct taker {
	struct budget_wait wait;
	int granted;
};

static void on_granted(struct budget_wait *wait)
{
	container_of(wait, struct taker, wait)->granted++;
}

static void grants_in_turn(void **state)
{
	struct loop *loop = loop_new("test", &clock_real);
	struct budget budget;
	struct taker a, b, c;

	budget_init(&budget, 100);
	budget_wait_init(&a.wait, loop, on_granted);
	budget_wait_init(&b.wait, loop, on_granted);
	budget_wait_init(&c.wait, loop, on_granted);
	a.granted = b.granted = c.granted = 0;
	assert_true(budget_take(&budget, 60, &a.wait));
	assert_false(budget_take(&budget, 50, &b.wait));
	/* It would fit, but it is not its turn. */
	assert_false(budget_take(&budget, 10, &c.wait));
	assert_false(budget_has_room(&budget));
	budget_give(&budget, 60);
	loop_turn(loop, false);
	assert_int_equal(b.granted, 1);
	assert_int_equal(c.granted, 1);
	assert_true(budget_has_room(&budget));
	budget_give(&budget, 60);
	budget_fini(&budget);
	loop_free(loop);
}

static void admits_the_oversized_alone(void **state)
{
	struct loop *loop = loop_new("test", &clock_real);
	struct budget budget;
	struct taker a = {0};

	budget_init(&budget, 100);
	budget_wait_init(&a.wait, loop, on_granted);
	assert_true(budget_take(&budget, 1, &a.wait));
	assert_false(budget_take(&budget, 1000, &a.wait));
	budget_give(&budget, 1);
	loop_turn(loop, false);
	assert_int_equal(a.granted, 1);
	assert_false(budget_has_room(&budget));
	budget_give(&budget, 1000);
	budget_fini(&budget);
	loop_free(loop);
}

static void a_cancelled_wait_lets_the_next_through(void **state)
{
	struct loop *loop = loop_new("test", &clock_real);
	struct budget budget;
	struct taker a = {0}, b = {0};

	budget_init(&budget, 100);
	budget_wait_init(&a.wait, loop, on_granted);
	budget_wait_init(&b.wait, loop, on_granted);
	budget_force(&budget, 90);
	assert_false(budget_take(&budget, 50, &a.wait));
	assert_false(budget_take(&budget, 10, &b.wait));
	assert_true(budget_cancel(&budget, &a.wait));
	loop_turn(loop, false);
	assert_int_equal(a.granted, 0);
	assert_int_equal(b.granted, 1);
	/* Too late to cancel: it is in the mail. */
	assert_false(budget_take(&budget, 50, &a.wait));
	budget_give(&budget, 100);
	assert_false(budget_cancel(&budget, &a.wait));
	loop_turn(loop, false);
	assert_int_equal(a.granted, 1);
	budget_give(&budget, 50);
	budget_fini(&budget);
	loop_free(loop);
}

/* -- two loops that take and give as fast as they can ------------------------------------------ */

#define RACE_ROUNDS 20000

struct racer {
	struct taker taker;
	struct budget *budget;
	struct loop *loop;
	struct loop_task task;
	int rounds;
};

static void racer_run(struct loop_task *task)
{
	struct racer *racer = container_of(task, struct racer, task);

	for (; racer->rounds < RACE_ROUNDS; racer->rounds++) {
		if (!budget_take(racer->budget, 60, &racer->taker.wait))
			return;
		budget_give(racer->budget, 60);
	}
	loop_stop(racer->loop);
}

static void racer_granted(struct budget_wait *wait)
{
	struct racer *racer = container_of(wait, struct racer, taker.wait);

	budget_give(racer->budget, 60);
	racer->rounds++;
	loop_defer(racer->loop, &racer->task);
}

static void loses_no_wake(void **state)
{
	struct budget budget;
	struct racer racers[2] = {0};

	budget_init(&budget, 100);
	for (int i = 0; i < 2; i++) {
		racers[i].budget = &budget;
		racers[i].loop = loop_new("racer", &clock_real);
		racers[i].task.run = racer_run;
		budget_wait_init(&racers[i].taker.wait, racers[i].loop, racer_granted);
		loop_defer(racers[i].loop, &racers[i].task);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(loop_start(racers[i].loop), ERR_OK);
	for (int i = 0; i < 2; i++) {
		loop_join(racers[i].loop);
		assert_int_equal(racers[i].rounds, RACE_ROUNDS);
		loop_free(racers[i].loop);
	}
	budget_fini(&budget);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(grants_in_turn),
	    cmocka_unit_test(admits_the_oversized_alone),
	    cmocka_unit_test(a_cancelled_wait_lets_the_next_through),
	    cmocka_unit_test(loses_no_wake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
