/* app_serve.c - starts threads and listener, and ends them in order. */
#include "poison.h"

#include "app.h"

#include <stdio.h>

#include "app_private.h"
#include "local_ca.h"
#include "log.h"
#include "memory.h"

enum { DRAIN_MS = 15000, JOBS_GRACE_MS = 10000, GATE_REPLY_RATE_MIN = 4096 };
/* Threads kept for refusing: with as many connections as threads nobody would be left to say no. */
enum { THREADS_SPARE = 4 };
/* One picture's renditions and description, with room. */
#define CHILD_ANSWER_MAX MIB(32)

static enum status prepare_certificate(struct app *app, struct buf *why)
{
	char host[256];
	enum status st = app_listen_host(app->config.listen, host);
	if (st != ST_OK) {
		buf_printf(why, "\"listen\" is \"%s\": it must be host:port, or [address]:port",
			app->config.listen);
		return st;
	}
	if (app->config.certificate[0]) {
		(void)snprintf(app->certificate_path, CONFIG_TEXT_MAX, "%s", app->config.certificate);
		(void)snprintf(app->key_path, CONFIG_TEXT_MAX, "%s", app->config.certificate_key);
		return ST_OK;
	}
	int a = snprintf(app->certificate_path, CONFIG_TEXT_MAX, "%s/server.pem", app->directory.tls_path);
	int b = snprintf(app->key_path, CONFIG_TEXT_MAX, "%s/server.key", app->directory.tls_path);
	st = a < CONFIG_TEXT_MAX && b < CONFIG_TEXT_MAX ? local_ca_prepare(app->directory.tls_path, host)
							: ST_TOO_BIG;
	if (st != ST_OK)
		buf_printf(why, "no certificate could be made in %s: %s", app->directory.tls_path,
			status_text(st));
	return st;
}

static enum status make_services(struct app *app)
{
	const struct config *c = &app->config;
	struct ingest_options ingest = {
		.access = app->access,
		.keyring = app->keyring,
		.catalog = app->catalog,
		.commit = app->commit,
		.clock = app->clock,
		.budget = &app->budget,
		.data_fd = app->directory.fd,
		.image_bytes_max = (uint64_t)c->image_bytes_max,
		.disk_reserve = (uint64_t)c->disk_reserve,
		.catalog_rows_max = c->catalog_rows_max,
		.jobs_queued_max = c->jobs_queued_max,
	};
	struct fetch_options fetch = { app->keyring, app->catalog, app->commit, app->clock };
	struct query_options query = { app->directory.catalog_path, app->clock, c->sql_ms_max,
		c->sql_rows_max, SQL_CONCURRENT_MAX };
	enum status st = ingest_new(&ingest, &app->ingest);
	if (st == ST_OK)
		st = fetch_new(&fetch, &app->fetch);
	if (st == ST_OK)
		st = query_new(&query, &app->query);
	if (st == ST_OK)
		st = sandbox_open(&app->sandbox);
	struct process_options process = {
		.keyring = app->keyring,
		.catalog = app->catalog,
		.commit = app->commit,
		.clock = app->clock,
		.sandbox = app->sandbox,
		.budget = &app->budget,
		.attempts_max = (uint32_t)c->job_attempts_max,
		.retry_ms = c->job_retry,
		.limits = { .memory_bytes = (uint64_t)c->child_memory_max,
			.cpu_s = CHILD_CPU_S,
			.wall_ms = c->child_wall_max,
			.answer_bytes = CHILD_ANSWER_MAX },
	};
	return st == ST_OK ? process_new(&process, &app->process) : st;
}

static enum status open_gate(struct app *app)
{
	const struct config *c = &app->config;
	struct gate_options options = {
		.certificate_path = app->certificate_path,
		.key_path = app->key_path,
		.handshake_ms = c->handshake_max,
		.head_ms = c->head_max,
		.keep_alive_ms = c->keep_alive,
		.body_ms_base = c->body_base,
		.body_rate_min = (uint32_t)c->body_rate_min,
		.reply_rate_min = GATE_REPLY_RATE_MIN,
		.address_connections_max = (uint32_t)c->address_connections_max,
		.connections_max = (uint32_t)c->http_threads - THREADS_SPARE,
	};
	return gate_open(&options, &app->gate);
}

static bool is_ready(void *context, const char **why)
{
	struct app *app = context;
	return retention_is_healthy(app->retention, why);
}

/* Children that hold an erased image are killed with it. */
static void on_erase(void *context, const uint8_t *id)
{
	struct app *app = context;
	process_cancel(app->process, id);
}

