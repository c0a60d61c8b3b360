/* Descriptors: opened by use, closed when many, never while pinned. */
#include "store/seg.h"
#include "support.h"

#define SEGS 100

struct files {
	char root[40];
	struct seg_cache *cache;
	struct seg_dir *dir;
	struct seg *segs[SEGS];
};

static int setup(void **state)
{
	struct files *f = calloc(1, sizeof(*f));

	file_set_fault(NULL);
	strcpy(f->root, "/tmp/barnabas-segs-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	f->cache = seg_cache_new(32);
	f->dir = seg_dir_new(f->cache, f->root);
	for (int i = 0; i < SEGS; i++) {
		f->segs[i] = seg_new(f->dir, i);
		assert_int_equal(seg_create(f->segs[i]), ERR_OK);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct files *f = *state;

	for (int i = 0; i < SEGS; i++)
		seg_unref(f->segs[i]);
	seg_dir_unref(f->dir);
	seg_cache_free(f->cache);
	assert_int_equal(file_remove_dir(f->root), ERR_OK);
	free(f);
	return 0;
}

static void descriptors_have_a_cap(void **state)
{
	struct files *f = *state;

	assert_true(seg_cache_open_count(f->cache) <= 32);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < SEGS; i++) {
			assert_int_equal(seg_pin(f->segs[i]), ERR_OK);
			assert_true(f->segs[i]->log_file.fd >= 0);
			seg_unpin(f->segs[i]);
		}
	assert_true(seg_cache_open_count(f->cache) <= 32);
}

static void pinned_ones_stay_open(void **state)
{
	struct files *f = *state;

	for (int i = 0; i < SEGS; i++)
		assert_int_equal(seg_pin(f->segs[i]), ERR_OK);
	assert_int_equal(seg_cache_open_count(f->cache), SEGS);
	for (int i = 0; i < SEGS; i++) {
		assert_true(fcntl(f->segs[i]->log_file.fd, F_GETFD) >= 0);
		seg_unpin(f->segs[i]);
	}
	assert_int_equal(seg_pin(f->segs[0]), ERR_OK);
	seg_unpin(f->segs[0]);
}

static void a_missing_file_is_said_to_be_missing(void **state)
{
	struct files *f = *state;
	struct seg *seg = seg_new(f->dir, 1000);

	assert_int_equal(seg_pin(seg), ERR_NOFILE);
	assert_int_equal(seg_create(seg), ERR_OK);
	assert_int_equal(seg_pin(seg), ERR_OK);
	seg_unpin(seg);
	seg_unref(seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    TEST(descriptors_have_a_cap),
	    TEST(pinned_ones_stay_open),
	    TEST(a_missing_file_is_said_to_be_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
