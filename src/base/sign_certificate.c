#include "poison.h"

#include "base/sign_private.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "must.h"
#include "random.h"

enum { SERIAL_BYTES = 16, VERSION_3 = 2, HOUR_S = 3600, DAY_S = 24 * 3600 };

/* RFC 5280 4.1.2.2: positive and unguessable; a zero would be neither. */
static bool set_serial(X509 *certificate)
{
	uint8_t bytes[SERIAL_BYTES];
	if (random_bytes(bytes, sizeof bytes)) {
		return false;
	}
	bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40);
	BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
	bool is_set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
	BN_free(number);
	return is_set;
}

/* An hour back, for clients whose clocks are late. */
static bool set_validity(X509 *certificate, int days)
{
	return X509_gmtime_adj(X509_getm_notBefore(certificate), -HOUR_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * DAY_S);
}

static bool set_names(X509 *certificate, const X509 *issuer, const char *common_name)
{
	X509_NAME *name = X509_NAME_new();
	bool is_set = name &&
		      X509_NAME_add_entry_by_txt(
			      name, "CN", MBSTRING_UTF8, (const uint8_t *)common_name, -1, -1, 0) == 1 &&
		      X509_set_subject_name(certificate, name) == 1 &&
		      X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : name) == 1;
	X509_NAME_free(name);
	return is_set;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, issuer ? issuer : certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	bool is_added = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_added;
}

/* The names come from flags and host names: each becomes one entry whole, never text that OpenSSL parses. */
static GENERAL_NAME *general_name(const char *name)
{
	uint8_t address[16];
	GENERAL_NAME *entry = GENERAL_NAME_new();
	int len = inet_pton(AF_INET, name, address) == 1    ? 4
		  : inet_pton(AF_INET6, name, address) == 1 ? 16
							    : 0;
	ASN1_STRING *value = ASN1_STRING_type_new(len > 0 ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
	bool is_made =
		entry && value &&
		ASN1_STRING_set(value, len > 0 ? (const void *)address : name, len > 0 ? len : -1) == 1;
	if (!is_made) {
		ASN1_STRING_free(value);
		GENERAL_NAME_free(entry);
		return NULL;
	}
	GENERAL_NAME_set0_value(entry, len > 0 ? GEN_IPADD : GEN_DNS, value);
	return entry;
}

static bool add_alternative_names(X509 *certificate, const char *const *names)
{
	GENERAL_NAMES *all = GENERAL_NAMES_new();
	bool is_added = all != NULL;
	for (; is_added && *names; names++) {
		GENERAL_NAME *entry = general_name(*names);
		is_added = entry && sk_GENERAL_NAME_push(all, entry) > 0;
		if (!is_added) {
			GENERAL_NAME_free(entry);
		}
	}
	is_added = is_added &&
		   X509_add1_ext_i2d(certificate, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1;
	GENERAL_NAMES_free(all);
	return is_added;
}

static bool add_extensions(X509 *certificate, X509 *issuer, const struct sign_certificate_options *options)
{
	bool is_ca = options->is_ca;
	if (!add_extension(certificate, issuer, NID_basic_constraints,
		    is_ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") ||
		!add_extension(certificate, issuer, NID_key_usage,
			is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") ||
		!add_extension(certificate, issuer, NID_subject_key_identifier, "hash") ||
		!add_extension(certificate, issuer, NID_authority_key_identifier, "keyid")) {
		return false;
	}
	if (!is_ca && !add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth")) {
		return false;
	}
	return !options->names || !options->names[0] || add_alternative_names(certificate, options->names);
}

static bool fill(X509 *certificate, const struct sign_key *key, X509 *issuer,
	const struct sign_certificate_options *options)
{
	return X509_set_version(certificate, VERSION_3) == 1 && set_serial(certificate) &&
	       set_validity(certificate, options->days) &&
	       set_names(certificate, issuer, options->common_name) &&
	       X509_set_pubkey(certificate, key->pkey) == 1 && add_extensions(certificate, issuer, options) &&
	       X509_sign(certificate, options->issuer_key->pkey, EVP_sha256()) > 0;
}

/* INVALID unless the issuer's certificate is one and is for the key that is to sign. */
static enum status read_issuer(const struct sign_certificate_options *options, X509 **out)
{
	if (options->issuer_pem.len == 0) {
		return ST_OK;
	}
	must(options->issuer_pem.len <= INT32_MAX);
	BIO *bio = BIO_new_mem_buf(options->issuer_pem.data, (int)options->issuer_pem.len);
	if (!bio) {
		return ST_FULL;
	}
	*out = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (!*out || X509_check_private_key(*out, options->issuer_key->pkey) != 1) {
		(void)sign_failed("sign.issuer.invalid");
		return ST_INVALID;
	}
	return ST_OK;
}

enum status sign_certificate(
	const struct sign_key *key, const struct sign_certificate_options *options, struct buf *out)
{
	X509 *issuer = NULL;
	BIO *bio = NULL;
	X509 *certificate = X509_new();
	enum status st = certificate ? read_issuer(options, &issuer) : ST_FULL;
	if (st) {
		goto out;
	}
	bio = BIO_new(BIO_s_mem());
	if (!bio || !fill(certificate, key, issuer, options) || PEM_write_bio_X509(bio, certificate) != 1) {
		st = sign_failed("sign.certificate.failed");
		goto out;
	}
	st = sign_put_bio(bio, out);
out:
	BIO_free(bio);
	X509_free(issuer);
	X509_free(certificate);
	return st;
}
