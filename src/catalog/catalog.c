/* catalog.c - the life of the catalog, its connections, collections. */
#include "poison.h"

#include "catalog.h"

#include <fcntl.h>
#include <string.h>

#include "catalog_functions.h"
#include "catalog_private.h"
#include "clock.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "must.h"

enum { CATALOG_VERSION = 1, CHECKPOINT_WAIT_MS = 200 };

static const struct database_statement statements[SQL_COUNT] = {
#define SQL(name, text) { #name, text },
#include "sql.def"
#undef SQL
};

/* steps[n - 1] leads from version n to n + 1: the files of migrate/, from 0002.sql on. */
static const struct database_schema schema = { CATALOG_VERSION, catalog_schema_sql, NULL };

enum status catalog_connect(struct catalog *c, enum database_kind kind, struct database **out)
{
	struct database *db = NULL;
	enum status st = database_open(c->path, kind, &db);
	if (st == ST_OK)
		st = catalog_register_functions(database_handle(db), c->clock);
	if (st == ST_OK && kind != DATABASE_READER)
		st = database_migrate(db, &schema);
	if (st == ST_OK)
		st = database_prepare(db, statements, SQL_COUNT);
	if (st == ST_OK)
		*out = db;
	else
		database_close(db);
	return st;
}

static enum status check(struct database *db)
{
	char why[256];
	enum status st = database_check(db, true, why);
	if (st == ST_INVALID) {
		log_event(LOG_ERROR, "catalog.file.damaged", LOG_TEXT("why", why));
		return ST_CORRUPT;
	}
	return st;
}

/* Under `write`, within a transaction or after one. */
static enum status refresh_load(struct catalog *c)
{
	enum status st = database_step(c->writer, SQL_LOAD);
	if (st == ST_OK) {
		atomic_store(&c->images, database_i64(c->writer, SQL_LOAD, 0));
		atomic_store(&c->jobs, database_i64(c->writer, SQL_LOAD, 1));
	}
	database_reset(c->writer, SQL_LOAD);
	return st;
}

