/* A request's memory, and the cursor that walks its answer on the way out. */
#include "net/exchange.h"

#include <stdlib.h>

void exchange_pool_init(struct exchange_pool *pool)
{
	pool->kept_len = 0;
	TAILQ_INIT(&pool->kept);
}

void exchange_pool_fini(struct exchange_pool *pool)
{
	struct exchange *exchange;

	while ((exchange = TAILQ_FIRST(&pool->kept)) != NULL) {
		TAILQ_REMOVE(&pool->kept, exchange, link);
		free(exchange);
	}
	pool->kept_len = 0;
}

struct exchange *exchange_new(struct exchange_pool *pool)
{
	struct exchange *exchange = TAILQ_FIRST(&pool->kept);

	if (exchange == NULL)
		return calloc(1, sizeof(*exchange));
	TAILQ_REMOVE(&pool->kept, exchange, link);
	pool->kept_len--;
	memset(exchange, 0, sizeof(*exchange));
	return exchange;
}

void exchange_charge(struct exchange *exchange, size_t len_bytes)
{
	if (len_bytes <= exchange->charged_bytes)
		return;
	budget_force(exchange->budget, len_bytes - exchange->charged_bytes);
	exchange->charged_bytes = len_bytes;
}

void exchange_release_frame(struct exchange *exchange, struct frame_cache *cache)
{
	if (exchange->frame.ptr != NULL)
		frame_free(cache, &exchange->frame);
	if (exchange->budget != NULL)
		budget_give(exchange->budget, exchange->charged_bytes);
	exchange->budget = NULL;
	exchange->charged_bytes = 0;
}

void exchange_free(struct exchange *exchange, struct exchange_pool *pool, struct frame_cache *cache)
{
	exchange_release_frame(exchange, cache);
	if (exchange->req.magic == REQ_MAGIC) {
		wr_fini(&exchange->req.out);
		if (!exchange->done)
			arena_fini(&exchange->req.arena);
		exchange->req.magic = 0;
	}
	if (pool->kept_len == EXCHANGE_KEPT_MAX) {
		free(exchange);
		return;
	}
	TAILQ_INSERT_HEAD(&pool->kept, exchange, link);
	pool->kept_len++;
}

void exchange_finish(struct exchange *exchange, struct frame_cache *cache)
{
	struct req *req = &exchange->req;
	uint32_t len;

	must_be(req, REQ_MAGIC);
	must(!exchange->done);
	exchange->done = true;
	exchange_release_frame(exchange, cache);
	req->frame = BYTES_NULL;
	arena_fini(&req->arena);
	if (req->out.err != ERR_OK || wr_total_bytes(&req->out) > INT32_MAX)
		req->close = true;
	if (req->close || req->no_answer) {
		wr_fini(&req->out);
		wr_init(&req->out, 1);
	}
	len = (uint32_t)wr_total_bytes(&req->out);
	exchange->size[0] = (uint8_t)(len >> 24);
	exchange->size[1] = (uint8_t)(len >> 16);
	exchange->size[2] = (uint8_t)(len >> 8);
	exchange->size[3] = (uint8_t)len;
}

/* Where the buffer's bytes end for now: at the next slice or at the end. */
static size_t exchange_bytes_until(const struct wr *out, size_t cut)
{
	return cut < out->cuts_len ? out->cuts[cut].at_bytes : out->len_bytes;
}

bool exchange_piece(const struct exchange *exchange, struct exchange_pos *pos,
		    struct exchange_piece *piece)
{
	const struct wr *out = &exchange->req.out;
	const size_t head = sizeof(exchange->size);

	if (pos->at_bytes < head) {
		*piece = (struct exchange_piece){.ptr = exchange->size + pos->at_bytes,
						 .len_bytes = head - pos->at_bytes};
		return true;
	}
	for (; pos->cut <= out->cuts_len; pos->cut++, pos->slice_bytes = 0) {
		size_t at = pos->at_bytes - head, until = exchange_bytes_until(out, pos->cut);
		const struct slice *slice;

		if (at < until) {
			*piece =
			    (struct exchange_piece){.ptr = out->buf + at, .len_bytes = until - at};
			return true;
		}
		if (pos->cut == out->cuts_len)
			return false;
		slice = &out->cuts[pos->cut].slice;
		if (pos->slice_bytes < slice->len_bytes) {
			*piece =
			    (struct exchange_piece){.len_bytes =
							slice->len_bytes - pos->slice_bytes,
						    .fd = slice->fd,
						    .pos = slice->pos + (off_t)pos->slice_bytes};
			return true;
		}
	}
	never("past the last cut");
}

void exchange_skip(const struct exchange *exchange, struct exchange_pos *pos, size_t n)
{
	struct exchange_piece piece;

	must(exchange_piece(exchange, pos, &piece));
	must(n <= piece.len_bytes);
	if (piece.ptr != NULL)
		pos->at_bytes += n;
	else
		pos->slice_bytes += n;
}

size_t exchange_advance(struct exchange *exchange, size_t n)
{
	size_t left = n, cut = exchange->sent.cut;
	struct exchange_piece piece;

	while (left > 0 && exchange_piece(exchange, &exchange->sent, &piece)) {
		size_t step = left < piece.len_bytes ? left : piece.len_bytes;

		exchange_skip(exchange, &exchange->sent, step);
		left -= step;
	}
	/* Leaves sent at the next piece, past slices that are through. */
	(void)exchange_piece(exchange, &exchange->sent, &piece);
	for (; cut < exchange->sent.cut; cut++)
		slice_release(&exchange->req.out.cuts[cut].slice);
	return n - left;
}

bool exchange_is_sent(const struct exchange *exchange)
{
	struct exchange_pos pos = exchange->sent;
	struct exchange_piece piece;

	return !exchange_piece(exchange, &pos, &piece);
}
