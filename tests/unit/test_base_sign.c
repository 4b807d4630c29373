#include "poison.h"

#include "sign.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "check.h"

TEST(a_signature_is_of_one_key_and_one_message)
{
	struct sign_key *key = NULL, *other = NULL;
	struct buf public_pem, other_pem, signature;
	buf_init(&public_pem, 4096);
	buf_init(&other_pem, 4096);
	buf_init(&signature, 4096);
	CHECK_EQ(sign_key_make(&key), ST_OK);
	CHECK_EQ(sign_key_make(&other), ST_OK);
	CHECK_EQ(sign_public_to_pem(key, &public_pem), ST_OK);
	CHECK_EQ(sign_public_to_pem(other, &other_pem), ST_OK);
	CHECK_EQ(sign_message(key, SPAN_LIT("receipt"), &signature), ST_OK);
	struct span s = buf_span(&signature);
	CHECK_EQ(sign_verify(buf_span(&public_pem), SPAN_LIT("receipt"), s), ST_OK);
	CHECK_EQ(sign_verify(buf_span(&public_pem), SPAN_LIT("receipT"), s), ST_MISMATCH);
	CHECK_EQ(sign_verify(buf_span(&public_pem), SPAN_LIT(""), s), ST_MISMATCH);
	CHECK_EQ(sign_verify(buf_span(&other_pem), SPAN_LIT("receipt"), s), ST_MISMATCH);
	CHECK_EQ(sign_verify(buf_span(&public_pem), SPAN_LIT("receipt"), SPAN_LIT("junk")), ST_INVALID);
	CHECK_EQ(sign_verify(buf_span(&public_pem), SPAN_LIT("receipt"), span_of(NULL)), ST_INVALID);
	CHECK_EQ(sign_verify(buf_span(&public_pem), SPAN_LIT("receipt"), span_slice(s, 0, s.len - 1)),
		ST_INVALID);
	CHECK_EQ(sign_verify(SPAN_LIT("junk"), SPAN_LIT("receipt"), s), ST_INVALID);
	CHECK_EQ(sign_verify(span_of(NULL), SPAN_LIT("receipt"), s), ST_INVALID);
	sign_key_free(key);
	sign_key_free(other);
	sign_key_free(NULL);
	buf_fini(&public_pem);
	buf_fini(&other_pem);
	buf_fini(&signature);
}

TEST(a_key_survives_its_pem)
{
	struct sign_key *key = NULL, *again = NULL;
	struct buf pem, public_pem, signature;
	buf_init(&pem, 4096);
	buf_init(&public_pem, 4096);
	buf_init(&signature, 4096);
	CHECK_EQ(sign_key_make(&key), ST_OK);
	CHECK_EQ(sign_key_to_pem(key, &pem), ST_OK);
	CHECK(span_starts_with(buf_span(&pem), "-----BEGIN PRIVATE KEY-----\n"));
	CHECK_EQ(sign_key_from_pem(buf_span(&pem), &again), ST_OK);
	REQUIRE(again);
	CHECK_EQ(sign_message(again, SPAN_LIT(""), &signature), ST_OK);
	CHECK_EQ(sign_public_to_pem(key, &public_pem), ST_OK);
	CHECK_EQ(sign_verify(buf_span(&public_pem), SPAN_LIT(""), buf_span(&signature)), ST_OK);
	sign_key_free(again);
	CHECK_EQ(sign_key_from_pem(buf_span(&public_pem), &again), ST_INVALID);
	CHECK_EQ(sign_key_from_pem(span_slice(buf_span(&pem), 0, pem.len / 2), &again), ST_INVALID);
	CHECK_EQ(sign_key_from_pem(span_of(NULL), &again), ST_INVALID);
	CHECK(again == NULL);
	sign_key_free(key);
	buf_wipe(&pem);
	buf_fini(&public_pem);
	buf_fini(&signature);
}

static void check_key_refused(EVP_PKEY *pkey)
{
	struct sign_key *key = NULL;
	char *data = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	CHECK_EQ(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
	long len = BIO_get_mem_data(bio, &data);
	CHECK_EQ(sign_key_from_pem(span_make(data, (size_t)len), &key), ST_INVALID);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

TEST(other_kinds_of_key_are_refused)
{
	check_key_refused(EVP_EC_gen("P-384"));
	check_key_refused(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
}

static X509 *certificate_of(struct span pem)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return x;
}

/* What a TLS client does: a chain to the CA, for a server. */
static bool is_trusted(X509 *ca, X509 *leaf)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	(void)X509_STORE_add_cert(store, ca);
	(void)X509_STORE_CTX_init(context, store, leaf, NULL);
	(void)X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context), X509_V_FLAG_X509_STRICT);
	bool is_good = X509_verify_cert(context) == 1;
	if (!is_good) {
		fprintf(stderr, "verify: %s\n",
			X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
	}
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	return is_good;
}

