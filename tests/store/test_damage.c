/*
 * Damage of every kind to every kind of file in a partition's directory: bits, runs of bytes, cuts,
 * growth, loss. Each round puts the same log's files there anew, damages up to three of them and
 * opens it. Whatever was hurt, the log opens, gives no record that was not written, gives all that
 * the damage did not reach, keeps aside what it cuts off, takes new records, and is the same after
 * a clean stop.
 *
 *	DAMAGE_ROUNDS=100  DAMAGE_SEED=1 (0: a random one)  DAMAGE_ROUND=n (that one alone)
 */
#include <signal.h>
#include <sys/resource.h>

#include "store/plog_impl.h"
#include "hurt.h"
#include "support.h"

#define FILES_MAX     96
#define BATCHES_MAX   256
#define DAMAGES_MAX   3
#define ROUND_SECONDS 60
#define RSS_KB_MAX    (1000 * 1024)
#define SEGMENT_BYTES 4000
#define FILL_BATCHES  70
#define SUFFIX_ASIDE  ".corrupt"
#define EPOCHS_NAME   "leader-epoch-checkpoint"
#define METADATA_NAME "partition.metadata"
#define MARK_EACH     7

struct kept_file {
	char *name, *data;
	size_t len;
};

/* A batch of the log as it was written. */
struct kept_batch {
	int64_t base_offset, next_offset, seg_base;
	const char *bytes;
	size_t pos, len;
	bool hurt, head_hurt; /* in this round: any of its bytes; one of its header's, or gone */
	bool served;
};

/* A log's files at one moment. */
struct kept {
	struct kept_file files[FILES_MAX];
	size_t files_len;
	struct kept_batch batches[BATCHES_MAX];
	size_t batches_len;
	int64_t recovery_point, end;
	bool clean;
};

static struct {
	struct kept killed, closed;
	uint64_t seed;
	char told[200]; /* what the round under way does, for who must find it again */
} damage;

/* -- keeping --------------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static int64_t offset_of(const char *name)
{
	return strtoll(name, NULL, 10);
}

static void keep_batches(struct kept *kept, const struct kept_file *file)
{
	struct batch_header header;

	for (size_t at = 0; at < file->len; at += header.size_bytes) {
		struct bytes rest = {(const uint8_t *)file->data + at, file->len - at};

		assert_int_equal(batch_header_read(rest, &header), ERR_OK);
		assert_true(kept->batches_len < BATCHES_MAX);
		kept->batches[kept->batches_len++] = (struct kept_batch){
		    .base_offset = header.base_offset,
		    .next_offset = batch_next_offset(&header),
		    .seg_base = offset_of(file->name),
		    .bytes = file->data + at,
		    .pos = at,
		    .len = header.size_bytes,
		};
		kept->end = batch_next_offset(&header);
	}
}

static void keep(struct kept *kept, const struct world *w)
{
	char **names;
	size_t len;

	assert_int_equal(file_list(w->dir, &names, &len), ERR_OK);
	assert_true(len <= FILES_MAX);
	for (size_t i = 0; i < len; i++) {
		struct kept_file *file = &kept->files[kept->files_len++];
		char *path = file_path(w->dir, names[i]);

		assert_int_equal(file_read_all(path, SUPPORT_CAP, &file->data, &file->len), ERR_OK);
		file->name = strdup(names[i]);
		free(path);
		if (ends_with(file->name, ".log"))
			keep_batches(kept, file);
	}
	file_list_free(names, len);
}

static void kept_free(struct kept *kept)
{
	for (size_t i = 0; i < kept->files_len; i++) {
		free(kept->files[i].name);
		free(kept->files[i].data);
	}
}

/* Producers, transactions that commit and abort, epochs, several segments, half of it flushed. */
static void fill(struct world *w, int from, int to)
{
	static int32_t sequences[2];

	if (from == 0)
		sequences[0] = sequences[1] = 0;
	for (int i = from; i < to; i++) {
		struct batch_of of = {.records = 1 + i % 4,
				      .value_bytes = (size_t)(i * 37 % 400),
				      .timestamp = SUPPORT_NOW_MS + i * 10};

		of.has_producer = i % 3 != 0;
		of.transactional = i % 3 == 2;
		of.producer_id = i % 3;
		if (of.has_producer) {
			of.sequence = sequences[i % 3 - 1];
			sequences[i % 3 - 1] += of.records;
		}
		assert_int_equal(support_append(w, of).err, ERR_OK);
		if (i % MARK_EACH == 0)
			assert_int_equal(support_marker(w,
							i % 2 == 0 ? CONTROL_ABORT : CONTROL_COMMIT,
							2, 0)
					     .err,
					 ERR_OK);
	}
}

