/* Kafka's text form of 128-bit ids: URL-safe base64, no padding, 22 characters. */
#include "base/str.h"

static const char uuid_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool uuid_is_zero(struct uuid id)
{
	static const struct uuid zero;
	return uuid_eq(id, zero);
}

struct uuid uuid_of(uint64_t high, uint64_t low)
{
	struct uuid id;

	for (int i = 0; i < 8; i++) {
		id.b[i] = (uint8_t)(high >> (56 - 8 * i));
		id.b[8 + i] = (uint8_t)(low >> (56 - 8 * i));
	}
	return id;
}

void uuid_text(struct uuid id, char out[UUID_TEXT_LEN + 1])
{
	uint32_t bits = 0;
	int have = 0, pos = 0;

	for (int i = 0; i < 16; i++) {
		bits = bits << 8 | id.b[i];
		for (have += 8; have >= 6; have -= 6)
			out[pos++] = uuid_digits[bits >> (have - 6) & 63];
	}
	out[pos++] = uuid_digits[bits << (6 - have) & 63];
	must(pos == UUID_TEXT_LEN);
	out[pos] = '\0';
}

static int uuid_digit(char c)
{
	const char *at = c != '\0' ? strchr(uuid_digits, c) : NULL;
	return at != NULL ? (int)(at - uuid_digits) : -1;
}

bool uuid_parse(struct str text, struct uuid *out)
{
	uint32_t bits = 0;
	int have = 0, pos = 0;

	memset(out, 0, sizeof(*out));
	if (text.len != UUID_TEXT_LEN)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int digit = uuid_digit(text.ptr[i]);
		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have >= 8 && pos < 16) {
			have -= 8;
			out->b[pos++] = (uint8_t)(bits >> have);
		}
	}
	/* 22 digits carry 132 bits: the last four are no part of the id. */
	return pos == 16 && (bits & 15) == 0;
}
