/* sql.c - handlers: an analyst's query and the schema it runs on. */
#include "poison.h"

#include <string.h>

#include "clock.h"
#include "json.h"
#include "reply.h"
#include "request.h"
#include "route.h"
#include "text.h"

enum { PARAMETERS_MAX = 100, WHY_MAX = 1024 };

struct sql_request {
	struct span sql;
	struct query_value parameters[PARAMETERS_MAX];
	size_t parameter_count;
	bool as_csv;
};

static enum status read_parameter(const struct json *v, struct query_value *out)
{
	bool truth;
	*out = (struct query_value){ .type = QUERY_NULL };
	if (json_is_null(v))
		return ST_OK;
	if (json_text(v, &out->bytes) == ST_OK)
		out->type = QUERY_TEXT;
	else if (json_i64(v, &out->integer) == ST_OK)
		out->type = QUERY_INTEGER;
	else if (json_real(v, &out->real) == ST_OK)
		out->type = QUERY_REAL;
	else if (json_bool(v, &truth) == ST_OK)
		*out = (struct query_value){ .type = QUERY_INTEGER, .integer = truth };
	else
		return ST_INVALID;
	return ST_OK;
}

static enum status read_parameters(struct request *rq, const struct json *list, struct sql_request *out)
{
	if (!list)
		return ST_OK;
	if (!json_is_array(list) || json_count(list) > PARAMETERS_MAX)
		return request_refuse(rq, ST_INVALID, "\"parameters\" is a list of at most 100 values");
	for (size_t i = 0; i < json_count(list); i++)
		if (read_parameter(json_at(list, i), &out->parameters[out->parameter_count++]) != ST_OK)
			return request_refuse(
				rq, ST_INVALID, "a parameter must be text, a number, true, false or null");
	return ST_OK;
}

static enum status read_request(struct request *rq, const struct json *body, struct sql_request *out)
{
	struct span format;
	if (json_get_text(body, "sql", &out->sql) != ST_OK)
		return request_refuse(rq, ST_INVALID, "\"sql\" must be the text of a SELECT");
	enum status st = json_get_text(body, "format", &format);
	if (st == ST_OK)
		out->as_csv = span_equal_text(format, "csv");
	if (st == ST_INVALID || (st == ST_OK && !out->as_csv && !span_equal_text(format, "json")))
		return request_refuse(rq, ST_INVALID, "\"format\" must be json or csv");
	if (st == ST_NOT_FOUND)
		out->as_csv = span_equal_nocase(gate_head_field(rq->head, "accept"), "text/csv");
	return read_parameters(rq, json_get(body, "parameters"), out);
}

static const char *type_text(enum query_type type)
{
	static const char *const texts[] = { [QUERY_TEXT] = "text",
		[QUERY_INTEGER] = "integer",
		[QUERY_REAL] = "real",
		[QUERY_BLOB] = "blob",
		[QUERY_NULL] = "null" };
	return texts[type];
}

/* --- JSON --- */

/* Neither JSON nor CSV holds arbitrary bytes: they go out as hex. */
static void put_blob(struct json_writer *w, struct span bytes)
{
	struct buf hex;
	buf_init(&hex, bytes.len * 2 + 1);
	text_put_hex(&hex, bytes);
	json_put_text(w, NULL, buf_span(&hex));
	buf_fini(&hex);
}

static void put_value(struct json_writer *w, struct query_value v)
{
	if (v.type == QUERY_INTEGER)
		json_put_i64(w, NULL, v.integer);
	else if (v.type == QUERY_REAL)
		json_put_real(w, NULL, v.real);
	else if (v.type == QUERY_TEXT)
		json_put_text(w, NULL, v.bytes);
	else if (v.type == QUERY_BLOB)
		put_blob(w, v.bytes);
	else
		json_put_null(w, NULL);
}