static int damage_setup(void **state)
{
	struct world *w = world_new();

	w->cfg.segment_bytes = SEGMENT_BYTES;
	w->cfg.index_interval_bytes = 500;
	world_create(w);
	fill(w, 0, FILL_BATCHES / 2);
	assert_int_equal(plog_do_work(w->log), ERR_OK);
	assert_int_equal(plog_checkpoint(w->log, &damage.killed.recovery_point), ERR_OK);
	fill(w, FILL_BATCHES / 2, FILL_BATCHES);
	assert_int_equal(plog_do_work(w->log), ERR_OK);
	keep(&damage.killed, w);
	world_close(w);
	keep(&damage.closed, w);
	damage.closed.clean = true;
	damage.closed.recovery_point = w->args.recovery_point;
	*state = w;
	return 0;
}

static int damage_teardown(void **state)
{
	world_free(*state);
	kept_free(&damage.killed);
	kept_free(&damage.closed);
	return 0;
}

/* -- damaging -------------------------------------------------------------------------------- */

static void put_file(const struct world *w, const char *name, const void *data, size_t len)
{
	char *path = file_path(w->dir, name);

	support_write_at(path, 0, data, len);
	free(path);
}

static void put_all(const struct world *w, const struct kept *kept)
{
	assert_int_equal(file_remove_dir(w->dir), ERR_OK);
	assert_int_equal(file_mkdir(w->dir), ERR_OK);
	for (size_t i = 0; i < kept->files_len; i++)
		put_file(w, kept->files[i].name, kept->files[i].data, kept->files[i].len);
}

static void mark_hurt(struct kept *kept, const struct kept_file *file, const uint8_t *data,
		      long len)
{
	for (size_t i = 0; i < kept->batches_len; i++) {
		struct kept_batch *batch = &kept->batches[i];
		bool there;

		if (!ends_with(file->name, ".log") || batch->seg_base != offset_of(file->name))
			continue;
		there = len >= (long)(batch->pos + batch->len);
		batch->head_hurt |=
		    !there || memcmp(data + batch->pos, batch->bytes, BATCH_HEADER_BYTES) != 0;
		batch->hurt |= !there || memcmp(data + batch->pos, batch->bytes, batch->len) != 0;
	}
}

static void hurt_file(const struct world *w, struct kept *kept, struct rnd *rnd, const char *suffix)
{
	const struct kept_file *file, *other = &kept->files[rnd_below(rnd, kept->files_len)];
	uint8_t *data;
	char *path;
	size_t kind = rnd_below(rnd, HURT_KINDS);
	size_t told = strlen(damage.told);
	long len;

	do
		file = &kept->files[rnd_below(rnd, kept->files_len)];
	while (suffix != NULL && !ends_with(file->name, suffix));
	data = malloc(file->len + HURT_GROWTH_MAX + 1);
	memcpy(data, file->data, file->len);
	len = hurt(rnd, data, file->len, (struct bytes){(const uint8_t *)other->data, other->len},
		   kind);
	snprintf(damage.told + told, sizeof(damage.told) - told, "; %s: %s", file->name,
		 hurt_kinds[kind]);
	mark_hurt(kept, file, data, len);
	path = file_path(w->dir, file->name);
	if (file_unlink(path) == ERR_OK && len >= 0)
		support_write_at(path, 0, data, (size_t)len);
	free(path);
	free(data);
}

