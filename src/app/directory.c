/* directory.c - opening, locking and identifying a data directory. */
#include "poison.h"

#include "directory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "log.h"
#include "memory.h"
#include "random.h"
#include "text.h"

enum { CURRENT_MAX = 256, NAMES_MAX = 4096 };

static const char current_name[] = "CURRENT", current_unmade[] = "CURRENT.new", lock_name[] = "darkroom.lock",
		  reserve_name[] = "reserve",
		  first_line[] = "darkroom data 1\n";
/* Enough for the databases' logs, a segment's first blocks and the mark of the clock. */
#define RESERVE_BYTES MIB(16)

/* `configured`, or `name` inside the data directory when that is empty. */
static enum status set_path(
	const struct config *c, const char *configured, const char *name, char out[CONFIG_TEXT_MAX])
{
	int n = configured[0] ? snprintf(out, CONFIG_TEXT_MAX, "%s", configured)
			      : snprintf(out, CONFIG_TEXT_MAX, "%s/%s", c->data, name);
	return n > 0 && n < CONFIG_TEXT_MAX ? ST_OK : ST_TOO_BIG;
}

static enum status set_paths(const struct config *c, struct directory *d)
{
	const struct {
		const char *configured, *name;
		char *out;
	} paths[] = {
		{ c->root_key, "root.key", d->root_key_path },
		{ c->originals, "originals", d->originals_path },
		{ c->processed, "processed", d->processed_path },
		{ "", "catalog.db", d->catalog_path },
		{ "", "control.db", d->control_path },
		{ "", "admin.sock", d->socket_path },
		{ "", "tls", d->tls_path },
	};
	enum status st = ST_OK;
	for (size_t i = 0; st == ST_OK && i < sizeof paths / sizeof *paths; i++)
		st = set_path(c, paths[i].configured, paths[i].name, paths[i].out);
	return st;
}

static enum status read_current(struct directory *d, struct span text)
{
	size_t head = sizeof first_line - 1;
	if (!span_starts_with(text, first_line) || text.len != head + 33)
		return ST_INVALID;
	return text_from_hex(span_slice(text, head, 32), d->id, sizeof d->id);
}

static enum status write_current(struct directory *d)
{
	struct buf text;
	buf_init(&text, CURRENT_MAX);
	enum status st = random_bytes(d->id, sizeof d->id);
	buf_put_text(&text, first_line);
	text_put_hex(&text, span_make(d->id, sizeof d->id));
	buf_put_byte(&text, '\n');
	if (st == ST_OK)
		st = buf_status(&text);
	if (st == ST_OK)
		st = file_replace(d->fd, current_name, buf_span(&text), 0600);
	buf_fini(&text);
	d->is_new = true;
	return st;
}

/* What a start that died before there was a CURRENT leaves, and what a file system makes by itself. */
static bool is_nobodys(const char *name)
{
	return strcmp(name, lock_name) == 0 || strcmp(name, current_unmade) == 0 ||
	       strcmp(name, "lost+found") == 0;
}

/* True if nothing of somebody else's is in it. */
static enum status is_empty(struct directory *d, bool *out)
{
	char **names = NULL;
	size_t count = 0;
	*out = true;
	enum status st = file_list(d->fd, NAMES_MAX, &names, &count);
	for (size_t i = 0; st == ST_OK && i < count; i++)
		*out = *out && is_nobodys(names[i]);
	memory_free(names);
	return st;
}

static enum status identify(const struct config *c, bool may_make, struct directory *d, struct buf *why)
{
	struct buf text;
	bool empty = false;
	buf_init(&text, CURRENT_MAX);
	enum status st = file_load(d->fd, current_name, &text);
	if (st == ST_OK) {
		st = read_current(d, buf_span(&text));
		/* control.db is made last: without it the making was cut short, and this start finishes
		 * it. */
		d->is_new = st == ST_OK && may_make && access(d->control_path, F_OK) != 0;
	} else if (st == ST_NOT_FOUND && (st = is_empty(d, &empty)) == ST_OK) {
		st = !empty ? ST_INVALID : may_make ? write_current(d) : ST_NOT_FOUND;
	}
	buf_fini(&text);
	if (st == ST_INVALID)
		buf_printf(
			why, "%s is not empty and is no data directory: choose another with --data", c->data);
	else if (st == ST_NOT_FOUND)
		buf_printf(why, "%s is no data directory yet: `darkroom serve --data %s` makes one", c->data,
			c->data);
	else if (st != ST_OK)
		buf_printf(why, "%s: CURRENT cannot be read or written: %s", c->data, status_text(st));
	return st;
}

static enum status take_lock(const struct config *c, struct directory *d, struct buf *why)
{
	enum status st = file_open(d->fd, lock_name, FILE_WRITE | FILE_CREATE_OR_OPEN, &d->lock_fd);
	if (st == ST_OK)
		st = file_lock(d->lock_fd);
	if (st == ST_BUSY)
		buf_printf(why,
			"another process has the data directory %s open: stop it first, or choose another",
			c->data);
	else if (st != ST_OK)
		buf_printf(why, "%s/%s cannot be locked: %s", c->data, lock_name, status_text(st));
	return st;
}

static enum status open_dirs(const struct config *c, bool may_make, struct directory *d, struct buf *why)
{
	enum status st = may_make ? file_make_dirs(c->data) : ST_OK;
	if (st == ST_OK)
		st = file_open_dir(AT_FDCWD, c->data, &d->fd);
	if (st == ST_OK && may_make && c->keys[0])
		st = file_make_dirs(c->keys);
	if (st == ST_OK)
		st = file_open_dir(AT_FDCWD, c->keys[0] ? c->keys : c->data, &d->keys_fd);
	if (st == ST_NOT_FOUND)
		buf_printf(why, "there is no data directory %s: `darkroom serve --data %s` makes one",
			c->data, c->data);
	else if (st != ST_OK)
		buf_printf(why, "the data directory %s cannot be opened: %s", c->data, status_text(st));
	return st;
}

enum status directory_open(const struct config *config, bool may_make, struct directory *out, struct buf *why)
{
	*out = (struct directory){ .fd = -1, .lock_fd = -1, .keys_fd = -1 };
	enum status st = set_paths(config, out);
	if (st != ST_OK) {
		buf_put_text(why, "a path in the configuration is too long");
		return st;
	}
	st = open_dirs(config, may_make, out, why);
	if (st == ST_OK)
		st = take_lock(config, out, why);
	return st == ST_OK ? identify(config, may_make, out, why) : st;
}

void directory_keep_reserve(struct directory *d)
{
	int fd = -1;
	enum status st = file_open(d->fd, reserve_name, FILE_WRITE | FILE_CREATE_OR_OPEN, &fd);
	if (st == ST_OK)
		st = file_allocate(fd, 0, RESERVE_BYTES);
	if (st != ST_OK && st != ST_UNSUPPORTED)
		log_event(LOG_WARN, "app.reserve.not_kept", LOG_STATUS("status", st));
	file_close(&fd);
}

bool directory_spend_reserve(struct directory *d)
{
	bool is_spent = d->fd >= 0 && file_unlink(d->fd, reserve_name) == ST_OK;
	if (is_spent)
		log_event(LOG_WARN, "app.reserve.spent");
	return is_spent;
}

void directory_close(struct directory *d)
{
	file_close(&d->keys_fd);
	file_close(&d->fd);
	file_close(&d->lock_fd);
}
