/* A list by due time under a lock; files are touched outside it. */
#include "store/trash.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/file.h"
#include "base/log.h"
#include "store/seg.h"

/* A segment, or a directory when path is set. */
struct trash_entry {
	TAILQ_ENTRY(trash_entry) link;
	int64_t due_ms;
	struct seg_dir *dir; /* a reference */
	int64_t base_offset;
	char *path;
};

TAILQ_HEAD(trash_entries, trash_entry);

struct trash {
	const struct clock *clock;
	void (*on_sooner)(void *ctx);
	void *ctx;
	pthread_mutex_t lock;
	struct trash_entries entries; /* under lock: by due time, earliest first */
	struct trash_counts counts;   /* under lock */
	bool hurry;		      /* under lock */
};

struct trash *trash_new(const struct clock *clock, void (*on_sooner)(void *ctx), void *ctx)
{
	struct trash *trash = calloc(1, sizeof(*trash));

	if (trash == NULL)
		return NULL;
	trash->clock = clock;
	trash->on_sooner = on_sooner;
	trash->ctx = ctx;
	TAILQ_INIT(&trash->entries);
	must(pthread_mutex_init(&trash->lock, NULL) == 0);
	return trash;
}

static void trash_entry_free(struct trash_entry *entry)
{
	if (entry->dir != NULL)
		seg_dir_unref(entry->dir);
	free(entry->path);
	free(entry);
}

void trash_free(struct trash *trash)
{
	struct trash_entry *entry;

	while ((entry = TAILQ_FIRST(&trash->entries)) != NULL) {
		TAILQ_REMOVE(&trash->entries, entry, link);
		trash_entry_free(entry);
	}
	pthread_mutex_destroy(&trash->lock);
	free(trash);
}

/* -- Removing ------------------------------------------------------------------------------- */

/* The batches go last: while they are there, the next start knows what the others belong to. */
static enum err trash_remove_seg(const struct trash_entry *entry)
{
	static const char *const suffixes[] = {".index.deleted", ".timeindex.deleted",
					       ".txnindex.deleted", ".snapshot.deleted",
					       ".log.deleted"};
	struct seg_path path;
	enum err err = ERR_OK;

	for (size_t i = 0; i < ARRAY_LEN(suffixes) && err == ERR_OK; i++) {
		err = file_unlink(seg_path_of(&path, entry->dir, entry->base_offset, suffixes[i]));
		if (err == ERR_NOFILE)
			err = ERR_OK; /* there was none, or the directory has gone already */
	}
	return err;
}

/* A file that cannot be removed now is tried again at the next start. */
static bool trash_remove(const struct trash_entry *entry)
{
	const char *path = entry->path != NULL ? entry->path : seg_dir_path(entry->dir);
	enum err err = entry->path != NULL ? file_remove_dir(entry->path) : trash_remove_seg(entry);

	if (err != ERR_OK && err != ERR_NOFILE)
		log_warn("store", "%s: what was deleted cannot be removed: %s", path,
			 err_text(err));
	return err == ERR_OK || err == ERR_NOFILE;
}

static void trash_count(struct trash *trash, const struct trash_entry *entry, bool removed)
{
	pthread_mutex_lock(&trash->lock);
	if (!removed)
		trash->counts.failed++;
	else if (entry->path != NULL)
		trash->counts.dirs++;
	else
		trash->counts.segs++;
	pthread_mutex_unlock(&trash->lock);
}

static struct trash_entry *trash_take(struct trash *trash)
{
	struct trash_entry *entry;

	pthread_mutex_lock(&trash->lock);
	entry = TAILQ_FIRST(&trash->entries);
	if (entry != NULL && !trash->hurry && entry->due_ms > clock_mono_ms(trash->clock))
		entry = NULL;
	if (entry != NULL) {
		TAILQ_REMOVE(&trash->entries, entry, link);
		trash->counts.waiting--;
	}
	pthread_mutex_unlock(&trash->lock);
	return entry;
}

void trash_empty(struct trash *trash, size_t max)
{
	struct trash_entry *entry;

	for (; max > 0 && (entry = trash_take(trash)) != NULL; max--) {
		trash_count(trash, entry, trash_remove(entry));
		trash_entry_free(entry);
	}
}

/* -- Adding --------------------------------------------------------------------------------- */

/* Mostly due times rise, so the place is found near the end. */
static void trash_add(struct trash *trash, struct trash_entry *entry, int64_t delay_ms)
{
	struct trash_entry *before;
	bool sooner;

	entry->due_ms = clock_mono_ms(trash->clock) + (delay_ms > 0 ? delay_ms : 0);
	if (delay_ms > INT64_MAX / 2)
		entry->due_ms = INT64_MAX / 2;
	pthread_mutex_lock(&trash->lock);
	before = TAILQ_LAST(&trash->entries, trash_entries);
	while (before != NULL && before->due_ms > entry->due_ms)
		before = TAILQ_PREV(before, trash_entries, link);
	if (before == NULL)
		TAILQ_INSERT_HEAD(&trash->entries, entry, link);
	else
		TAILQ_INSERT_AFTER(&trash->entries, before, entry, link);
	trash->counts.waiting++;
	sooner = before == NULL;
	pthread_mutex_unlock(&trash->lock);
	if (sooner && trash->on_sooner != NULL)
		trash->on_sooner(trash->ctx);
}

void trash_add_seg(struct trash *trash, struct seg_dir *dir, int64_t base_offset, int64_t delay_ms)
{
	struct trash_entry *entry = calloc(1, sizeof(*entry));
	struct trash_entry now = {.dir = dir, .base_offset = base_offset};

	if (entry == NULL) {
		trash_count(trash, &now, trash_remove(&now));
		return;
	}
	entry->dir = seg_dir_ref(dir);
	entry->base_offset = base_offset;
	trash_add(trash, entry, delay_ms);
}

void trash_add_dir(struct trash *trash, const char *path, int64_t delay_ms)
{
	struct trash_entry *entry = calloc(1, sizeof(*entry));

	if (entry != NULL && (entry->path = strdup(path)) != NULL) {
		trash_add(trash, entry, delay_ms);
		return;
	}
	free(entry);
	log_warn("store", "%s: stays until the next start: %s", path, err_text(ERR_NOMEM));
}

/* -- What waits ----------------------------------------------------------------------------- */

void trash_hurry(struct trash *trash, bool hurry)
{
	bool sooner;

	pthread_mutex_lock(&trash->lock);
	sooner = hurry && !trash->hurry && !TAILQ_EMPTY(&trash->entries);
	trash->hurry = hurry;
	pthread_mutex_unlock(&trash->lock);
	if (sooner && trash->on_sooner != NULL)
		trash->on_sooner(trash->ctx);
}

int64_t trash_due_ms(struct trash *trash)
{
	const struct trash_entry *first;
	int64_t due_ms = INT64_MAX;

	pthread_mutex_lock(&trash->lock);
	first = TAILQ_FIRST(&trash->entries);
	if (first != NULL)
		due_ms = trash->hurry ? 0 : first->due_ms;
	pthread_mutex_unlock(&trash->lock);
	return due_ms;
}

void trash_counts(struct trash *trash, struct trash_counts *counts)
{
	pthread_mutex_lock(&trash->lock);
	*counts = trash->counts;
	pthread_mutex_unlock(&trash->lock);
}
