/* The aborted transactions that a read_committed consumer must skip. */
#include "store/plog_impl.h"

#include <stdlib.h>

/* Those segments from the one that holds `from` on that have a transaction index. */
struct plog_txn_segs {
	struct seg **segs; /* with references */
	size_t len;
};

static enum err plog_txn_segs(struct plog *log, int64_t from, struct plog_txn_segs *found)
{
	size_t room;

	found->len = 0;
	pthread_mutex_lock(&log->list);
	room = log->segs_len;
	pthread_mutex_unlock(&log->list);
	found->segs = calloc(room + 1, sizeof(struct seg *));
	if (found->segs == NULL)
		return ERR_NOMEM;
	pthread_mutex_lock(&log->list);
	for (uint32_t i = 0; i < log->segs_len && found->len < room; i++) {
		bool below = i + 1 < log->segs_len && log->segs[i + 1]->base_offset <= from;

		if (log->segs[i]->has_txns && !below)
			found->segs[found->len++] = seg_ref(log->segs[i]);
	}
	pthread_mutex_unlock(&log->list);
	return ERR_OK;
}

struct plog_txn_list {
	struct txn_index_entry *entries;
	size_t len, size;
};

static enum err plog_txn_add(struct plog_txn_list *list, const struct txn_index_entry *entry)
{
	if (list->len == list->size) {
		size_t size = list->size == 0 ? 16 : list->size * 2;
		struct txn_index_entry *more = realloc(list->entries, size * sizeof(*more));

		if (more == NULL)
			return ERR_NOMEM;
		list->entries = more;
		list->size = size;
	}
	list->entries[list->len++] = *entry;
	return ERR_OK;
}

/* *done when nothing that overlaps can follow: all before `to` was decided by then. */
static enum err plog_txn_collect(struct seg *seg, int64_t from, int64_t to,
				 struct plog_txn_list *list, bool *done)
{
	struct txn_index_entry *entries;
	size_t len;
	enum err err = seg_read_txns(seg, &entries, &len);

	for (size_t i = 0; i < len && err == ERR_OK && !*done; i++) {
		if (entries[i].last_offset >= from && entries[i].first_offset < to)
			err = plog_txn_add(list, &entries[i]);
		*done = entries[i].stable_offset >= to;
	}
	free(entries);
	return err;
}

static int plog_txn_cmp(const void *a, const void *b)
{
	const struct txn_index_entry *left = a, *right = b;

	return (left->first_offset > right->first_offset) -
	       (left->first_offset < right->first_offset);
}

static enum err plog_txn_give(struct plog_txn_list *list, struct arena *arena,
			      struct plog_aborted **aborted, size_t *aborted_len)
{
	*aborted = arena_array(arena, list->len > 0 ? list->len : 1, sizeof(**aborted));
	if (*aborted == NULL)
		return ERR_NOMEM;
	if (list->len > 0)
		qsort(list->entries, list->len, sizeof(*list->entries), plog_txn_cmp);
	for (size_t i = 0; i < list->len; i++)
		(*aborted)[i] = (struct plog_aborted){list->entries[i].producer_id,
						      list->entries[i].first_offset};
	*aborted_len = list->len;
	return ERR_OK;
}

static enum err plog_txn_collect_all(struct plog *log, int64_t from, int64_t to,
				     struct plog_txn_list *list)
{
	struct plog_txn_segs segs;
	bool done = false;
	enum err err = plog_txn_segs(log, from, &segs);

	list->len = 0;
	for (size_t i = 0; i < segs.len; i++) {
		if (err == ERR_OK && !done)
			err = plog_txn_collect(segs.segs[i], from, to, list, &done);
		seg_unref(segs.segs[i]);
	}
	free(segs.segs);
	return err;
}

enum err plog_aborted_txns(struct plog *log, int64_t from, int64_t to, struct arena *arena,
			   struct plog_aborted **aborted, size_t *aborted_len)
{
	struct plog_txn_list list = {0};
	enum err err = ERR_NOFILE;

	must_be(log, PLOG_MAGIC);
	*aborted = NULL;
	*aborted_len = 0;
	for (int tries = 0; err == ERR_NOFILE && tries < PLOG_SWAP_TRIES; tries++)
		err = plog_txn_collect_all(log, from, to, &list);
	if (err == ERR_OK)
		err = plog_txn_give(&list, arena, aborted, aborted_len);
	free(list.entries);
	return err == ERR_IO || err == ERR_BADFILE ? ERR_KAFKA_STORAGE_ERROR : err;
}
