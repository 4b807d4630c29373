/* digest_field.h - Repr-Digest and Content-Digest of a request (RFC 9530). */
#ifndef DARKROOM_HTTP_DIGEST_FIELD_H
#define DARKROOM_HTTP_DIGEST_FIELD_H

#include "gate_head.h"

/* The sha-256 that the request claims for its body.  NOT_FOUND: none (other algorithms are ignored).
 * INVALID: malformed. */
enum status digest_field_sha256(const struct gate_head *head, uint8_t out[32]) MUST_CHECK;

#endif
