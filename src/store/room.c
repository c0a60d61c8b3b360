/* One counter, and who is told when it runs out. */
#include "store/room.h"

#include <stddef.h>

static void room_ask(struct room *room)
{
	if (!atomic_exchange(&room->asked, true))
		room->on_low(room->ctx);
}

bool room_take(struct room *room, int64_t len_bytes)
{
	if (room->on_low == NULL)
		return true;
	if (atomic_load_explicit(&room->full, memory_order_relaxed))
		return false;
	if (atomic_fetch_sub_explicit(&room->left_bytes, len_bytes, memory_order_relaxed) <
	    len_bytes)
		room_ask(room);
	return true;
}

void room_found_full(struct room *room)
{
	if (room->on_low == NULL)
		return;
	atomic_store(&room->full, true);
	room_ask(room);
}

int64_t room_look(struct room *room)
{
	return atomic_load(&room->left_bytes);
}

void room_set(struct room *room, bool full, int64_t left_bytes, int64_t look)
{
	atomic_fetch_add(&room->left_bytes, left_bytes - look);
	atomic_store(&room->full, full);
	atomic_store(&room->asked, false);
}
