/* aead.h - AES-256-GCM on libcrypto: messages, wrapped keys, sealed objects.
 *
 * Sources: NIST SP 800-38D.  The cipher is fetched once.  A context lives for
 * one operation, since freeing it is what wipes its key schedule; only
 * blob_cipher keeps one for many chunks.
 */
#ifndef DARKROOM_KEYRING_AEAD_H
#define DARKROOM_KEYRING_AEAD_H

#include <openssl/evp.h>

#include "buf.h"
#include "span.h"
#include "status.h"

enum {
	AEAD_KEY = 32,
	AEAD_NONCE = 12,
	AEAD_TAG = 16,
	AEAD_SALT = 32,
	AEAD_WRAPPED = AEAD_NONCE + AEAD_KEY + AEAD_TAG
};
enum { AEAD_KIND_MAX = 63 };

/* A context with this key; end with EVP_CIPHER_CTX_free().  FULL: no memory.  IO: libcrypto lacks the
 * cipher. */
enum status aead_context(const uint8_t key[AEAD_KEY], EVP_CIPHER_CTX **out) MUST_CHECK;

/* One message in a context, either way.  `out` of seal: plain.len + AEAD_TAG bytes; of open: sealed.len
 * - AEAD_TAG. open CORRUPT: the tag disagrees; `out` is wiped.  TOO_BIG: over 1 GiB. */
enum status aead_seal(EVP_CIPHER_CTX *c, const uint8_t nonce[AEAD_NONCE], struct span aad, struct span plain,
	uint8_t *out) MUST_CHECK;
enum status aead_open(EVP_CIPHER_CTX *c, const uint8_t nonce[AEAD_NONCE], struct span aad, struct span sealed,
	uint8_t *out) MUST_CHECK;

/* A key under a key: random nonce, ciphertext, tag.  CORRUPT: the tag disagrees; `out` is wiped. */
enum status aead_wrap_key(const uint8_t key[AEAD_KEY], struct span aad, const uint8_t plain[AEAD_KEY],
	uint8_t out[AEAD_WRAPPED]) MUST_CHECK;
enum status aead_unwrap_key(const uint8_t key[AEAD_KEY], struct span aad, const uint8_t wrapped[AEAD_WRAPPED],
	uint8_t out[AEAD_KEY]) MUST_CHECK;

/* A sealed object: 32 random bytes (the salt), ciphertext, tag, under a subkey of its own and nonce 0.
 * The subkey is derived apart, so that the caller may do that under its lock and encrypt outside. */
void aead_subkey(
	const uint8_t key[AEAD_KEY], const char *kind, const uint8_t salt[AEAD_SALT], uint8_t out[AEAD_KEY]);
enum status aead_put_object(const uint8_t subkey[AEAD_KEY], const uint8_t salt[AEAD_SALT], struct span plain,
	struct buf *out) MUST_CHECK;
/* `sealed` with its salt; at least AEAD_SALT + AEAD_TAG bytes. */
enum status aead_get_object(const uint8_t subkey[AEAD_KEY], struct span sealed, struct buf *out) MUST_CHECK;

#endif
