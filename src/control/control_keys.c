/* control_keys.c - API keys and the collections that they reach. */
#include "poison.h"

#include "control_private.h"
#include "limits.h"
#include "memory.h"
#include "must.h"

static enum status add_row(struct database *db, const struct control_key *in)
{
	enum { S = SQL_ADD_KEY };
	int64_t added = 0;
	database_bind_text(db, S, 1, in->prefix);
	database_bind_text(db, S, 2, in->principal);
	database_bind_text(db, S, 3, in->role);
	database_bind_bytes(db, S, 4, in->secret_hash, sizeof in->secret_hash);
	database_bind_i64(db, S, 5, in->created_at);
	if (in->expires_at >= 0)
		database_bind_i64(db, S, 6, in->expires_at);
	database_bind_i64(db, S, 7, in->is_for_all_collections);
	enum status st = database_do(db, S, &added);
	return st == ST_OK && added == 0 ? ST_EXISTS : st;
}

static enum status add(struct database *db, const struct control_key *in)
{
	int64_t count = 0;
	enum status st = control_ask(db, SQL_COUNT_KEYS, &count);
	if (st == ST_OK && count >= KEYS_MAX)
		return ST_FULL;
	if (st == ST_OK)
		st = add_row(db, in);
	for (size_t i = 0; st == ST_OK && !in->is_for_all_collections && i < in->collection_count; i++) {
		database_bind_text(db, SQL_ADD_KEY_COLLECTION, 1, in->prefix);
		database_bind_i64(db, SQL_ADD_KEY_COLLECTION, 2, in->collections[i]);
		st = database_do(db, SQL_ADD_KEY_COLLECTION, NULL);
	}
	return st;
}

enum status control_add_key(struct control *c, const struct control_key *in)
{
	must(in->collection_count <= KEY_COLLECTIONS_MAX);
	enum status st = control_begin(c);
	return st == ST_OK ? control_end(c, add(c->db, in)) : st;
}

static int64_t time_or_none(struct database *db, int sql, int column)
{
	return database_is_null(db, sql, column) ? -1 : database_i64(db, sql, column);
}

static enum status read_reach(struct database *db, struct control_key *out)
{
	enum { S = SQL_KEY_COLLECTIONS };
	enum status st = ST_OK;
	database_bind_text(db, S, 1, out->prefix);
	database_bind_i64(db, S, 2, KEY_COLLECTIONS_MAX);
	while (out->collection_count < KEY_COLLECTIONS_MAX && (st = database_step(db, S)) == ST_OK)
		out->collections[out->collection_count++] = (uint32_t)database_i64(db, S, 0);
	database_reset(db, S);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status read_key(struct database *db, int sql, struct control_key *out)
{
	*out = (struct control_key){ 0 };
	database_copy_text(db, sql, 0, out->prefix, sizeof out->prefix);
	database_copy_text(db, sql, 1, out->principal, sizeof out->principal);
	database_copy_text(db, sql, 2, out->role, sizeof out->role);
	out->created_at = database_i64(db, sql, 4);
	out->expires_at = time_or_none(db, sql, 5);
	out->revoked_at = time_or_none(db, sql, 6);
	out->last_used_at = time_or_none(db, sql, 7);
	out->is_for_all_collections = database_i64(db, sql, 8) != 0;
	if (!database_copy_bytes(db, sql, 3, out->secret_hash, sizeof out->secret_hash))
		return ST_CORRUPT;
	return read_reach(db, out);
}

enum status control_find_key(struct control *c, const char prefix[13], struct control_key *out)
{
	lock_acquire(&c->lock);
	database_bind_text(c->db, SQL_FIND_KEY, 1, prefix);
	database_bind_i64(c->db, SQL_FIND_KEY, 2, 1);
	enum status st = database_step(c->db, SQL_FIND_KEY);
	if (st == ST_OK)
		st = read_key(c->db, SQL_FIND_KEY, out);
	database_reset(c->db, SQL_FIND_KEY);
	lock_release(&c->lock);
	return st;
}

/* Under the lock. */
static enum status list(struct database *db, struct control_key **out, size_t *count)
{
	int64_t rows = 0;
	enum status st = control_ask(db, SQL_COUNT_KEYS, &rows);
	if (st != ST_OK)
		return st;
	struct control_key *keys = memory_alloc_array(rows > 0 ? (size_t)rows : 1, sizeof *keys);
	if (!keys)
		return ST_FULL;
	database_bind_i64(db, SQL_LIST_KEYS, 2, rows);
	while (*count < (size_t)rows && (st = database_step(db, SQL_LIST_KEYS)) == ST_OK) {
		st = read_key(db, SQL_LIST_KEYS, &keys[*count]);
		if (st != ST_OK)
			break;
		++*count;
	}
	database_reset(db, SQL_LIST_KEYS);
	if (st != ST_OK && st != ST_NOT_FOUND) {
		memory_free(keys);
		return st;
	}
	*out = keys;
	return ST_OK;
}

enum status control_list_keys(struct control *c, struct control_key **out, size_t *count)
{
	*out = NULL;
	*count = 0;
	lock_acquire(&c->lock);
	enum status st = list(c->db, out, count);
	lock_release(&c->lock);
	return st;
}

enum status control_revoke_key(struct control *c, const char prefix[13], int64_t now_ms)
{
	enum status st = control_begin(c);
	if (st != ST_OK)
		return st;
	database_bind_text(c->db, SQL_REVOKE_KEY, 1, prefix);
	database_bind_i64(c->db, SQL_REVOKE_KEY, 2, now_ms);
	return control_end(c, control_change(c->db, SQL_REVOKE_KEY));
}

enum status control_touch_key(struct control *c, const char prefix[13], int64_t now_ms)
{
	enum status st = control_begin(c);
	if (st != ST_OK)
		return st;
	database_bind_text(c->db, SQL_TOUCH_KEY, 1, prefix);
	database_bind_i64(c->db, SQL_TOUCH_KEY, 2, now_ms);
	return control_end(c, database_do(c->db, SQL_TOUCH_KEY, NULL));
}

enum status control_count_keys(struct control *c, size_t *out)
{
	int64_t count = 0;
	lock_acquire(&c->lock);
	enum status st = control_ask(c->db, SQL_COUNT_KEYS, &count);
	lock_release(&c->lock);
	*out = (size_t)count;
	return st;
}
