/* gcm_alt.c - AES-GCM on libcrypto behind mbedTLS's names; gcm_alt.h has the model.
 *
 * Calls nothing of mbedTLS, so that its archive can be linked before this file.
 */
#include "poison.h"

#include "gcm_alt_load.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <mbedtls/error.h>
#include <mbedtls/gcm.h>

/* What NIST SP 800-38D allows one tag to cover. */
#define AD_LEN_MAX (UINT64_C(1) << 61)
#define DATA_LEN_MAX ((UINT64_C(1) << 36) - 32)

#define TAG_LEN_MIN 4
#define TAG_LEN_MAX 16

/* Libcrypto's own limit on the length of a GCM IV; TLS uses 12 bytes. */
#define IV_LEN_MAX 128

/* What the tagger's ciphertext is thrown into, a slice at a time. */
#define SCRATCH_BYTES 4096

static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static EVP_CIPHER *aes_128, *aes_192, *aes_256;

/* Fetching looks through providers under a lock: too slow for each connection.  What is fetched lives as
 * long as the process. */
static void fetch_ciphers(void)
{
	aes_128 = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	aes_192 = EVP_CIPHER_fetch(NULL, "AES-192-GCM", NULL);
	aes_256 = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

bool gcm_alt_load(void)
{
	(void)pthread_once(&fetched, fetch_ciphers);
	return aes_128 && aes_192 && aes_256;
}

static const EVP_CIPHER *cipher_of(unsigned int key_bits)
{
	(void)pthread_once(&fetched, fetch_ciphers);
	switch (key_bits) {
	case 128: return aes_128;
	case 192: return aes_192;
	case 256: return aes_256;
	default: return NULL;
	}
}

/* Libcrypto failed: what it queued is nobody's concern later on this thread. */
static int failed(void)
{
	ERR_clear_error();
	return MBEDTLS_ERR_PLATFORM_HW_ACCEL_FAILED;
}

/* Feeds data (or, with `out` NULL, associated data) in slices, for libcrypto's lengths are int. */
static bool feed(EVP_CIPHER_CTX *evp, unsigned char *out, const unsigned char *in, size_t len)
{
	while (len > 0) {
		int slice = len > INT_MAX ? INT_MAX : (int)len, done = 0;
		if (EVP_CipherUpdate(evp, out, &done, in, slice) != 1 || done != slice) {
			return false;
		}
		in += slice;
		out = out ? out + slice : NULL;
		len -= (size_t)slice;
	}
	return true;
}

/* Runs plaintext through the tagger for the sake of the tag. */
static bool feed_tagger(EVP_CIPHER_CTX *tagger, const unsigned char *plain, size_t len)
{
	unsigned char scratch[SCRATCH_BYTES];
	while (len > 0) {
		size_t slice = len < sizeof scratch ? len : sizeof scratch;
		if (!feed(tagger, scratch, plain, slice)) {
			return false;
		}
		plain += slice;
		len -= slice;
	}
	return true;
}

/* Begins with a new IV under the key in `evp`.  Libcrypto keeps the IV's length, so it is set each time. */
static bool begin(EVP_CIPHER_CTX *evp, const unsigned char *iv, size_t iv_len, int is_encrypting)
{
	return EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_SET_IVLEN, (int)iv_len, NULL) == 1 &&
	       EVP_CipherInit_ex(evp, NULL, NULL, NULL, iv, is_encrypting) == 1;
}

/* Counts `len` more bytes of what `total` counts; false if that is over `max`. */
static bool count_more(uint64_t *total, size_t len, uint64_t max)
{
	if (len > max || *total > max - len) {
		return false;
	}
	*total += len;
	return true;
}

void mbedtls_gcm_init(mbedtls_gcm_context *ctx)
{
	memset(ctx, 0, sizeof *ctx);
}

