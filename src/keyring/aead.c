/* aead.c - AES-256-GCM, and the two shapes everything sealed has. */
#include "poison.h"

#include "aead.h"

#include "digest.h"
#include "limits.h"
#include "log.h"
#include "memory.h"
#include "must.h"
#include "random.h"

/* libcrypto counts in int. */
#define AEAD_BYTES_MAX GIB(1)

static pthread_once_t is_fetched = PTHREAD_ONCE_INIT;
static EVP_CIPHER *cipher;

static void fetch_cipher(void)
{
	cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (!cipher)
		log_event(LOG_ERROR, "keyring.cipher.missing", LOG_TEXT("name", "AES-256-GCM"));
}

enum status aead_context(const uint8_t key[AEAD_KEY], EVP_CIPHER_CTX **out)
{
	EVP_CIPHER_CTX *c = NULL;
	pthread_once(&is_fetched, fetch_cipher);
	if (!cipher)
		return ST_IO;
	c = EVP_CIPHER_CTX_new();
	if (!c || EVP_CipherInit_ex2(c, cipher, key, NULL, 1, NULL) != 1) {
		EVP_CIPHER_CTX_free(c);
		return ST_FULL;
	}
	*out = c;
	return ST_OK;
}

static bool begin_message(EVP_CIPHER_CTX *c, const uint8_t *nonce, struct span aad, int is_sealing)
{
	int n = 0;
	if (EVP_CipherInit_ex2(c, NULL, NULL, nonce, is_sealing, NULL) != 1)
		return false;
	return aad.len == 0 || EVP_CipherUpdate(c, NULL, &n, aad.data, (int)aad.len) == 1;
}

enum status aead_seal(
	EVP_CIPHER_CTX *c, const uint8_t nonce[AEAD_NONCE], struct span aad, struct span plain, uint8_t *out)
{
	int n = 0;
	if (plain.len > AEAD_BYTES_MAX || aad.len > AEAD_BYTES_MAX)
		return ST_TOO_BIG;
	bool is_good = begin_message(c, nonce, aad, 1);
	is_good =
		is_good && (plain.len == 0 || EVP_CipherUpdate(c, out, &n, plain.data, (int)plain.len) == 1);
	is_good = is_good && EVP_CipherFinal_ex(c, out + plain.len, &n) == 1;
	is_good = is_good && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG, out + plain.len) == 1;
	return is_good ? ST_OK : ST_FULL;
}

enum status aead_open(
	EVP_CIPHER_CTX *c, const uint8_t nonce[AEAD_NONCE], struct span aad, struct span sealed, uint8_t *out)
{
	uint8_t tag[AEAD_TAG], none[1];
	int n = 0;
	if (sealed.len < AEAD_TAG)
		return ST_CORRUPT;
	size_t len = sealed.len - AEAD_TAG;
	if (len > AEAD_BYTES_MAX || aad.len > AEAD_BYTES_MAX)
		return ST_TOO_BIG;
	memcpy(tag, sealed.data + len, AEAD_TAG);
	if (!begin_message(c, nonce, aad, 0) ||
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG, tag) != 1)
		return ST_FULL;
	if ((len == 0 || EVP_CipherUpdate(c, out, &n, sealed.data, (int)len) == 1) &&
		EVP_CipherFinal_ex(c, none, &n) == 1)
		return ST_OK;
	if (len > 0)
		memory_wipe(out, len);
	return ST_CORRUPT;
}

enum status aead_wrap_key(const uint8_t key[AEAD_KEY], struct span aad, const uint8_t plain[AEAD_KEY],
	uint8_t out[AEAD_WRAPPED])
{
	EVP_CIPHER_CTX *c = NULL;
	enum status st = random_bytes(out, AEAD_NONCE);
	if (st == ST_OK)
		st = aead_context(key, &c);
	if (st == ST_OK)
		st = aead_seal(c, out, aad, span_make(plain, AEAD_KEY), out + AEAD_NONCE);
	EVP_CIPHER_CTX_free(c);
	if (st != ST_OK)
		memory_wipe(out, AEAD_WRAPPED);
	return st;
}

enum status aead_unwrap_key(const uint8_t key[AEAD_KEY], struct span aad, const uint8_t wrapped[AEAD_WRAPPED],
	uint8_t out[AEAD_KEY])
{
	EVP_CIPHER_CTX *c = NULL;
	enum status st = aead_context(key, &c);
	if (st == ST_OK)
		st = aead_open(c, wrapped, aad, span_make(wrapped + AEAD_NONCE, AEAD_KEY + AEAD_TAG), out);
	EVP_CIPHER_CTX_free(c);
	if (st != ST_OK)
		memory_wipe(out, AEAD_KEY);
	return st;
}

/* The salt has a fixed length and comes last, so no two pairs of kind and salt give the same text. */
void aead_subkey(
	const uint8_t key[AEAD_KEY], const char *kind, const uint8_t salt[AEAD_SALT], uint8_t out[AEAD_KEY])
{
	uint8_t info[AEAD_KIND_MAX + AEAD_SALT];
	size_t len = strlen(kind);
	must(len > 0 && len <= AEAD_KIND_MAX);
	memcpy(info, kind, len);
	memcpy(info + len, salt, AEAD_SALT);
	digest_hkdf(span_make(key, AEAD_KEY), span_make(info, len + AEAD_SALT), out, AEAD_KEY);
}

enum status aead_put_object(
	const uint8_t subkey[AEAD_KEY], const uint8_t salt[AEAD_SALT], struct span plain, struct buf *out)
{
	static const uint8_t nonce[AEAD_NONCE];
	EVP_CIPHER_CTX *c = NULL;
	size_t before = out->len;
	if (plain.len > AEAD_BYTES_MAX)
		return ST_TOO_BIG;
	enum status st = aead_context(subkey, &c);
	uint8_t *at = st == ST_OK ? buf_extend(out, AEAD_SALT + plain.len + AEAD_TAG) : NULL;
	if (st == ST_OK && !at)
		st = ST_TOO_BIG;
	if (st == ST_OK) {
		memcpy(at, salt, AEAD_SALT);
		st = aead_seal(c, nonce, span_make(NULL, 0), plain, at + AEAD_SALT);
		if (st != ST_OK)
			out->len = before;
	}
	EVP_CIPHER_CTX_free(c);
	return st;
}

enum status aead_get_object(const uint8_t subkey[AEAD_KEY], struct span sealed, struct buf *out)
{
	static const uint8_t nonce[AEAD_NONCE];
	EVP_CIPHER_CTX *c = NULL;
	size_t before = out->len;
	if (sealed.len < AEAD_SALT + AEAD_TAG)
		return ST_CORRUPT;
	size_t len = sealed.len - AEAD_SALT - AEAD_TAG;
	enum status st = aead_context(subkey, &c);
	uint8_t *at = st == ST_OK ? buf_extend(out, len) : NULL;
	if (st == ST_OK && !at && len > 0)
		st = ST_TOO_BIG;
	if (st == ST_OK) {
		st = aead_open(
			c, nonce, span_make(NULL, 0), span_slice(sealed, AEAD_SALT, len + AEAD_TAG), at);
		if (st != ST_OK)
			out->len = before;
	}
	EVP_CIPHER_CTX_free(c);
	return st;
}
