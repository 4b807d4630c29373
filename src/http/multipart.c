/* multipart.c - the incremental parser. */
#include "poison.h"

#include "multipart.h"

#include <string.h>

#include "text.h"

enum state { AT_START, IN_HEAD, IN_DATA, AFTER_DELIMITER, AT_END, IS_BAD };

/* Reads the quoted string at the start of `text` into `out`; where it ended in *end. */
static enum status read_quoted(struct span text, char *out, size_t size, size_t *end)
{
	size_t len = 0, i;
	for (i = 1; i < text.len && text.data[i] != '"'; i++) {
		if (text.data[i] == '\\' && i + 1 < text.len)
			i++;
		if (len + 1 < size)
			out[len] = (char)text.data[i];
		len++;
	}
	*end = i + 1;
	out[len < size ? len : size - 1] = '\0';
	if (i >= text.len)
		return ST_INVALID;
	return len >= size ? ST_TOO_BIG : ST_OK;
}

enum status multipart_parameter(struct span value, const char *name, char *out, size_t size)
{
	struct span rest = span_slice(value, span_find(value, ';'), value.len);
	while (rest.len > 0) {
		rest = span_trim(span_slice(rest, 1, rest.len));
		size_t equals = span_find(rest, '='), end;
		struct span text = span_slice(rest, equals + 1, rest.len);
		bool is_wanted = span_equal_nocase(span_trim(span_slice(rest, 0, equals)), name);
		char skipped[2];
		enum status st = ST_OK;
		if (text.len > 0 && text.data[0] == '"') {
			st = is_wanted ? read_quoted(text, out, size, &end)
				       : read_quoted(text, skipped, sizeof skipped, &end);
		} else {
			end = span_find(text, ';');
			struct span token = span_trim(span_slice(text, 0, end));
			if (is_wanted)
				st = span_find(token, '"') < token.len ? ST_INVALID
								       : span_to_text(token, out, size);
		}
		if (st == ST_INVALID || (st != ST_OK && is_wanted))
			return st;
		if (is_wanted)
			return text_is_clean_utf8(span_of(out)) ? ST_OK : ST_INVALID;
		rest = span_slice(text, end, text.len);
		rest = span_slice(rest, span_find(rest, ';'), rest.len);
	}
	return ST_NOT_FOUND;
}

static bool is_boundary_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("'()+_,-./:=? ", c));
}

enum status multipart_init(struct multipart *m, struct span content_type)
{
	char boundary[MULTIPART_BOUNDARY_MAX + 1];
	memset(m, 0, sizeof *m);
	if (!span_equal_nocase(span_trim(span_slice(content_type, 0, span_find(content_type, ';'))),
		    "multipart/form-data"))
		return ST_INVALID;
	if (multipart_parameter(content_type, "boundary", boundary, sizeof boundary) != ST_OK)
		return ST_INVALID;
	size_t len = strlen(boundary);
	for (size_t i = 0; i < len; i++)
		if (!is_boundary_byte((uint8_t)boundary[i]))
			return ST_INVALID;
	if (len == 0 || boundary[len - 1] == ' ')
		return ST_INVALID;
	memcpy(m->delimiter, "\r\n--", 4);
	memcpy(m->delimiter + 4, boundary, len);
	m->delimiter_len = len + 4;
	/* The first delimiter may stand at the very beginning: pretend that a line ended before it. */
	memcpy(m->window, "\r\n", 2);
	m->len = 2;
	m->state = AT_START;
	return ST_OK;
}

uint8_t *multipart_room(struct multipart *m, size_t *len)
{
	if (m->consumed > 0) {
		memmove(m->window, m->window + m->consumed, m->len - m->consumed);
		m->len -= m->consumed;
		m->consumed = 0;
	}
	*len = sizeof m->window - m->len;
	return m->window + m->len;
}

void multipart_fed(struct multipart *m, size_t len)
{
	m->len += len;
}

static struct span pending(const struct multipart *m)
{
	return span_make(m->window + m->consumed, m->len - m->consumed);
}

static enum multipart_event refuse(struct multipart *m, const char *why)
{
	m->state = IS_BAD;
	m->why = why;
	return MULTIPART_BAD;
}