/* -- judging --------------------------------------------------------------------------------- */

static void complain(const struct kept_batch *batch, const char *what)
{
	fail_msg("%s\n%s: offset %lld, segment %lld at %zu", damage.told, what,
		 (long long)batch->base_offset, (long long)batch->seg_base, batch->pos);
}

static const struct kept_batch *batch_at(const struct kept *kept, int64_t offset)
{
	for (size_t i = 0; i < kept->batches_len; i++)
		if (kept->batches[i].base_offset == offset)
			return &kept->batches[i];
	return NULL;
}

/*
 * Offset, length and epoch are outside of the checksum: who changes these alone is not found out.
 */
static bool is_renumbered(const struct kept *kept, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < kept->batches_len; i++) {
		const struct kept_batch *batch = &kept->batches[i];

		if (batch->head_hurt && batch->len == len &&
		    memcmp(data + BATCH_MAGIC_AT, batch->bytes + BATCH_MAGIC_AT,
			   len - BATCH_MAGIC_AT) == 0)
			return true;
	}
	return false;
}

/* What is given with a good checksum was written so: no record that nobody sent. */
static void check_given(const struct kept *kept, const uint8_t *data, size_t len)
{
	struct batch_header header;

	for (size_t at = 0; at < len; at += header.size_bytes) {
		const struct kept_batch *batch;

		if (batch_header_read((struct bytes){data + at, len - at}, &header) != ERR_OK ||
		    header.size_bytes > len - at)
			return;
		if (batch_check_crc((struct bytes){data + at, header.size_bytes}) != ERR_OK ||
		    is_renumbered(kept, data + at, header.size_bytes))
			continue;
		batch = batch_at(kept, header.base_offset);
		if (batch == NULL)
			fail_msg("%s\nnobody wrote what is at offset %lld", damage.told,
				 (long long)header.base_offset);
		if (header.size_bytes != batch->len ||
		    memcmp(data + at, batch->bytes, batch->len) != 0)
			complain(batch, "another batch is given at this offset");
	}
}

static void read_on(struct world *w, const struct kept *kept, struct rnd *rnd)
{
	int64_t offset = plog_start(w->log), end = plog_end(w->log);
	struct plog_read_info info;
	struct slice slice;
	uint8_t *data;
	size_t got;
	int tries = 0;

	while (offset < end) {
		enum err err =
		    plog_read(w->log, offset, end, 100 + rnd_below(rnd, 6000), true, &slice, &info);

		assert_true(tries++ < 10000);
		if (err != ERR_OK || slice.len_bytes == 0) {
			offset++;
			continue;
		}
		data = malloc(slice.len_bytes);
		assert_int_equal(file_pread(slice.fd, data, slice.len_bytes, slice.pos, &got),
				 ERR_OK);
		check_given(kept, data, got);
		free(data);
		slice_release(&slice);
		assert_true(info.next_offset > offset);
		offset = info.next_offset;
	}
}

static bool is_served(struct world *w, const struct kept_batch *batch)
{
	struct plog_read_info info;
	struct slice slice;
	char *data;
	size_t got;
	bool same = false;

	if (plog_read(w->log, batch->base_offset, plog_end(w->log), 1, true, &slice, &info) !=
		ERR_OK ||
	    slice.len_bytes == 0)
		return false;
	data = malloc(slice.len_bytes);
	assert_int_equal(file_pread(slice.fd, data, slice.len_bytes, slice.pos, &got), ERR_OK);
	same = got >= batch->len && memcmp(data, batch->bytes, batch->len) == 0;
	free(data);
	slice_release(&slice);
	return same;
}

