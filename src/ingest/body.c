/* body.c - growing, sealing in place. */
#include "poison.h"

#include "body.h"

#include <string.h>

#include "memory.h"
#include "must.h"
#include "num.h"

/* Grows from here when the length is not known. */
#define BODY_FIRST KIB(256)

enum status body_reserve(struct body *b, size_t capacity)
{
	uint64_t charge = blob_sealed_len(capacity);
	if (capacity <= b->capacity)
		return ST_OK;
	if (charge > SIZE_MAX)
		return ST_FULL;
	enum status st = budget_acquire(b->budget, charge - b->charged);
	if (st != ST_OK)
		return st;
	uint8_t *bytes = memory_resize(b->bytes, (size_t)charge);
	if (!bytes) {
		budget_release(b->budget, charge - b->charged);
		return ST_FULL;
	}
	b->charged = charge;
	b->bytes = bytes;
	b->capacity = capacity;
	return ST_OK;
}

enum status body_append(struct body *b, struct span bytes, uint64_t max)
{
	must(!b->is_sealed && bytes.len <= max && b->len <= max - bytes.len);
	size_t need = b->len + bytes.len;
	if (need > b->capacity) {
		uint64_t doubled = num_max(2 * (uint64_t)b->capacity, BODY_FIRST);
		enum status st = body_reserve(b, (size_t)num_max(need, num_min(doubled, max)));
		if (st != ST_OK)
			return st;
	}
	if (bytes.len > 0)
		memcpy(b->bytes + b->len, bytes.data, bytes.len);
	b->len = need;
	return ST_OK;
}

/* Where a chunk stands in each form, and how long it is. */
struct chunk {
	uint8_t *plain, *sealed;
	size_t len;
};
static struct chunk chunk_at(const struct body *b, uint64_t index)
{
	size_t plain_at = (size_t)(index * SEAL_CHUNK);
	size_t sealed_at = (size_t)(index * (SEAL_CHUNK + CHUNK_TAG));
	return (struct chunk){ b->bytes + plain_at, b->bytes + sealed_at,
		(size_t)num_min(b->len - plain_at, SEAL_CHUNK) };
}

/* From the last chunk on: each moves up, over nothing that is still to be moved. */
static enum status seal_chunks(struct body *b, struct blob_cipher *cipher)
{
	enum status st = ST_OK;
	for (uint64_t i = blob_chunk_count(b->len); st == ST_OK && i > 0; i--) {
		struct chunk c = chunk_at(b, i - 1);
		memmove(c.sealed, c.plain, c.len);
		st = blob_cipher_seal(cipher, i - 1, span_make(c.sealed, c.len), c.sealed);
	}
	return st;
}

enum status body_seal(struct body *b)
{
	struct blob_cipher *cipher = NULL;
	must(!b->is_sealed);
	enum status st = body_reserve(b, b->len > 0 ? b->len : 1); /* an empty body has a tag too */
	if (st == ST_OK)
		st = keyring_new_blob(&b->key, &b->id);
	if (st == ST_OK)
		st = blob_cipher_new(&b->key, &b->id, b->len, &cipher);
	if (st == ST_OK)
		st = seal_chunks(b, cipher);
	blob_cipher_free(cipher);
	b->is_sealed = st == ST_OK;
	return st;
}

static enum status unseal_chunks(struct body *b, struct blob_cipher *cipher)
{
	enum status st = ST_OK;
	uint64_t count = blob_chunk_count(b->len);
	for (uint64_t i = 0; st == ST_OK && i < count; i++) {
		struct chunk c = chunk_at(b, i);
		st = blob_cipher_open(cipher, i, span_make(c.sealed, c.len + CHUNK_TAG), c.sealed);
		memmove(c.plain, c.sealed, c.len);
	}
	return st;
}

enum status body_unseal(struct body *b)
{
	struct blob_cipher *cipher = NULL;
	must(b->is_sealed);
	enum status st = blob_cipher_new(&b->key, &b->id, b->len, &cipher);
	if (st == ST_OK)
		st = unseal_chunks(b, cipher);
	blob_cipher_free(cipher);
	b->is_sealed = st != ST_OK;
	memory_wipe(&b->key, sizeof b->key);
	return st;
}

struct span body_span(const struct body *b)
{
	return span_make(b->bytes, b->is_sealed ? (size_t)blob_sealed_len(b->len) : b->len);
}

void body_free(struct body *b)
{
	memory_free(b->bytes);
	budget_release(b->budget, b->charged);
	memory_wipe(b, sizeof *b);
}
