/*
 * Damage of every kind to every kind of file in a data directory: the logs of topics and of
 * committed offsets, indexes, snapshots, epochs, topic ids, checkpoints, meta.properties, the mark
 * of a clean stop, the metadata log, its snapshots, its quorum-state.
 *
 * Each round puts the same directory there anew, damages up to two files and starts a broker on it,
 * in a process of its own. It starts, or it refuses with a message. What was not damaged is served
 * to the byte, what was damaged takes new records, the clean stop succeeds, and a second start
 * finds the same. Nothing crashes, hangs, or takes memory without bound. Longer than other files:
 * what each kind of damage may cost is judged in one place.
 *
 *	DAMAGE_ROUNDS=60  DAMAGE_SEED=1 (0: a random one)  DAMAGE_ROUND=n (that one alone)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "proto/fetch.h"
#include "proto/find_coordinator.h"
#include "proto/offset_commit.h"
#include "proto/offset_fetch.h"
#include "proto/produce.h"
#include "record/builder.h"
#include "tests/api/whole_ask.h"
#include "tests/memory.h"
#include "tests/store/hurt.h"

#ifdef __SANITIZE_THREAD__
#define ROUNDS 15 /* each process takes its time there */
#else
#define ROUNDS 60
#endif
#define FETCH_VERSION	 12
#define COMMIT_VERSION	 8
#define OFFSETS_VERSION	 7
#define BATCHES		 25
#define FILES_MAX	 128
#define DAMAGES_MAX	 2
#define ROUND_SECONDS	 120
#define MEMORY_BYTES_MAX ((rlim_t)4 << 30)
#define FILE_BYTES_MAX	 ((size_t)64 << 20)
#define COMMITTED	 INT64_C(7)
#define ERROR_LINES_MAX	 6
#define READS_MAX	 1000
#define UNKNOWN_TOPIC	 3

/* How a round's process ends. */
enum { STATUS_OK, STATUS_REFUSED = 10, STATUS_BROKEN = 11 };

static const char *const settings[] = {"offsets.topic.num.partitions=1",
				       "metadata.log.max.record.bytes.between.snapshots=3000",
				       "log.index.interval.bytes=200", NULL};

static struct partition_of {
	const char *topic, *dir;
	int32_t idx;
	uint8_t *bytes; /* all that a fetch gives */
	size_t len;
} partitions[] = {
    {.topic = "a", .dir = "a-0"},
    {.topic = "a", .dir = "a-1", .idx = 1},
    {.topic = "b", .dir = "b-0"},
    {.topic = "c", .dir = "c-0"},
};

struct kept_file {
	char *name; /* below the data directory */
	char *data;
	size_t len;
};

struct kept {
	struct kept_file files[FILES_MAX];
	size_t len;
	char *dirs[FILES_MAX];
	size_t dirs_len;
};

static struct {
	struct kept killed, closed;
	uint64_t seed;
	char told[300];
	char root[64];
	/* what the round's damage excuses */
	bool metadata, properties, log_starts, offsets, partition[ARRAY_LEN(partitions)];
} damage;

static struct whole whole;

/* -- requests -------------------------------------------------------------------------------- */

static int produce(const struct partition_of *to, int number)
{
	struct whole_batch batch = {.topic = to->topic,
				    .idx = to->idx,
				    .acks = -1,
				    .version = WHOLE_PRODUCE_VERSION,
				    .transactional_id = STR_NULL};
	struct builder builder;
	struct whole_call call;
	uint8_t value[300];
	struct wr records;

	wr_init(&records, 1 << 20);
	builder_init(&builder, &records, &builder_options_default);
	memset(value, number, sizeof(value));
	builder_add(&builder, 1000 + number, BYTES_NULL,
		    (struct bytes){value, (size_t)(number * 31 % 300)}, NULL, 0);
	must(builder_finish(&builder, NULL) == ERR_OK);
	batch.records = wr_written(&records);
	whole_begin_batch(&whole, &call, &batch);
	wr_fini(&records);
	whole_ask(&call);
	return whole_end_produce(&call);
}