static enum status put_json(struct query_cursor *c, struct buf *out, struct buf *why, int64_t began_ms)
{
	struct json_writer w = json_writer_of(out);
	int64_t rows = 0;
	enum status st;
	json_begin_object(&w, NULL);
	json_begin_array(&w, "columns");
	for (size_t i = 0; i < query_column_count(c); i++) {
		struct query_column column = query_column(c, i);
		json_begin_object(&w, NULL);
		json_put_text(&w, "name", span_of(column.name));
		json_put_text(&w, "type", span_of(type_text(column.declared)));
		json_end_object(&w);
	}
	json_end_array(&w);
	json_begin_array(&w, "rows");
	while ((st = query_next(c, why)) == ST_OK && buf_ok(out)) {
		json_begin_array(&w, NULL);
		for (size_t i = 0; i < query_column_count(c); i++)
			put_value(&w, query_value(c, i));
		json_end_array(&w);
		rows++;
	}
	json_end_array(&w);
	json_put_i64(&w, "row_count", rows);
	json_put_i64(&w, "elapsed_ms", clock_monotonic_ms() - began_ms);
	json_end_object(&w);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

/* --- CSV (RFC 4180) --- */

/* A cell that a spreadsheet would run as a formula gets a quote before it. */
static void put_cell_text(struct buf *out, struct span text)
{
	bool is_risky = text.len > 0 && memchr("=+-@\t\r", text.data[0], 6);
	buf_put_byte(out, '"');
	if (is_risky)
		buf_put_byte(out, '\'');
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"')
			buf_put_byte(out, '"');
		buf_put_byte(out, text.data[i]);
	}
	buf_put_byte(out, '"');
}

static void put_cell(struct buf *out, struct query_value v)
{
	if (v.type == QUERY_INTEGER)
		buf_printf(out, "%lld", (long long)v.integer);
	else if (v.type == QUERY_REAL)
		buf_printf(out, "%.17g", v.real);
	else if (v.type == QUERY_TEXT)
		put_cell_text(out, v.bytes);
	else if (v.type == QUERY_BLOB)
		text_put_hex(out, v.bytes);
}

static enum status put_csv(struct query_cursor *c, struct buf *out, struct buf *why)
{
	size_t columns = query_column_count(c);
	enum status st;
	for (size_t i = 0; i < columns; i++) {
		put_cell_text(out, span_of(query_column(c, i).name));
		buf_put_text(out, i + 1 < columns ? "," : "\r\n");
	}
	while ((st = query_next(c, why)) == ST_OK && buf_ok(out))
		for (size_t i = 0; i < columns; i++) {
			put_cell(out, query_value(c, i));
			buf_put_text(out, i + 1 < columns ? "," : "\r\n");
		}
	return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status answer(struct request *rq, const struct sql_request *in, struct buf *out, struct buf *why)
{
	struct query_cursor *c = NULL;
	int64_t began_ms = clock_monotonic_ms();
	enum status st =
		query_open(rq->services->query, in->sql, in->parameters, in->parameter_count, &c, why);
	if (st == ST_OK)
		st = in->as_csv ? put_csv(c, out, why) : put_json(c, out, why, began_ms);
	query_close(c);
	if (st == ST_OK && !buf_ok(out)) {
		buf_printf(
			why, "the answer is over %u MiB: narrow the query", (unsigned)(SQL_REPLY_MAX >> 20));
		st = ST_TOO_BIG;
	}
	if (st != ST_OK)
		rq->why = arena_text(rq->arena, buf_span(why));
	if (st == ST_DENIED)
		rq->problem_status = 403;
	if (st == ST_TIMEOUT || st == ST_TOO_BIG)
		rq->problem_status = 422;
	return st;
}

enum status sql_post(struct request *rq)
{
	struct json *body = NULL;
	struct buf out, why;
	struct sql_request *in = arena_alloc(rq->arena, sizeof *in);
	buf_init(&out, SQL_REPLY_MAX);
	buf_init(&why, WHY_MAX);
	enum status st = in ? request_json(rq, &body) : ST_FULL;
	if (st == ST_OK)
		st = read_request(rq, body, in);
	if (st == ST_OK)
		st = answer(rq, in, &out, &why);
	if (st == ST_OK)
		st = in->as_csv ? reply_text(rq, 200, "text/csv; charset=utf-8", buf_span(&out))
				: reply_json(rq, 200, NULL, &out);
	json_free(body);
	buf_fini(&out);
	buf_fini(&why);
	return st;
}

enum status sql_schema_get(struct request *rq)
{
	struct buf body;
	buf_init(&body, KIB(256));
	enum status st = query_schema(rq->services->query, &body);
	if (st == ST_OK)
		st = reply_json(rq, 200, NULL, &body);
	buf_fini(&body);
	return st;
}
