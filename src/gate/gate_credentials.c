#include "poison.h"

#include "gate_credentials.h"

#include <fcntl.h>

#include <mbedtls/psa_util.h>

#include "buf.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "must.h"

/* A chain of ten certificates is under 20 KB; a bundle of authorities may be longer. */
enum { PEM_BYTES_MAX = 1 << 20 };

static enum status complain(const char *path, const char *why, int code)
{
	log_event(LOG_ERROR, "gate.certificate.unusable", LOG_TEXT("path", path), LOG_TEXT("why", why),
		LOG_I64("mbedtls", code));
	return ST_INVALID;
}

/* Certificates as PEM.  mbedTLS counts those it could not read; half a chain is none. */
static enum status load_certificates(const char *path, mbedtls_x509_crt *out)
{
	struct buf pem;
	buf_init(&pem, PEM_BYTES_MAX);
	enum status st = file_load(AT_FDCWD, path, &pem);
	if (st == ST_OK) {
		/* mbedTLS wants the closing NUL counted. */
		int code =
			mbedtls_x509_crt_parse(out, (const uint8_t *)buf_text(&pem), buf_span(&pem).len + 1);
		st = code == 0 ? ST_OK : complain(path, "no certificates in PEM form", code);
	} else {
		st = complain(path, status_text(st), 0);
	}
	buf_fini(&pem);
	return st;
}

static enum status load_key(const char *path, mbedtls_pk_context *out)
{
	struct buf pem;
	buf_init(&pem, PEM_BYTES_MAX);
	enum status st = file_load(AT_FDCWD, path, &pem);
	if (st == ST_OK) {
		int code = mbedtls_pk_parse_key(out, (const uint8_t *)buf_text(&pem), buf_span(&pem).len + 1,
			NULL, 0, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
		st = code == 0 ? ST_OK : complain(path, "no private key in PEM form", code);
	} else {
		st = complain(path, status_text(st), 0);
	}
	buf_wipe(&pem);
	return st;
}

static enum status check_pair(const struct gate_credentials *c, const char *certificate_path)
{
	int code = mbedtls_pk_check_pair(
		&c->chain.pk, &c->key, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	if (code != 0) {
		return complain(certificate_path, "the private key belongs to another certificate", code);
	}
	/* Served all the same: refusing it is the clients' part, and a dead server helps nobody. */
	if (mbedtls_x509_time_is_past(&c->chain.valid_to)) {
		log_event(LOG_WARN, "gate.certificate.expired", LOG_TEXT("path", certificate_path));
	}
	return ST_OK;
}

enum status gate_credentials_load(const char *certificate_path, const char *key_path,
	const char *client_ca_path, struct gate_credentials **out)
{
	struct gate_credentials *c = memory_alloc(sizeof *c);
	enum status st;
	if (!c) {
		return ST_FULL;
	}
	mbedtls_x509_crt_init(&c->chain);
	mbedtls_pk_init(&c->key);
	mbedtls_x509_crt_init(&c->client_ca);
	atomic_init(&c->users, 1);
	st = load_certificates(certificate_path, &c->chain);
	if (st == ST_OK) {
		st = load_key(key_path, &c->key);
	}
	if (st == ST_OK) {
		st = check_pair(c, certificate_path);
	}
	if (st == ST_OK && client_ca_path) {
		st = load_certificates(client_ca_path, &c->client_ca);
	}
	if (st != ST_OK) {
		gate_credentials_release(c);
		return st;
	}
	*out = c;
	return ST_OK;
}

struct gate_credentials *gate_credentials_acquire(struct gate_credentials *c)
{
	unsigned before = atomic_fetch_add(&c->users, 1);
	must(before > 0);
	return c;
}

void gate_credentials_release(struct gate_credentials *c)
{
	if (!c || atomic_fetch_sub(&c->users, 1) > 1) {
		return;
	}
	mbedtls_x509_crt_free(&c->chain);
	mbedtls_pk_free(&c->key);
	mbedtls_x509_crt_free(&c->client_ca);
	memory_free(c);
}
