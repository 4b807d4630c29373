/* sign.h - ECDSA P-256 with SHA-256 on libcrypto, for receipts and the local CA.
 *
 * Source: FIPS 186-5.  Keys are PKCS#8 PEM, signatures DER.  Certificates are
 * X.509 v3 (RFC 5280).
 */
#ifndef DARKROOM_SIGN_H
#define DARKROOM_SIGN_H

#include "buf.h"

struct sign_key; /* opaque; wiped when freed */

enum status sign_key_make(struct sign_key **out) MUST_CHECK;
/* INVALID: not a P-256 private key. */
enum status sign_key_from_pem(struct span pem, struct sign_key **out) MUST_CHECK;
enum status sign_key_to_pem(const struct sign_key *key, struct buf *out) MUST_CHECK;
enum status sign_public_to_pem(const struct sign_key *key, struct buf *out) MUST_CHECK;
void sign_key_free(struct sign_key *key);

/* Appends the DER signature of `message` to `out`. */
enum status sign_message(const struct sign_key *key, struct span message, struct buf *out) MUST_CHECK;

/* MISMATCH: the signature is not this key's for this message.  INVALID: no key or no signature. */
enum status sign_verify(struct span public_pem, struct span message, struct span signature) MUST_CHECK;

struct sign_certificate_options {
	const char *common_name;
	const char *const
		*names; /* DNS names and IP addresses for subjectAltName, ended by NULL; NULL for a CA */
	int days;       /* valid from one hour before wall time to `days` after it */
	bool is_ca;
	const struct sign_key *issuer_key;
	struct span issuer_pem; /* issuer's certificate; empty: self-signed */
};

/* Appends a PEM certificate for `key`, signed by the issuer. */
enum status sign_certificate(const struct sign_key *key, const struct sign_certificate_options *options,
	struct buf *out) MUST_CHECK;

#endif
