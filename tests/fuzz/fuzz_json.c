/* fuzz_json.c - JSON: what is taken, with comments or without, is written again and read again the same. */
#include "json.h"

#include <string.h>

#include "limits.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Looks at every value in every way; gives the deepest nesting. */
static unsigned look(const struct json *v)
{
	struct span text;
	int64_t whole;
	double real;
	bool truth;
	unsigned deepest = 0;
	int kinds = json_is_object(v) + json_is_array(v) + json_is_null(v) + (json_text(v, &text) == ST_OK) +
		    (json_real(v, &real) == ST_OK) + (json_bool(v, &truth) == ST_OK);
	/* A number that no double holds is a value, but nothing that anyone may take it for. */
	must(kinds <= 1);
	must(json_i64(v, &whole) != ST_OK || json_real(v, &real) == ST_OK);
	for (const struct json *child = json_first(v); child; child = json_next(child)) {
		unsigned depth = look(child);
		deepest = depth > deepest ? depth : deepest;
		if (json_is_object(v))
			must(json_get(v, json_key(child)) == child);
	}
	return deepest + 1;
}

static void write_again(const struct json *v, struct buf *out)
{
	buf_init(out, JSON_INPUT_MAX * 8);
	json_put_value(out, v);
	must(buf_ok(out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make(data, size);
	struct json *first = NULL, *second = NULL, *commented = NULL;
	struct buf once, twice;
	unsigned line = 0;
	if (json_parse_commented(text, &commented, &line) == ST_OK)
		(void)look(commented);
	else
		must(!commented);
	if (json_parse(text, &first, &line) == ST_OK) {
		must(look(first) <= JSON_DEPTH_MAX + 1);
		must(commented);
		write_again(first, &once);
		if (once.len <= JSON_INPUT_MAX) {
			must(json_parse(buf_span(&once), &second, NULL) == ST_OK);
			write_again(second, &twice);
			must(span_equal(buf_span(&once), buf_span(&twice)));
			buf_fini(&twice);
		}
		buf_fini(&once);
	} else {
		must(!first);
	}
	json_free(first);
	json_free(second);
	json_free(commented);
	return 0;
}
