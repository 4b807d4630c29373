#include "poison.h"

#include "gate_inside.h"

#include <errno.h>
#include <sys/eventfd.h>

#include <psa/crypto.h>

#include "gcm_alt_load.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "must.h"

/* CivetWeb's seam has no argument that could carry it. */
static struct gate *_Atomic installed;

struct gate *gate_installed(void)
{
	struct gate *g = atomic_load(&installed);
	must(g);
	return g;
}

static void ring(int bell)
{
	uint64_t one = 1;
	ssize_t written = write(bell, &one, sizeof one);
	must(written == sizeof one || errno == EAGAIN);
}

static void silence(int bell)
{
	uint64_t count;
	ssize_t got = read(bell, &count, sizeof count);
	must(got == sizeof count || errno == EAGAIN);
}

/* Decides, under `state`, whether room is short; the gap between the two bounds keeps it from flapping. */
static void weigh_room(struct gate *g)
{
	bool was_short = atomic_load(&g->is_short_of_room);
	uint64_t open = g->caps.open - g->leaving, max = g->caps.open_max;
	metrics_set(METRIC_CONNECTIONS, (int64_t)g->caps.open);
	if (!was_short && open * 4 > max * 3) {
		atomic_store(&g->is_short_of_room, true);
		ring(g->room_bell);
	} else if (was_short && open * 8 < max * 5) {
		atomic_store(&g->is_short_of_room, false);
		silence(g->room_bell);
	}
}

enum status gate_enter(struct gate *g, struct gate_address address, struct gate_credentials **out)
{
	lock_acquire(&g->state);
	enum status st = gate_caps_enter(&g->caps, address);
	if (st == ST_OK) {
		*out = gate_credentials_acquire(g->credentials);
		weigh_room(g);
	}
	lock_release(&g->state);
	metrics_add(st == ST_OK ? METRIC_CONNECTIONS_ACCEPTED : METRIC_CONNECTIONS_REFUSED, 1);
	return st;
}

void gate_leave(struct gate *g, struct gate_address address, bool is_leaving)
{
	lock_acquire(&g->state);
	gate_caps_leave(&g->caps, address);
	g->leaving -= is_leaving;
	weigh_room(g);
	lock_release(&g->state);
}

bool gate_must_make_room(struct gate *g)
{
	lock_acquire(&g->state);
	bool is_short = atomic_load(&g->is_short_of_room);
	g->leaving += is_short;
	weigh_room(g);
	lock_release(&g->state);
	return is_short;
}

/* Each handshake is answered with the credentials that its connection holds. */
static int choose_credentials(mbedtls_ssl_context *ssl)
{
	struct gate_connection *c = mbedtls_ssl_get_user_data_p(ssl);
	if (c->gate->options.client_certificate != GATE_CLIENT_NONE) {
		mbedtls_ssl_set_hs_ca_chain(ssl, &c->credentials->client_ca, NULL);
	}
	return mbedtls_ssl_set_hs_own_cert(ssl, &c->credentials->chain, &c->credentials->key);
}

static char *copy_text(const char *text)
{
	size_t size = text ? strlen(text) + 1 : 0;
	char *copy = text ? memory_alloc(size) : NULL;
	if (copy) {
		memcpy(copy, text, size);
	}
	return copy;
}

static enum status load_credentials(const struct gate *g, struct gate_credentials **out)
{
	const struct gate_options *o = &g->options;
	const char *client_ca_path = o->client_certificate == GATE_CLIENT_NONE ? NULL : o->client_ca_path;
	enum status st = gate_credentials_load(o->certificate_path, o->key_path, client_ca_path, out);
	if (st == ST_OK) {
		log_event(LOG_INFO, "gate.certificate.loaded", LOG_TEXT("path", o->certificate_path));
	}
	return st;
}

static enum status copy_options(struct gate *g, const struct gate_options *o)
{
	must(o->body_rate_min > 0);
	must(o->reply_rate_min > 0);
	must(o->connections_max > 0);
	g->options = *o;
	g->options.certificate_path = copy_text(o->certificate_path);
	g->options.key_path = copy_text(o->key_path);
	g->options.client_ca_path = copy_text(o->client_ca_path);
	if (o->client_certificate != GATE_CLIENT_NONE && !o->client_ca_path) {
		log_event(LOG_ERROR, "gate.client_ca.missing");
		return ST_INVALID;
	}
	return g->options.certificate_path && g->options.key_path ? ST_OK : ST_FULL;
}

