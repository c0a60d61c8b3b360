/*
 * Pins are counted in one word with a "not open" bit. Only a thread that holds the shard's lock
 * sets or clears that bit: it is set by a compare-and-swap from zero pins, so nobody who counted
 * himself in while it was clear ever sees the descriptor closed. Who finds it set goes the slow
 * way, and opens. Eviction is the clock algorithm: a queue, and a second chance for what was used
 * since the last look.
 */
#include "store/seg_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/file.h"

#define SEG_CACHE_MAGIC	 0x5e6cac4eu
#define SEG_CACHE_SHARDS 16
#define SEG_CACHE_CLOSED 0x80000000u

TAILQ_HEAD(seg_cache_queue, seg_cache_file);

struct seg_cache_shard {
	pthread_mutex_t lock;
	struct seg_cache_queue open;
	size_t len, len_max;
};

struct seg_cache {
	uint32_t magic;
	struct seg_cache_shard shards[SEG_CACHE_SHARDS];
};

struct seg_cache *seg_cache_new(size_t open_max)
{
	struct seg_cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->magic = SEG_CACHE_MAGIC;
	for (size_t i = 0; i < SEG_CACHE_SHARDS; i++) {
		struct seg_cache_shard *shard = &cache->shards[i];

		must(pthread_mutex_init(&shard->lock, NULL) == 0);
		TAILQ_INIT(&shard->open);
		shard->len_max = open_max / SEG_CACHE_SHARDS;
	}
	return cache;
}

void seg_cache_free(struct seg_cache *cache)
{
	if (cache == NULL)
		return;
	must_be(cache, SEG_CACHE_MAGIC);
	for (size_t i = 0; i < SEG_CACHE_SHARDS; i++) {
		must(TAILQ_EMPTY(&cache->shards[i].open));
		pthread_mutex_destroy(&cache->shards[i].lock);
	}
	cache->magic = 0;
	free(cache);
}

static struct seg_cache_shard *seg_cache_shard_of(struct seg_cache *cache,
						  const struct seg_cache_file *file)
{
	uintptr_t mixed = (uintptr_t)file / 64 * 0x9e3779b97f4a7c15u;

	must_be(cache, SEG_CACHE_MAGIC);
	return &cache->shards[(mixed >> 32) % SEG_CACHE_SHARDS];
}

static void seg_cache_close(struct seg_cache_shard *shard, struct seg_cache_file *file)
{
	TAILQ_REMOVE(&shard->open, file, link);
	shard->len--;
	file_close(file->fd);
	file->fd = -1;
}

/* Closes unpinned descriptors until at most `keep` are open; each is looked at twice at most. */
static void seg_cache_evict(struct seg_cache_shard *shard, size_t keep)
{
	for (size_t looks = shard->len * 2; shard->len > keep && looks > 0; looks--) {
		struct seg_cache_file *file = TAILQ_FIRST(&shard->open);
		uint32_t none = 0;

		if (!atomic_exchange_explicit(&file->used, false, memory_order_relaxed) &&
		    atomic_compare_exchange_strong(&file->pins, &none, SEG_CACHE_CLOSED)) {
			seg_cache_close(shard, file);
			continue;
		}
		TAILQ_REMOVE(&shard->open, file, link);
		TAILQ_INSERT_TAIL(&shard->open, file, link);
	}
}

void seg_cache_file_init(struct seg_cache_file *file)
{
	atomic_init(&file->pins, SEG_CACHE_CLOSED);
	atomic_init(&file->used, false);
	file->fd = -1;
}

static void seg_cache_insert(struct seg_cache_shard *shard, struct seg_cache_file *file, int fd)
{
	file->fd = fd;
	TAILQ_INSERT_TAIL(&shard->open, file, link);
	shard->len++;
	atomic_fetch_and(&file->pins, ~SEG_CACHE_CLOSED);
	seg_cache_evict(shard, shard->len_max);
}

void seg_cache_adopt(struct seg_cache *cache, struct seg_cache_file *file, int fd)
{
	struct seg_cache_shard *shard = seg_cache_shard_of(cache, file);

	pthread_mutex_lock(&shard->lock);
	must(atomic_load(&file->pins) == SEG_CACHE_CLOSED);
	atomic_store(&file->used, true);
	seg_cache_insert(shard, file, fd);
	pthread_mutex_unlock(&shard->lock);
}

/* Under the shard's lock. Out of descriptors, those of this shard that nobody uses are given up. */
static enum err seg_cache_open(struct seg_cache_shard *shard, struct seg_cache_file *file,
			       seg_cache_open_fn open)
{
	enum err err;
	int fd = -1;

	err = open(file, &fd);
	if (err == ERR_MANYFILES) {
		seg_cache_evict(shard, 0);
		err = open(file, &fd);
	}
	if (err != ERR_OK)
		return err;
	seg_cache_insert(shard, file, fd);
	return ERR_OK;
}

enum err seg_cache_pin(struct seg_cache *cache, struct seg_cache_file *file, seg_cache_open_fn open)
{
	struct seg_cache_shard *shard;
	enum err err = ERR_OK;

	if (!atomic_load_explicit(&file->used, memory_order_relaxed))
		atomic_store_explicit(&file->used, true, memory_order_relaxed);
	if ((atomic_fetch_add(&file->pins, 1) & SEG_CACHE_CLOSED) == 0)
		return ERR_OK;
	shard = seg_cache_shard_of(cache, file);
	pthread_mutex_lock(&shard->lock);
	if ((atomic_load(&file->pins) & SEG_CACHE_CLOSED) != 0)
		err = seg_cache_open(shard, file, open);
	if (err != ERR_OK)
		atomic_fetch_sub(&file->pins, 1);
	pthread_mutex_unlock(&shard->lock);
	return err;
}

void seg_cache_unpin(struct seg_cache_file *file)
{
	uint32_t before = atomic_fetch_sub(&file->pins, 1);

	must((before & ~SEG_CACHE_CLOSED) > 0);
}

void seg_cache_drop(struct seg_cache *cache, struct seg_cache_file *file)
{
	struct seg_cache_shard *shard = seg_cache_shard_of(cache, file);

	pthread_mutex_lock(&shard->lock);
	must((atomic_load(&file->pins) & ~SEG_CACHE_CLOSED) == 0);
	if ((atomic_fetch_or(&file->pins, SEG_CACHE_CLOSED) & SEG_CACHE_CLOSED) == 0)
		seg_cache_close(shard, file);
	pthread_mutex_unlock(&shard->lock);
}

size_t seg_cache_open_count(struct seg_cache *cache)
{
	size_t count = 0;

	for (size_t i = 0; i < SEG_CACHE_SHARDS; i++) {
		pthread_mutex_lock(&cache->shards[i].lock);
		count += cache->shards[i].len;
		pthread_mutex_unlock(&cache->shards[i].lock);
	}
	return count;
}
