#include "poison.h"

#include "digest.h"

/* SHA-256 is called by its own name.  Through EVP each small HMAC takes four allocations and three times as
 * long, and an upload makes a dozen; libcrypto 3 deprecates the name, not the function. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "log.h"
#include "memory.h"
#include "must.h"

enum { HASH_BLOCK = SHA256_CBLOCK };

static const uint8_t zeros[32];

struct digest_stream {
	SHA256_CTX inner;
	SHA256_CTX outer; /* with HMAC: what the inner digest goes into at the end */
	bool is_hmac;
};

/* A started context only computes in memory: it cannot be refused for a reason of the world. */
static void start(struct digest_stream *s)
{
	s->is_hmac = false;
	must(SHA256_Init(&s->inner) == 1);
}

static void update(SHA256_CTX *context, struct span bytes)
{
	must(bytes.len == 0 || SHA256_Update(context, bytes.data, bytes.len) == 1);
}

static void start_with_pad(SHA256_CTX *context, const uint8_t key[HASH_BLOCK], uint8_t pad)
{
	uint8_t block[HASH_BLOCK];
	for (size_t i = 0; i < sizeof block; i++) {
		block[i] = key[i] ^ pad;
	}
	must(SHA256_Init(context) == 1);
	update(context, span_make(block, sizeof block));
	memory_wipe(block, sizeof block);
}

/* RFC 2104 section 2. */
static void start_hmac(struct digest_stream *s, struct span key)
{
	uint8_t block[HASH_BLOCK] = { 0 };
	if (key.len > sizeof block) {
		struct digest shorter = digest_of(key);
		memcpy(block, shorter.bytes, sizeof shorter.bytes);
	} else if (key.len > 0) {
		memcpy(block, key.data, key.len);
	}
	s->is_hmac = true;
	start_with_pad(&s->inner, block, 0x36);
	start_with_pad(&s->outer, block, 0x5c);
	memory_wipe(block, sizeof block);
}

static struct digest finish(struct digest_stream *s)
{
	struct digest d;
	must(SHA256_Final(d.bytes, &s->inner) == 1);
	if (s->is_hmac) {
		update(&s->outer, span_make(d.bytes, sizeof d.bytes));
		must(SHA256_Final(d.bytes, &s->outer) == 1);
	}
	memory_wipe(s, sizeof *s);
	return d;
}

/* The answers of FIPS 180-4 and RFC 4231: what runs depends on the processor it finds. */
enum status digest_init(void)
{
	static const uint8_t sha_of_abc[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41,
		0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4,
		0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
	static const uint8_t hmac_of_jefe[] = { 0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04,
		0x24, 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d,
		0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43 };
	/* Here and not at some thread's first cipher: and no file of the machine configures it. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1) {
		return ST_IO;
	}
	struct digest sha = digest_of(SPAN_LIT("abc"));
	struct digest hmac = digest_hmac(SPAN_LIT("Jefe"), SPAN_LIT("what do ya want for nothing?"));
	if (digest_equal_bytes(sha.bytes, sha_of_abc, sizeof sha_of_abc) &&
		digest_equal_bytes(hmac.bytes, hmac_of_jefe, sizeof hmac_of_jefe)) {
		return ST_OK;
	}
	log_event(LOG_ERROR, "digest.algorithm.wrong", LOG_TEXT("algorithm", "SHA-256"));
	return ST_IO;
}

struct digest_stream *digest_begin(void)
{
	struct digest_stream *s = memory_alloc(sizeof *s);
	if (s) {
		start(s);
	}
	return s;
}

struct digest_stream *digest_begin_hmac(struct span key)
{
	struct digest_stream *s = memory_alloc(sizeof *s);
	if (s) {
		start_hmac(s, key);
	}
	return s;
}

void digest_update(struct digest_stream *s, struct span bytes)
{
	update(&s->inner, bytes);
}

struct digest digest_end(struct digest_stream *s)
{
	struct digest d = finish(s);
	memory_free(s);
	return d;
}

void digest_abandon(struct digest_stream *s)
{
	if (s) {
		memory_wipe(s, sizeof *s);
		memory_free(s);
	}
}

struct digest digest_of(struct span bytes)
{
	struct digest_stream s;
	start(&s);
	digest_update(&s, bytes);
	return finish(&s);
}

struct digest digest_hmac(struct span key, struct span bytes)
{
	struct digest_stream s;
	start_hmac(&s, key);
	digest_update(&s, bytes);
	return finish(&s);
}

/* T(n) = HMAC(PRK, T(n-1) | info | n), RFC 5869 section 2.3. */
static struct digest hkdf_block(
	const struct digest *prk, const struct digest *previous, struct span info, uint8_t number)
{
	struct digest_stream s;
	start_hmac(&s, span_make(prk->bytes, sizeof prk->bytes));
	if (number > 1) {
		digest_update(&s, span_make(previous->bytes, sizeof previous->bytes));
	}
	digest_update(&s, info);
	digest_update(&s, span_make(&number, 1));
	return finish(&s);
}

void digest_hkdf(struct span key, struct span info, uint8_t *out, size_t len)
{
	must(len <= 255 * sizeof(struct digest));
	struct digest prk = digest_hmac(span_make(zeros, sizeof zeros), key);
	struct digest block = { 0 };
	for (size_t at = 0; at < len; at += sizeof block.bytes) {
		size_t part = len - at < sizeof block.bytes ? len - at : sizeof block.bytes;
		block = hkdf_block(&prk, &block, info, (uint8_t)(at / sizeof block.bytes + 1));
		memcpy(out + at, block.bytes, part);
	}
	memory_wipe(&prk, sizeof prk);
	memory_wipe(&block, sizeof block);
}

bool digest_equal_bytes(const void *a, const void *b, size_t len)
{
	return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return digest_equal_bytes(a->bytes, b->bytes, sizeof a->bytes);
}
