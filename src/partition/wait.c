/*
 * The wake box: waiters of one loop that have been woken, and the one mail that brings them home.
 */
#include "partition/wait.h"

#include "base/must.h"

static void wake_box_deliver(struct mail *mail)
{
	struct wake_box *box = container_of(mail, struct wake_box, mail);
	struct waiter *waiter;

	pthread_mutex_lock(&box->lock);
	box->posted = false;
	/* Who is woken may wait again at once, so the box is asked anew for each. */
	while ((waiter = TAILQ_FIRST(&box->woken)) != NULL) {
		TAILQ_REMOVE(&box->woken, waiter, link);
		waiter->place = WAITER_IDLE;
		pthread_mutex_unlock(&box->lock);
		waiter->wake(waiter);
		pthread_mutex_lock(&box->lock);
	}
	pthread_mutex_unlock(&box->lock);
}

void wake_box_init(struct wake_box *box, struct loop *loop)
{
	*box = (struct wake_box){.loop = loop, .mail = {.deliver = wake_box_deliver}};
	pthread_mutex_init(&box->lock, NULL);
	TAILQ_INIT(&box->woken);
}

void wake_box_fini(struct wake_box *box)
{
	must(TAILQ_EMPTY(&box->woken));
	must(!box->posted);
	pthread_mutex_destroy(&box->lock);
}

void wake_box_put(struct waiter *waiter)
{
	struct wake_box *box = waiter->box;
	bool post;

	pthread_mutex_lock(&box->lock);
	waiter->place = WAITER_IN_BOX;
	TAILQ_INSERT_TAIL(&box->woken, waiter, link);
	post = !box->posted;
	box->posted = true;
	pthread_mutex_unlock(&box->lock);
	if (post)
		loop_post(box->loop, &box->mail);
}

void wake_box_take(struct waiter *waiter)
{
	struct wake_box *box = waiter->box;

	must(loop_is_mine(box->loop));
	pthread_mutex_lock(&box->lock);
	if (waiter->place == WAITER_IN_BOX) {
		TAILQ_REMOVE(&box->woken, waiter, link);
		waiter->place = WAITER_IDLE;
	}
	pthread_mutex_unlock(&box->lock);
}
