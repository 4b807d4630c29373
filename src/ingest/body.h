/* body.h - an upload's bytes: gathered as they come, then sealed where they lie.
 *
 * A second buffer for the ciphertext would double the memory of an upload, and fresh
 * pages cost more than the cipher.  So the plain bytes are contiguous while they are
 * probed, and body_seal() moves each chunk, the last one first, to where its sealed
 * form stands and encrypts it there.  Before another attempt body_unseal() turns that back.
 */
#ifndef DARKROOM_INGEST_BODY_H
#define DARKROOM_INGEST_BODY_H

#include "budget.h"
#include "keyring.h"
#include "span.h"
#include "status.h"

/* All zero but `budget` at the beginning. */
struct body {
	struct budget *budget; /* borrowed; charged for the sealed form of what fits */
	uint8_t *bytes;
	size_t len, capacity; /* of the plain form */
	uint64_t charged;
	bool is_sealed;
	struct blob_key key; /* of the sealed form, as is the next */
	struct blob_id id;
};

/* Room for `capacity` bytes.  FULL: past the budget, or no memory. */
enum status body_reserve(struct body *b, size_t capacity) MUST_CHECK;
/* Adds to the plain form; grows by doubling, at most to `max`, which the caller checked.  FULL. */
enum status body_append(struct body *b, struct span bytes, uint64_t max) MUST_CHECK;

/* Under a new key and id.  Not OK: it is neither plain nor sealed any more; free it. */
enum status body_seal(struct body *b) MUST_CHECK;
enum status body_unseal(struct body *b) MUST_CHECK;

/* The plain form, or the sealed one. */
struct span body_span(const struct body *b);
void body_free(struct body *b);

#endif
