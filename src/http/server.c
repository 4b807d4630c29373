/* server.c - CivetWeb's beginning and end. */
#include "poison.h"

#include "http.h"

#include <civetweb.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "dispatch.h"
#include "log.h"
#include "memory.h"

enum { PORTS_MAX = 4, LOOK_MS = 20 };

/* As its begin-request callback, not as a handler: with a handler CivetWeb answers CORS preflights by
 * itself and leaves upgrades to nobody. */
static int handle(struct mg_connection *connection)
{
	dispatch(mg_get_user_data(mg_get_context(connection)), connection);
	return 1;
}

/* CivetWeb complains of ordinary ends of connections; what matters is counted and logged by the gate. */
static int on_message(const struct mg_connection *connection, const char *message)
{
	(void)connection;
	log_event(LOG_DEBUG, "http.civetweb.says", LOG_TEXT("message", message));
	return 1;
}

static enum status start(struct http *h)
{
	char port[300], threads[16];
	const struct http_options *o = &h->options;
	struct mg_callbacks callbacks = { .begin_request = handle, .log_message = on_message };
	(void)snprintf(port, sizeof port, "%ss", o->listen);
	(void)snprintf(threads, sizeof threads, "%u", o->threads);
	const char *options[] = {
		"listening_ports",
		port,
		"ssl_certificate",
		o->certificate_path,
		"num_threads",
		threads,
		"enable_keep_alive",
		"yes",
		"max_request_size",
		"20480",
		"connection_queue",
		"1024",
		"listen_backlog",
		"1024",
		"enable_auth_domain_check",
		"no",
		"decode_url",
		"no",
		NULL,
	};
	h->server = mg_start(&callbacks, h, options);
	if (!h->server)
		return ST_BUSY;
	struct mg_server_port ports[PORTS_MAX];
	if (mg_get_server_ports(h->server, PORTS_MAX, ports) < 1)
		return ST_IO;
	h->port = ports[0].port;
	return ST_OK;
}

enum status http_start(const struct http_options *options, struct http **out)
{
	struct http *h = memory_alloc(sizeof *h);
	if (!h)
		return ST_FULL;
	h->options = *options;
	enum status st = rate_new(options->rate_per_s, &h->rate);
	if (st == ST_OK)
		st = start(h);
	if (st != ST_OK) {
		log_event(LOG_ERROR, "http.listener.failed", LOG_TEXT("listen", options->listen),
			LOG_STATUS("status", st));
		http_stop(h, 0);
		return st;
	}
	log_event(LOG_INFO, "http.listener.open", LOG_TEXT("listen", options->listen),
		LOG_I64("port", h->port));
	*out = h;
	return ST_OK;
}

int http_port(const struct http *h)
{
	return h->port;
}

/* mg_stop() alone would wait for peers: first idle connections end, then those in hand, then all waiting. */
static void drain(struct http *h, int64_t drain_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + drain_ms;
	gate_drain(h->options.gate);
	while (gate_counts(h->options.gate).open_connections > 0 && clock_monotonic_ms() < deadline_ms)
		clock_sleep_ms(LOOK_MS);
	gate_stop(h->options.gate);
}

void http_stop(struct http *h, int64_t drain_ms)
{
	if (!h)
		return;
	if (h->server) {
		drain(h, drain_ms);
		mg_stop(h->server);
	}
	rate_free(h->rate);
	memory_free(h);
}
