/* gcm_alt.h - the context of AES-GCM on libcrypto, for mbedTLS's GCM seam.
 *
 * mbedTLS keeps the protocol and PSA; the cipher of its records runs on
 * libcrypto, measured 12 to 20 times as fast here.  <mbedtls/gcm.h> includes
 * this file, because it was built with MBEDTLS_GCM_ALT; nothing else does.
 *
 * Model: one libcrypto context per direction.  Libcrypto gives no tag of a
 * decryption before it is told the one to expect, mbedTLS asks for it after,
 * so a streaming decryption runs a second, encrypting context over what it
 * recovered; that one yields the tag.  A TLS record is decrypted in one call,
 * which needs no second context.
 *
 * Invariants:
 *   I1  No copy of the key lies here: only libcrypto's contexts hold it.
 *   I2  `tagger` is fed exactly the plaintext that `cipher` gave so far.
 *
 * Threads: as mbedTLS's own, one context is one thread's at a time.
 */
#ifndef GCM_ALT_H
#define GCM_ALT_H

#include <stddef.h>
#include <stdint.h>

struct evp_cipher_ctx_st; /* libcrypto's, opaque here */

typedef struct mbedtls_gcm_context {
	struct evp_cipher_ctx_st *cipher; /* NULL until a key is set */
	struct evp_cipher_ctx_st *tagger; /* the second context; NULL until a streaming decryption */
	uint64_t ad_len;                  /* associated data so far */
	uint64_t data_len;                /* plaintext or ciphertext so far */
	int mode;                         /* MBEDTLS_GCM_ENCRYPT or _DECRYPT */
} mbedtls_gcm_context;

#endif
