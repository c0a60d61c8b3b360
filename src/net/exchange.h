/*
 * One request and its answer, from the first byte of the frame to the last byte of the answer.
 * Owned by its connection; while the request is being worked on, it is also in api's hands.
 */
#ifndef NET_EXCHANGE_H
#define NET_EXCHANGE_H

#include "net/budget.h"
#include "net/frame.h"
#include "wire/req.h"

#define EXCHANGE_KEPT_MAX 256

/* How far an answer has been sent: its 4 size bytes and its buffer in one count, slices apart. */
struct exchange_pos {
	size_t at_bytes;
	size_t cut;	    /* slices that are through */
	size_t slice_bytes; /* of the slice at `cut` */
};

struct exchange {
	struct req req;
	TAILQ_ENTRY(exchange) link;
	struct frame frame;
	size_t frame_bytes;    /* of the frame, also when it is gone */
	struct budget *budget; /* where charged_bytes are taken from; NULL: given back */
	size_t charged_bytes;
	bool done;
	uint8_t size[4]; /* the answer's, big-endian */
	struct exchange_pos sent;
};

TAILQ_HEAD(exchanges, exchange);

/* A piece of an answer: bytes in memory, or the rest of a slice. */
struct exchange_piece {
	const uint8_t *ptr; /* NULL: a slice */
	size_t len_bytes;
	int fd;
	off_t pos;
};

/* One a loop: spent ones for reuse. */
struct exchange_pool {
	struct exchanges kept;
	size_t kept_len;
};

void exchange_pool_init(struct exchange_pool *pool);
void exchange_pool_fini(struct exchange_pool *pool);

/* Zeroed. NULL: out of memory. */
struct exchange *exchange_new(struct exchange_pool *pool) must_check;
/* Gives everything back: frame, arena, answer with its slices, itself. */
void exchange_free(struct exchange *exchange, struct exchange_pool *pool,
		   struct frame_cache *cache);

/* Charges at least so many bytes of the frame to its budget, over the limit if need be. */
void exchange_charge(struct exchange *exchange, size_t len_bytes);
/* Frees the frame and its charge. cache NULL: not on the connection's loop. */
void exchange_release_frame(struct exchange *exchange, struct frame_cache *cache);
/* The handler is through: frees what the answer does not need, and fixes the answer's size. */
void exchange_finish(struct exchange *exchange, struct frame_cache *cache);

/* What comes at pos; false at the end of the answer. Empty pieces do not occur. */
bool exchange_piece(const struct exchange *exchange, struct exchange_pos *pos,
		    struct exchange_piece *piece);
/* Moves pos over the next n bytes, at most the piece's. */
void exchange_skip(const struct exchange *exchange, struct exchange_pos *pos, size_t n);
/* n bytes of the answer were sent, at most what is left: releases the slices that are through. */
size_t exchange_advance(struct exchange *exchange, size_t n);
static inline size_t exchange_total_bytes(const struct exchange *exchange)
{
	return sizeof(exchange->size) + wr_total_bytes(&exchange->req.out);
}
bool exchange_is_sent(const struct exchange *exchange);

#endif
