#include "poison.h"

#include "span.h"

#include "num.h"

static bool same_bytes(const uint8_t *a, const void *b, size_t len)
{
	return len == 0 || memcmp(a, b, len) == 0;
}

static uint8_t lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

struct span span_of(const char *text)
{
	return text ? span_make(text, strlen(text)) : span_make(NULL, 0);
}

bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && same_bytes(a.data, b.data, a.len);
}

bool span_equal_text(struct span a, const char *text)
{
	return span_equal(a, span_of(text));
}

bool span_equal_nocase(struct span a, const char *text)
{
	struct span b = span_of(text);
	if (a.len != b.len) {
		return false;
	}
	for (size_t i = 0; i < a.len; i++) {
		if (lower(a.data[i]) != lower(b.data[i])) {
			return false;
		}
	}
	return true;
}

bool span_starts_with(struct span s, const char *prefix)
{
	struct span p = span_of(prefix);
	return s.len >= p.len && same_bytes(s.data, p.data, p.len);
}

struct span span_slice(struct span s, size_t from, size_t len)
{
	if (from >= s.len) {
		return span_make(NULL, 0);
	}
	size_t left = s.len - from;
	return span_make(s.data + from, len < left ? len : left);
}

size_t span_find(struct span s, uint8_t byte)
{
	const uint8_t *at = s.len > 0 ? memchr(s.data, byte, s.len) : NULL;
	return at ? (size_t)(at - s.data) : s.len;
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

struct span span_trim(struct span s)
{
	while (s.len > 0 && is_blank(s.data[0])) {
		s = span_make(s.data + 1, s.len - 1);
	}
	while (s.len > 0 && is_blank(s.data[s.len - 1])) {
		s.len--;
	}
	return s;
}

enum status span_to_text(struct span s, char *out, size_t size)
{
	if (size == 0) {
		return ST_TOO_BIG;
	}
	out[0] = '\0';
	if (s.len >= size) {
		return ST_TOO_BIG;
	}
	if (span_find(s, 0) != s.len) {
		return ST_INVALID;
	}
	if (s.len > 0) {
		memcpy(out, s.data, s.len);
	}
	out[s.len] = '\0';
	return ST_OK;
}

enum status span_to_u64(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;
	if (s.len == 0) {
		return ST_INVALID;
	}
	for (size_t i = 0; i < s.len; i++) {
		uint8_t byte = s.data[i];
		if (byte < '0' || byte > '9') {
			return ST_INVALID;
		}
		if (!num_mul_u64(value, 10, &value) || !num_add_u64(value, (uint64_t)(byte - '0'), &value)) {
			return ST_INVALID;
		}
	}
	if (value > max) {
		return ST_INVALID;
	}
	*out = value;
	return ST_OK;
}
