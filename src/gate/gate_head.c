#include "poison.h"

#include "gate_head.h"

/* One parse: what is being filled, and why it was refused. */
struct parse {
	struct gate_head *head;
	bool is_old; /* HTTP/1.0 */
	int http_status;
	const char *why;
};

static bool refuse(struct parse *p, int http_status, const char *why)
{
	p->http_status = http_status;
	p->why = why;
	return false;
}

/* A line that ends in a bare LF counts as an end too: the parser then refuses at once what would otherwise
 * wait for bytes until the deadline. */
size_t gate_head_find_end(struct span bytes)
{
	size_t line = 0;
	while (line < bytes.len) {
		size_t line_len = span_find(span_slice(bytes, line, bytes.len), '\n');
		if (line + line_len >= bytes.len) {
			return 0;
		}
		if (line_len == 0 || (line_len == 1 && bytes.data[line] == '\r')) {
			return line + line_len + 1;
		}
		line += line_len + 1;
	}
	return 0;
}

static bool is_alpha(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_one_of(uint8_t c, const char *set)
{
	return c != 0 && strchr(set, c) != NULL;
}

/* tchar of RFC 9110. */
static bool is_token_byte(uint8_t c)
{
	return is_alpha(c) || is_digit(c) || is_one_of(c, "!#$%&'*+-.^_`|~");
}

static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_token_byte(s.data[i])) {
			return false;
		}
	}
	return s.len > 0;
}

static bool is_in_list(struct span s, const char *const *list)
{
	for (; *list; list++) {
		if (span_equal_text(s, *list)) {
			return true;
		}
	}
	return false;
}

static bool check_bytes(struct parse *p, struct span head)
{
	for (size_t i = 0; i < head.len; i++) {
		uint8_t c = head.data[i];
		if (c == '\r' && (i + 1 == head.len || head.data[i + 1] != '\n')) {
			return refuse(p, 400, "a CR stands without LF");
		}
		if (c == '\n' && (i == 0 || head.data[i - 1] != '\r')) {
			return refuse(p, 400, "a line ends without CR");
		}
		if ((c < 0x20 && !is_one_of(c, "\r\n\t")) || c == 0x7f) {
			return refuse(p, 400, "the head holds a control byte");
		}
	}
	return true;
}

/* Splits off what comes before the next CRLF; the head is known to end with one. */
static struct span take_line(struct span *rest)
{
	struct span line = span_slice(*rest, 0, span_find(*rest, '\r'));
	*rest = span_slice(*rest, line.len + 2, rest->len);
	return line;
}

static bool parse_version(struct parse *p, struct span version)
{
	if (version.len != 8 || !span_starts_with(version, "HTTP/") || !is_digit(version.data[5]) ||
		version.data[6] != '.' || !is_digit(version.data[7])) {
		return refuse(p, 400, "the request line is malformed");
	}
	p->is_old = span_equal_text(version, "HTTP/1.0");
	if (!p->is_old && !span_equal_text(version, "HTTP/1.1")) {
		return refuse(p, 505, "only HTTP/1.1 is spoken here");
	}
	return true;
}

static bool check_method(struct parse *p, struct span method)
{
	static const char *const served[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH",
		NULL };
	static const char *const never[] = { "CONNECT", "TRACE", NULL };
	if (!is_token(method)) {
		return refuse(p, 400, "the method is malformed");
	}
	if (is_in_list(method, never)) {
		return refuse(p, 405, "this method is never allowed");
	}
	return is_in_list(method, served) || refuse(p, 501, "this method is not implemented");
}

