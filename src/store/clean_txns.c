/* What is known of each producer's transaction while a log is read from front to end. */
#include "store/clean_txns.h"

#include <stdlib.h>

#include "base/hash.h"
#include "record/control.h"

struct clean_txn {
	int64_t producer_id;
	bool is_aborted, aborted_seen, committed_seen; /* seen: a batch of it */
	struct txn_index_entry aborted;
	UT_hash_handle hh;
};

/* -- Which transactions were aborted -------------------------------------------------------- */

static enum err clean_txns_add(struct txn_index_entry **list, size_t *len, size_t *size,
			       const struct txn_index_entry *entry)
{
	if (*len == *size) {
		size_t more = *size == 0 ? 16 : *size * 2;
		struct txn_index_entry *larger = realloc(*list, more * sizeof(**list));

		if (larger == NULL)
			return ERR_NOMEM;
		*list = larger;
		*size = more;
	}
	(*list)[(*len)++] = *entry;
	return ERR_OK;
}

static enum err clean_txns_read(struct clean_txns *txns, size_t *size, struct seg *seg,
				int64_t from, int64_t to, bool *done)
{
	struct txn_index_entry *entries;
	size_t len;
	enum err err = seg_read_txns(seg, &entries, &len);

	for (size_t i = 0; i < len && err == ERR_OK && !*done; i++) {
		if (entries[i].last_offset >= from && entries[i].first_offset < to)
			err = clean_txns_add(&txns->aborted, &txns->aborted_len, size, &entries[i]);
		*done = entries[i].stable_offset >= to;
	}
	free(entries);
	return err;
}

static int clean_txns_cmp(const void *a, const void *b)
{
	const struct txn_index_entry *left = a, *right = b;

	return (left->first_offset > right->first_offset) -
	       (left->first_offset < right->first_offset);
}

enum err clean_txns_init(struct clean_txns *txns, struct seg *const *segs, size_t segs_len,
			 int64_t from, int64_t to)
{
	size_t size = 0;
	bool done = false;
	enum err err = ERR_OK;

	*txns = (struct clean_txns){0};
	for (size_t i = 0; i < segs_len && err == ERR_OK && !done; i++)
		if (i + 1 == segs_len || segs[i + 1]->base_offset > from)
			err = clean_txns_read(txns, &size, segs[i], from, to, &done);
	if (txns->aborted_len > 0)
		qsort(txns->aborted, txns->aborted_len, sizeof(*txns->aborted), clean_txns_cmp);
	if (err != ERR_OK)
		clean_txns_fini(txns);
	return err;
}

void clean_txns_fini(struct clean_txns *txns)
{
	struct clean_txn *txn, *next;

	HASH_ITER (hh, txns->by_id, txn, next) {
		HASH_DEL(txns->by_id, txn);
		free(txn);
	}
	free(txns->aborted);
	free(txns->kept);
	*txns = (struct clean_txns){0};
}

/* -- What the batches say ------------------------------------------------------------------- */

static struct clean_txn *clean_txns_get(struct clean_txns *txns, int64_t producer_id)
{
	struct clean_txn *txn;

	HASH_FIND(hh, txns->by_id, &producer_id, sizeof(producer_id), txn);
	if (txn != NULL)
		return txn;
	txn = calloc(1, sizeof(*txn));
	if (txn == NULL)
		return NULL;
	txn->producer_id = producer_id;
	HASH_ADD(hh, txns->by_id, producer_id, sizeof(txn->producer_id), txn);
	return txn;
}

/* Aborted transactions that begin at or before the offset are under way now. */
static enum err clean_txns_advance(struct clean_txns *txns, int64_t offset)
{
	while (txns->next < txns->aborted_len && txns->aborted[txns->next].first_offset <= offset) {
		const struct txn_index_entry *entry = &txns->aborted[txns->next];
		struct clean_txn *txn = clean_txns_get(txns, entry->producer_id);

		if (txn == NULL)
			return ERR_NOMEM;
		if (!txn->is_aborted) {
			txn->is_aborted = true;
			txn->aborted_seen = false;
			txn->aborted = *entry;
		}
		txns->next++;
	}
	return ERR_OK;
}

enum err clean_txns_data(struct clean_txns *txns, const struct batch_header *header, bool *aborted)
{
	struct clean_txn *txn;
	enum err err = clean_txns_advance(txns, batch_last_offset(header));

	*aborted = false;
	if (err != ERR_OK || !batch_is_transactional(header))
		return err;
	txn = clean_txns_get(txns, header->producer_id);
	if (txn == NULL)
		return ERR_NOMEM;
	*aborted = txn->is_aborted;
	if (txn->is_aborted)
		txn->aborted_seen = true;
	else
		txn->committed_seen = true;
	return ERR_OK;
}

static enum err clean_txns_abort(struct clean_txns *txns, struct clean_txn *txn, bool *unneeded)
{
	bool needed = txn->is_aborted && txn->aborted_seen;

	txn->is_aborted = txn->aborted_seen = false;
	*unneeded = !needed;
	return needed
		   ? clean_txns_add(&txns->kept, &txns->kept_len, &txns->kept_size, &txn->aborted)
		   : ERR_OK;
}

enum err clean_txns_control(struct clean_txns *txns, struct bytes batch,
			    const struct batch_header *header, bool *unneeded)
{
	enum control_type type;
	struct record_iter iter;
	struct record record;
	struct clean_txn *txn;
	enum err err = clean_txns_advance(txns, batch_last_offset(header));

	*unneeded = false;
	if (err == ERR_OK)
		err = record_iter_init(&iter, batch, NULL);
	if (err != ERR_OK)
		return err;
	if (!record_iter_next(&iter, &record)) {
		*unneeded = iter.err == ERR_OK; /* emptied by an earlier round */
		return iter.err;
	}
	err = control_key_read(record.key, &type);
	if (err != ERR_OK || (type != CONTROL_ABORT && type != CONTROL_COMMIT))
		return err;
	txn = clean_txns_get(txns, header->producer_id);
	if (txn == NULL)
		return ERR_NOMEM;
	if (type == CONTROL_ABORT)
		return clean_txns_abort(txns, txn, unneeded);
	*unneeded = !txn->committed_seen;
	txn->committed_seen = false;
	return ERR_OK;
}
