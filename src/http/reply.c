/* reply.c - writes replies. */
#include "poison.h"

#include "reply.h"

#include <civetweb.h>
#include <stdio.h>

#include "json.h"

/* A TLS record: what fits into one goes out in one call. */
enum { RECORD_BYTES = 16384, PROBLEM_MAX = 8192 };

/*  status  code  word */
/* clang-format off */
#define REPLY_TABLE(X) \
	X(OK, 200, "ok") X(INVALID, 400, "invalid") X(NOT_FOUND, 404, "not_found") X(EXISTS, 409, "exists") \
	X(MISMATCH, 422, "mismatch") X(GONE, 410, "gone") X(DENIED, 403, "denied") X(TOO_BIG, 413, "too_big") \
	X(UNSUPPORTED, 415, "unsupported") X(BUSY, 503, "busy") X(FULL, 503, "full") X(NO_SPACE, 507, "no_space") \
	X(TIMEOUT, 408, "timeout") X(CORRUPT, 500, "corrupt") X(IO, 500, "io") X(STOPPED, 503, "stopping")
/* clang-format on */

int reply_code_of(enum status st)
{
	switch (st) {
#define X(name, code, word) \
	case ST_##name: return code;
		REPLY_TABLE(X)
#undef X
	case ST_COUNT: break;
	}
	return 500;
}

const char *reply_word_of(enum status st)
{
	switch (st) {
#define X(name, code, word) \
	case ST_##name: return word;
		REPLY_TABLE(X)
#undef X
	case ST_COUNT: break;
	}
	return "io";
}

static const char *phrase_of(int code)
{
	static const struct {
		int code;
		const char *phrase;
	} phrases[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 207, "Multi-Status" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
		{ 507, "Insufficient Storage" },
	};
	for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
		if (phrases[i].code == code)
			return phrases[i].phrase;
	return "Status";
}

static bool write_raw(struct request *rq, struct span bytes)
{
	return mg_write(rq->connection, bytes.data, bytes.len) == (int)bytes.len;
}

void reply_continue(struct request *rq)
{
	if (!write_raw(rq, SPAN_LIT("HTTP/1.1 100 Continue\r\n\r\n")))
		rq->must_close = true;
}

/* A body that nobody read stands in the way of the next request: the connection ends with this reply. */
static bool is_body_left(const struct request *rq)
{
	bool has_body = rq->head->is_chunked || (rq->head->has_length && rq->head->content_length > 0);
	return has_body && !rq->is_body_done;
}

static void put_head(struct buf *out, const struct request *rq, const struct reply_head *head)
{
	buf_put_text(out, "HTTP/1.1 ");
	buf_put_decimal(out, head->http_status);
	buf_put_byte(out, ' ');
	buf_put_text(out, phrase_of(head->http_status));
	if (head->http_status != 204 && head->http_status != 304) {
		buf_put_text(out, "\r\nContent-Type: ");
		buf_put_text(out, head->content_type);
		buf_put_text(out, "\r\nContent-Length: ");
		buf_put_decimal(out, (int64_t)head->length);
	}
	buf_put_text(out, "\r\nX-Request-Id: ");
	buf_put_text(out, rq->id);
	buf_put_text(out, "\r\nX-Content-Type-Options: nosniff\r\n");
	buf_put_text(out, head->headers ? head->headers : "");
	if (rq->must_close || !rq->head->keeps_alive)
		buf_put_text(out, "Connection: close\r\n");
	buf_put_text(out, "\r\n");
}

enum status reply_begin(struct request *rq, const struct reply_head *head, struct span first)
{
	uint8_t record[RECORD_BYTES + 1];
	/* The capacity is above the maximum from the start, so the buf never allocates and is never freed. */
	struct buf out = { .data = record, .capacity = sizeof record, .max = RECORD_BYTES };
	if (is_body_left(rq))
		rq->must_close = true;
	if (rq->must_close || !rq->head->keeps_alive)
		gate_close_after_reply();
	rq->http_status = head->http_status;
	put_head(&out, rq, head);
	struct span along = span_slice(first, 0, rq->is_head_method ? 0 : RECORD_BYTES - out.len);
	rq->reply_bytes += along.len;
	buf_put_span(&out, along);
	if (!buf_ok(&out) || !write_raw(rq, buf_span(&out))) {
		rq->must_close = true;
		return ST_IO;
	}
	return reply_bytes(rq, span_slice(first, along.len, first.len));
}

enum status reply_bytes(struct request *rq, struct span bytes)
{
	if (rq->is_head_method || bytes.len == 0)
		return ST_OK;
	rq->reply_bytes += bytes.len;
	return write_raw(rq, bytes) ? ST_OK : ST_IO;
}

enum status reply_text(struct request *rq, int http_status, const char *content_type, struct span body)
{
	const struct reply_head head = { http_status, content_type, body.len, "Cache-Control: no-store\r\n" };
	return reply_begin(rq, &head, body);
}

enum status reply_json(struct request *rq, int http_status, const char *headers, struct buf *body)
{
	char lines[1024];
	if (!buf_ok(body))
		return request_refuse(rq, ST_TOO_BIG, "the answer is over its limit");
	(void)snprintf(lines, sizeof lines, "Cache-Control: no-store\r\n%s", headers ? headers : "");
	const struct reply_head head = { http_status, "application/json", body->len, lines };
	return reply_begin(rq, &head, buf_span(body));
}

enum status reply_empty(struct request *rq, int http_status, const char *headers)
{
	const struct reply_head head = { http_status, "text/plain", 0, headers };
	return reply_begin(rq, &head, span_make(NULL, 0));
}

void reply_problem(struct request *rq, int http_status, const char *word, const char *why)
{
	char lines[512];
	struct buf body;
	struct json_writer w = json_writer_of(&body);
	buf_init(&body, PROBLEM_MAX);
	json_begin_object(&w, NULL);
	buf_printf(&body, "\"type\":\"urn:darkroom:problem:%s\"", word);
	w.needs_comma = true;
	json_put_text(&w, "title", span_of(phrase_of(http_status)));
	json_put_i64(&w, "status", http_status);
	json_put_text(&w, "code", span_of(word));
	if (why)
		json_put_text(&w, "detail", span_of(why));
	json_put_text(&w, "request_id", span_of(rq->id));
	json_end_object(&w);
	(void)snprintf(lines, sizeof lines, "Cache-Control: no-store\r\n%s%s%s",
		http_status == 503 || http_status == 429 ? "Retry-After: 1\r\n"
		: http_status == 507                     ? "Retry-After: 10\r\n"
							 : "",
		http_status == 401 ? "WWW-Authenticate: Bearer realm=\"darkroom\"\r\n" : "",
		rq->problem_headers ? rq->problem_headers : "");
	const struct reply_head head = { http_status, "application/problem+json", body.len, lines };
	if (reply_begin(rq, &head, buf_span(&body)) != ST_OK)
		rq->must_close = true;
	buf_fini(&body);
}
