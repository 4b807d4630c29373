/* sign_private.h - what sign.c and sign_certificate.c share. */
#ifndef DARKROOM_SIGN_PRIVATE_H
#define DARKROOM_SIGN_PRIVATE_H

#include <openssl/bio.h>
#include <openssl/evp.h>

#include "sign.h"

/* A DER signature of P-256 is at most 72 bytes; libcrypto says so itself. */
enum { SIGNATURE_MAX = 80 };

struct sign_key {
	EVP_PKEY *pkey;
};

/* Logs libcrypto's last error as `event` and empties its queue; IO. */
enum status sign_failed(const char *event);

/* Appends what was written to a memory BIO. */
enum status sign_put_bio(BIO *bio, struct buf *out);

#endif
