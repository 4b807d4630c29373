/* root.h - the root key file, and the keys that are derived from it.
 *
 * The root key itself is wiped as soon as its children are derived; these live
 * in locked memory until keyring_close().
 */
#ifndef DARKROOM_KEYRING_ROOT_H
#define DARKROOM_KEYRING_ROOT_H

#include "aead.h"
#include "format.h"

struct root_keys {
	uint8_t epoch_wrap[AEAD_KEY]; /* HKDF(root, "darkroom epoch wrap"), and so on */
	uint8_t collection_wrap[AEAD_KEY];
	uint8_t image_id[AEAD_KEY];
	uint8_t secret_hash[AEAD_KEY];
	uint8_t small_secrets[AEAD_KEY];
	uint8_t id[ROOT_ID_BYTES]; /* not secret */
};

/* Reads the file and derives.  Gives locked memory; end with root_free().
 * NOT_FOUND: no file.  DENIED: a symbolic link, no regular file, or others can read or write it.
 * INVALID: not 64 hex digits and a newline. */
enum status root_load(const char *path, struct root_keys **out) MUST_CHECK;
void root_free(struct root_keys *keys); /* NULL is fine */

#endif