/* Appends what one fetch gives to *bytes; the error code, and -1 at the end. */
static int fetch_on(const struct partition_of *from, int64_t *offset, struct wr *bytes)
{
	struct fetch_req_fetch_partition part;
	struct fetch_req_fetch_topic topic;
	struct fetch_res_partition_data *got;
	struct fetch_req ask;
	struct fetch_res answer;
	struct whole_call call;
	struct batch_header header;
	struct bytes records;
	int code;

	whole_begin(&whole, &call, FETCH_API_KEY, FETCH_VERSION);
	fetch_req_init(&ask);
	fetch_req_fetch_topic_init(&topic);
	fetch_req_fetch_partition_init(&part);
	part.partition = from->idx;
	part.fetch_offset = *offset;
	part.partition_max_bytes = 2000;
	topic.topic = str_of(from->topic);
	topic.partitions = &part;
	topic.partitions_len = 1;
	ask.session_epoch = -1;
	ask.topics = &topic;
	ask.topics_len = 1;
	fetch_req_encode(&ask, &call.frame, FETCH_VERSION);
	whole_ask(&call);
	must(fetch_res_decode(&answer, &call.body, FETCH_VERSION, &call.req.arena) == ERR_OK);
	must(answer.responses_len == 1);
	got = &answer.responses[0].partitions[0];
	code = got->error_code;
	records = got->records.bytes;
	if (code == 0 && records.len == 0)
		code = -1;
	while (batch_header_read(records, &header) == ERR_OK && header.size_bytes <= records.len) {
		wr_raw(bytes, (struct bytes){records.ptr, header.size_bytes});
		*offset = batch_next_offset(&header);
		records.ptr += header.size_bytes;
		records.len -= header.size_bytes;
	}
	whole_end(&call);
	return code;
}

/* From `offset` to the end, or to an error. */
static int fetch_all(const struct partition_of *from, int64_t offset, struct wr *bytes)
{
	int code = 0;

	wr_init(bytes, FILE_BYTES_MAX);
	for (int i = 0; code == 0 && i < READS_MAX; i++) {
		int64_t before = offset;

		code = fetch_on(from, &offset, bytes);
		if (code == 0 && offset <= before)
			return 2; /* it cannot be read on, as a client sees it */
	}
	return code;
}

/* The first request makes the topic, so it is asked for until it is there. */
static void find_coordinator(void)
{
	struct find_coordinator_req ask;
	struct find_coordinator_res answer;
	struct whole_call call;
	int16_t code;

	find_coordinator_req_init(&ask);
	ask.key = STR("g");
	do {
		whole_begin(&whole, &call, FIND_COORDINATOR_API_KEY, 0);
		find_coordinator_req_encode(&ask, &call.frame, 0);
		whole_ask(&call);
		must(find_coordinator_res_decode(&answer, &call.body, 0, &call.req.arena) ==
		     ERR_OK);
		code = answer.error_code;
		whole_end(&call);
	} while (code != 0);
}

static int commit(void)
{
	struct offset_commit_req_offset_commit_request_partition part = {
	    .committed_offset = COMMITTED,
	    .committed_leader_epoch = -1,
	    .committed_metadata = STR("")};
	struct offset_commit_req_offset_commit_request_topic topic = {.name = STR("a"),
								      .partitions = &part,
								      .partitions_len = 1};
	struct offset_commit_req ask;
	struct offset_commit_res answer;
	struct whole_call call;
	int code;

	whole_begin(&whole, &call, OFFSET_COMMIT_API_KEY, COMMIT_VERSION);
	offset_commit_req_init(&ask);
	ask.group_id = STR("g");
	ask.generation_id_or_member_epoch = -1;
	ask.topics = &topic;
	ask.topics_len = 1;
	offset_commit_req_encode(&ask, &call.frame, COMMIT_VERSION);
	whole_ask(&call);
	must(offset_commit_res_decode(&answer, &call.body, COMMIT_VERSION, &call.req.arena) ==
	     ERR_OK);
	must(answer.topics_len == 1);
	code = answer.topics[0].partitions[0].error_code;
	whole_end(&call);
	return code;
}

