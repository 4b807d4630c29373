/* tls.c - the server's TLS alone, for one core: the gate's settings, mbedTLS as it is linked, and no sockets.
 *
 *	tls CERTIFICATE KEY SECONDS
 *
 * A server and a client of mbedTLS in one thread, joined by two buffers.  Only the server's calls are timed,
 * by the thread's own processor time.  Prints key=value: the suite, full handshakes a second (ECDSA and key
 * exchange on P-256), and GB a second that the server decrypts and encrypts in the longest records.
 */
#include <mbedtls/psa_util.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gate/gate_tls.h"

enum { PIPE_BYTES = 4 << 20, RECORD_BYTES = 16384, PEM_BYTES_MAX = 1 << 16 };

struct pipe {
	uint8_t bytes[PIPE_BYTES];
	size_t at, len;
};

struct side {
	mbedtls_ssl_context ssl;
	struct pipe *in, *out;
};

static struct pipe to_server, to_client;
static struct gate_tls gate;
static mbedtls_ssl_config client_settings;
static mbedtls_x509_crt chain;
static mbedtls_pk_context key;
static uint8_t record[RECORD_BYTES];
static double server_s; /* processor seconds within the server's calls */

static void must_be(int code, int wanted, const char *what)
{
	if (code != wanted) {
		(void)fprintf(stderr, "tls: %s: %d\n", what, code);
		exit(1);
	}
}

static double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- the two ends --- */

static int give(void *side, const unsigned char *data, size_t len)
{
	struct pipe *p = ((struct side *)side)->out;
	if (p->len + len > PIPE_BYTES)
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	memcpy(p->bytes + p->len, data, len);
	p->len += len;
	return (int)len;
}

static int take(void *side, unsigned char *data, size_t room)
{
	struct pipe *p = ((struct side *)side)->in;
	size_t len = p->len - p->at < room ? p->len - p->at : room;
	if (len == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(data, p->bytes + p->at, len);
	p->at += len;
	if (p->at == p->len)
		p->at = p->len = 0;
	return (int)len;
}

static int choose(mbedtls_ssl_context *ssl)
{
	return mbedtls_ssl_set_hs_own_cert(ssl, &chain, &key);
}

static void read_credentials(const char *certificate, const char *private_key)
{
	mbedtls_x509_crt_init(&chain);
	mbedtls_pk_init(&key);
	must_be(mbedtls_x509_crt_parse_file(&chain, certificate), 0, certificate);
	int code = mbedtls_pk_parse_keyfile(&key, private_key, NULL, mbedtls_psa_get_random,
		MBEDTLS_PSA_RANDOM_STATE);
	must_be(code, 0, private_key);
}

static void set_up(void)
{
	/* What OpenSSL's clients, curl among them, ask for first. */
	static const int suites[] = { MBEDTLS_TLS1_3_AES_256_GCM_SHA384, 0 };
	static const uint16_t groups[] = {
		MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_NONE
	};
	must_be((int)gate_tls_init(&gate, GATE_CLIENT_NONE, choose), (int)ST_OK, "the gate's settings");
	mbedtls_ssl_config_init(&client_settings);
	int code = mbedtls_ssl_config_defaults(&client_settings, MBEDTLS_SSL_IS_CLIENT,
		MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
	must_be(code, 0, "the client's settings");
	mbedtls_ssl_conf_rng(&client_settings, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	mbedtls_ssl_conf_authmode(&client_settings, MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_ciphersuites(&client_settings, suites);
	mbedtls_ssl_conf_groups(&client_settings, groups);
}

static void side_init(struct side *s, const mbedtls_ssl_config *settings, struct pipe *in, struct pipe *out)
{
	*s = (struct side){ .in = in, .out = out };
	mbedtls_ssl_init(&s->ssl);
	must_be(mbedtls_ssl_setup(&s->ssl, settings), 0, "a side");
	mbedtls_ssl_set_bio(&s->ssl, s, give, take, NULL);
}

static int wanted(int code)
{
	return code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE ? 0 : code;
}

/* One full handshake; the server's part of it goes to server_s. */
static void shake(struct side *server, struct side *client)
{
	to_server.at = to_server.len = to_client.at = to_client.len = 0;
	double began = cpu_s();
	side_init(server, &gate.settings, &to_server, &to_client);
	server_s += cpu_s() - began;
	side_init(client, &client_settings, &to_client, &to_server);
	must_be(mbedtls_ssl_set_hostname(&client->ssl, NULL), 0, "no name");
	while (!mbedtls_ssl_is_handshake_over(&server->ssl) || !mbedtls_ssl_is_handshake_over(&client->ssl)) {
		must_be(wanted(mbedtls_ssl_handshake(&client->ssl)), 0, "the client's handshake");
		began = cpu_s();
		must_be(wanted(mbedtls_ssl_handshake(&server->ssl)), 0, "the server's handshake");
		server_s += cpu_s() - began;
	}
}

static void part(struct side *server, struct side *client)
{
	mbedtls_ssl_free(&server->ssl);
	mbedtls_ssl_free(&client->ssl);
}

/* --- what is measured --- */

/* Reads all that waits; session tickets come between a client's data.  Gives how many bytes. */
static size_t drain(struct side *s)
{
	size_t total = 0;
	for (;;) {
		int got = mbedtls_ssl_read(&s->ssl, record, sizeof record);
		if (got == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
			continue;
		if (got == MBEDTLS_ERR_SSL_WANT_READ)
			return total;
		must_be(got > 0, 1, "a read");
		total += (size_t)got;
	}
}

static size_t fill(struct side *s)
{
	size_t total = 0;
	while (s->out->len + 2 * RECORD_BYTES < PIPE_BYTES) {
		int sent = mbedtls_ssl_write(&s->ssl, record, sizeof record);
		must_be(sent > 0, 1, "a write");
		total += (size_t)sent;
	}
	return total;
}

static double handshakes_a_second(double seconds)
{
	struct side server, client;
	int count = 0;
	for (server_s = 0; server_s < seconds; count++) {
		shake(&server, &client);
		part(&server, &client);
	}
	return count / server_s;
}

static double decrypted_a_second(struct side *server, struct side *client, double seconds)
{
	double total = 0;
	for (server_s = 0; server_s < seconds;) {
		(void)fill(client);
		double began = cpu_s();
		total += (double)drain(server);
		server_s += cpu_s() - began;
	}
	return total / server_s;
}

static double encrypted_a_second(struct side *server, struct side *client, double seconds)
{
	double total = 0;
	for (server_s = 0; server_s < seconds;) {
		double began = cpu_s();
		total += (double)fill(server);
		server_s += cpu_s() - began;
		(void)drain(client);
	}
	return total / server_s;
}

int main(int argc, char **argv)
{
	struct side server, client;
	double seconds = argc == 4 ? strtod(argv[3], NULL) : 0;
	must_be(seconds > 0, 1, "the head of tls.c says how it is called");
	must_be((int)psa_crypto_init(), 0, "PSA");
	read_credentials(argv[1], argv[2]);
	set_up();
	double shakes = handshakes_a_second(seconds);
	shake(&server, &client);
	const char *suite = mbedtls_ssl_get_ciphersuite(&server.ssl);
	double in = decrypted_a_second(&server, &client, seconds);
	double out = encrypted_a_second(&server, &client, seconds);
	printf("suite=%s handshakes=%.0f ", suite, shakes);
	printf("decrypt_gb=%.3f encrypt_gb=%.3f\n", in / 1e9, out / 1e9);
	part(&server, &client);
	return 0;
}
