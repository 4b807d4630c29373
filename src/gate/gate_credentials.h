/* gate_credentials.h - a certificate chain, its key, and the authorities of client certificates.
 *
 * Counted, because a reload replaces them while connections still use the old
 * ones: each connection holds the set it began with until it ends.
 *
 * Threads: any; what is loaded never changes.
 */
#ifndef DARKROOM_GATE_CREDENTIALS_H
#define DARKROOM_GATE_CREDENTIALS_H

#include <stdatomic.h>

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "status.h"

struct gate_credentials {
	mbedtls_x509_crt chain;
	mbedtls_pk_context key;
	mbedtls_x509_crt client_ca; /* empty without `client_ca_path` */
	atomic_uint users;
};

/* Reads PEM files; `client_ca_path` may be NULL.  Gives *out with one user.
 * INVALID: a file cannot be used or the pair does not fit; logged with the path. */
enum status gate_credentials_load(const char *certificate_path, const char *key_path,
	const char *client_ca_path, struct gate_credentials **out) MUST_CHECK;

struct gate_credentials *gate_credentials_acquire(struct gate_credentials *c);
void gate_credentials_release(struct gate_credentials *c);

#endif