/* Every address that is there; their images' times are not asked for. */
static enum status load_contents(struct catalog *c)
{
	enum { S = SQL_ADDRESSES };
	enum status st;
	while ((st = database_step(c->writer, S)) == ST_OK) {
		struct span address = database_bytes(c->writer, S, 0);
		if (address.len == sizeof((struct catalog_blob *)NULL)->address)
			contents_add(c->contents, address.data, clock_now_ms(c->clock));
	}
	database_reset(c->writer, S);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status load(struct catalog *c)
{
	enum status st = database_step(c->writer, SQL_LAST_NUMBER);
	if (st == ST_OK)
		c->next_number = database_i64(c->writer, SQL_LAST_NUMBER, 0) + 1;
	database_reset(c->writer, SQL_LAST_NUMBER);
	if (st == ST_OK)
		st = refresh_load(c);
	if (st == ST_OK)
		st = contents_new((uint64_t)catalog_load(c).images, &c->contents);
	return st == ST_OK ? load_contents(c) : st;
}

static enum status open_parts(struct catalog *c, const struct catalog_options *options)
{
	size_t size = strlen(options->path) + 1;
	must(options->clock && options->readers_max > 0);
	c->clock = options->clock;
	c->readers_max = options->readers_max;
	c->path = memory_alloc(size);
	c->idle = memory_alloc_array(options->readers_max, sizeof(struct database *));
	if (!c->path || !c->idle)
		return ST_FULL;
	memcpy(c->path, options->path, size);
	enum status st = catalog_connect(c, DATABASE_WRITER, &c->writer);
	if (st == ST_OK)
		st = check(c->writer);
	return st == ST_OK ? load(c) : st;
}

enum status catalog_open(const struct catalog_options *options, struct catalog **out)
{
	struct catalog *c = memory_alloc(sizeof *c);
	if (!c)
		return ST_FULL;
	lock_init(&c->write, "catalog.write");
	lock_init(&c->readers, "catalog.readers");
	signal_init(&c->returned);
	enum status st = open_parts(c, options);
	if (st == ST_OK)
		*out = c;
	else
		catalog_close(c);
	return st;
}

void catalog_close(struct catalog *c)
{
	if (!c)
		return;
	catalog_readers_close(c);
	database_close(c->writer);
	contents_free(c->contents);
	signal_fini(&c->returned);
	lock_fini(&c->readers);
	lock_fini(&c->write);
	memory_free(c->idle);
	memory_free(c->path);
	memory_free(c);
}

enum status catalog_remove(const char *path)
{
	static const char *const endings[] = { "", "-wal", "-shm" };
	enum status st = ST_OK;
	struct buf name;
	buf_init(&name, strlen(path) + sizeof "-wal");
	for (size_t i = 0; st == ST_OK && i < sizeof endings / sizeof *endings; i++) {
		buf_clear(&name);
		buf_put_text(&name, path);
		buf_put_text(&name, endings[i]);
		st = buf_ok(&name) ? file_unlink(AT_FDCWD, buf_text(&name)) : ST_FULL;
		if (st == ST_NOT_FOUND)
			st = ST_OK;
	}
	buf_fini(&name);
	return st;
}

enum status catalog_begin(struct catalog *c)
{
	lock_acquire(&c->write);
	enum status st = database_begin(c->writer);
	if (st != ST_OK)
		lock_release(&c->write);
	return st;
}

enum status catalog_end(struct catalog *c, enum status st)
{
	st = database_end(c->writer, st);
	if (st == ST_OK && refresh_load(c) != ST_OK)
		log_event(LOG_WARN, "catalog.load.unknown"); /* committed all the same */
	must(!database_is_busy(c->writer));
	lock_release(&c->write);
	return st;
}

struct catalog_load catalog_load(struct catalog *c)
{
	return (struct catalog_load){ atomic_load(&c->images), atomic_load(&c->jobs) };
}

enum status catalog_checkpoint(struct catalog *c)
{
	lock_acquire(&c->write);
	enum status st = database_checkpoint(c->writer, CHECKPOINT_WAIT_MS);
	lock_release(&c->write);
	return st;
}

/* control.db gives each name once: whoever has it here under another number is a leftover. */
static enum status drop_namesake(struct database *db, uint32_t number, const char *name)
{
	database_bind_i64(db, SQL_DROP_NAMESAKE, 1, number);
	database_bind_text(db, SQL_DROP_NAMESAKE, 2, name);
	return database_do(db, SQL_DROP_NAMESAKE, NULL);
}

static enum status put_collection(
	struct database *db, uint32_t number, const char *name, int64_t retention_ms, int64_t created_at)
{
	enum status st = drop_namesake(db, number, name);
	if (st != ST_OK)
		return st;
	database_bind_i64(db, SQL_PUT_COLLECTION, 1, number);
	database_bind_text(db, SQL_PUT_COLLECTION, 2, name);
	database_bind_i64(db, SQL_PUT_COLLECTION, 3, retention_ms);
	database_bind_i64(db, SQL_PUT_COLLECTION, 4, created_at);
	return database_do(db, SQL_PUT_COLLECTION, NULL);
}

enum status catalog_put_collection(
	struct catalog *c, uint32_t number, const char *name, int64_t retention_ms, int64_t created_at)
{
	enum status st = catalog_begin(c);
	if (st != ST_OK)
		return st;
	return catalog_end(c, put_collection(c->writer, number, name, retention_ms, created_at));
}

static enum status drop_collection(struct database *db, uint32_t number)
{
	database_bind_i64(db, SQL_COLLECTION_IS_USED, 1, number);
	enum status st = database_step(db, SQL_COLLECTION_IS_USED);
	if (st == ST_OK && database_i64(db, SQL_COLLECTION_IS_USED, 0) != 0)
		st = ST_BUSY;
	database_reset(db, SQL_COLLECTION_IS_USED);
	static const int steps[] = { SQL_FOLD_DAYS, SQL_DROP_DAYS, SQL_DROP_COLLECTION, SQL_DROP_TALLY };
	for (size_t i = 0; st == ST_OK && i < sizeof steps / sizeof *steps; i++) {
		database_bind_i64(db, steps[i], 1, number);
		st = database_do(db, steps[i], NULL);
	}
	return st;
}

enum status catalog_drop_collection(struct catalog *c, uint32_t number)
{
	enum status st = catalog_begin(c);
	return st == ST_OK ? catalog_end(c, drop_collection(c->writer, number)) : st;
}
