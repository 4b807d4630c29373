#include "poison.h"

#include "buf.h"
#include "utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* What `byte` becomes inside a JSON string; NULL if it stays. */
static const char *json_short_escape(uint8_t byte)
{
	switch (byte) {
	case '"': return "\\\"";
	case '\\': return "\\\\";
	case '\n': return "\\n";
	case '\r': return "\\r";
	case '\t': return "\\t";
	default: return NULL;
	}
}

/* How many bytes at the front of `s` stand in a JSON string as they are; ASCII only, the rest is looked at
 * one by one. */
static size_t json_plain(struct span s)
{
	size_t i = 0;
	while (i < s.len && s.data[i] >= 0x20 && s.data[i] < 0x80 && s.data[i] != '"' && s.data[i] != '\\') {
		i++;
	}
	return i;
}

static void put_json_ascii(struct buf *b, uint8_t byte)
{
	const char *escape = json_short_escape(byte);
	if (escape) {
		buf_put_text(b, escape);
	} else if (byte < 0x20) {
		buf_printf(b, "\\u%04x", byte);
	} else {
		buf_put_byte(b, byte);
	}
}

void buf_put_json(struct buf *b, struct span s)
{
	while (s.len > 0) {
		size_t plain = json_plain(s);
		size_t len = plain > 0 ? plain : utf8_sequence(s);
		if (len == 0) {
			buf_put_text(b, REPLACEMENT);
			len = 1;
		} else if (len == 1) {
			put_json_ascii(b, s.data[0]);
		} else {
			buf_put(b, s.data, len);
		}
		s = span_slice(s, len, s.len);
	}
}

/* What `byte` becomes in HTML; NULL if it stays.  Most control bytes may not stand in HTML at all. */
static const char *html_escape(uint8_t byte)
{
	switch (byte) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\'': return "&#39;";
	case '\t':
	case '\n':
	case '\r': return NULL;
	default: return byte < 0x20 || byte == 0x7f ? REPLACEMENT : NULL;
	}
}

void buf_put_html(struct buf *b, struct span s)
{
	while (s.len > 0) {
		size_t len = utf8_sequence(s);
		const char *escape = len == 0 ? REPLACEMENT : len == 1 ? html_escape(s.data[0]) : NULL;
		len = len == 0 ? 1 : len;
		if (escape) {
			buf_put_text(b, escape);
		} else {
			buf_put(b, s.data, len);
		}
		s = span_slice(s, len, s.len);
	}
}

static bool is_bare_in_log(uint8_t byte)
{
	return byte > 0x20 && byte < 0x7f && byte != '"' && byte != '=' && byte != '\\';
}

static bool needs_quotes_in_log(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_bare_in_log(s.data[i])) {
			return true;
		}
	}
	return s.len == 0;
}

/* Only printable ASCII reaches a terminal: a name cannot start a line, colour it or turn it around. */
void buf_put_log(struct buf *b, struct span s)
{
	if (!needs_quotes_in_log(s)) {
		buf_put_span(b, s);
		return;
	}
	buf_put_byte(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		uint8_t byte = s.data[i];
		const char *escape = json_short_escape(byte);
		if (escape) {
			buf_put_text(b, escape);
		} else if (byte < 0x20 || byte > 0x7e) {
			buf_printf(b, "\\x%02x", byte);
		} else {
			buf_put_byte(b, byte);
		}
	}
	buf_put_byte(b, '"');
}

void buf_put_header(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t byte = s.data[i];
		buf_put_byte(b, byte >= 0x20 && byte <= 0x7e ? byte : '?');
	}
}
