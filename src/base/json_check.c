#include "poison.h"

#include "base/json_check.h"

#include "limits.h"
#include "utf8.h"

/* The place of the next byte.  A failure leaves it where it was seen. */
struct cursor {
	struct span text;
	size_t at;
	bool is_failed;
};

/* What may come next.  Containers are a stack of their closing bytes, so that nesting costs no C stack. */
enum expect { EXPECT_VALUE, EXPECT_VALUE_OR_END, EXPECT_KEY, EXPECT_KEY_OR_END, EXPECT_COMMA_OR_END };

struct nesting {
	char closers[JSON_DEPTH_MAX];
	size_t depth;
	enum expect expect;
};

/* The next byte, or 0 at the end: a NUL is nowhere allowed, so both are refused alike. */
static uint8_t peek(const struct cursor *c)
{
	return c->at < c->text.len ? c->text.data[c->at] : 0;
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static void skip_blank(struct cursor *c)
{
	uint8_t byte = peek(c);
	while (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') {
		c->at++;
		byte = peek(c);
	}
}

static void take(struct cursor *c, uint8_t byte)
{
	if (!c->is_failed && peek(c) == byte && c->at < c->text.len) {
		c->at++;
	} else {
		c->is_failed = true;
	}
}

static void take_word(struct cursor *c, const char *word)
{
	for (; *word != '\0'; word++) {
		take(c, (uint8_t)*word);
	}
}

static void take_digits(struct cursor *c)
{
	if (!is_digit(peek(c))) {
		c->is_failed = true;
	}
	while (is_digit(peek(c))) {
		c->at++;
	}
}

/* cJSON 1.7.15 looks at no more of a number. */
enum { NUMBER_LEN_MAX = 63 };

static void take_number(struct cursor *c)
{
	size_t from = c->at;
	if (peek(c) == '-') {
		c->at++;
	}
	if (peek(c) == '0') {
		c->at++;
	} else {
		take_digits(c);
	}
	if (!c->is_failed && peek(c) == '.') {
		c->at++;
		take_digits(c);
	}
	if (!c->is_failed && (peek(c) == 'e' || peek(c) == 'E')) {
		c->at++;
		if (peek(c) == '+' || peek(c) == '-') {
			c->at++;
		}
		take_digits(c);
	}
	if (c->at - from > NUMBER_LEN_MAX) {
		c->is_failed = true;
	}
}

static unsigned hex_value(uint8_t byte)
{
	if (is_digit(byte)) {
		return byte - '0';
	}
	uint8_t small = byte | 0x20;
	return small >= 'a' && small <= 'f' ? (unsigned)(small - 'a' + 10) : 16;
}

static unsigned take_hex4(struct cursor *c)
{
	unsigned value = 0;
	for (int i = 0; i < 4; i++) {
		unsigned digit = hex_value(peek(c));
		if (digit > 15) {
			c->is_failed = true;
			return 0;
		}
		value = value << 4 | digit;
		c->at++;
	}
	return value;
}

/* Surrogates only in pairs, and no U+0000: a C string would end there. */
static void take_unicode_escape(struct cursor *c)
{
	unsigned value = take_hex4(c);
	if (value == 0 || (value >= 0xdc00 && value <= 0xdfff)) {
		c->is_failed = true;
	}
	if (!c->is_failed && value >= 0xd800 && value <= 0xdbff) {
		take_word(c, "\\u");
		unsigned second = c->is_failed ? 0 : take_hex4(c);
		if (second < 0xdc00 || second > 0xdfff) {
			c->is_failed = true;
		}
	}
}

static void take_escape(struct cursor *c)
{
	uint8_t byte = peek(c);
	if (byte == 'u') {
		c->at++;
		take_unicode_escape(c);
	} else if (byte != 0 && strchr("\"\\/bfnrt", byte)) {
		c->at++;
	} else {
		c->is_failed = true;
	}
}

static void take_string(struct cursor *c)
{
	take(c, '"');
	while (!c->is_failed && peek(c) != '"') {
		size_t len = utf8_sequence(span_slice(c->text, c->at, 4));
		if (len == 0 || peek(c) < 0x20) {
			c->is_failed = true;
		} else if (peek(c) == '\\') {
			c->at++;
			take_escape(c);
		} else {
			c->at += len;
		}
	}
	take(c, '"');
}

static void take_scalar(struct cursor *c)
{
	switch (peek(c)) {
	case '"': take_string(c); break;
	case 't': take_word(c, "true"); break;
	case 'f': take_word(c, "false"); break;
	case 'n': take_word(c, "null"); break;
	default: take_number(c); break;
	}
}

static void open_container(struct cursor *c, struct nesting *n, char closer, enum expect next)
{
	if (n->depth == JSON_DEPTH_MAX) {
		c->is_failed = true;
		return;
	}
	c->at++;
	n->closers[n->depth++] = closer;
	n->expect = next;
}

static void take_value(struct cursor *c, struct nesting *n)
{
	if (peek(c) == '{') {
		open_container(c, n, '}', EXPECT_KEY_OR_END);
	} else if (peek(c) == '[') {
		open_container(c, n, ']', EXPECT_VALUE_OR_END);
	} else {
		take_scalar(c);
		n->expect = EXPECT_COMMA_OR_END;
	}
}

static void take_key(struct cursor *c, struct nesting *n)
{
	take_string(c);
	skip_blank(c);
	take(c, ':');
	n->expect = EXPECT_VALUE;
}

/* Closes the innermost container if its closer is next. */
static bool take_closer(struct cursor *c, struct nesting *n)
{
	if (n->depth == 0 || peek(c) != (uint8_t)n->closers[n->depth - 1]) {
		return false;
	}
	c->at++;
	n->depth--;
	n->expect = EXPECT_COMMA_OR_END;
	return true;
}

static void step(struct cursor *c, struct nesting *n)
{
	skip_blank(c);
	switch (n->expect) {
	case EXPECT_VALUE_OR_END:
		if (take_closer(c, n)) {
			return;
		}
		take_value(c, n);
		return;
	case EXPECT_VALUE: take_value(c, n); return;
	case EXPECT_KEY_OR_END:
		if (take_closer(c, n)) {
			return;
		}
		take_key(c, n);
		return;
	case EXPECT_KEY: take_key(c, n); return;
	case EXPECT_COMMA_OR_END:
		if (take_closer(c, n)) {
			return;
		}
		take(c, ',');
		n->expect = n->closers[n->depth - 1] == '}' ? EXPECT_KEY : EXPECT_VALUE;
		return;
	}
}

static unsigned line_at(struct span text, size_t at)
{
	unsigned line = 1;
	for (size_t i = 0; i < at && i < text.len; i++) {
		line += text.data[i] == '\n';
	}
	return line;
}

enum status json_check(struct span text, unsigned *line)
{
	struct cursor c = { .text = text };
	struct nesting n = { .expect = EXPECT_VALUE };
	do {
		step(&c, &n);
	} while (!c.is_failed && (n.depth > 0 || n.expect != EXPECT_COMMA_OR_END));
	if (!c.is_failed) {
		skip_blank(&c);
		c.is_failed = c.at < text.len;
	}
	*line = c.is_failed ? line_at(text, c.at) : 0;
	return c.is_failed ? ST_INVALID : ST_OK;
}
