/* control.c - the life of control.db, and its settings. */
#include "poison.h"

#include "control_private.h"

#include "memory.h"
#include "must.h"

enum { CONTROL_VERSION = 1 };

extern const char control_schema_sql[]; /* control.sql; put in by the build */

static const struct database_statement statements[SQL_COUNT] = {
#define SQL(name, text) { #name, text },
#include "sql.def"
#undef SQL
};

static const struct database_schema schema = { CONTROL_VERSION, control_schema_sql, NULL };

enum status control_open(const char *path, struct control **out)
{
	struct control *c = memory_alloc(sizeof *c);
	if (!c)
		return ST_FULL;
	lock_init(&c->lock, "control.db");
	enum status st = database_open(path, DATABASE_WRITER_FULL, &c->db);
	if (st == ST_OK)
		st = database_migrate(c->db, &schema);
	if (st == ST_OK)
		st = database_prepare(c->db, statements, SQL_COUNT);
	if (st == ST_OK)
		*out = c;
	else
		control_close(c);
	return st;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	database_close(c->db);
	lock_fini(&c->lock);
	memory_free(c);
}

enum status control_begin(struct control *c)
{
	lock_acquire(&c->lock);
	enum status st = database_begin(c->db);
	if (st != ST_OK)
		lock_release(&c->lock);
	return st;
}

enum status control_end(struct control *c, enum status st)
{
	st = database_end(c->db, st);
	must(!database_is_busy(c->db));
	lock_release(&c->lock);
	return st;
}

enum status control_change(struct database *db, int sql)
{
	int64_t changed = 0;
	enum status st = database_do(db, sql, &changed);
	return st == ST_OK && changed == 0 ? ST_NOT_FOUND : st;
}

enum status control_ask(struct database *db, int sql, int64_t *out)
{
	enum status st = database_step(db, sql);
	if (st == ST_OK)
		*out = database_i64(db, sql, 0);
	database_reset(db, sql);
	return st;
}

enum status control_verify(struct control *c, char why[256])
{
	why[0] = '\0';
	lock_acquire(&c->lock);
	enum status st = database_check(c->db, false, why);
	if (st == ST_OK) {
		why[0] = '\0';
		st = database_step(c->db, SQL_RECEIPT_GAP);
		if (st == ST_OK)
			database_copy_text(c->db, SQL_RECEIPT_GAP, 0, why, 256);
		database_reset(c->db, SQL_RECEIPT_GAP);
		if (st == ST_OK || st == ST_NOT_FOUND)
			st = st == ST_OK ? ST_INVALID : ST_OK;
	}
	lock_release(&c->lock);
	return st;
}

enum status control_get_number(struct control *c, const char *name, int64_t *out)
{
	enum { S = SQL_GET_SETTING };
	lock_acquire(&c->lock);
	database_bind_text(c->db, S, 1, name);
	enum status st = database_step(c->db, S);
	if (st == ST_OK && database_is_null(c->db, S, 0))
		st = ST_NOT_FOUND;
	if (st == ST_OK)
		*out = database_i64(c->db, S, 0);
	database_reset(c->db, S);
	lock_release(&c->lock);
	return st;
}

enum status control_get_bytes(struct control *c, const char *name, struct buf *out)
{
	enum { S = SQL_GET_SETTING };
	lock_acquire(&c->lock);
	database_bind_text(c->db, S, 1, name);
	enum status st = database_step(c->db, S);
	if (st == ST_OK && database_is_null(c->db, S, 1))
		st = ST_NOT_FOUND;
	if (st == ST_OK) {
		buf_put_span(out, database_bytes(c->db, S, 1));
		st = buf_status(out);
	}
	database_reset(c->db, S);
	lock_release(&c->lock);
	return st;
}

enum status control_put_number(struct control *c, const char *name, int64_t value)
{
	enum status st = control_begin(c);
	if (st != ST_OK)
		return st;
	database_bind_text(c->db, SQL_PUT_SETTING, 1, name);
	database_bind_i64(c->db, SQL_PUT_SETTING, 2, value);
	return control_end(c, database_do(c->db, SQL_PUT_SETTING, NULL));
}

enum status control_put_bytes(struct control *c, const char *name, struct span value)
{
	enum status st = control_begin(c);
	if (st != ST_OK)
		return st;
	database_bind_text(c->db, SQL_PUT_SETTING, 1, name);
	database_bind_bytes(c->db, SQL_PUT_SETTING, 3, value.data, value.len);
	return control_end(c, database_do(c->db, SQL_PUT_SETTING, NULL));
}
