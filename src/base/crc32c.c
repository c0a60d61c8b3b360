/* CRC-32C: eight tables for the portable form; ISA-L's vector code for the real one. */
#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

#include "config.h"

#ifdef HAVE_ISAL
#include <isa-l/crc.h>
#endif

#define CRC32C_POLY 0x82f63b78u

static uint32_t crc32c_table[8][256];
static pthread_once_t crc32c_once = PTHREAD_ONCE_INIT;

static void crc32c_make_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLY : 0);
		crc32c_table[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int t = 1; t < 8; t++)
			crc32c_table[t][i] = crc32c_table[t - 1][i] >> 8 ^
					     crc32c_table[0][crc32c_table[t - 1][i] & 255];
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len_bytes)
{
	const uint8_t *at = data;

	pthread_once(&crc32c_once, crc32c_make_tables);
	crc = ~crc;
	for (; len_bytes >= 8; len_bytes -= 8, at += 8) {
		uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 |
				      (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
		crc = crc32c_table[7][low & 255] ^ crc32c_table[6][low >> 8 & 255] ^
		      crc32c_table[5][low >> 16 & 255] ^ crc32c_table[4][low >> 24] ^
		      crc32c_table[3][at[4]] ^ crc32c_table[2][at[5]] ^ crc32c_table[1][at[6]] ^
		      crc32c_table[0][at[7]];
	}
	for (; len_bytes > 0; len_bytes--, at++)
		crc = crc >> 8 ^ crc32c_table[0][(crc ^ *at) & 255];
	return ~crc;
}

#ifdef HAVE_ISAL

/* ISA-L takes an int for the length. */
#define CRC32C_PIECE (1u << 30)

uint32_t crc32c_more(uint32_t crc, const void *data, size_t len_bytes)
{
	const uint8_t *at = data;

	crc = ~crc;
	while (len_bytes > 0) {
		size_t piece = len_bytes < CRC32C_PIECE ? len_bytes : CRC32C_PIECE;
		/* It only reads, though its prototype does not say so. */
		crc = crc32_iscsi((unsigned char *)(uintptr_t)at, (int)piece, crc);
		at += piece;
		len_bytes -= piece;
	}
	return ~crc;
}

#else

uint32_t crc32c_more(uint32_t crc, const void *data, size_t len_bytes)
{
	return crc32c_portable(crc, data, len_bytes);
}

#endif

uint32_t crc32c(const void *data, size_t len_bytes)
{
	return crc32c_more(0, data, len_bytes);
}
