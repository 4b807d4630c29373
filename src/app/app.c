/* app.c - opens everything in order, closes it in the reverse one. */
#include "poison.h"

#include "app.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app_private.h"
#include "file.h"
#include "imaging.h"
#include "memory.h"

enum { READERS_SPARE = 16 };

enum status app_listen_host(const char *listen, char out[256])
{
	struct span text = span_of(listen);
	size_t colon = text.len;
	while (colon > 0 && text.data[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return ST_INVALID;
	struct span host = span_slice(text, 0, colon - 1);
	if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
		host = span_slice(host, 1, host.len - 2);
	return host.len == 0 ? ST_INVALID : span_to_text(host, out, 256);
}

static bool is_loopback(const char *listen)
{
	char host[256];
	struct in_addr v4;
	if (app_listen_host(listen, host) != ST_OK)
		return false;
	if (strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0)
		return true;
	return inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

static enum status open_keys(struct app *app, bool may_make, struct buf *why)
{
	struct directory *d = &app->directory;
	struct keyring_options options = {
		.dir_fd = d->keys_fd, .root_key_path = d->root_key_path, .node = (uint16_t)app->config.node
	};
	memcpy(options.directory_id, d->id, sizeof options.directory_id);
	enum status st = ST_OK;
	if (may_make && d->is_new) {
		st = keyring_make_root_key(d->root_key_path);
		if (st == ST_OK || st == ST_EXISTS)
			st = keyring_create(&options);
		if (st == ST_EXISTS)
			st = ST_OK;
	}
	if (st == ST_OK)
		st = keyring_open(&options, &app->keyring);
	if (st == ST_DENIED)
		buf_printf(why, "the root key %s must be readable by its owner alone: chmod 600 it",
			d->root_key_path);
	else if (st == ST_MISMATCH)
		buf_printf(why, "the root key %s or the keyring belongs to another data directory",
			d->root_key_path);
	else if (st == ST_NOT_FOUND)
		buf_printf(why,
			"the root key %s or the keyring is missing: give their places with --root-key and "
			"--keys",
			d->root_key_path);
	else if (st != ST_OK)
		buf_printf(why, "the keyring cannot be opened: %s (see the log)", status_text(st));
	return st;
}

/* A setting that is fixed when the directory is made: kept the first time, compared ever after. */
static enum status fix_number(struct app *app, const char *name, int64_t value, struct buf *why)
{
	int64_t kept = 0;
	enum status st = control_get_number(app->control, name, &kept);
	if (st == ST_NOT_FOUND)
		return control_put_number(app->control, name, value);
	if (st == ST_OK && kept != value) {
		buf_printf(why,
			"this data directory was made with %s %lld, now %lld is asked for: it cannot change",
			name, (long long)kept, (long long)value);
		return ST_MISMATCH;
	}
	return st;
}

/* Administration reads what is fixed instead of demanding that it be repeated. */
static void adopt_fixed(struct app *app)
{
	int64_t kept = 0;
	if (control_get_number(app->control, "time_scale", &kept) == ST_OK)
		app->config.time_scale = kept;
	if (control_get_number(app->control, "node", &kept) == ST_OK)
		app->config.node = kept;
}

static enum status open_control(struct app *app, enum app_use use, struct buf *why)
{
	enum status st = control_open(app->directory.control_path, &app->control);
	if (st != ST_OK) {
		buf_printf(why, "control.db cannot be opened: %s (see the log)", status_text(st));
		return st;
	}
	if (use != APP_SERVE)
		adopt_fixed(app);
	st = fix_number(app, "time_scale", app->config.time_scale, why);
	if (st == ST_OK)
		st = fix_number(app, "node", app->config.node, why);
	if (st == ST_OK && use == APP_SERVE && app->config.time_scale > 1 &&
		!is_loopback(app->config.listen)) {
		buf_put_text(why,
			"--time-scale is for demonstrations and tests: it needs a --listen address on the "
			"loopback");
		st = ST_INVALID;
	}
	return st;
}

static enum status open_clock(struct app *app, struct buf *why)
{
	struct clock_options options = { .scale = (uint32_t)app->config.time_scale };
	enum status st = control_get_number(app->control, "clock_high_water_ms", &options.high_water_ms);
	if (st == ST_OK || st == ST_NOT_FOUND)
		st = control_get_number(app->control, "clock_origin_ms", &options.scale_origin_wall_ms);
	if (st == ST_NOT_FOUND) {
		options.scale_origin_wall_ms = clock_wall_ms();
		st = control_put_number(app->control, "clock_origin_ms", options.scale_origin_wall_ms);
	}
	if (st == ST_OK)
		st = clock_new(&options, &app->clock);
	if (st != ST_OK)
		buf_printf(why, "the clock cannot be set up: %s", status_text(st));
	return st;
}

static enum status open_catalog(struct app *app, enum app_use use, struct buf *why)
{
	struct catalog_options options = { .path = app->directory.catalog_path,
		.clock = app->clock,
		.readers_max = (uint32_t)app->config.http_threads + READERS_SPARE };
	enum status st = use == APP_REBUILD ? catalog_remove(options.path) : ST_OK;
	if (st == ST_OK)
		st = catalog_open(&options, &app->catalog);
	if (st == ST_CORRUPT)
		buf_printf(why,
			"catalog.db is damaged: `darkroom rebuild --data %s` makes it anew from the segments",
			app->config.data);
	else if (st != ST_OK)
		buf_printf(why, "catalog.db cannot be opened: %s (see the log)", status_text(st));
	return st;
}

static enum status make_default_collection(struct app *app)
{
	struct access_new_collection in = { .name = SPAN_LIT("default"),
		.retention_ms = app->config.retention };
	struct control_collection row;
	const char *refused = NULL;
	enum status st = access_make_collection(app->access, &in, &row, &refused);
	return st == ST_EXISTS ? ST_OK : st;
}

static enum status open_access(struct app *app, enum app_use use, struct buf *why)
{
	enum status st = access_open(app->control, app->keyring, app->clock, &app->access);
	if (st == ST_OK) {
		access_set_retention_max(app->access, app->config.retention_max);
		access_set_retention_default(app->access, app->config.retention);
	}
	if (st == ST_OK)
		st = access_mirror_collections(app->access, app->catalog);
	if (st == ST_OK && use == APP_SERVE && app->directory.is_new)
		st = make_default_collection(app);
	if (st != ST_OK)
		buf_printf(
			why, "principals and collections cannot be read: %s (see the log)", status_text(st));
	return st;
}

static enum status open_store_dir(const char *path, int *out)
{
	enum status st = file_make_dirs(path);
	return st == ST_OK ? file_open_dir(AT_FDCWD, path, out) : st;
}

static enum status open_commit(struct app *app, struct buf *why)
{
	struct commit_options options = {
		.originals_fd = -1,
		.processed_fd = -1,
		.segment_bytes = (uint64_t)app->config.segment_bytes,
		.segment_age_ms = app->config.segment_age,
		.inbox_bytes_max = (uint64_t)app->config.inbox_bytes_max,
		.keyring = app->keyring,
		.catalog = app->catalog,
		.clock = app->clock,
	};
	memcpy(options.directory_id, app->directory.id, sizeof options.directory_id);
	enum status st = open_store_dir(app->directory.originals_path, &options.originals_fd);
	if (st == ST_OK)
		st = open_store_dir(app->directory.processed_path, &options.processed_fd);
	if (st == ST_OK)
		return commit_open(&options, &app->commit);
	buf_printf(why, "the stores cannot be opened: %s (see the log)", status_text(st));
	file_close(&options.originals_fd);
	return st;
}

static enum status replay(struct app *app, const struct commit_progress *progress, struct buf *why)
{
	struct commit_replay_report report = { 0 };
	enum status st = commit_replay(app->commit, progress, &report);
	if (st != ST_OK)
		buf_printf(why, "the segments cannot be replayed: %s (see the log)", status_text(st));
	return st;
}

static struct retention_options retention_options(struct app *app)
{
	return (struct retention_options){ .purge = app->purge,
		.keyring = app->keyring,
		.catalog = app->catalog,
		.commit = app->commit,
		.control = app->control,
		.clock = app->clock,
		.data_fd = app->directory.fd };
}

static enum status open_purge(struct app *app, struct buf *why)
{
	struct purge_options options = { .access = app->access,
		.keyring = app->keyring,
		.catalog = app->catalog,
		.commit = app->commit,
		.control = app->control,
		.clock = app->clock };
	enum status st = purge_new(&options, &app->purge);
	if (st != ST_OK)
		buf_printf(why, "the receipts' signing key cannot be loaded: %s", status_text(st));
	return st;
}

/* Keys that came due while we were down go before anything is opened that a full or damaged disk could
 * keep shut. */
static enum status destroy_due(struct app *app, struct buf *why)
{
	uint64_t destroyed = 0;
	enum status st = purge_due_keys(app->keyring, app->clock, &destroyed);
	if (st != ST_OK)
		buf_printf(why, "keys that are due cannot be destroyed: %s; the port stays closed",
			status_text(st));
	return st;
}

/* Slots and the clock's mark stand before a record is looked at or the port opens. */
static enum status prepare_time(struct app *app, struct buf *why)
{
	struct retention_options options = retention_options(app);
	enum status st = retention_prepare(&options);
	if (st != ST_OK)
		buf_printf(why, "the keyring and the clock's mark cannot be brought up to date: %s",
			status_text(st));
	return st;
}

/* What app_open() was asked for. */
struct opening {
	const struct config *config;
	enum app_use use;
	const struct commit_progress *progress;
};

static enum status open_all(struct app *app, const struct opening *o, struct buf *why)
{
	enum app_use use = o->use;
	enum status st = directory_open(&app->config, use == APP_SERVE, &app->directory, why);
	if (st == ST_OK)
		st = open_keys(app, use == APP_SERVE, why);
	if (st == ST_OK)
		st = open_control(app, use, why);
	if (st == ST_OK)
		st = open_clock(app, why);
	if (st == ST_OK && use != APP_ADMINISTER)
		st = destroy_due(app, why);
	if (st == ST_OK)
		st = open_catalog(app, use, why);
	if (st == ST_OK)
		st = open_access(app, use, why);
	if (st == ST_OK && use != APP_ADMINISTER)
		st = open_commit(app, why);
	if (st == ST_OK)
		st = open_purge(app, why);
	if (st == ST_OK && use != APP_ADMINISTER)
		st = prepare_time(app, why);
	if (st == ST_OK && use != APP_ADMINISTER)
		st = replay(app, o->progress, why);
	return st;
}

/* *may_retry: it failed and the reserve was given up, so a second try finds room. */
static enum status open_once(const struct opening *o, struct app **out, struct buf *why, bool *may_retry)
{
	struct app *app = memory_alloc(sizeof *app);
	*may_retry = false;
	if (!app) {
		buf_put_text(why, "there is no memory");
		return ST_FULL;
	}
	app->config = *o->config;
	app->directory = (struct directory){ .fd = -1, .lock_fd = -1, .keys_fd = -1 };
	enum status st = open_all(app, o, why);
	if (st == ST_OK) {
		*out = app;
		return ST_OK;
	}
	if (st == ST_NO_SPACE || st == ST_IO || st == ST_FULL)
		*may_retry = directory_spend_reserve(&app->directory);
	app_close(app);
	return st;
}

enum status app_open(const struct config *config, enum app_use use, const struct commit_progress *progress,
	struct app **out, struct buf *why)
{
	const struct opening o = { config, use, progress };
	struct app *app = NULL;
	bool may_retry = false;
	enum status st = query_init_memory();
	if (st == ST_OK)
		st = open_once(&o, &app, why, &may_retry);
	if (st != ST_OK && may_retry) {
		buf_clear(why);
		st = open_once(&o, &app, why, &may_retry);
	}
	if (st != ST_OK) {
		if (buf_span(why).len == 0)
			buf_printf(why, "the data directory cannot be opened: %s (see the log)",
				status_text(st));
		return st;
	}
	if (use == APP_SERVE)
		directory_keep_reserve(&app->directory);
	app->services = (struct admin_services){
		.access = app->access, .catalog = app->catalog, .purge = app->purge, .clock = app->clock
	};
	*out = app;
	return ST_OK;
}

const struct admin_services *app_admin(struct app *app)
{
	return &app->services;
}

struct commit *app_commit(struct app *app)
{
	return app->commit;
}

struct keyring *app_keyring(struct app *app)
{
	return app->keyring;
}

struct catalog *app_catalog(struct app *app)
{
	return app->catalog;
}
