/* CRC-32C: the known answer, and the two ways to the same sum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/crc32c.h"
#include "base/rnd.h"

static void gives_the_known_answer(void **state)
{
	assert_true(crc32c("123456789", 9) == 0xe3069283u);
	assert_true(crc32c_portable(0, "123456789", 9) == 0xe3069283u);
	assert_true(crc32c("", 0) == 0);
}

static void agrees_with_the_portable_one_at_any_cut(void **state)
{
	uint8_t data[4099];
	struct rnd rnd;

	rnd_init_seed(&rnd, 3);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rnd_next(&rnd);
	for (int round = 0; round < 500; round++) {
		size_t len = rnd_below(&rnd, sizeof(data)), cut = rnd_below(&rnd, len + 1);
		uint32_t whole = crc32c(data, len);

		assert_true(whole == crc32c_portable(0, data, len));
		assert_true(whole == crc32c_more(crc32c(data, cut), data + cut, len - cut));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_the_known_answer),
	    cmocka_unit_test(agrees_with_the_portable_one_at_any_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
