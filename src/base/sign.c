#include "poison.h"

#include "base/sign_private.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "log.h"
#include "memory.h"

enum status sign_failed(const char *event)
{
	char text[160];
	ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
	ERR_clear_error();
	log_event(LOG_ERROR, event, LOG_TEXT("why", text));
	return ST_IO;
}

enum status sign_put_bio(BIO *bio, struct buf *out)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	buf_put(out, data, len > 0 ? (size_t)len : 0);
	return buf_status(out);
}

/* Takes `pkey`, also when it fails. */
static enum status wrap(EVP_PKEY *pkey, struct sign_key **out)
{
	struct sign_key *key = pkey ? memory_alloc(sizeof *key) : NULL;
	if (!key) {
		EVP_PKEY_free(pkey);
		return ST_FULL;
	}
	key->pkey = pkey;
	*out = key;
	return ST_OK;
}

enum status sign_key_make(struct sign_key **out)
{
	*out = NULL;
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	return pkey ? wrap(pkey, out) : sign_failed("sign.key.failed");
}

static bool is_p256(EVP_PKEY *pkey)
{
	char group[32] = "";
	return EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1 &&
	       strcmp(group, "prime256v1") == 0;
}

/* No pass phrase is ever asked for: an encrypted key is not one of ours. */
static int no_pass_phrase(char *text, int size, int is_writing, void *context)
{
	(void)text;
	(void)size;
	(void)is_writing;
	(void)context;
	return -1;
}

static BIO *bio_of(struct span pem)
{
	return pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.len > 0 ? (const void *)pem.data : "", (int)pem.len)
				    : NULL;
}

enum status sign_key_from_pem(struct span pem, struct sign_key **out)
{
	*out = NULL;
	BIO *bio = bio_of(pem);
	if (!bio) {
		return ST_FULL;
	}
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (!pkey || !is_p256(pkey)) {
		EVP_PKEY_free(pkey);
		return ST_INVALID;
	}
	return wrap(pkey, out);
}

/* The private text passes through memory that OpenSSL wipes when it frees it. */
enum status sign_key_to_pem(const struct sign_key *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	if (!bio) {
		return ST_FULL;
	}
	enum status st = PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1
				 ? sign_put_bio(bio, out)
				 : sign_failed("sign.key.failed");
	BIO_free(bio);
	return st;
}

enum status sign_public_to_pem(const struct sign_key *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	if (!bio) {
		return ST_FULL;
	}
	enum status st = PEM_write_bio_PUBKEY(bio, key->pkey) == 1 ? sign_put_bio(bio, out)
								   : sign_failed("sign.key.failed");
	BIO_free(bio);
	return st;
}

void sign_key_free(struct sign_key *key)
{
	if (key) {
		EVP_PKEY_free(key->pkey);
		memory_free(key);
	}
}

enum status sign_message(const struct sign_key *key, struct span message, struct buf *out)
{
	uint8_t signature[SIGNATURE_MAX];
	size_t len = sizeof signature;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	if (!context) {
		return ST_FULL;
	}
	enum status st = ST_OK;
	if (EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, key->pkey, NULL) != 1 ||
		EVP_DigestSign(context, signature, &len, message.data, message.len) != 1) {
		st = sign_failed("sign.message.failed");
		goto out;
	}
	buf_put(out, signature, len);
	st = buf_status(out);
out:
	EVP_MD_CTX_free(context);
	return st;
}

/* 1: it is this key's; 0: well formed but not; negative: no signature at all. */
static enum status check_signature(EVP_PKEY *pkey, struct span message, struct span signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	if (!context) {
		return ST_FULL;
	}
	int said = -1;
	if (EVP_DigestVerifyInit_ex(context, NULL, "SHA256", NULL, NULL, pkey, NULL) == 1) {
		said = EVP_DigestVerify(context, signature.data, signature.len, message.data, message.len);
	}
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return said == 1 ? ST_OK : said == 0 ? ST_MISMATCH : ST_INVALID;
}

enum status sign_verify(struct span public_pem, struct span message, struct span signature)
{
	BIO *bio = bio_of(public_pem);
	if (!bio) {
		return ST_FULL;
	}
	EVP_PKEY *pkey = PEM_read_bio_PUBKEY(bio, NULL, no_pass_phrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	enum status st = pkey && is_p256(pkey) ? check_signature(pkey, message, signature) : ST_INVALID;
	EVP_PKEY_free(pkey);
	return st;
}