static enum status open_bells(struct gate *g)
{
	g->stop_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->drain_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->room_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (g->stop_bell >= 0 && g->drain_bell >= 0 && g->room_bell >= 0) {
		return ST_OK;
	}
	enum status st = status_of_errno(errno);
	log_event(LOG_ERROR, "gate.bells.failed", LOG_STATUS("status", st));
	return st;
}

static enum status load_ciphers(void)
{
	if (gcm_alt_load()) {
		return ST_OK;
	}
	log_event(LOG_ERROR, "gate.cipher.missing", LOG_TEXT("name", "AES-GCM"));
	return ST_UNSUPPORTED;
}

enum status gate_open(const struct gate_options *options, struct gate **out)
{
	struct gate *g = memory_alloc(sizeof *g);
	must(!atomic_load(&installed));
	if (!g) {
		return ST_FULL;
	}
	g->stop_bell = g->drain_bell = g->room_bell = -1;
	lock_init(&g->state, "gate.state");
	enum status st = load_ciphers();
	if (st == ST_OK) {
		st = psa_crypto_init() == PSA_SUCCESS ? ST_OK : ST_FULL;
	}
	if (st == ST_OK) {
		st = copy_options(g, options);
	}
	if (st == ST_OK) {
		st = gate_caps_init(&g->caps, options->connections_max, options->address_connections_max);
	}
	if (st == ST_OK) {
		st = open_bells(g);
	}
	if (st == ST_OK) {
		st = gate_tls_init(&g->tls, options->client_certificate, choose_credentials);
	}
	if (st == ST_OK) {
		st = load_credentials(g, &g->credentials);
	}
	if (st != ST_OK) {
		gate_close(g);
		return st;
	}
	atomic_store(&installed, g);
	*out = g;
	return ST_OK;
}

enum status gate_reload(struct gate *g)
{
	struct gate_credentials *fresh = NULL;
	enum status st = load_credentials(g, &fresh);
	if (st != ST_OK) {
		return st;
	}
	lock_acquire(&g->state);
	struct gate_credentials *old = g->credentials;
	g->credentials = fresh;
	lock_release(&g->state);
	gate_credentials_release(old);
	return ST_OK;
}

struct gate_counts gate_counts(struct gate *g)
{
	lock_acquire(&g->state);
	uint64_t open = g->caps.open;
	lock_release(&g->state);
	return (struct gate_counts){
		.connections = (uint64_t)metrics_get(METRIC_CONNECTIONS_ACCEPTED),
		.handshakes = (uint64_t)metrics_get(METRIC_HANDSHAKES),
		.handshakes_failed = (uint64_t)metrics_get(METRIC_HANDSHAKES_FAILED),
		.heads_refused = (uint64_t)metrics_get(METRIC_HEADS_REFUSED),
		.timeouts = (uint64_t)metrics_get(METRIC_PEER_TIMEOUTS),
		.refused_by_cap = (uint64_t)metrics_get(METRIC_CONNECTIONS_REFUSED),
		.open_connections = open,
	};
}

void gate_drain(struct gate *g)
{
	if (!atomic_exchange(&g->is_draining, true)) {
		ring(g->drain_bell);
	}
}

void gate_stop(struct gate *g)
{
	gate_drain(g);
	if (!atomic_exchange(&g->is_stopping, true)) {
		ring(g->stop_bell);
	}
}

static void close_bell(int bell)
{
	if (bell >= 0) {
		close(bell);
	}
}

void gate_close(struct gate *g)
{
	if (!g) {
		return;
	}
	must(g->caps.open == 0);
	if (atomic_load(&installed) == g) {
		atomic_store(&installed, NULL);
	}
	gate_credentials_release(g->credentials);
	gate_tls_fini(&g->tls);
	gate_caps_fini(&g->caps);
	mbedtls_psa_crypto_free();
	close_bell(g->stop_bell);
	close_bell(g->drain_bell);
	close_bell(g->room_bell);
	memory_free((void *)(uintptr_t)g->options.certificate_path);
	memory_free((void *)(uintptr_t)g->options.key_path);
	memory_free((void *)(uintptr_t)g->options.client_ca_path);
	lock_fini(&g->state);
	memory_free(g);
}
