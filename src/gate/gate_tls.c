#include "poison.h"

#include "gate_tls.h"

#include <mbedtls/psa_util.h>

#include "log.h"

#if !defined(MBEDTLS_THREADING_C) || !defined(MBEDTLS_THREADING_PTHREAD)
#error "mbedTLS must be built with MBEDTLS_THREADING_C and MBEDTLS_THREADING_PTHREAD: connections share keys"
#endif

enum { TICKET_LIFETIME_S = 24 * 3600 };

static const int suites[] = {
	MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
	MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
	MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	0,
};

static const uint16_t groups[] = {
	MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
	MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};

static const char *const application_protocols[] = { "http/1.1", NULL };

static int verify_mode_of(enum gate_client_certificate client_certificate)
{
	switch (client_certificate) {
	case GATE_CLIENT_REQUIRED: return MBEDTLS_SSL_VERIFY_REQUIRED;
	case GATE_CLIENT_OPTIONAL: return MBEDTLS_SSL_VERIFY_OPTIONAL;
	default: return MBEDTLS_SSL_VERIFY_NONE;
	}
}

static void set_protocol(mbedtls_ssl_config *s)
{
	mbedtls_ssl_conf_min_tls_version(s, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_max_tls_version(s, MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_ciphersuites(s, suites);
	mbedtls_ssl_conf_groups(s, groups);
	mbedtls_ssl_conf_tls13_key_exchange_modes(
		s, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
			   MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
	mbedtls_ssl_conf_renegotiation(s, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
}

static int set_tickets(struct gate_tls *t)
{
	int code = mbedtls_ssl_ticket_setup(&t->tickets, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE,
		MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFETIME_S);
	if (code == 0) {
		mbedtls_ssl_conf_session_tickets_cb(
			&t->settings, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, &t->tickets);
	}
	return code;
}

enum status gate_tls_init(struct gate_tls *t, enum gate_client_certificate client_certificate,
	int (*choose)(mbedtls_ssl_context *ssl))
{
	mbedtls_ssl_config *s = &t->settings;
	mbedtls_ssl_config_init(s);
	mbedtls_ssl_ticket_init(&t->tickets);
	int code = mbedtls_ssl_config_defaults(
		s, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
	if (code == 0) {
		set_protocol(s);
		mbedtls_ssl_conf_rng(s, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
		mbedtls_ssl_conf_authmode(s, verify_mode_of(client_certificate));
		mbedtls_ssl_conf_cert_cb(s, choose);
		/* mbedTLS only reads the list, yet wants it without const. */
		code = mbedtls_ssl_conf_alpn_protocols(s, (const char **)(uintptr_t)application_protocols);
	}
	if (code == 0 && client_certificate == GATE_CLIENT_NONE) {
		code = set_tickets(t);
	}
	if (code != 0) {
		log_event(LOG_ERROR, "gate.tls.failed", LOG_I64("mbedtls", code));
		return ST_FULL;
	}
	return ST_OK;
}

void gate_tls_fini(struct gate_tls *t)
{
	mbedtls_ssl_config_free(&t->settings);
	mbedtls_ssl_ticket_free(&t->tickets);
}
