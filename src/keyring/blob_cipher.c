/* blob_cipher.c - a blob's bytes in chunks, each bound to its blob, its place and the whole length. */
#include "poison.h"

#include "keyring.h"

#include "aead.h"
#include "clock.h"
#include "memory.h"
#include "must.h"
#include "num.h"
#include "random.h"

enum { CHUNK_AAD = BLOB_ID_BYTES + 16, BLOB_ID_TIME = 6 };
static_assert((int)CHUNK_TAG == (int)AEAD_TAG, "as keyring.h says");

/* What a record's 32-bit length can hold with room (limits.h). */
#define BLOB_BYTES_MAX GIB(1)

struct blob_cipher {
	EVP_CIPHER_CTX *context; /* holds the only copy of the key */
	struct blob_id id;
	uint64_t plain_len, chunk_count;
};

enum status keyring_new_blob(struct blob_key *key, struct blob_id *id)
{
	enum status st = random_bytes(key->bytes, sizeof key->bytes);
	if (st == ST_OK)
		st = random_bytes(id->bytes, sizeof id->bytes);
	if (st != ST_OK)
		memory_wipe(key, sizeof *key);
	uint64_t ms = (uint64_t)clock_wall_ms();
	for (size_t i = 0; i < BLOB_ID_TIME; i++)
		id->bytes[i] = (uint8_t)(ms >> 8 * (BLOB_ID_TIME - 1 - i));
	return st;
}

uint64_t blob_chunk_count(uint64_t plain_len)
{
	return plain_len == 0 ? 1 : plain_len / SEAL_CHUNK + (plain_len % SEAL_CHUNK != 0);
}

uint64_t blob_sealed_len(uint64_t plain_len)
{
	uint64_t sum = 0;
	return num_add_u64(plain_len, blob_chunk_count(plain_len) * CHUNK_TAG, &sum) ? sum : UINT64_MAX;
}

enum status blob_cipher_new(
	const struct blob_key *key, const struct blob_id *id, uint64_t plain_len, struct blob_cipher **out)
{
	if (plain_len > BLOB_BYTES_MAX)
		return ST_TOO_BIG;
	struct blob_cipher *c = memory_alloc(sizeof *c);
	enum status st = c ? aead_context(key->bytes, &c->context) : ST_FULL;
	if (st != ST_OK) {
		memory_free(c);
		return st;
	}
	c->id = *id;
	c->plain_len = plain_len;
	c->chunk_count = blob_chunk_count(plain_len);
	*out = c;
	return ST_OK;
}

static size_t chunk_len(const struct blob_cipher *c, uint64_t index)
{
	return (size_t)num_min(c->plain_len - index * SEAL_CHUNK, SEAL_CHUNK);
}

static void bind_chunk(
	const struct blob_cipher *c, uint64_t index, uint8_t nonce[AEAD_NONCE], uint8_t aad[CHUNK_AAD])
{
	memset(nonce, 0, AEAD_NONCE);
	num_put_u64(nonce, index);
	memcpy(aad, c->id.bytes, BLOB_ID_BYTES);
	num_put_u64(aad + BLOB_ID_BYTES, c->plain_len);
	num_put_u64(aad + BLOB_ID_BYTES + 8, index);
}

enum status blob_cipher_seal(struct blob_cipher *c, uint64_t index, struct span plain, uint8_t *out)
{
	uint8_t nonce[AEAD_NONCE], aad[CHUNK_AAD];
	must(index < c->chunk_count);
	must(plain.len == chunk_len(c, index));
	bind_chunk(c, index, nonce, aad);
	return aead_seal(c->context, nonce, span_make(aad, sizeof aad), plain, out);
}

/* Lengths and numbers come from a disk here: what does not fit is damage, not our bug. */
enum status blob_cipher_open(struct blob_cipher *c, uint64_t index, struct span sealed, uint8_t *out)
{
	uint8_t nonce[AEAD_NONCE], aad[CHUNK_AAD];
	if (index >= c->chunk_count || sealed.len != chunk_len(c, index) + CHUNK_TAG) {
		if (sealed.len > CHUNK_TAG)
			memory_wipe(out, sealed.len - CHUNK_TAG);
		return ST_CORRUPT;
	}
	bind_chunk(c, index, nonce, aad);
	return aead_open(c->context, nonce, span_make(aad, sizeof aad), sealed, out);
}

void blob_cipher_free(struct blob_cipher *c)
{
	if (!c)
		return;
	EVP_CIPHER_CTX_free(c->context);
	memory_free(c);
}