static int hex_value(uint8_t c)
{
	if (is_digit(c)) {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that starts at *at, a percent triplet decoded; steps *at behind it.  -1: a broken triplet. */
static int next_byte(struct span s, size_t *at)
{
	uint8_t c = s.data[(*at)++];
	if (c != '%') {
		return c;
	}
	if (s.len - *at < 2) {
		return -1;
	}
	int high = hex_value(s.data[*at]), low = hex_value(s.data[*at + 1]);
	*at += 2;
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* The bytes of RFC 3986's path and query, and whole percent triplets. */
static bool check_target_bytes(struct parse *p, struct span target)
{
	for (size_t i = 0; i < target.len;) {
		uint8_t c = target.data[i];
		if (!is_alpha(c) && !is_digit(c) && !is_one_of(c, "-._~!$&'()*+,;=:@/?%")) {
			return refuse(p, 400, "the target holds a byte that must be percent-encoded");
		}
		if (next_byte(target, &i) < 0) {
			return refuse(p, 400, "the target holds a broken percent triplet");
		}
	}
	return true;
}

/* Refuses a path that somebody could read as another one: with hidden separators, controls, or dot segments
 * (encoded dots are dots). */
static bool check_path(struct parse *p, struct span path)
{
	size_t dots = 0, others = 0; /* of the segment in hand */
	for (size_t i = 1; i <= path.len;) {
		bool is_end = i == path.len || path.data[i] == '/';
		if (is_end && others == 0 && (dots == 1 || dots == 2)) {
			return refuse(p, 400, "the path holds a dot segment");
		}
		if (is_end) {
			if (i < path.len && dots + others == 0) {
				return refuse(p, 400, "the path holds an empty segment");
			}
			dots = others = 0;
			i++;
			continue;
		}
		bool is_encoded = path.data[i] == '%';
		int c = next_byte(path, &i);
		if (is_encoded && (c < 0x20 || c == 0x7f || c == '/' || c == '\\')) {
			return refuse(p, 400, "the path hides a separator or a control byte");
		}
		dots += c == '.';
		others += c != '.';
	}
	return true;
}

static bool parse_target(struct parse *p, struct span target)
{
	struct gate_head *h = p->head;
	if (target.len > TARGET_BYTES_MAX) {
		return refuse(p, 414, "the target is too long");
	}
	if (target.len == 0 || target.data[0] != '/') {
		return refuse(p, 400, "the target is not a path");
	}
	size_t path_len = span_find(target, '?');
	h->target = target;
	h->path = span_slice(target, 0, path_len);
	h->query = span_slice(target, path_len + 1, target.len);
	return check_target_bytes(p, target) && check_path(p, h->path);
}

static bool parse_request_line(struct parse *p, struct span line)
{
	size_t method_len = span_find(line, ' ');
	struct span rest = span_slice(line, method_len + 1, line.len);
	size_t target_len = span_find(rest, ' ');
	p->head->method = span_slice(line, 0, method_len);
	return parse_version(p, span_slice(rest, target_len + 1, rest.len)) &&
	       check_method(p, p->head->method) && parse_target(p, span_slice(rest, 0, target_len));
}

/* Fields that two readers would pick differently from if they stood twice. */
static bool is_singleton(struct span name)
{
	static const char *const names[] = { "host", "content-length", "transfer-encoding", "content-type",
		"content-encoding", "expect", "authorization", "idempotency-key", "range", "if-range", NULL };
	for (const char *const *n = names; *n; n++) {
		if (span_equal_nocase(name, *n)) {
			return true;
		}
	}
	return false;
}

static bool is_repeated(const struct gate_head *h, struct span name)
{
	for (size_t i = 0; i < h->field_count; i++) {
		struct span other = h->fields[i].name;
		if (other.len == name.len &&
			strncasecmp((const char *)other.data, (const char *)name.data, name.len) == 0) {
			return true;
		}
	}
	return false;
}

static bool parse_field(struct parse *p, struct span line)
{
	struct gate_head *h = p->head;
	if (line.data[0] == ' ' || line.data[0] == '\t') {
		return refuse(p, 400, "a field is folded over two lines");
	}
	size_t name_len = span_find(line, ':');
	struct span name = span_slice(line, 0, name_len);
	if (name_len == line.len || !is_token(name)) {
		return refuse(p, 400, "a field's name is malformed");
	}
	if (h->field_count == HEAD_HEADERS_MAX) {
		return refuse(p, 431, "there are too many fields");
	}
	if (is_singleton(name) && is_repeated(h, name)) {
		return refuse(p, 400, "a field that may stand once stands twice");
	}
	h->fields[h->field_count++] =
		(struct gate_field){ name, span_trim(span_slice(line, name_len + 1, line.len)) };
	return true;
}

/* host [ ":" port ] by its bytes: what it names is a question for whoever uses it. */
static bool check_host(struct parse *p, struct span host)
{
	for (size_t i = 0; i < host.len; i++) {
		if (!is_alpha(host.data[i]) && !is_digit(host.data[i]) &&
			!is_one_of(host.data[i], "-._~%[]:")) {
			return refuse(p, 400, "Host is malformed");
		}
	}
	return true; /* whether it is empty is asked for where it may be missing */
}

static bool parse_length(struct parse *p, struct span value)
{
	p->head->has_length = true;
	if (value.len > 12 || span_to_u64(value, UINT64_MAX, &p->head->content_length) != ST_OK) {
		return refuse(p, 400, "Content-Length is not a plain number");
	}
	return true;
}

static bool parse_coding(struct parse *p, struct span value)
{
	p->head->is_chunked = true;
	if (p->is_old) {
		return refuse(p, 400, "HTTP/1.0 has no Transfer-Encoding");
	}
	return span_equal_nocase(value, "chunked") ||
	       refuse(p, 400, "Transfer-Encoding is not chunked alone");
}

/* True if the list `value` has the member `option`, compared without regard to case. */
static bool has_option(struct span value, const char *option)
{
	while (value.len > 0) {
		size_t len = span_find(value, ',');
		if (span_equal_nocase(span_trim(span_slice(value, 0, len)), option)) {
			return true;
		}
		value = span_slice(value, len + 1, value.len);
	}
	return false;
}

/* CivetWeb keeps a connection whose Connection field names something else only if it says keep-alive as well;
 * to say the same here keeps the reply's own Connection field true. */
static void parse_connection(const struct parse *p, bool *closes, bool *keeps)
{
	const struct gate_head *h = p->head;
	*closes = p->is_old;
	*keeps = true;
	for (size_t i = 0; i < h->field_count; i++) {
		if (span_equal_nocase(h->fields[i].name, "connection")) {
			*closes = *closes || has_option(h->fields[i].value, "close");
			*keeps = *keeps && has_option(h->fields[i].value, "keep-alive");
		}
	}
}

static bool parse_meaning(struct parse *p, struct span name, struct span value)
{
	if (span_equal_nocase(name, "host")) {
		return check_host(p, value);
	}
	if (span_equal_nocase(name, "content-length")) {
		return parse_length(p, value);
	}
	if (span_equal_nocase(name, "transfer-encoding")) {
		return parse_coding(p, value);
	}
	if (span_equal_nocase(name, "expect")) {
		p->head->expects_continue = !p->is_old;
		return span_equal_nocase(value, "100-continue") ||
		       refuse(p, 417, "only 100-continue can be expected");
	}
	return true;
}

static bool check_framing(struct parse *p)
{
	struct gate_head *h = p->head;
	bool has_body = h->is_chunked || h->content_length > 0;
	bool is_get = span_equal_text(h->method, "GET") || span_equal_text(h->method, "HEAD");
	bool is_sending = span_starts_with(h->method, "P"); /* POST, PUT, PATCH */
	if (h->is_chunked && h->has_length) {
		return refuse(p, 400, "Content-Length stands beside Transfer-Encoding");
	}
	/* Some readers skip the body of a GET and would take it for the next request. */
	if (has_body && is_get) {
		return refuse(p, 400, "GET and HEAD have no body");
	}
	/* In HTTP/1.0 the body could last until the connection ends. */
	if (is_sending && p->is_old && !h->has_length) {
		return refuse(p, 411, "HTTP/1.0 needs a Content-Length");
	}
	h->expects_continue = h->expects_continue && has_body;
	return true;
}

static bool parse_head(struct parse *p, struct span head)
{
	struct span line = take_line(&head);
	bool closes, keeps;
	if (!parse_request_line(p, line)) {
		return false;
	}
	for (line = take_line(&head); line.len > 0; line = take_line(&head)) {
		if (!parse_field(p, line)) {
			return false;
		}
	}
	for (size_t i = 0; i < p->head->field_count; i++) {
		if (!parse_meaning(p, p->head->fields[i].name, p->head->fields[i].value)) {
			return false;
		}
	}
	if (gate_head_field(p->head, "host").len == 0) {
		return refuse(p, 400, "Host is missing");
	}
	parse_connection(p, &closes, &keeps);
	p->head->keeps_alive = keeps && !closes;
	return check_framing(p);
}

enum status gate_head_parse(struct span bytes, struct gate_head *out, int *http_status, const char **why)
{
	struct parse p = { .head = out };
	size_t end = gate_head_find_end(bytes);
	bool is_good;
	*out = (struct gate_head){ .head_len = end };
	if (end > HEAD_BYTES_MAX || (end == 0 && bytes.len >= HEAD_BYTES_MAX)) {
		/* A first line this long can only be the target's fault. */
		bool is_target = span_find(bytes, '\n') > TARGET_BYTES_MAX + 64;
		is_good = refuse(&p, is_target ? 414 : 431,
			is_target ? "the target is too long" : "the head is too long");
	} else if (end == 0) {
		is_good = refuse(&p, 400, "the head ends before its empty line");
	} else {
		is_good = check_bytes(&p, span_slice(bytes, 0, end)) &&
			  parse_head(&p, span_slice(bytes, 0, end));
	}
	*http_status = p.http_status;
	*why = p.why;
	return is_good ? ST_OK : ST_INVALID;
}

struct span gate_head_field(const struct gate_head *h, const char *name)
{
	for (size_t i = 0; i < h->field_count; i++) {
		if (span_equal_nocase(h->fields[i].name, name)) {
			return h->fields[i].value;
		}
	}
	return (struct span){ 0 };
}
