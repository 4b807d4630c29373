/* request.c - what handlers read of a request. */
#include "poison.h"

#include "request.h"

#include <civetweb.h>

#include "json.h"
#include "reply.h"
#include "route.h"
#include "text.h"

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decoding of a query value (application/x-www-form-urlencoded, so '+' is a space). */
static enum status decode(struct request *rq, struct span in, struct span *out)
{
	uint8_t *to = arena_alloc(rq->arena, in.len + 1);
	size_t len = 0;
	if (!to)
		return ST_FULL;
	for (size_t i = 0; i < in.len; i++) {
		int c = in.data[i] == '+' ? ' ' : in.data[i];
		if (c == '%') {
			int high = i + 2 < in.len ? hex_value(in.data[i + 1]) : -1;
			int low = i + 2 < in.len ? hex_value(in.data[i + 2]) : -1;
			if (high < 0 || low < 0)
				return request_refuse(
					rq, ST_INVALID, "a query parameter is badly percent-encoded");
			c = high << 4 | low;
			i += 2;
		}
		to[len++] = (uint8_t)c;
	}
	*out = span_make(to, len);
	return text_is_clean_utf8(*out)
		       ? ST_OK
		       : request_refuse(rq, ST_INVALID, "a query parameter is not clean UTF-8");
}

enum status request_parameter(struct request *rq, const char *name, struct span *out)
{
	struct span rest = rq->head->query;
	while (rest.len > 0) {
		size_t end = span_find(rest, '&');
		struct span pair = span_slice(rest, 0, end);
		size_t equals = span_find(pair, '=');
		if (span_equal_text(span_slice(pair, 0, equals), name))
			return decode(rq, span_slice(pair, equals + 1, pair.len), out);
		rest = span_slice(rest, end + 1, rest.len);
	}
	return ST_NOT_FOUND;
}

enum status request_number(struct request *rq, const char *name, uint64_t max, uint64_t *out)
{
	struct span text;
	enum status st = request_parameter(rq, name, &text);
	if (st != ST_OK)
		return st;
	if (span_to_u64(text, max, out) == ST_OK)
		return ST_OK;
	return request_refuse(rq, ST_INVALID,
		arena_printf(rq->arena, "\"%s\" must be a whole number of at most %llu", name,
			(unsigned long long)max));
}

enum status request_time(struct request *rq, const char *name, int64_t *out)
{
	struct span text;
	enum status st = request_parameter(rq, name, &text);
	if (st != ST_OK)
		return st;
	if (text_parse_time(text, out) == ST_OK)
		return ST_OK;
	return request_refuse(rq, ST_INVALID,
		arena_printf(rq->arena, "\"%s\" must be a time such as 2026-01-31T12:00:00Z", name));
}

static enum status refuse_body(struct request *rq, enum status body)
{
	switch (body) {
	case ST_TIMEOUT: return request_refuse(rq, body, "the body came too slowly");
	case ST_STOPPED: return request_refuse(rq, body, "the server is shutting down");
	default: return request_refuse(rq, ST_INVALID, "the body broke off or was badly framed");
	}
}

enum status request_read(struct request *rq, uint8_t *out, size_t len, size_t *got)
{
	*got = 0;
	if (rq->is_body_done)
		return ST_OK;
	if (!rq->is_body_begun) {
		rq->is_body_begun = true;
		if (rq->head->expects_continue)
			reply_continue(rq);
	}
	int n = mg_read(rq->connection, out, len);
	enum status body = gate_body_status();
	if (n < 0 || body != ST_OK) {
		rq->must_close = true;
		return refuse_body(rq, body);
	}
	*got = (size_t)n;
	rq->is_body_done = n == 0;
	return ST_OK;
}

enum status request_json(struct request *rq, struct json **out)
{
	struct buf body;
	size_t got = 1;
	enum status st = ST_OK;
	buf_init(&body, (size_t)rq->route->body_max);
	while (st == ST_OK && got > 0) {
		uint8_t part[8192];
		st = request_read(rq, part, sizeof part, &got);
		buf_put(&body, part, got);
		if (!buf_ok(&body))
			st = request_refuse(rq, ST_TOO_BIG, "the body is larger than this route takes");
	}
	if (st == ST_OK && rq->head->has_length && body.len != rq->head->content_length) {
		rq->must_close = true;
		st = request_refuse(rq, ST_INVALID, "the body is shorter than its Content-Length");
	}
	if (st == ST_OK && json_parse(buf_span(&body), out, NULL) != ST_OK)
		st = request_refuse(rq, ST_INVALID, "the body is not JSON");
	if (st == ST_OK && !json_is_object(*out)) {
		json_free(*out);
		*out = NULL;
		st = request_refuse(rq, ST_INVALID, "the body is not a JSON object");
	}
	buf_fini(&body);
	return st;
}

const uint32_t *request_collections(const struct request *rq, size_t *count)
{
	*count = rq->caller.is_for_all_collections ? 0 : rq->caller.collection_count;
	return rq->caller.is_for_all_collections ? NULL : rq->caller.collections;
}

enum status request_refuse(struct request *rq, enum status st, const char *why)
{
	rq->why = why;
	return st;
}
