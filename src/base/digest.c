#include "poison.h"

#include "digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "log.h"
#include "memory.h"
#include "must.h"

static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;

/* HMAC-SHA-256 keyed with 32 zeros, copied for each use: naming the digest anew would fetch it each time.
 * Never changed after the fetch, so that all threads may copy it. */
static EVP_MAC_CTX *hmac_template;

static const uint8_t zeros[32];

struct digest_stream {
	EVP_MD_CTX *sha; /* exactly one of these two */
	EVP_MAC_CTX *hmac;
};

static EVP_MAC_CTX *make_template(void)
{
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
	if (context && EVP_MAC_init(context, zeros, sizeof zeros, parameters) != 1) {
		EVP_MAC_CTX_free(context);
		context = NULL;
	}
	EVP_MAC_free(mac);
	return context;
}

static void fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	hmac_template = make_template();
}

enum status digest_init(void)
{
	must(pthread_once(&fetched, fetch) == 0);
	if (!sha256 || !hmac_template) {
		log_event(LOG_ERROR, "digest.algorithm.missing", LOG_TEXT("needed", "SHA256, HMAC"));
		return ST_IO;
	}
	return ST_OK;
}

static bool start(struct digest_stream *s)
{
	must(sha256);
	s->sha = EVP_MD_CTX_new();
	return s->sha && EVP_DigestInit_ex2(s->sha, sha256, NULL) == 1;
}

/* An empty key needs a pointer too: NULL would keep the template's. */
static bool start_hmac(struct digest_stream *s, struct span key)
{
	must(hmac_template);
	s->hmac = EVP_MAC_CTX_dup(hmac_template);
	return s->hmac && EVP_MAC_init(s->hmac, key.len > 0 ? key.data : zeros, key.len, NULL) == 1;
}

struct digest_stream *digest_begin(void)
{
	struct digest_stream *s = memory_alloc(sizeof *s);
	if (s && !start(s)) {
		digest_abandon(s);
		s = NULL;
	}
	return s;
}

struct digest_stream *digest_begin_hmac(struct span key)
{
	struct digest_stream *s = memory_alloc(sizeof *s);
	if (s && !start_hmac(s, key)) {
		digest_abandon(s);
		s = NULL;
	}
	return s;
}

/* A started context only computes in memory: it cannot be refused for a reason of the world. */
void digest_update(struct digest_stream *s, struct span bytes)
{
	int done = s->hmac ? EVP_MAC_update(s->hmac, bytes.data, bytes.len)
			   : EVP_DigestUpdate(s->sha, bytes.data, bytes.len);
	must(done == 1 || bytes.len == 0);
}

static struct digest finish(struct digest_stream *s)
{
	struct digest d;
	if (s->hmac) {
		size_t len = 0;
		must(EVP_MAC_final(s->hmac, d.bytes, &len, sizeof d.bytes) == 1);
		must(len == sizeof d.bytes);
	} else {
		must(EVP_DigestFinal_ex(s->sha, d.bytes, NULL) == 1);
	}
	return d;
}

static void drop(struct digest_stream *s)
{
	EVP_MD_CTX_free(s->sha);
	EVP_MAC_CTX_free(s->hmac);
	*s = (struct digest_stream){ 0 };
}

struct digest digest_end(struct digest_stream *s)
{
	struct digest d = finish(s);
	digest_abandon(s);
	return d;
}

void digest_abandon(struct digest_stream *s)
{
	if (s) {
		drop(s);
		memory_free(s);
	}
}

/* These two have no way to say that memory is gone; a few hundred bytes are, only when all else is lost. */
struct digest digest_of(struct span bytes)
{
	struct digest_stream s = { 0 };
	must(start(&s));
	digest_update(&s, bytes);
	struct digest d = finish(&s);
	drop(&s);
	return d;
}

struct digest digest_hmac(struct span key, struct span bytes)
{
	struct digest_stream s = { 0 };
	must(start_hmac(&s, key));
	digest_update(&s, bytes);
	struct digest d = finish(&s);
	drop(&s);
	return d;
}

/* T(n) = HMAC(PRK, T(n-1) | info | n), RFC 5869 section 2.3. */
static struct digest hkdf_block(
	const struct digest *prk, const struct digest *previous, struct span info, uint8_t number)
{
	struct digest_stream s = { 0 };
	must(start_hmac(&s, span_make(prk->bytes, sizeof prk->bytes)));
	if (number > 1) {
		digest_update(&s, span_make(previous->bytes, sizeof previous->bytes));
	}
	digest_update(&s, info);
	digest_update(&s, span_make(&number, 1));
	struct digest d = finish(&s);
	drop(&s);
	return d;
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