static void check_leaf(X509 *leaf)
{
	CHECK_EQ(X509_check_host(leaf, "localhost", 0, 0, NULL), 1);
	CHECK_EQ(X509_check_host(leaf, "darkroom.example", 0, 0, NULL), 1);
	CHECK_EQ(X509_check_host(leaf, "other.example", 0, 0, NULL), 0);
	CHECK_EQ(X509_check_ip_asc(leaf, "127.0.0.1", 0), 1);
	CHECK_EQ(X509_check_ip_asc(leaf, "::1", 0), 1);
	/* The name that looks like two entries is one. */
	CHECK_EQ(X509_check_host(leaf, "a,IP:1.2.3.4", 0, 0, NULL), 1);
	CHECK_EQ(X509_check_ip_asc(leaf, "1.2.3.4", 0), 0);
	CHECK_EQ(X509_get_extended_key_usage(leaf), XKU_SSL_SERVER);
	CHECK_EQ(X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE);
	CHECK_EQ(X509_check_ca(leaf), 0);
	CHECK_EQ(X509_get_version(leaf), 2);
}

static void check_validity(X509 *x, int days)
{
	time_t now = time(NULL);
	time_t late = now + (time_t)days * 86400 - 60, later = now + (time_t)days * 86400 + 60;
	time_t early = now - 3540, earlier = now - 3660;
	CHECK_EQ(X509_cmp_time(X509_get0_notBefore(x), &early), -1);
	CHECK_EQ(X509_cmp_time(X509_get0_notBefore(x), &earlier), 1);
	CHECK_EQ(X509_cmp_time(X509_get0_notAfter(x), &late), 1);
	CHECK_EQ(X509_cmp_time(X509_get0_notAfter(x), &later), -1);
}

TEST(a_local_ca_vouches_for_its_server)
{
	static const char *const names[] = { "localhost", "darkroom.example", "127.0.0.1", "::1",
		"a,IP:1.2.3.4", NULL };
	struct sign_key *ca_key = NULL, *key = NULL;
	struct buf ca_pem, pem;
	buf_init(&ca_pem, 8192);
	buf_init(&pem, 8192);
	CHECK_EQ(sign_key_make(&ca_key), ST_OK);
	CHECK_EQ(sign_key_make(&key), ST_OK);
	struct sign_certificate_options ca = { "Darkroom local CA", NULL, 3650, true, ca_key, span_of(NULL) };
	CHECK_EQ(sign_certificate(ca_key, &ca, &ca_pem), ST_OK);
	struct sign_certificate_options server = { "localhost", names, 397, false, ca_key,
		buf_span(&ca_pem) };
	CHECK_EQ(sign_certificate(key, &server, &pem), ST_OK);
	X509 *ca_x = certificate_of(buf_span(&ca_pem)), *x = certificate_of(buf_span(&pem));
	REQUIRE(ca_x && x);
	CHECK(is_trusted(ca_x, x));
	CHECK_EQ(X509_check_ca(ca_x), 1);
	CHECK_EQ(X509_get_key_usage(ca_x), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	check_leaf(x);
	check_validity(x, 397);
	CHECK(ASN1_INTEGER_cmp(X509_get0_serialNumber(x), X509_get0_serialNumber(ca_x)) != 0);
	/* A certificate that another key signed must not pass for the CA's. */
	server.issuer_key = key;
	buf_clear(&pem);
	CHECK_EQ(sign_certificate(key, &server, &pem), ST_INVALID);
	server.issuer_key = ca_key;
	server.issuer_pem = SPAN_LIT("junk");
	CHECK_EQ(sign_certificate(key, &server, &pem), ST_INVALID);
	CHECK_EQ(pem.len, 0);
	X509_free(ca_x);
	X509_free(x);
	sign_key_free(ca_key);
	sign_key_free(key);
	buf_fini(&ca_pem);
	buf_fini(&pem);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_signature_is_of_one_key_and_one_message),
		CHECK_TEST(a_key_survives_its_pem),
		CHECK_TEST(other_kinds_of_key_are_refused),
		CHECK_TEST(a_local_ca_vouches_for_its_server),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
