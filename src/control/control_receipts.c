/* control_receipts.c - the chain of receipts as rows. */
#include "poison.h"

#include "control_private.h"
#include "limits.h"

enum status control_add_receipt(struct control *c, const struct control_new_receipt *r)
{
	enum { S = SQL_ADD_RECEIPT };
	enum status st = control_begin(c);
	if (st != ST_OK)
		return st;
	database_bind_i64(c->db, S, 1, (int64_t)r->number);
	database_bind_i64(c->db, S, 2, r->kind);
	database_bind_i64(c->db, S, 3, r->epoch);
	database_bind_bytes(c->db, S, 4, r->body.data, r->body.len);
	database_bind_bytes(c->db, S, 5, r->signature.data, r->signature.len);
	database_bind_i64(c->db, S, 6, r->made_at);
	st = control_change(c->db, S);
	return control_end(c, st == ST_NOT_FOUND ? ST_EXISTS : st);
}

static enum status read_receipt(struct database *db, int sql, struct control_receipt *out)
{
	enum status st = database_step(db, sql);
	if (st != ST_OK)
		return st;
	out->number = (uint64_t)database_i64(db, sql, 0);
	out->kind = database_i64(db, sql, 1) == CONTROL_RECEIPT_ERASE ? CONTROL_RECEIPT_ERASE
								      : CONTROL_RECEIPT_EPOCH;
	buf_put_span(&out->body, database_bytes(db, sql, 2));
	buf_put_span(&out->signature, database_bytes(db, sql, 3));
	st = buf_status(&out->body);
	return st == ST_OK ? buf_status(&out->signature) : st;
}

/* The statement is bound and the lock held; resets and releases. */
static enum status give_receipt(struct control *c, int sql, struct control_receipt *out)
{
	*out = (struct control_receipt){ 0 };
	buf_init(&out->body, RECEIPT_BYTES_MAX);
	buf_init(&out->signature, RECEIPT_BYTES_MAX);
	enum status st = read_receipt(c->db, sql, out);
	database_reset(c->db, sql);
	lock_release(&c->lock);
	if (st != ST_OK) {
		buf_fini(&out->body);
		buf_fini(&out->signature);
	}
	return st;
}

enum status control_last_receipt(struct control *c, struct control_receipt *out)
{
	lock_acquire(&c->lock);
	return give_receipt(c, SQL_LAST_RECEIPT, out);
}

enum status control_next_receipt(struct control *c, uint64_t after, struct control_receipt *out)
{
	lock_acquire(&c->lock);
	database_bind_i64(c->db, SQL_NEXT_RECEIPT, 1, (int64_t)after);
	return give_receipt(c, SQL_NEXT_RECEIPT, out);
}

enum status control_has_epoch_receipt(struct control *c, uint32_t epoch, bool *out)
{
	int64_t has = 0;
	lock_acquire(&c->lock);
	database_bind_i64(c->db, SQL_HAS_EPOCH, 1, epoch);
	enum status st = control_ask(c->db, SQL_HAS_EPOCH, &has);
	lock_release(&c->lock);
	*out = has != 0;
	return st;
}

/* The mark moves first: the trigger lets only what lies before it go. */
static enum status drop(struct database *db, int64_t before_ms)
{
	database_bind_text(db, SQL_PUT_SETTING, 1, "receipts_kept_from");
	database_bind_i64(db, SQL_PUT_SETTING, 2, before_ms);
	enum status st = database_do(db, SQL_PUT_SETTING, NULL);
	if (st != ST_OK)
		return st;
	database_bind_i64(db, SQL_DROP_RECEIPTS, 1, before_ms);
	return database_do(db, SQL_DROP_RECEIPTS, NULL);
}

enum status control_drop_receipts(struct control *c, int64_t before_ms)
{
	enum status st = control_begin(c);
	return st == ST_OK ? control_end(c, drop(c->db, before_ms)) : st;
}
