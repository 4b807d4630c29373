#include "poison.h"

#include "json.h"

#include "limits.h"

/* Comments and trailing commas become blanks in a copy, so that every line keeps its number. */

static void blank(uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (at[i] != '\n') {
			at[i] = ' ';
		}
	}
}

/* Length of the string that starts at `from`; to the end if it is not closed, which the parser will say. */
static size_t string_len(struct span text, size_t from)
{
	size_t at = from + 1;
	while (at < text.len && text.data[at] != '"' && text.data[at] != '\n') {
		at += text.data[at] == '\\' ? 2 : 1;
	}
	return (at < text.len ? at + 1 : text.len) - from;
}

/* Length of the comment at `from`; 0 if none starts there.  An unclosed one stays and is refused as no
 * JSON. */
static size_t comment_len(struct span text, size_t from)
{
	struct span rest = span_slice(text, from, text.len);
	if (span_starts_with(rest, "//")) {
		return span_find(rest, '\n');
	}
	if (!span_starts_with(rest, "/*")) {
		return 0;
	}
	for (size_t at = 2; at + 1 < rest.len; at++) {
		if (rest.data[at] == '*' && rest.data[at + 1] == '/') {
			return at + 2;
		}
	}
	return 0;
}

static void blank_comments(uint8_t *data, size_t len)
{
	struct span text = span_make(data, len);
	size_t at = 0;
	while (at < len) {
		size_t comment = comment_len(text, at);
		blank(data + at, comment);
		at += comment > 0 ? comment : data[at] == '"' ? string_len(text, at) : 1;
	}
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* A comma goes only after a value and before a closer: "[,]" stays wrong. */
static void blank_trailing_commas(uint8_t *data, size_t len)
{
	struct span text = span_make(data, len);
	size_t comma = len;
	uint8_t before = 0;
	for (size_t at = 0; at < len; at += data[at] == '"' ? string_len(text, at) : 1) {
		uint8_t byte = data[at];
		if (is_blank(byte)) {
			continue;
		}
		if ((byte == ']' || byte == '}') && comma < len) {
			data[comma] = ' ';
		}
		bool follows_value =
			before != 0 && before != ',' && before != '[' && before != '{' && before != ':';
		comma = byte == ',' && follows_value ? at : len;
		before = byte;
	}
}

enum status json_parse_commented(struct span text, struct json **out, unsigned *line)
{
	struct buf copy;
	*out = NULL;
	if (text.len > JSON_INPUT_MAX) {
		return ST_TOO_BIG;
	}
	buf_init(&copy, text.len);
	buf_put_span(&copy, text);
	enum status st = buf_ok(&copy) ? ST_OK : ST_FULL;
	if (!st) {
		blank_comments(copy.data, copy.len);
		blank_trailing_commas(copy.data, copy.len);
		st = json_parse(buf_span(&copy), out, line);
	}
	buf_fini(&copy);
	return st;
}
