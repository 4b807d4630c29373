/* digest_private.h - the two ways to a CRC32C, for the test that they agree. */
#ifndef DARKROOM_DIGEST_PRIVATE_H
#define DARKROOM_DIGEST_PRIVATE_H

#include "span.h"

/* By tables, eight bytes a step; any processor. */
uint32_t digest_crc32c_by_table(uint32_t crc, struct span bytes);

/* By the processor's instruction; only where digest_crc32c_has_hardware(). */
uint32_t digest_crc32c_by_hardware(uint32_t crc, struct span bytes);
bool digest_crc32c_has_hardware(void);

#endif
