/* digest.h - SHA-256, HMAC-SHA-256, HKDF-SHA-256 on libcrypto, and CRC32C.
 *
 * Sources: FIPS 180-4, RFC 2104, RFC 5869, RFC 3720 (CRC32C, Castagnoli).
 * Contexts belong to one thread.
 */
#ifndef DARKROOM_DIGEST_H
#define DARKROOM_DIGEST_H

#include "span.h"
#include "status.h"

struct digest {
	uint8_t bytes[32];
};

/* Once at the start, from main's thread: makes libcrypto ready, without a configuration file, and compares
 * with published answers.  IO: this processor's SHA-256 gives others. */
enum status digest_init(void) MUST_CHECK;

/* SHA-256 or HMAC-SHA-256 in pieces. */
struct digest_stream;
struct digest_stream *digest_begin(void); /* NULL without memory */
struct digest_stream *digest_begin_hmac(struct span key);
void digest_update(struct digest_stream *s, struct span bytes);
/* Gives the digest and frees `s`. */
struct digest digest_end(struct digest_stream *s);
/* Frees without a result; NULL is fine. */
void digest_abandon(struct digest_stream *s);

struct digest digest_of(struct span bytes);
struct digest digest_hmac(struct span key, struct span bytes);

/* HKDF-SHA-256 with an empty salt: expands `key` under `info` to `len` (at most 255*32) bytes. */
void digest_hkdf(struct span key, struct span info, uint8_t *out, size_t len);

/* Constant time. */
bool digest_equal(const struct digest *a, const struct digest *b);
bool digest_equal_bytes(const void *a, const void *b, size_t len);

/* CRC32C of `bytes` continued from `crc` (0 to begin). */
uint32_t digest_crc32c(uint32_t crc, struct span bytes);

#endif