/* What is committed, -1 when nothing is, -2 while nobody can tell. */
static int64_t committed(void)
{
	int32_t idx = 0;
	struct offset_fetch_req_offset_fetch_request_topic topic = {STR("a"), &idx, 1};
	struct offset_fetch_req ask;
	struct offset_fetch_res answer;
	struct whole_call call;
	int64_t offset;

	whole_begin(&whole, &call, OFFSET_FETCH_API_KEY, OFFSETS_VERSION);
	offset_fetch_req_init(&ask);
	ask.group_id = STR("g");
	ask.topics = &topic;
	ask.topics_len = 1;
	offset_fetch_req_encode(&ask, &call.frame, OFFSETS_VERSION);
	whole_ask(&call);
	must(offset_fetch_res_decode(&answer, &call.body, OFFSETS_VERSION, &call.req.arena) ==
	     ERR_OK);
	offset = answer.error_code != 0 ? -2 : answer.topics[0].partitions[0].committed_offset;
	whole_end(&call);
	return offset;
}

/* -- the directory --------------------------------------------------------------------------- */

static void keep_file(struct kept *kept, const char *dir, const char *name, const char *below)
{
	struct kept_file *file = &kept->files[kept->len++];
	char *path = file_path(dir, name);

	must(kept->len < FILES_MAX);
	must(file_read_all(path, FILE_BYTES_MAX, &file->data, &file->len) == ERR_OK);
	if (below[0] != '\0')
		file->name = file_path(below, name);
	else
		file->name = strdup(name);
	free(path);
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void keep(struct kept *kept, const char *root, const char *below)
{
	char *dir = below[0] != '\0' ? file_path(root, below) : strdup(root), **names;
	size_t len;

	must(file_list(dir, &names, &len) == ERR_OK);
	for (size_t i = 0; i < len; i++) {
		char *path = file_path(dir, names[i]);

		if (!is_dir(path)) {
			keep_file(kept, dir, names[i], below);
		} else {
			must(below[0] == '\0'); /* no deeper than that */
			kept->dirs[kept->dirs_len++] = strdup(names[i]);
		}
		free(path);
	}
	file_list_free(names, len);
	free(dir);
}

static void keep_all(struct kept *kept, const char *root)
{
	keep(kept, root, "");
	for (size_t i = 0; i < kept->dirs_len; i++)
		keep(kept, root, kept->dirs[i]);
}

static void put_file(const char *root, const char *name, const void *data, size_t len)
{
	char *path = file_path(root, name);
	int fd;

	must(file_open(path, O_WRONLY | O_CREAT | O_TRUNC, &fd) == ERR_OK);
	must(file_pwrite(fd, data, len, 0) == ERR_OK);
	file_close(fd);
	free(path);
}

static void put_all(const struct kept *kept, const char *root)
{
	must(file_mkdir(root) == ERR_OK);
	for (size_t i = 0; i < kept->dirs_len; i++) {
		char *path = file_path(root, kept->dirs[i]);

		must(file_mkdir(path) == ERR_OK);
		free(path);
	}
	for (size_t i = 0; i < kept->len; i++)
		put_file(root, kept->files[i].name, kept->files[i].data, kept->files[i].len);
}

static void remove_all(const char *root)
{
	char **names;
	size_t len;

	must(file_list(root, &names, &len) == ERR_OK);
	for (size_t i = 0; i < len; i++) {
		char *path = file_path(root, names[i]);

		if (file_unlink(path) != ERR_OK)
			must(file_remove_dir(path) == ERR_OK);
		free(path);
	}
	file_list_free(names, len);
	must(rmdir(root) == 0);
}

static int damage_setup(void **state)
{
	struct wr bytes;

	log_set_level(getenv("DAMAGE_VERBOSE") != NULL ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR);
	snprintf(damage.root, sizeof(damage.root), "%s/barnabas-damage-XXXXXX", memory_dir());
	must(mkdtemp(damage.root) != NULL);
	whole_open(&whole, settings);
	whole_make_topic(&whole, "a", 2);
	whole_make_topic(&whole, "b", 1);
	whole_make_topic(&whole, "c", 1);
	for (int i = 0; i < BATCHES; i++)
		for (size_t p = 0; p < ARRAY_LEN(partitions); p++)
			must(produce(&partitions[p], i) == 0);
	find_coordinator();
	while (commit() != 0)
		whole_turn(&whole);
	must(committed() == COMMITTED);
	keep_all(&damage.killed, whole.dir);
	whole_restart(&whole);
	for (size_t p = 0; p < ARRAY_LEN(partitions); p++) {
		must(fetch_all(&partitions[p], 0, &bytes) == -1);
		partitions[p].bytes = malloc(bytes.len_bytes);
		partitions[p].len = bytes.len_bytes;
		memcpy(partitions[p].bytes, bytes.buf, bytes.len_bytes);
		wr_fini(&bytes);
	}
	must(whole_end_dir(&whole) == ERR_OK);
	keep_all(&damage.closed, whole.dir);
	remove_all(whole.dir);
	return 0;
}

static void kept_free(struct kept *kept)
{
	for (size_t i = 0; i < kept->len; i++) {
		free(kept->files[i].name);
		free(kept->files[i].data);
	}
	for (size_t i = 0; i < kept->dirs_len; i++)
		free(kept->dirs[i]);
}

static int damage_teardown(void **state)
{
	kept_free(&damage.killed);
	kept_free(&damage.closed);
	for (size_t p = 0; p < ARRAY_LEN(partitions); p++)
		free(partitions[p].bytes);
	must(rmdir(damage.root) == 0);
	return 0;
}

/* -- damaging -------------------------------------------------------------------------------- */

static bool starts(const char *name, const char *front)
{
	return strncmp(name, front, strlen(front)) == 0;
}

/* What may be missing after damage to this file. */
static void excuse(const char *name)
{
	size_t len = strlen(name);
	bool log = len > 4 && strcmp(name + len - 4, ".log") == 0;

	damage.metadata |= starts(name, "__cluster_metadata-0/") || starts(name, "bootstrap");
	damage.properties |= strcmp(name, "meta.properties") == 0;
	damage.log_starts |= strcmp(name, "log-start-offset-checkpoint") == 0;
	damage.offsets |= log && starts(name, "__consumer_offsets-0/");
	for (size_t p = 0; p < ARRAY_LEN(partitions); p++)
		damage.partition[p] |= log && starts(name, partitions[p].dir);
}

static void hurt_file(const struct kept *kept, const char *root, struct rnd *rnd, const char *only)
{
	const struct kept_file *file, *other = &kept->files[rnd_below(rnd, kept->len)];
	size_t kind = rnd_below(rnd, HURT_KINDS), told = strlen(damage.told), tries = 0;
	char *path;
	uint8_t *data;
	long len;

	do
		file = &kept->files[rnd_below(rnd, kept->len)];
	while ((only != NULL && strstr(file->name, only) == NULL && tries++ < 100000) ||
	       strcmp(file->name, ".lock") == 0);
	data = malloc(file->len + HURT_GROWTH_MAX);
	memcpy(data, file->data, file->len);
	len = hurt(rnd, data, file->len, (struct bytes){(uint8_t *)other->data, other->len}, kind);
	snprintf(damage.told + told, sizeof(damage.told) - told, "; %s: %s", file->name,
		 hurt_kinds[kind]);
	excuse(file->name);
	path = file_path(root, file->name);
	if (len == HURT_GONE)
		(void)!file_unlink(path);
	else
		put_file(root, file->name, data, (size_t)len);
	free(path);
	free(data);
}

/* -- a round's process ----------------------------------------------------------------------- */

__attribute__((noreturn, format(printf, 1, 2))) static void broken(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("BROKEN: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	fflush(stderr);
	va_end(args);
	_exit(STATUS_BROKEN);
}

/* Has the partition's directory been set aside, whole, as another topic's? A changed bit in its
 * topic id makes it that. */
static bool is_stray(const char *dir)
{
	size_t len = strlen(dir), names_len;
	bool found = false;
	char **names;

	must(file_list(whole.dir, &names, &names_len) == ERR_OK);
	for (size_t i = 0; i < names_len; i++)
		found |= starts(names[i], dir) && strstr(names[i] + len, "-stray") != NULL;
	file_list_free(names, names_len);
	return found;
}

/* Is it what it was, with new records behind at most? */
static void check_partition(size_t p)
{
	const struct partition_of *part = &partitions[p];
	struct wr bytes;
	int code = fetch_all(part, 0, &bytes);

	if (damage.partition[p] || damage.log_starts || is_stray(part->dir) ||
	    (damage.metadata && code == UNKNOWN_TOPIC)) {
		wr_fini(&bytes);
		return;
	}
	if (code != -1)
		broken("%s: reading ends with error %d", part->dir, code);
	if (bytes.len_bytes < part->len || memcmp(bytes.buf, part->bytes, part->len) != 0)
		broken("%s: other bytes than before, %zu of %zu", part->dir, bytes.len_bytes,
		       part->len);
	wr_fini(&bytes);
}

static void check_committed(void)
{
	int64_t offset = committed();

	damage.offsets |= is_stray("__consumer_offsets-0");
	/* The coordinator reads its partition after the start: it is asked again until then. */
	while (offset == -2 && !damage.offsets && !damage.metadata) {
		whole_turn(&whole);
		offset = committed();
	}
	if (offset != COMMITTED && !damage.offsets && !damage.metadata && !damage.log_starts)
		broken("the committed offset is %lld", (long long)offset);
}

static void check_all(void)
{
	for (size_t p = 0; p < ARRAY_LEN(partitions); p++)
		check_partition(p);
	check_committed();
	for (size_t p = 0; p < ARRAY_LEN(partitions); p++) {
		int code = produce(&partitions[p], 1);

		if (code != 0 && !damage.metadata)
			broken("%s: a record is refused with %d", partitions[p].dir, code);
	}
}

static void run(const char *root)
{
	enum err err;

	alarm(ROUND_SECONDS);
	for (int i = 0; i < 2; i++) {
		err = whole_open_dir(&whole, root, settings);
		if (err != ERR_OK) {
			fprintf(stderr, "start %d: %s\n", i, err_text(err));
			fflush(stderr);
			_exit(i == 0 && (damage.metadata || damage.properties) ? STATUS_REFUSED
									       : STATUS_BROKEN);
		}
		check_all();
		if (whole_end_dir(&whole) != ERR_OK)
			broken("the stop failed");
	}
	_exit(STATUS_OK);
}

/* -- rounds ---------------------------------------------------------------------------------- */

static void limit_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	struct rlimit limit = {MEMORY_BYTES_MAX, MEMORY_BYTES_MAX};

	(void)!setrlimit(RLIMIT_AS, &limit);
#endif
}

static int count(const char *text, const char *what)
{
	int found = 0;

	for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
		found++;
	return found;
}

static void judge(int status, const char *log_path)
{
	char *text;
	size_t len;
	int errors;

	must(file_read_all(log_path, FILE_BYTES_MAX, &text, &len) == ERR_OK);
	errors = count(text, " ERROR ");
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_REFUSED &&
	    (errors < 1 || errors > ERROR_LINES_MAX))
		fail_msg("%s\nrefused with %d lines of error:\n%.3000s", damage.told, errors, text);
	if (!WIFEXITED(status) ||
	    (WEXITSTATUS(status) != STATUS_OK && WEXITSTATUS(status) != STATUS_REFUSED))
		fail_msg("%s\nended with %#x:\n%.6000s", damage.told, (unsigned)status, text);
	free(text);
}

