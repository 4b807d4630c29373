/* gate_tls.h - the TLS settings that all connections share.
 *
 * TLS 1.2 and 1.3, AEAD suites with forward secrecy, AES-GCM before ChaCha20,
 * ALPN "http/1.1".  Session tickets are given only while no client certificate
 * is asked for: a resumed session would stand on the old verification.
 *
 * Threads: constant after gate_tls_init(); mbedTLS guards the tickets' keys.
 */
#ifndef DARKROOM_GATE_TLS_H
#define DARKROOM_GATE_TLS_H

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>

#include "gate.h"

struct gate_tls {
	mbedtls_ssl_config settings;
	mbedtls_ssl_ticket_context tickets;
};

/* `choose` names the certificate of each handshake (mbedtls_ssl_conf_cert_cb).
 * FULL: mbedTLS had no memory or no random bytes.  Ended by gate_tls_fini() either way. */
enum status gate_tls_init(struct gate_tls *t, enum gate_client_certificate client_certificate,
	int (*choose)(mbedtls_ssl_context *ssl)) MUST_CHECK;

/* A zeroed one is fine. */
void gate_tls_fini(struct gate_tls *t);

#endif
