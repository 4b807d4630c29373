#include "poison.h"

#include "base/digest_private.h"

#include "digest.h"
#include "must.h"
#include "num.h"

/* The Castagnoli polynomial, bits reversed. */
#define POLYNOMIAL UINT32_C(0x82f63b78)

/* tables[k][byte]: what `byte` does to the remainder when k more bytes follow it. */
static uint32_t tables[8][256];
static pthread_once_t tables_made = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte;
		for (int bit = 0; bit < 8; bit++) {
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		}
		tables[0][byte] = crc;
	}
	for (size_t byte = 0; byte < 256; byte++) {
		for (size_t k = 1; k < 8; k++) {
			uint32_t before = tables[k - 1][byte];
			tables[k][byte] = before >> 8 ^ tables[0][before & 255];
		}
	}
}

static uint32_t eight_bytes(uint32_t crc, const uint8_t *p)
{
	uint32_t low = crc ^ num_get_u32(p);
	uint32_t high = num_get_u32(p + 4);
	return tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^
	       tables[4][low >> 24] ^ tables[3][high & 255] ^ tables[2][high >> 8 & 255] ^
	       tables[1][high >> 16 & 255] ^ tables[0][high >> 24];
}

uint32_t digest_crc32c_by_table(uint32_t crc, struct span bytes)
{
	size_t at = 0;
	must(pthread_once(&tables_made, make_tables) == 0);
	crc = ~crc;
	for (; bytes.len - at >= 8; at += 8) {
		crc = eight_bytes(crc, bytes.data + at);
	}
	for (; at < bytes.len; at++) {
		crc = crc >> 8 ^ tables[0][(crc ^ bytes.data[at]) & 255];
	}
	return ~crc;
}

#if defined(__x86_64__)

#include <nmmintrin.h>

__attribute__((target("sse4.2"))) uint32_t digest_crc32c_by_hardware(uint32_t crc, struct span bytes)
{
	uint64_t wide = ~crc;
	size_t at = 0;
	for (; bytes.len - at >= 8; at += 8) {
		wide = _mm_crc32_u64(wide, num_get_u64(bytes.data + at));
	}
	crc = (uint32_t)wide;
	for (; at < bytes.len; at++) {
		crc = _mm_crc32_u8(crc, bytes.data[at]);
	}
	return ~crc;
}

bool digest_crc32c_has_hardware(void)
{
	return __builtin_cpu_supports("sse4.2") != 0;
}

#else

uint32_t digest_crc32c_by_hardware(uint32_t crc, struct span bytes)
{
	return digest_crc32c_by_table(crc, bytes);
}

bool digest_crc32c_has_hardware(void)
{
	return false;
}

#endif

uint32_t digest_crc32c(uint32_t crc, struct span bytes)
{
	return digest_crc32c_has_hardware() ? digest_crc32c_by_hardware(crc, bytes)
					    : digest_crc32c_by_table(crc, bytes);
}
