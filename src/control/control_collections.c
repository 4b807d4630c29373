/* control_collections.c - collections and their wrapped keys. */
#include "poison.h"

#include "control_private.h"
#include "limits.h"
#include "memory.h"

enum { CHECKPOINT_WAIT_MS = 200 };

static enum status add(struct database *db, const struct control_collection *in, uint32_t *out_number)
{
	int64_t count = 0, added = 0;
	enum status st = control_ask(db, SQL_COUNT_COLLECTIONS, &count);
	if (st != ST_OK)
		return st;
	if (count >= COLLECTIONS_MAX)
		return ST_FULL;
	database_bind_text(db, SQL_ADD_COLLECTION, 1, in->name);
	database_bind_i64(db, SQL_ADD_COLLECTION, 2, in->retention_ms);
	database_bind_i64(db, SQL_ADD_COLLECTION, 3, in->formats);
	database_bind_i64(db, SQL_ADD_COLLECTION, 4, in->created_at);
	st = database_do(db, SQL_ADD_COLLECTION, &added);
	if (st == ST_OK && added == 0)
		return ST_EXISTS;
	int64_t number = database_last_number(db);
	if (st == ST_OK && number > UINT32_MAX)
		return ST_FULL;
	*out_number = (uint32_t)number;
	return st;
}

enum status control_add_collection(
	struct control *c, const struct control_collection *in, uint32_t *out_number)
{
	enum status st = control_begin(c);
	return st == ST_OK ? control_end(c, add(c->db, in, out_number)) : st;
}

enum status control_set_collection_key(struct control *c, uint32_t number, const uint8_t wrapped[60])
{
	enum status st = control_begin(c);
	if (st != ST_OK)
		return st;
	database_bind_i64(c->db, SQL_SET_COLLECTION_KEY, 1, number);
	database_bind_bytes(c->db, SQL_SET_COLLECTION_KEY, 2, wrapped, 60);
	return control_end(c, control_change(c->db, SQL_SET_COLLECTION_KEY));
}

enum status control_change_collection(
	struct control *c, uint32_t number, int64_t retention_ms, uint32_t formats)
{
	enum status st = control_begin(c);
	if (st != ST_OK)
		return st;
	database_bind_i64(c->db, SQL_CHANGE_COLLECTION, 1, number);
	database_bind_i64(c->db, SQL_CHANGE_COLLECTION, 2, retention_ms);
	database_bind_i64(c->db, SQL_CHANGE_COLLECTION, 3, formats);
	return control_end(c, control_change(c->db, SQL_CHANGE_COLLECTION));
}

enum status control_remove_collection(struct control *c, uint32_t number)
{
	enum status st = control_begin(c);
	if (st != ST_OK)
		return st;
	database_bind_i64(c->db, SQL_REMOVE_COLLECTION, 1, number);
	return control_end(c, control_change(c->db, SQL_REMOVE_COLLECTION));
}

/* The log is emptied too, so that the wrapped key is not left in it. */
static enum status empty_log(struct control *c)
{
	lock_acquire(&c->lock);
	enum status st = database_checkpoint(c->db, CHECKPOINT_WAIT_MS);
	lock_release(&c->lock);
	return st;
}

enum status control_forget_collection(struct control *c, uint32_t number)
{
	enum status st = control_begin(c);
	if (st != ST_OK)
		return st;
	database_bind_i64(c->db, SQL_FORGET_COLLECTION, 1, number);
	st = control_end(c, control_change(c->db, SQL_FORGET_COLLECTION));
	return st == ST_OK ? empty_log(c) : st;
}

static void read_collection(struct database *db, struct control_collection *out)
{
	enum { S = SQL_LIST_COLLECTIONS };
	out->number = (uint32_t)database_i64(db, S, 0);
	database_copy_text(db, S, 1, out->name, sizeof out->name);
	out->retention_ms = database_i64(db, S, 2);
	out->formats = (uint32_t)database_i64(db, S, 3);
	out->created_at = database_i64(db, S, 4);
	out->has_key = database_copy_bytes(db, S, 5, out->wrapped_key, sizeof out->wrapped_key);
	out->is_removed = database_i64(db, S, 6) != 0;
}

enum status control_list_collections(struct control *c, struct control_collection **out, size_t *count)
{
	struct control_collection *rows = memory_alloc_array(COLLECTIONS_MAX, sizeof *rows);
	enum status st = ST_OK;
	*out = NULL;
	*count = 0;
	if (!rows)
		return ST_FULL;
	lock_acquire(&c->lock);
	database_bind_i64(c->db, SQL_LIST_COLLECTIONS, 1, COLLECTIONS_MAX);
	while (*count < COLLECTIONS_MAX && (st = database_step(c->db, SQL_LIST_COLLECTIONS)) == ST_OK)
		read_collection(c->db, &rows[(*count)++]);
	database_reset(c->db, SQL_LIST_COLLECTIONS);
	lock_release(&c->lock);
	if (st != ST_OK && st != ST_NOT_FOUND) {
		memory_free(rows);
		*count = 0;
		return st;
	}
	*out = rows;
	return ST_OK;
}