/* Is it in one of the files that recovery has put aside? */
static bool is_aside(const struct world *w, const struct kept_batch *batch)
{
	char **names, *data;
	size_t names_len, len;
	bool found = false;

	assert_int_equal(file_list(w->dir, &names, &names_len), ERR_OK);
	for (size_t i = 0; i < names_len && !found; i++) {
		char *path = file_path(w->dir, names[i]);

		if (strstr(names[i], SUFFIX_ASIDE) != NULL &&
		    file_read_all(path, SUPPORT_CAP, &data, &len) == ERR_OK) {
			found = memmem(data, len, batch->bytes, batch->len) != NULL;
			free(data);
		}
		free(path);
	}
	file_list_free(names, names_len);
	return found;
}

/* Everything that is whole is served, or, where recovery must cut, aside. */
static void check_served(struct world *w, struct kept *kept, int64_t trusted)
{
	const struct kept_batch *cause = NULL;	 /* the last one before that was hurt */
	int64_t lost_seg = -1, lost_offset = -1; /* of the last hurt header */

	for (size_t i = 0; i < kept->batches_len; i++) {
		struct kept_batch *batch = &kept->batches[i];

		batch->served = is_served(w, batch);
		if (batch->hurt)
			cause = batch;
		if (batch->head_hurt) {
			lost_seg = batch->seg_base;
			lost_offset = batch->base_offset;
		}
		if (batch->hurt || batch->served)
			continue;
		if (cause == NULL)
			complain(batch, "nothing was hurt up to here, and it is not served");
		/* Between two entries of the index nothing leads over a header that is gone. */
		if (lost_seg == batch->seg_base && (kept->clean || lost_offset < trusted))
			continue;
		if (!is_aside(w, batch))
			complain(batch, "whole, and neither served nor aside");
		if (cause->next_offset <= trusted)
			complain(batch, "below the recovery point only was damage, and it is cut");
	}
}

/* Whatever is asked gets an answer. */
static void ask_much(struct world *w, struct rnd *rnd)
{
	struct plog_time_offset at;
	struct plog_aborted *aborted;
	struct arena arena;
	size_t len;
	int64_t end;
	int32_t epoch;

	arena_init(&arena, 1 << 20);
	for (int i = 0; i < 5; i++) {
		int64_t ts = SUPPORT_NOW_MS - 100 + (int64_t)rnd_below(rnd, 1000);

		(void)!plog_offset_for_time(w->log, ts, plog_end(w->log), &at);
		plog_end_for_epoch(w->log, (int32_t)rnd_below(rnd, 3), &epoch, &end);
	}
	(void)!plog_offset_for_time(w->log, PLOG_TIME_MAX, plog_end(w->log), &at);
	(void)!plog_aborted_txns(w->log, plog_start(w->log), plog_end(w->log), &arena, &aborted,
				 &len);
	arena_fini(&arena);
}

static void check_new_records(struct world *w, const struct kept *kept)
{
	int64_t end = plog_end(w->log), first;

	first = support_add(w, 3);
	assert_int_equal(first, end);
	support_add(w, 2);
	assert_int_equal(plog_do_work(w->log), ERR_OK);
	assert_int_equal(plog_flush(w->log), ERR_OK);
	assert_int_equal(plog_flushed(w->log), end + 5);
	assert_int_equal(support_read_all(w, first, 4096), 2);
	world_close(w);
	world_open(w);
	assert_int_equal(plog_end(w->log), end + 5);
	assert_int_equal(support_read_all(w, first, 4096), 2);
	for (size_t i = 0; i < kept->batches_len; i++)
		if (kept->batches[i].served && !is_served(w, &kept->batches[i]))
			complain(&kept->batches[i], "served before the clean stop, not after");
}

/* -- rounds ---------------------------------------------------------------------------------- */

