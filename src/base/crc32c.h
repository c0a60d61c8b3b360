/* CRC-32C (Castagnoli), the checksum of record batches. ISA-L where there is, else a table. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of one range. "123456789" gives 0xe3069283. */
uint32_t crc32c(const void *data, size_t len_bytes);
/* Goes on from the crc of what came before; crc32c(x) == crc32c_more(0, x). */
uint32_t crc32c_more(uint32_t crc, const void *data, size_t len_bytes);
/* The portable one, for tests and for builds without ISA-L. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len_bytes);

#endif
