/* A torn end is cut; damage before what was acknowledged stops the start. */
#include "golden.h"

#include "meta/mtail.h"
#include "record/batch.h"

static char dir[64];
static char message[MTAIL_MESSAGE_SIZE];

static enum err check(const char *data, size_t len, int64_t *recovery_point)
{
	char *path = file_path(dir, "00000000000000000000.log");
	enum err err = file_replace(path, (struct bytes){(const uint8_t *)data, len}, false);

	free(path);
	assert_int_equal(err, ERR_OK);
	message[0] = 0;
	return mtail_check(dir, recovery_point, message);
}

static size_t batch_at(const char *data, size_t len, int64_t offset)
{
	struct batch_header header;
	size_t at = 0;

	while (batch_header_read((struct bytes){(const uint8_t *)data + at, len - at}, &header) ==
		   ERR_OK &&
	       header.base_offset < offset)
		at += header.size_bytes;
	return at;
}

static size_t next_at(const char *data, size_t len, size_t at)
{
	struct batch_header header;

	assert_int_equal(batch_header_read((struct bytes){(const uint8_t *)data + at, len - at},
					   &header),
			 ERR_OK);
	return at + header.size_bytes;
}

static size_t epoch_at(const char *data, size_t len, int32_t epoch)
{
	struct batch_header header = {.leader_epoch = -1};
	size_t at = 0, next = 0;

	while (header.leader_epoch < epoch) {
		at = next;
		batch_header_load((const uint8_t *)data + at, &header);
		next = next_at(data, len, at);
	}
	assert_int_equal(header.leader_epoch, epoch);
	return at;
}

/* Up to which offset the log is good. */
static void expect_end(const char *data, size_t len, int64_t end)
{
	int64_t point;

	assert_int_equal(check(data, len, &point), ERR_OK);
	assert_int_equal(point, end);
}

static void expect_refused(const char *data, size_t len)
{
	int64_t point;

	assert_int_equal(check(data, len, &point), ERR_BADFILE);
}

/* Moves both times of the batch, and makes it good again. */
static void set_time(char *batch, int64_t more_ms)
{
	struct batch_header header;

	batch_header_load((const uint8_t *)batch, &header);
	header.base_timestamp += more_ms;
	header.max_timestamp += more_ms;
	batch_header_write((uint8_t *)batch, &header);
}

static void whole_log_needs_no_recovery(void **state)
{
	size_t len;
	char *data = golden_read("voters/metadata.log", &len);

	expect_end(data, len, 402);
	expect_end(data, 0, 0);
	free(data);
}

static void torn_end_is_cut(void **state)
{
	size_t len;
	char *data = golden_read("voters/metadata.log", &len);

	expect_end(data, len - 1, 400);
	expect_end(data, len - 80, 400);
	memset(data + len - 87, 0, 87); /* pages that never came */
	expect_end(data, len, 400);
	free(data);
}

/* Several batches of one unfinished write, of which a later page came and an earlier did not. */
static void torn_write_of_several_batches_is_cut(void **state)
{
	size_t len, at;
	char *data = golden_read("voters/metadata.log", &len);

	at = batch_at(data, len, 344);
	memset(data + at, 0, 20);
	expect_end(data, len, 344);
	free(data);
}

/* A start's first write, of two batches: of the first a page is lost. */
static void r4_torn_first_write_of_an_epoch_is_cut(void **state)
{
	size_t len, at;
	char *data = golden_read("voters/metadata.log", &len);

	at = epoch_at(data, len, 3);
	len = next_at(data, len, next_at(data, len, at));
	memset(data + at, 0, 30);
	expect_end(data, len, 150);
	free(data);
}

/* What it says of its time is not to be believed. */
static void r5_torn_write_that_claims_the_last_moment_is_cut(void **state)
{
	struct batch_header header;
	size_t len, at;
	char *data = golden_read("voters/metadata.log", &len);

	at = batch_at(data, len, 344);
	batch_header_load((const uint8_t *)data + at, &header);
	set_time(data + at, INT64_MAX - header.max_timestamp);
	data[next_at(data, len, at) - 1] ^= 1;
	expect_end(data, len, 344);
	free(data);
}