static void round_of(struct world *w, uint64_t number, const char *suffix)
{
	struct rnd rnd;
	struct kept *kept;
	enum err err;

	rnd_init_seed(&rnd, damage.seed * 1000003 + number);
	kept = rnd_below(&rnd, 3) == 0 ? &damage.closed : &damage.killed;
	snprintf(damage.told, sizeof(damage.told), "DAMAGE_SEED=%llu DAMAGE_ROUND=%llu: %s",
		 (unsigned long long)damage.seed, (unsigned long long)number,
		 kept->clean ? "closed" : "killed");
	for (size_t i = 0; i < kept->batches_len; i++)
		kept->batches[i].hurt = kept->batches[i].head_hurt = false;
	put_all(w, kept);
	for (uint64_t i = rnd_below(&rnd, DAMAGES_MAX) + 1; i > 0; i--)
		hurt_file(w, kept, &rnd, suffix);
	w->args.clean = kept->clean;
	w->args.recovery_point = rnd_below(&rnd, 4) == 0 ? 0 : kept->recovery_point;
	w->args.log_start = 0;
	alarm(ROUND_SECONDS);
	err = plog_open(&w->log, &w->env, &w->cfg, w->dir, &w->args);
	if (err == ERR_INCONSISTENT_TOPIC_ID && strstr(damage.told, METADATA_NAME) != NULL)
		return;
	if (err != ERR_OK)
		fail_msg("%s\nit does not open: %s", damage.told, err_text(err));
	read_on(w, kept, &rnd);
	check_served(w, kept, w->args.recovery_point);
	ask_much(w, &rnd);
	check_new_records(w, kept);
	world_kill(w);
	alarm(0);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void rounds(struct world *w, const char *suffix)
{
	uint64_t count = number_of("DAMAGE_ROUNDS", 100), one = number_of("DAMAGE_ROUND", 0);
	struct rusage usage;

	for (uint64_t i = one != 0 ? one : 1; i <= (one != 0 ? one : count); i++)
		round_of(w, i, suffix);
	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	assert_true(usage.ru_maxrss < RSS_KB_MAX);
}

/* A hang, or an assertion: says which round it was. */
static void on_signal(int number)
{
	(void)!write(STDERR_FILENO, damage.told, strlen(damage.told));
	(void)!write(STDERR_FILENO, "\n", 1);
	signal(number, SIG_DFL);
	raise(number);
}

#define KIND(name, suffix)              \
	static void name(void **state)  \
	{                               \
		rounds(*state, suffix); \
	}
KIND(damaged_batches, ".log")
KIND(damaged_offset_indexes, ".index")
KIND(damaged_time_indexes, ".timeindex")
KIND(damaged_transaction_indexes, ".txnindex")
KIND(damaged_producer_snapshots, ".snapshot")
KIND(damaged_epochs, EPOCHS_NAME + 1)
KIND(damaged_topic_ids, METADATA_NAME + 1)
KIND(damage_to_anything, NULL)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(damaged_batches),
	    cmocka_unit_test(damaged_offset_indexes),
	    cmocka_unit_test(damaged_time_indexes),
	    cmocka_unit_test(damaged_transaction_indexes),
	    cmocka_unit_test(damaged_producer_snapshots),
	    cmocka_unit_test(damaged_epochs),
	    cmocka_unit_test(damaged_topic_ids),
	    cmocka_unit_test(damage_to_anything),
	};
	struct rnd rnd;

	rnd_init_random(&rnd);
	damage.seed = number_of("DAMAGE_SEED", 1);
	if (damage.seed == 0)
		damage.seed = rnd_below(&rnd, 1000000000);
	print_message("damage: seed %llu\n", (unsigned long long)damage.seed);
	signal(SIGALRM, on_signal);
	signal(SIGABRT, on_signal);
	return cmocka_run_group_tests(tests, damage_setup, damage_teardown);
}
