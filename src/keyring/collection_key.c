/* collection_key.c - what a collection's key makes: addresses, pseudonyms, hashes of idempotency keys. */
#include "poison.h"

#include "keyring.h"

#include "aead.h"
#include "memory.h"

enum { SHORT_HASH = 16 };

static void derive(const struct collection_key *key, const char *info, uint8_t out[AEAD_KEY])
{
	digest_hkdf(span_make(key->bytes, AEAD_KEY), span_of(info), out, AEAD_KEY);
}

struct digest_stream *collection_key_address(const struct collection_key *key)
{
	uint8_t derived[AEAD_KEY];
	derive(key, "address", derived);
	struct digest_stream *stream = digest_begin_hmac(span_make(derived, sizeof derived));
	memory_wipe(derived, sizeof derived);
	return stream;
}

void collection_key_pseudonym(const struct collection_key *key, struct span name, uint8_t out[16])
{
	uint8_t derived[AEAD_KEY];
	derive(key, "pseudonym", derived);
	struct digest d = digest_hmac(span_make(derived, sizeof derived), name);
	memcpy(out, d.bytes, SHORT_HASH);
	memory_wipe(derived, sizeof derived);
}

/* Two hashes, so that no principal and text run into each other: HMAC(HMAC(derived, principal), text). */
void collection_key_idempotency(
	const struct collection_key *key, struct span principal, struct span text, uint8_t out[16])
{
	uint8_t derived[AEAD_KEY];
	derive(key, "idempotency", derived);
	struct digest inner = digest_hmac(span_make(derived, sizeof derived), principal);
	struct digest d = digest_hmac(span_make(inner.bytes, sizeof inner.bytes), text);
	memcpy(out, d.bytes, SHORT_HASH);
	memory_wipe(derived, sizeof derived);
	memory_wipe(&inner, sizeof inner);
}