void mbedtls_gcm_free(mbedtls_gcm_context *ctx)
{
	if (!ctx) {
		return;
	}
	/* Libcrypto wipes the key schedules. */
	EVP_CIPHER_CTX_free(ctx->cipher);
	EVP_CIPHER_CTX_free(ctx->tagger);
	memset(ctx, 0, sizeof *ctx);
}

int mbedtls_gcm_setkey(
	mbedtls_gcm_context *ctx, mbedtls_cipher_id_t cipher, const unsigned char *key, unsigned int keybits)
{
	if (cipher != MBEDTLS_CIPHER_ID_AES || (keybits != 128 && keybits != 192 && keybits != 256)) {
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	}
	mbedtls_gcm_free(ctx);
	const EVP_CIPHER *aes = cipher_of(keybits);
	ctx->cipher = aes ? EVP_CIPHER_CTX_new() : NULL;
	if (!ctx->cipher || EVP_CipherInit_ex(ctx->cipher, aes, NULL, key, NULL, 1) != 1) {
		mbedtls_gcm_free(ctx);
		return failed();
	}
	return 0;
}

/* Checks and begins, without a tagger: enough to encrypt, and to decrypt against a known tag. */
static int start_cipher(mbedtls_gcm_context *ctx, int mode, const unsigned char *iv, size_t iv_len)
{
	if (!ctx->cipher || iv_len == 0 || iv_len > IV_LEN_MAX ||
		(mode != MBEDTLS_GCM_ENCRYPT && mode != MBEDTLS_GCM_DECRYPT)) {
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	}
	ctx->mode = mode;
	ctx->ad_len = 0;
	ctx->data_len = 0;
	return begin(ctx->cipher, iv, iv_len, mode == MBEDTLS_GCM_ENCRYPT) ? 0 : failed();
}

/* The tagger gets its key schedule from the cipher, since we keep no key (I1). */
static bool start_tagger(mbedtls_gcm_context *ctx, const unsigned char *iv, size_t iv_len)
{
	if (!ctx->tagger) {
		ctx->tagger = EVP_CIPHER_CTX_new();
	}
	return ctx->tagger && EVP_CIPHER_CTX_copy(ctx->tagger, ctx->cipher) == 1 &&
	       begin(ctx->tagger, iv, iv_len, 1);
}

int mbedtls_gcm_starts(mbedtls_gcm_context *ctx, int mode, const unsigned char *iv, size_t iv_len)
{
	int result = start_cipher(ctx, mode, iv, iv_len);
	if (result == 0 && mode == MBEDTLS_GCM_DECRYPT && !start_tagger(ctx, iv, iv_len)) {
		result = failed();
	}
	return result;
}

/* The context whose tag counts in a streaming operation. */
static EVP_CIPHER_CTX *tag_giver(const mbedtls_gcm_context *ctx)
{
	return ctx->mode == MBEDTLS_GCM_DECRYPT ? ctx->tagger : ctx->cipher;
}

int mbedtls_gcm_update_ad(mbedtls_gcm_context *ctx, const unsigned char *add, size_t add_len)
{
	EVP_CIPHER_CTX *evp = tag_giver(ctx);
	if (!evp || !count_more(&ctx->ad_len, add_len, AD_LEN_MAX - 1)) {
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	}
	return feed(evp, NULL, add, add_len) ? 0 : failed();
}

/* Libcrypto promises nothing for buffers that overlap without being the same: the input is moved first. */
static const unsigned char *without_overlap(unsigned char *output, const unsigned char *input, size_t len)
{
	uintptr_t out = (uintptr_t)output, in = (uintptr_t)input;
	if (out < in && in - out < len) {
		memmove(output, input, len);
		return output;
	}
	return input;
}

