/* receipt.c - making receipts. */
#include "poison.h"

#include "receipt.h"

#include "digest.h"
#include "json.h"
#include "log.h"
#include "text.h"

enum { BODY_MAX = 2048, SIGNATURE_MAX = 128, PEM_MAX = 4096, APPEND_TRIES = 100 };

static const char key_name[] = "receipt_key";

static enum status make_key(struct control *control, struct keyring *keyring, struct sign_key **out)
{
	struct buf pem, wrapped;
	struct sign_key *key = NULL;
	buf_init(&pem, PEM_MAX);
	buf_init(&wrapped, PEM_MAX);
	enum status st = sign_key_make(&key);
	if (st == ST_OK)
		st = sign_key_to_pem(key, &pem);
	if (st == ST_OK)
		st = keyring_wrap(keyring, key_name, buf_span(&pem), &wrapped);
	if (st == ST_OK)
		st = control_put_bytes(control, key_name, buf_span(&wrapped));
	if (st == ST_OK)
		*out = key;
	else
		sign_key_free(key);
	buf_wipe(&pem);
	buf_fini(&wrapped);
	return st;
}

enum status receipt_key_load(struct control *control, struct keyring *keyring, struct sign_key **out)
{
	struct buf pem, wrapped;
	buf_init(&pem, PEM_MAX);
	buf_init(&wrapped, PEM_MAX);
	enum status st = control_get_bytes(control, key_name, &wrapped);
	if (st == ST_NOT_FOUND) {
		st = make_key(control, keyring, out);
		goto out;
	}
	if (st == ST_OK)
		st = keyring_unwrap(keyring, key_name, buf_span(&wrapped), &pem);
	if (st == ST_OK)
		st = sign_key_from_pem(buf_span(&pem), out);
out:
	buf_wipe(&pem);
	buf_fini(&wrapped);
	return st;
}

/* Number and chain value of the receipt that comes next. */
static enum status next_link(struct control *control, uint64_t *number, struct digest *previous)
{
	struct control_receipt last = { 0 };
	enum status st = control_last_receipt(control, &last);
	*number = 1;
	*previous = (struct digest){ { 0 } };
	if (st == ST_NOT_FOUND)
		return ST_OK;
	if (st != ST_OK)
		return st;
	struct digest_stream *s = digest_begin();
	if (s) {
		digest_update(s, buf_span(&last.body));
		digest_update(s, buf_span(&last.signature));
		*previous = digest_end(s);
		*number = last.number + 1;
	}
	buf_fini(&last.body);
	buf_fini(&last.signature);
	return s ? ST_OK : ST_FULL;
}

static void put_body(
	const struct receipt_facts *f, uint64_t number, const struct digest *previous, struct buf *out)
{
	struct buf hex;
	struct json_writer w = json_writer_of(out);
	buf_init(&hex, 65);
	text_put_hex(&hex, span_make(previous->bytes, sizeof previous->bytes));
	json_begin_object(&w, NULL);
	json_put_i64(&w, "number", (int64_t)number);
	json_put_text(&w, "kind", span_of(f->kind == CONTROL_RECEIPT_EPOCH ? "epoch" : "erase"));
	json_put_i64(&w, "epoch", f->epoch);
	json_put_i64(&w, "images", (int64_t)f->images);
	json_put_time(&w, "due_at", f->due_at);
	json_put_time(&w, "destroyed_at", f->destroyed_at);
	json_begin_array(&w, "copies");
	json_end_array(&w);
	json_put_text(&w, "policy",
		span_of(f->kind == CONTROL_RECEIPT_EPOCH ? "expiry promised at upload" : "early erase"));
	json_put_text(&w, "previous", buf_span(&hex));
	json_end_object(&w);
	buf_fini(&hex);
}

static enum status append_once(
	struct control *control, const struct sign_key *key, const struct receipt_facts *facts)
{
	struct buf body, signature;
	uint64_t number = 0;
	struct digest previous;
	buf_init(&body, BODY_MAX);
	buf_init(&signature, SIGNATURE_MAX);
	enum status st = next_link(control, &number, &previous);
	if (st != ST_OK)
		goto out;
	put_body(facts, number, &previous, &body);
	st = buf_status(&body);
	if (st == ST_OK)
		st = sign_message(key, buf_span(&body), &signature);
	struct control_new_receipt row = { .number = number,
		.kind = facts->kind,
		.epoch = facts->epoch,
		.body = buf_span(&body),
		.signature = buf_span(&signature),
		.made_at = facts->destroyed_at };
	if (st == ST_OK)
		st = control_add_receipt(control, &row);
out:
	buf_fini(&body);
	buf_fini(&signature);
	return st;
}

/* Two threads may append at once (an erase and the timer); the one that lost takes the next number. */
enum status receipt_append(
	struct control *control, const struct sign_key *key, const struct receipt_facts *facts)
{
	enum status st = ST_EXISTS;
	for (int tries = 0; st == ST_EXISTS && tries < APPEND_TRIES; tries++)
		st = append_once(control, key, facts);
	if (st != ST_OK)
		log_event(LOG_ERROR, "purge.receipt.missing", LOG_U64("epoch", facts->epoch),
			LOG_STATUS("status", st));
	return st;
}

void receipt_put_json(const struct control_receipt *receipt, struct json_writer *w)
{
	struct buf base64;
	buf_init(&base64, 2 * SIGNATURE_MAX);
	text_put_base64(&base64, buf_span(&receipt->signature));
	json_begin_object(w, NULL);
	json_put_text(w, "body", buf_span(&receipt->body));
	json_put_text(w, "signature", buf_span(&base64));
	json_end_object(w);
	buf_fini(&base64);
}