static enum status open_door(struct app *app)
{
	struct http_options options = {
		.access = app->access,
		.ingest = app->ingest,
		.fetch = app->fetch,
		.purge = app->purge,
		.query = app->query,
		.catalog = app->catalog,
		.commit = app->commit,
		.gate = app->gate,
		.clock = app->clock,
		.budget = &app->budget,
		.listen = app->config.listen,
		.certificate_path = app->certificate_path,
		.threads = (uint32_t)app->config.http_threads,
		.image_bytes_max = (uint64_t)app->config.image_bytes_max,
		.rate_per_s = app->config.rate_per_s,
		.is_ready = is_ready,
		.on_erase = on_erase,
		.context = app,
	};
	return http_start(&options, &app->http);
}

static enum status start_threads(struct app *app)
{
	struct retention_options retention = { .purge = app->purge,
		.keyring = app->keyring,
		.catalog = app->catalog,
		.commit = app->commit,
		.control = app->control,
		.clock = app->clock,
		.data_fd = app->directory.fd };
	struct worker_options worker = { .process = app->process,
		.fetch = app->fetch,
		.budget = &app->budget,
		.bell = commit_bell(app->commit),
		.threads = (uint32_t)app->config.workers };
	enum status st = catalog_release_jobs(app->catalog);
	if (st == ST_OK)
		st = commit_start(app->commit);
	if (st == ST_OK)
		st = retention_start(&retention, &app->retention);
	return st == ST_OK ? worker_start(&worker, &app->worker) : st;
}

static enum status reload_certificate(void *context)
{
	struct app *app = context;
	return gate_reload(app->gate);
}

/* The first key of all, for a directory that has none. */
static enum status make_first_key(struct app *app, struct app_welcome *welcome)
{
	size_t count = 0;
	struct access_new_key in = { .principal = "admin", .role = "admin" };
	enum status st = control_count_keys(app->control, &count);
	if (st == ST_OK && count == 0) {
		welcome->is_new = true;
		st = access_make_key(app->access, &in, welcome->admin_key);
	}
	return st;
}

enum status app_serve(struct app *app, struct app_welcome *welcome, struct buf *why)
{
	*welcome = (struct app_welcome){ 0 };
	budget_init(&app->budget, "app.budget", (uint64_t)app->config.body_budget);
	app->has_budget = true;
	enum status st = prepare_certificate(app, why);
	if (st == ST_OK)
		st = make_services(app);
	if (st == ST_OK)
		st = open_gate(app);
	if (st == ST_OK)
		st = start_threads(app);
	if (st == ST_OK)
		st = make_first_key(app, welcome);
	if (st == ST_OK) {
		app->services.reload = reload_certificate;
		app->services.context = app;
		st = admin_start(&app->services, app->directory.socket_path, &app->admin);
	}
	if (st == ST_OK) {
		st = open_door(app);
		if (st == ST_BUSY)
			buf_printf(why, "%s is taken by another program: choose another with --listen",
				app->config.listen);
	}
	if (st != ST_OK) {
		if (buf_span(why).len == 0)
			buf_printf(why, "the server cannot be started: %s (see the log)", status_text(st));
		return st;
	}
	welcome->port = http_port(app->http);
	int n = app->config.certificate[0] ? 0
					   : snprintf(welcome->ca_path, sizeof welcome->ca_path, "%s/ca.pem",
						     app->directory.tls_path);
	return n < 0 || (size_t)n >= sizeof welcome->ca_path ? ST_TOO_BIG : ST_OK;
}

void app_reload(struct app *app)
{
	enum status st = gate_reload(app->gate);
	log_event(st == ST_OK ? LOG_INFO : LOG_ERROR, "app.certificate.reloaded", LOG_STATUS("status", st));
}

static void stop_threads(struct app *app)
{
	if (app->commit)
		commit_drain(app->commit);
	http_stop(app->http, DRAIN_MS);
	admin_stop(app->admin);
	worker_stop(app->worker, JOBS_GRACE_MS);
	retention_stop(app->retention);
	if (app->commit)
		commit_stop(app->commit);
	gate_close(app->gate);
}

void app_close(struct app *app)
{
	if (!app)
		return;
	stop_threads(app);
	process_free(app->process);
	sandbox_close(app->sandbox);
	query_free(app->query);
	fetch_free(app->fetch);
	ingest_free(app->ingest);
	purge_free(app->purge);
	commit_close(app->commit);
	access_close(app->access);
	catalog_close(app->catalog);
	clock_free(app->clock);
	control_close(app->control);
	keyring_close(app->keyring);
	if (app->has_budget)
		budget_fini(&app->budget);
	directory_close(&app->directory);
	memory_free(app);
}