static void round_of(uint64_t number, const char *only, int refusals[2])
{
	char *root = file_path(damage.root, "data"), *log_path = file_path(damage.root, "log");
	const struct kept *kept;
	struct rnd rnd;
	int status;
	pid_t pid;

	rnd_init_seed(&rnd, damage.seed * 1000003 + number);
	kept = rnd_below(&rnd, 3) == 0 ? &damage.closed : &damage.killed;
	snprintf(damage.told, sizeof(damage.told), "DAMAGE_SEED=%llu DAMAGE_ROUND=%llu: %s",
		 (unsigned long long)damage.seed, (unsigned long long)number,
		 kept == &damage.closed ? "closed" : "killed");
	damage.metadata = damage.properties = damage.log_starts = damage.offsets = false;
	memset(damage.partition, 0, sizeof(damage.partition));
	if (is_dir(root))
		remove_all(root); /* of a round that failed */
	put_all(kept, root);
	for (uint64_t i = rnd_below(&rnd, DAMAGES_MAX) + 1; i > 0; i--)
		hurt_file(kept, root, &rnd, only);
	put_file(damage.root, "log", "", 0);
	fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		if (freopen(log_path, "a", stderr) == NULL)
			_exit(STATUS_BROKEN);
		limit_memory();
		run(root);
	}
	must(waitpid(pid, &status, 0) == pid);
	judge(status, log_path);
	refusals[WIFEXITED(status) && WEXITSTATUS(status) == STATUS_REFUSED]++;
	remove_all(root);
	must(file_unlink(log_path) == ERR_OK);
	free(root);
	free(log_path);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void rounds(const char *only)
{
	uint64_t rounds_len = number_of("DAMAGE_ROUNDS", ROUNDS),
		 one = number_of("DAMAGE_ROUND", 0);
	int refusals[2] = {0, 0};

	for (uint64_t i = one != 0 ? one : 1; i <= (one != 0 ? one : rounds_len); i++)
		round_of(i, only, refusals);
	print_message("%d starts, %d refusals\n", refusals[0], refusals[1]);
}

static void damaged_partitions(void **state)
{
	rounds("-");
}

static void damaged_committed_offsets(void **state)
{
	rounds("__consumer_offsets-0/");
}

static void damaged_metadata(void **state)
{
	rounds("__cluster_metadata-0/");
}

static void damaged_checkpoints(void **state)
{
	rounds("-checkpoint");
}

static void damaged_properties_and_marks(void **state)
{
	rounds("e"); /* meta.properties, .kafka_cleanshutdown, and more */
}

static void damage_to_anything(void **state)
{
	rounds(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(damaged_partitions),
	    cmocka_unit_test(damaged_committed_offsets),
	    cmocka_unit_test(damaged_metadata),
	    cmocka_unit_test(damaged_checkpoints),
	    cmocka_unit_test(damaged_properties_and_marks),
	    cmocka_unit_test(damage_to_anything),
	};
	struct rnd rnd;

	rnd_init_random(&rnd);
	damage.seed = number_of("DAMAGE_SEED", 1);
	if (damage.seed == 0)
		damage.seed = rnd_below(&rnd, 1000000000);
	print_message("damage: seed %llu\n", (unsigned long long)damage.seed);
	return cmocka_run_group_tests(tests, damage_setup, damage_teardown);
}
