/* catalog_readers.c - the bounded pool of reading connections. */
#include "poison.h"

#include "catalog_private.h"
#include "clock.h"
#include "limits.h"
#include "must.h"

enum { READER_WAIT_MS = 5000 };

/* Under `readers`: an idle one, or leave to open another (*may_open), or nothing. */
static struct database *take(struct catalog *c, bool *may_open)
{
	*may_open = false;
	if (c->idle_count > 0)
		return c->idle[--c->idle_count];
	if (c->reader_count < c->readers_max) {
		c->reader_count++;
		*may_open = true;
	}
	return NULL;
}

static void abandon(struct catalog *c)
{
	lock_acquire(&c->readers);
	c->reader_count--;
	signal_wake_one(&c->returned);
	lock_release(&c->readers);
}

enum status catalog_reader_acquire(struct catalog *c, bool is_hasty, struct database **out)
{
	int64_t deadline = clock_monotonic_ms() + READER_WAIT_MS;
	bool may_open, is_in_time = true;
	lock_acquire(&c->readers);
	struct database *db = take(c, &may_open);
	while (!db && !may_open && is_in_time) {
		is_in_time = signal_wait_until(&c->returned, &c->readers, deadline);
		db = take(c, &may_open);
	}
	lock_release(&c->readers);
	if (!db && !may_open)
		return ST_BUSY;
	if (!db) {
		enum status st = catalog_connect(c, DATABASE_READER, &db);
		if (st != ST_OK) {
			abandon(c);
			return st;
		}
	}
	database_set_deadline(db, is_hasty ? clock_monotonic_ms() + CATALOG_READ_MS_MAX : 0);
	*out = db;
	return ST_OK;
}

void catalog_reader_release(struct catalog *c, struct database *db)
{
	must(!database_is_busy(db));
	lock_acquire(&c->readers);
	must(c->idle_count < c->reader_count);
	c->idle[c->idle_count++] = db;
	signal_wake_one(&c->returned);
	lock_release(&c->readers);
}

void catalog_readers_close(struct catalog *c)
{
	must(c->idle_count == c->reader_count);
	while (c->idle_count > 0)
		database_close(c->idle[--c->idle_count]);
	c->reader_count = 0;
}
