/* keyring_secrets.c - what hangs under the root key besides epochs: collection keys, hashes and small
 * secrets. */
#include "poison.h"

#include "keyring_private.h"

#include "memory.h"
#include "num.h"
#include "random.h"

enum { COLLECTION_AAD = DIRECTORY_ID_BYTES + 4 };

/* A wrapped key opens only for its own collection in its own data directory. */
static struct span collection_aad(const struct keyring *kr, uint32_t collection, uint8_t out[COLLECTION_AAD])
{
	memcpy(out, kr->directory_id, DIRECTORY_ID_BYTES);
	num_put_u32(out + DIRECTORY_ID_BYTES, collection);
	return span_make(out, COLLECTION_AAD);
}

enum status keyring_new_collection_key(
	struct keyring *kr, uint32_t collection, uint8_t wrapped[WRAPPED_KEY_BYTES])
{
	uint8_t key[AEAD_KEY], aad[COLLECTION_AAD];
	enum status st = random_bytes(key, sizeof key);
	if (st == ST_OK)
		st = aead_wrap_key(
			kr->root->collection_wrap, collection_aad(kr, collection, aad), key, wrapped);
	memory_wipe(key, sizeof key);
	return st;
}

enum status keyring_open_collection_key(struct keyring *kr, uint32_t collection,
	const uint8_t wrapped[WRAPPED_KEY_BYTES], struct collection_key *out)
{
	uint8_t aad[COLLECTION_AAD];
	return aead_unwrap_key(
		kr->root->collection_wrap, collection_aad(kr, collection, aad), wrapped, out->bytes);
}

struct digest keyring_hash_secret(struct keyring *kr, struct span secret)
{
	return digest_hmac(span_make(kr->root->secret_hash, AEAD_KEY), secret);
}

enum status keyring_wrap(struct keyring *kr, const char *kind, struct span plain, struct buf *out)
{
	uint8_t salt[AEAD_SALT], subkey[AEAD_KEY];
	enum status st = random_bytes(salt, sizeof salt);
	if (st == ST_OK) {
		aead_subkey(kr->root->small_secrets, kind, salt, subkey);
		st = aead_put_object(subkey, salt, plain, out);
	}
	memory_wipe(subkey, sizeof subkey);
	return st;
}

enum status keyring_unwrap(struct keyring *kr, const char *kind, struct span sealed, struct buf *out)
{
	uint8_t subkey[AEAD_KEY];
	if (sealed.len < SEAL_OVERHEAD)
		return ST_CORRUPT;
	aead_subkey(kr->root->small_secrets, kind, sealed.data, subkey);
	enum status st = aead_get_object(subkey, sealed, out);
	memory_wipe(subkey, sizeof subkey);
	return st;
}