/* Index of `what` in `in`, or in.len. */
static size_t find(struct span in, const char *what, size_t len)
{
	const uint8_t *at = in.len >= len ? memmem(in.data, in.len, what, len) : NULL;
	return at ? (size_t)(at - in.data) : in.len;
}

/* Skips to behind the first delimiter. */
static enum multipart_event start(struct multipart *m)
{
	struct span s = pending(m);
	size_t at = find(s, m->delimiter, m->delimiter_len);
	if (at == s.len) {
		if (s.len > MULTIPART_HEAD_MAX)
			return refuse(m, "the multipart body does not begin with its boundary");
		return MULTIPART_MORE;
	}
	m->consumed += at + m->delimiter_len;
	m->state = AFTER_DELIMITER;
	return multipart_next(m);
}

static enum multipart_event after_delimiter(struct multipart *m)
{
	struct span s = pending(m);
	if (s.len < 2)
		return MULTIPART_MORE;
	if (span_starts_with(s, "--")) {
		m->state = AT_END;
		return MULTIPART_END;
	}
	if (!span_starts_with(s, "\r\n"))
		return refuse(m, "a multipart boundary is not followed by a line end");
	m->state = IN_HEAD;
	return multipart_next(m);
}

static enum status read_disposition(struct multipart *m, struct span value)
{
	if (!span_equal_nocase(span_trim(span_slice(value, 0, span_find(value, ';'))), "form-data"))
		return ST_INVALID;
	if (multipart_parameter(value, "name", m->name, sizeof m->name) != ST_OK)
		return ST_INVALID;
	enum status st = multipart_parameter(value, "filename", m->file_name, sizeof m->file_name);
	m->has_file_name = st == ST_OK;
	return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status read_lines(struct multipart *m, struct span lines)
{
	unsigned dispositions = 0;
	m->name[0] = m->file_name[0] = '\0';
	m->has_file_name = false;
	while (lines.len > 0) {
		size_t line_end = find(lines, "\r\n", 2);
		struct span line = span_slice(lines, 0, line_end);
		size_t colon = span_find(line, ':');
		if (span_equal_nocase(span_slice(line, 0, colon), "content-disposition")) {
			dispositions++;
			if (read_disposition(m, span_trim(span_slice(line, colon + 1, line.len))) != ST_OK)
				return ST_INVALID;
		}
		lines = span_slice(lines, line_end + 2, lines.len);
	}
	return dispositions == 1 ? ST_OK : ST_INVALID;
}

/* The part's head: lines up to an empty one.  It begins at the delimiter's own CRLF. */
static enum multipart_event head(struct multipart *m)
{
	struct span s = pending(m);
	size_t end = find(s, "\r\n\r\n", 4);
	if (end == s.len)
		return s.len > MULTIPART_HEAD_MAX ? refuse(m, "a part's head is too long") : MULTIPART_MORE;
	if (read_lines(m, span_slice(s, 2, end >= 2 ? end - 2 : 0)) != ST_OK)
		return refuse(m, "a part needs one usable Content-Disposition with a name");
	m->consumed += end + 4;
	m->state = IN_DATA;
	return MULTIPART_PART;
}

static enum multipart_event data(struct multipart *m)
{
	struct span s = pending(m);
	size_t at = find(s, m->delimiter, m->delimiter_len);
	if (at == 0 && s.len >= m->delimiter_len) {
		m->consumed += m->delimiter_len;
		m->state = AFTER_DELIMITER;
		return MULTIPART_PART_END;
	}
	if (at == s.len) {
		size_t keep = m->delimiter_len - 1;
		if (s.len <= keep)
			return MULTIPART_MORE;
		at = s.len - keep;
	}
	m->data = span_slice(s, 0, at);
	m->consumed += at;
	return MULTIPART_DATA;
}

enum multipart_event multipart_next(struct multipart *m)
{
	switch ((enum state)m->state) {
	case AT_START: return start(m);
	case AFTER_DELIMITER: return after_delimiter(m);
	case IN_HEAD: return head(m);
	case IN_DATA: return data(m);
	case AT_END: return MULTIPART_END;
	case IS_BAD: break;
	}
	return MULTIPART_BAD;
}