/* Hours after what is before it. */
static void r4_torn_write_after_a_pause_is_cut(void **state)
{
	size_t len, at;
	char *data = golden_read("voters/metadata.log", &len);

	at = batch_at(data, len, 344);
	for (size_t to = at; to < len; to = next_at(data, len, to))
		set_time(data + to, 3600 * 1000);
	expect_end(data, len, 402);
	memset(data + at, 0, 20);
	expect_end(data, len, 344);
	free(data);
}

/* The damaged batch itself says when it was written, or in which epoch. */
static void damage_before_a_pause_is_refused(void **state)
{
	size_t len, at;
	char *data = golden_read("voters/metadata.log", &len);

	at = batch_at(data, len, 344);
	for (size_t to = next_at(data, len, at); to < len; to = next_at(data, len, to))
		set_time(data + to, 3600 * 1000);
	data[at + 70] ^= 1;
	expect_refused(data, len);
	free(data);
}

static void damage_at_the_end_of_an_epoch_is_refused(void **state)
{
	size_t len, at, last = 0;
	char *data = golden_read("voters/metadata.log", &len);

	at = epoch_at(data, len, 3);
	for (size_t to = 0; to < at; to = next_at(data, len, to))
		last = to;
	len = next_at(data, len, at);
	memset(data + last, 0, 30);
	expect_refused(data, len);
	free(data);
}

static void damage_in_the_middle_is_refused(void **state)
{
	size_t len, at;
	char *data = golden_read("voters/metadata.log", &len);

	at = batch_at(data, len, 57); /* first epoch of three */
	data[at + 70] ^= 1;
	expect_refused(data, len);
	assert_non_null(strstr(message, "offset 57"));
	data[at + 70] ^= 1;
	memset(data + at, 0xff, 30); /* the header too: the next batch must be searched */
	expect_refused(data, len);
	free(data);
}

static size_t last_batch(const char *data, size_t len)
{
	struct batch_header header;
	size_t at = 0;

	for (;;) {
		assert_int_equal(batch_header_read((struct bytes){(const uint8_t *)data + at,
								  len - at},
						   &header),
				 ERR_OK);
		if (at + header.size_bytes >= len)
			return at;
		at += header.size_bytes;
	}
}

static void damage_before_another_segment_is_refused(void **state)
{
	char *path = file_path(dir, "00000000000000000402.log");
	int64_t point;
	size_t len, last;
	char *data = golden_read("voters/metadata.log", &len);

	last = last_batch(data, len);
	assert_int_equal(file_replace(path,
				      (struct bytes){(const uint8_t *)data + last, len - last},
				      false),
			 ERR_OK);
	assert_int_equal(check(data, last, &point), ERR_OK);
	expect_refused(data, last - 1);
	assert_non_null(strstr(message, "another segment follows"));
	/* A roll while a write was under way. */
	assert_int_equal(file_replace(path, (struct bytes){(const uint8_t *)"", 0}, false), ERR_OK);
	assert_int_equal(check(data, len, &point), ERR_OK);
	assert_int_equal(check(data, len - 1, &point), ERR_OK);
	assert_int_equal(file_unlink(path), ERR_OK);
	free(path);
	free(data);
}

static void missing_directory_is_an_empty_log(void **state)
{
	int64_t point;

	assert_int_equal(mtail_check("/nonexistent/x", &point, message), ERR_OK);
	assert_int_equal(point, 0);
}

static int setup(void **state)
{
	scratch_make(dir);
	return 0;
}

static int teardown(void **state)
{
	scratch_remove(dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole_log_needs_no_recovery),
	    cmocka_unit_test(torn_end_is_cut),
	    cmocka_unit_test(torn_write_of_several_batches_is_cut),
	    cmocka_unit_test(r4_torn_first_write_of_an_epoch_is_cut),
	    cmocka_unit_test(r5_torn_write_that_claims_the_last_moment_is_cut),
	    cmocka_unit_test(r4_torn_write_after_a_pause_is_cut),
	    cmocka_unit_test(damage_before_a_pause_is_refused),
	    cmocka_unit_test(damage_at_the_end_of_an_epoch_is_refused),
	    cmocka_unit_test(damage_in_the_middle_is_refused),
	    cmocka_unit_test(damage_before_another_segment_is_refused),
	    cmocka_unit_test(missing_directory_is_an_empty_log),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
