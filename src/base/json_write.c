#include "poison.h"

#include "json.h"

#include "must.h"
#include "text.h"

struct json_writer json_writer_of(struct buf *out)
{
	return (struct json_writer){ .out = out };
}

static void put_string(struct json_writer *w, struct span text)
{
	buf_put_byte(w->out, '"');
	buf_put_json(w->out, text);
	buf_put_byte(w->out, '"');
}

/* What stands before every value: the comma after the one before it, and its key. */
static void begin_value(struct json_writer *w, const char *key)
{
	if (w->needs_comma) {
		buf_put_byte(w->out, ',');
	}
	if (key) {
		put_string(w, span_of(key));
		buf_put_byte(w->out, ':');
	}
	w->needs_comma = true;
}

static void begin(struct json_writer *w, const char *key, uint8_t opener)
{
	begin_value(w, key);
	buf_put_byte(w->out, opener);
	w->depth++;
	w->needs_comma = false;
}

static void end(struct json_writer *w, uint8_t closer)
{
	must(w->depth > 0);
	buf_put_byte(w->out, closer);
	w->depth--;
	w->needs_comma = true;
}

void json_begin_object(struct json_writer *w, const char *key)
{
	begin(w, key, '{');
}

void json_end_object(struct json_writer *w)
{
	end(w, '}');
}

void json_begin_array(struct json_writer *w, const char *key)
{
	begin(w, key, '[');
}

void json_end_array(struct json_writer *w)
{
	end(w, ']');
}

void json_put_text(struct json_writer *w, const char *key, struct span text)
{
	begin_value(w, key);
	put_string(w, text);
}

void json_put_i64(struct json_writer *w, const char *key, int64_t value)
{
	begin_value(w, key);
	buf_put_decimal(w->out, value);
}

/* 15 digits are enough for most numbers people write, 17 for every double. */
void json_put_real(struct json_writer *w, const char *key, double value)
{
	char text[32];
	if (!__builtin_isfinite(value)) {
		json_put_null(w, key);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof text, "%.*g", digits, value);
		double again = strtod(text, NULL);
		if (memcmp(&again, &value, sizeof value) == 0) {
			break;
		}
	}
	begin_value(w, key);
	buf_put_text(w->out, text);
}

void json_put_bool(struct json_writer *w, const char *key, bool value)
{
	begin_value(w, key);
	buf_put_text(w->out, value ? "true" : "false");
}

void json_put_null(struct json_writer *w, const char *key)
{
	begin_value(w, key);
	buf_put_text(w->out, "null");
}

void json_put_time(struct json_writer *w, const char *key, int64_t ms)
{
	char text[TEXT_TIME_MAX];
	text_time(ms, text);
	json_put_text(w, key, span_of(text));
}

void json_put_raw(struct json_writer *w, const char *key, struct span json)
{
	begin_value(w, key);
	buf_put_span(w->out, json);
}
