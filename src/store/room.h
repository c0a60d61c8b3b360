/*
 * Room for records in one log directory: whether producers may append, and how much before somebody
 * has to look at the disk again. So looking is paid by what is written, never by time, and an
 * append asks one counter.
 *
 * Takers are any threads; the watcher (partition/space.h) sets it. Without a watcher there is
 * always room.
 */
#ifndef STORE_ROOM_H
#define STORE_ROOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct room {
	_Atomic int64_t left_bytes;
	_Atomic bool full;
	_Atomic bool asked;	   /* the watcher was told, and has not answered yet */
	void (*on_low)(void *ctx); /* any thread; set before there are takers */
	void *ctx;
};

/* May so much be appended? */
bool room_take(struct room *room, int64_t len_bytes);
/* A write found the disk full: nobody else need find that out. */
void room_found_full(struct room *room);
/* The watcher begins to look: what it finds is as of now. */
int64_t room_look(struct room *room);
/* And its answer, with what room_look gave: what was taken meanwhile counts. */
void room_set(struct room *room, bool full, int64_t left_bytes, int64_t look);

#endif