int mbedtls_gcm_update(mbedtls_gcm_context *ctx, const unsigned char *input, size_t input_length,
	unsigned char *output, size_t output_size, size_t *output_length)
{
	*output_length = 0;
	if (output_size < input_length) {
		return MBEDTLS_ERR_GCM_BUFFER_TOO_SMALL;
	}
	if (input_length == 0) {
		return 0;
	}
	uintptr_t out = (uintptr_t)output, in = (uintptr_t)input;
	if (!tag_giver(ctx) || (out > in && out - in < input_length) ||
		!count_more(&ctx->data_len, input_length, DATA_LEN_MAX)) {
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	}
	input = without_overlap(output, input, input_length);
	if (!feed(ctx->cipher, output, input, input_length) ||
		(ctx->mode == MBEDTLS_GCM_DECRYPT && !feed_tagger(ctx->tagger, output, input_length))) {
		return failed();
	}
	*output_length = input_length;
	return 0;
}

int mbedtls_gcm_finish(mbedtls_gcm_context *ctx, unsigned char *output, size_t output_size,
	size_t *output_length, unsigned char *tag, size_t tag_len)
{
	(void)output; /* nothing is ever held back for the end */
	(void)output_size;
	unsigned char whole[TAG_LEN_MAX], rest[TAG_LEN_MAX];
	int rest_len = 0;
	EVP_CIPHER_CTX *evp = tag_giver(ctx);
	*output_length = 0;
	if (!evp || tag_len < TAG_LEN_MIN || tag_len > TAG_LEN_MAX) {
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	}
	if (EVP_CipherFinal_ex(evp, rest, &rest_len) != 1 ||
		EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, TAG_LEN_MAX, whole) != 1) {
		return failed();
	}
	memcpy(tag, whole, tag_len);
	return 0;
}

int mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *ctx, int mode, size_t length, const unsigned char *iv,
	size_t iv_len, const unsigned char *add, size_t add_len, const unsigned char *input,
	unsigned char *output, size_t tag_len, unsigned char *tag)
{
	size_t done = 0;
	int result = mbedtls_gcm_starts(ctx, mode, iv, iv_len);
	if (result == 0) {
		result = mbedtls_gcm_update_ad(ctx, add, add_len);
	}
	if (result == 0) {
		result = mbedtls_gcm_update(ctx, input, length, output, length, &done);
	}
	if (result == 0) {
		result = mbedtls_gcm_finish(ctx, NULL, 0, &done, tag, tag_len);
	}
	return result;
}

/* Decrypts against a tag that libcrypto compares; true if it is the right one. */
static bool open_with_tag(EVP_CIPHER_CTX *evp, unsigned char *output, const unsigned char *input,
	size_t length, const unsigned char *tag, size_t tag_len)
{
	unsigned char copy[TAG_LEN_MAX], rest[TAG_LEN_MAX];
	int rest_len = 0;
	memcpy(copy, tag, tag_len); /* libcrypto takes it as not const */
	return feed(evp, output, input, length) &&
	       EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_SET_TAG, (int)tag_len, copy) == 1 &&
	       EVP_CipherFinal_ex(evp, rest, &rest_len) == 1;
}

int mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *ctx, size_t length, const unsigned char *iv, size_t iv_len,
	const unsigned char *add, size_t add_len, const unsigned char *tag, size_t tag_len,
	const unsigned char *input, unsigned char *output)
{
	if (tag_len < TAG_LEN_MIN || tag_len > TAG_LEN_MAX || length > DATA_LEN_MAX ||
		add_len >= AD_LEN_MAX) {
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	}
	int result = start_cipher(ctx, MBEDTLS_GCM_DECRYPT, iv, iv_len);
	if (result == 0 && !feed(ctx->cipher, NULL, add, add_len)) {
		result = failed();
	}
	if (result == 0 && !open_with_tag(ctx->cipher, output, without_overlap(output, input, length), length,
				   tag, tag_len)) {
		(void)failed();
		result = MBEDTLS_ERR_GCM_AUTH_FAILED;
		if (length > 0) {
			OPENSSL_cleanse(output, length);
		}
	}
	return result;
}
