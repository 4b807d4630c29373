/* receipt_verify.c - checking a list of receipts that may come from anywhere. */
#include "poison.h"

#include "purge.h"

#include "digest.h"
#include "json.h"
#include "sign.h"
#include "text.h"

enum { SIGNATURE_MAX = 128, HEX_DIGEST = 64 };

struct link {
	uint64_t number;
	char previous[HEX_DIGEST + 1];
	bool is_first;
};

/* Reads number and previous out of a receipt's body. */
static enum status read_body(struct span body, int64_t *number, char previous[HEX_DIGEST + 1])
{
	struct json *object = NULL;
	struct span text;
	enum status st = json_parse(body, &object, NULL);
	if (st == ST_OK)
		st = json_get_i64(object, "number", number);
	if (st == ST_OK)
		st = json_get_text(object, "previous", &text);
	if (st == ST_OK)
		st = text.len == HEX_DIGEST ? span_to_text(text, previous, HEX_DIGEST + 1) : ST_INVALID;
	json_free(object);
	return st == ST_OK && *number > 0 ? ST_OK : ST_INVALID;
}

/* What the next receipt must carry as its "previous". */
static enum status advance(struct link *l, int64_t number, struct span body, struct span signature)
{
	struct buf hex;
	struct digest_stream *s = digest_begin();
	if (!s)
		return ST_FULL;
	digest_update(s, body);
	digest_update(s, signature);
	struct digest d = digest_end(s);
	buf_init(&hex, HEX_DIGEST + 1);
	text_put_hex(&hex, span_make(d.bytes, sizeof d.bytes));
	enum status st = span_to_text(buf_span(&hex), l->previous, sizeof l->previous);
	buf_fini(&hex);
	l->number = (uint64_t)number;
	l->is_first = false;
	return st;
}

static enum status verify_one(
	struct link *l, const struct json *receipt, struct span public_pem, uint64_t *bad)
{
	struct span body, encoded;
	uint8_t signature[SIGNATURE_MAX];
	size_t len = 0;
	int64_t number = 0;
	char previous[HEX_DIGEST + 1];
	if (json_get_text(receipt, "body", &body) != ST_OK ||
		json_get_text(receipt, "signature", &encoded) != ST_OK ||
		text_from_base64(encoded, signature, sizeof signature, &len) != ST_OK ||
		read_body(body, &number, previous) != ST_OK)
		return ST_INVALID;
	*bad = (uint64_t)number;
	enum status st = sign_verify(public_pem, body, span_make(signature, len));
	if (st != ST_OK)
		return st;
	if (!l->is_first &&
		((uint64_t)number != l->number + 1 || !span_equal_text(span_of(previous), l->previous)))
		return ST_MISMATCH;
	return advance(l, number, body, span_make(signature, len));
}

enum status purge_verify_receipts(struct span text, struct span public_pem, uint64_t *bad)
{
	struct json *list = NULL;
	struct link l = { .is_first = true };
	*bad = 0;
	enum status st = json_parse(text, &list, NULL);
	if (st == ST_OK && !json_is_array(list))
		st = ST_INVALID;
	for (size_t i = 0; st == ST_OK && i < json_count(list); i++)
		st = verify_one(&l, json_at(list, i), public_pem, bad);
	if (st == ST_OK)
		*bad = 0;
	json_free(list);
	return st;
}
