#include "poison.h"

#include "json.h"

/* A parsed value as text again.  Recursion is bounded by JSON_DEPTH_MAX, which the parser checked. */

static void put_again(struct json_writer *w, const char *key, const struct json *v);

static void put_members(struct json_writer *w, const struct json *v)
{
	for (const struct json *member = json_first(v); member; member = json_next(member)) {
		put_again(w, json_is_object(v) ? json_key(member) : NULL, member);
	}
}

static void put_again(struct json_writer *w, const char *key, const struct json *v)
{
	struct span text;
	int64_t whole;
	double real;
	bool truth;
	if (json_is_object(v)) {
		json_begin_object(w, key);
		put_members(w, v);
		json_end_object(w);
	} else if (json_is_array(v)) {
		json_begin_array(w, key);
		put_members(w, v);
		json_end_array(w);
	} else if (json_text(v, &text) == ST_OK) {
		json_put_text(w, key, text);
	} else if (json_i64(v, &whole) == ST_OK) {
		json_put_i64(w, key, whole);
	} else if (json_real(v, &real) == ST_OK) {
		json_put_real(w, key, real);
	} else if (json_bool(v, &truth) == ST_OK) {
		json_put_bool(w, key, truth);
	} else {
		json_put_null(w, key);
	}
}

void json_put_value(struct buf *out, const struct json *value)
{
	struct json_writer w = json_writer_of(out);
	put_again(&w, NULL, value);
}
