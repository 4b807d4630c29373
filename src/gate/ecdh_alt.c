/* ecdh_alt.c - the shared secret of a Diffie-Hellman exchange on libcrypto, behind mbedTLS's name.
 *
 * It was over a quarter of a handshake.  mbedTLS was built with
 * MBEDTLS_ECDH_COMPUTE_SHARED_ALT, and for the curves below only: what it
 * keeps of its own ECDH comes here for this one step (SEC 1, 3.3.1; RFC 7748).
 */
#include "poison.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include <mbedtls/ecdh.h>
#include <mbedtls/error.h>

enum { X25519_BYTES = 32, COORDINATE_BYTES_MAX = 66 };

/* Secrets pass through these; all are wiped before they go. */
struct exchange {
	unsigned char secret[COORDINATE_BYTES_MAX], other[COORDINATE_BYTES_MAX], shared[COORDINATE_BYTES_MAX];
};

static bool derive(EVP_PKEY *mine, EVP_PKEY *theirs, unsigned char shared[X25519_BYTES])
{
	size_t len = X25519_BYTES;
	EVP_PKEY_CTX *context = mine && theirs ? EVP_PKEY_CTX_new(mine, NULL) : NULL;
	/* It refuses a secret of zeros, which a point of small order gives. */
	bool is_good = context && EVP_PKEY_derive_init(context) == 1 &&
		       EVP_PKEY_derive_set_peer_ex(context, theirs, 0) == 1 &&
		       EVP_PKEY_derive(context, shared, &len) == 1 && len == X25519_BYTES;
	EVP_PKEY_CTX_free(context);
	return is_good;
}

static int share_x25519(struct exchange *x, mbedtls_mpi *z, const mbedtls_ecp_point *q, const mbedtls_mpi *d)
{
	int result = mbedtls_mpi_write_binary_le(d, x->secret, X25519_BYTES);
	if (result == 0) {
		result = mbedtls_mpi_write_binary_le(&q->MBEDTLS_PRIVATE(X), x->other, X25519_BYTES);
	}
	if (result != 0) {
		return result;
	}
	EVP_PKEY *mine = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, x->secret, X25519_BYTES);
	EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, x->other, X25519_BYTES);
	result = derive(mine, theirs, x->shared) ? mbedtls_mpi_read_binary_le(z, x->shared, X25519_BYTES)
						 : MBEDTLS_ERR_ECP_BAD_INPUT_DATA;
	EVP_PKEY_free(mine);
	EVP_PKEY_free(theirs);
	return result;
}

/* What one multiplication needs of libcrypto. */
struct numbers {
	EC_GROUP *group;
	BN_CTX *context;
	EC_POINT *point, *product;
	BIGNUM *d, *x, *y; /* of the context */
};

static bool numbers_init(struct numbers *n, int curve)
{
	memset(n, 0, sizeof *n);
	n->group = EC_GROUP_new_by_curve_name(curve);
	n->context = BN_CTX_secure_new();
	if (!n->group || !n->context) {
		return false;
	}
	n->point = EC_POINT_new(n->group);
	n->product = EC_POINT_new(n->group);
	BN_CTX_start(n->context);
	n->d = BN_CTX_get(n->context);
	n->x = BN_CTX_get(n->context);
	n->y = BN_CTX_get(n->context); /* NULL if any before it is */
	return n->point && n->product && n->y;
}

static void numbers_fini(struct numbers *n)
{
	if (n->y) {
		BN_clear(n->d);
		BN_clear(n->x);
		BN_clear(n->y);
	}
	if (n->context && n->group) {
		BN_CTX_end(n->context);
	}
	EC_POINT_free(n->point);
	EC_POINT_clear_free(n->product);
	BN_CTX_free(n->context);
	EC_GROUP_free(n->group);
}

/* A point that is not on the curve, or a key outside it, is refused here: a product would tell of the key. */
static bool multiply(struct numbers *n, struct exchange *x, const unsigned char *other_y, int len)
{
	BN_set_flags(n->d, BN_FLG_CONSTTIME);
	return BN_bin2bn(x->secret, len, n->d) && !BN_is_zero(n->d) &&
	       BN_cmp(n->d, EC_GROUP_get0_order(n->group)) < 0 && BN_bin2bn(x->other, len, n->x) &&
	       BN_bin2bn(other_y, len, n->y) &&
	       EC_POINT_set_affine_coordinates(n->group, n->point, n->x, n->y, n->context) == 1 &&
	       EC_POINT_mul(n->group, n->product, NULL, n->point, n->d, n->context) == 1 &&
	       EC_POINT_get_affine_coordinates(n->group, n->product, n->x, n->y, n->context) == 1 &&
	       BN_bn2binpad(n->x, x->shared, len) == len;
}

static int share_on_curve(
	struct exchange *x, mbedtls_mpi *z, const mbedtls_ecp_point *q, const mbedtls_mpi *d, int curve)
{
	unsigned char other_y[COORDINATE_BYTES_MAX];
	struct numbers n;
	size_t len = curve == NID_X9_62_prime256v1 ? 32 : curve == NID_secp384r1 ? 48 : COORDINATE_BYTES_MAX;
	int result = mbedtls_mpi_write_binary(d, x->secret, len);
	if (result == 0) {
		result = mbedtls_mpi_write_binary(&q->MBEDTLS_PRIVATE(X), x->other, len);
	}
	if (result == 0) {
		result = mbedtls_mpi_write_binary(&q->MBEDTLS_PRIVATE(Y), other_y, len);
	}
	if (result != 0) {
		return result;
	}
	result = numbers_init(&n, curve) ? 0 : MBEDTLS_ERR_ECP_ALLOC_FAILED;
	if (result == 0 && !multiply(&n, x, other_y, (int)len)) {
		result = MBEDTLS_ERR_ECP_BAD_INPUT_DATA;
	}
	numbers_fini(&n);
	return result == 0 ? mbedtls_mpi_read_binary(z, x->shared, len) : result;
}

int mbedtls_ecdh_compute_shared(mbedtls_ecp_group *grp, mbedtls_mpi *z, const mbedtls_ecp_point *Q,
	const mbedtls_mpi *d, int (*f_rng)(void *, unsigned char *, size_t), void *p_rng)
{
	struct exchange x;
	int result = MBEDTLS_ERR_ECP_FEATURE_UNAVAILABLE;
	(void)f_rng; /* libcrypto blinds by itself */
	(void)p_rng;
	switch (grp->id) {
	case MBEDTLS_ECP_DP_CURVE25519: result = share_x25519(&x, z, Q, d); break;
	case MBEDTLS_ECP_DP_SECP256R1: result = share_on_curve(&x, z, Q, d, NID_X9_62_prime256v1); break;
	case MBEDTLS_ECP_DP_SECP384R1: result = share_on_curve(&x, z, Q, d, NID_secp384r1); break;
	case MBEDTLS_ECP_DP_SECP521R1: result = share_on_curve(&x, z, Q, d, NID_secp521r1); break;
	default: break;
	}
	if (result != 0) {
		ERR_clear_error(); /* what libcrypto queued is nobody's concern later on this thread */
	}
	OPENSSL_cleanse(&x, sizeof x);
	return result;
}
