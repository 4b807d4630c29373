#include "poison.h"

#include "text.h"

#include "num.h"
#include "utf8.h"

static const char base32_letters[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char hex_letters[] = "0123456789abcdef";

/* Index of `byte` among `letters`, or -1. */
static int value_of(const char *letters, uint8_t byte)
{
	const char *at = byte != 0 ? strchr(letters, byte) : NULL;
	return at ? (int)(at - letters) : -1;
}

void text_put_base32(struct buf *b, struct span bytes)
{
	uint32_t held = 0;
	unsigned held_bits = 0;
	for (size_t i = 0; i < bytes.len; i++) {
		held = held << 8 | bytes.data[i];
		held_bits += 8;
		while (held_bits >= 5) {
			held_bits -= 5;
			buf_put_byte(b, (uint8_t)base32_letters[held >> held_bits & 31]);
		}
		held &= (1U << held_bits) - 1;
	}
	if (held_bits > 0) {
		buf_put_byte(b, (uint8_t)base32_letters[held << (5 - held_bits) & 31]);
	}
}

/* One text for each value: the length must fit exactly and the bits left over must be zero. */
enum status text_from_base32(struct span text, uint8_t *out, size_t len)
{
	uint32_t held = 0;
	unsigned held_bits = 0;
	size_t at = 0;
	if (len > SIZE_MAX / 8 || text.len != (len * 8 + 4) / 5) {
		return ST_INVALID;
	}
	for (size_t i = 0; i < text.len; i++) {
		int value = value_of(base32_letters, text.data[i]);
		if (value < 0) {
			return ST_INVALID;
		}
		held = held << 5 | (uint32_t)value;
		held_bits += 5;
		if (held_bits >= 8) {
			held_bits -= 8;
			out[at++] = (uint8_t)(held >> held_bits);
		}
		held &= (1U << held_bits) - 1;
	}
	return held == 0 ? ST_OK : ST_INVALID;
}

void text_put_base64(struct buf *b, struct span bytes)
{
	while (bytes.len > 0) {
		size_t len = bytes.len < 3 ? bytes.len : 3;
		uint32_t group = (uint32_t)bytes.data[0] << 16;
		group |= len > 1 ? (uint32_t)bytes.data[1] << 8 : 0;
		group |= len > 2 ? bytes.data[2] : 0;
		uint8_t letters[4] = {
			(uint8_t)base64_letters[group >> 18 & 63],
			(uint8_t)base64_letters[group >> 12 & 63],
			len > 1 ? (uint8_t)base64_letters[group >> 6 & 63] : '=',
			len > 2 ? (uint8_t)base64_letters[group & 63] : '=',
		};
		buf_put(b, letters, sizeof letters);
		bytes = span_slice(bytes, len, bytes.len);
	}
}

/* Gives the bytes in four letters, the last `padding` of which are '='; false if a letter or stray bits
 * are wrong. */
static bool base64_group(const uint8_t *letters, size_t padding, uint8_t out[3])
{
	uint32_t group = 0;
	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - padding ? value_of(base64_letters, letters[i]) : 0;
		if (value < 0) {
			return false;
		}
		group = group << 6 | (uint32_t)value;
	}
	out[0] = (uint8_t)(group >> 16);
	out[1] = (uint8_t)(group >> 8);
	out[2] = (uint8_t)group;
	return padding == 0 || (padding == 1 && out[2] == 0) || (padding == 2 && out[1] == 0 && out[2] == 0);
}

enum status text_from_base64(struct span text, uint8_t *out, size_t max, size_t *len)
{
	size_t padding = 0;
	if (text.len % 4 != 0) {
		return ST_INVALID;
	}
	while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=') {
		padding++;
	}
	size_t total = text.len / 4 * 3 - padding;
	if (total > max) {
		return ST_TOO_BIG;
	}
	for (size_t i = 0, at = 0; i < text.len; i += 4, at += 3) {
		uint8_t group[3];
		size_t group_padding = i + 4 == text.len ? padding : 0;
		if (!base64_group(text.data + i, group_padding, group)) {
			return ST_INVALID;
		}
		memcpy(out + at, group, 3 - group_padding);
	}
	*len = total;
	return ST_OK;
}

void text_put_hex(struct buf *b, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		buf_put_byte(b, (uint8_t)hex_letters[bytes.data[i] >> 4]);
		buf_put_byte(b, (uint8_t)hex_letters[bytes.data[i] & 15]);
	}
}

enum status text_from_hex(struct span text, uint8_t *out, size_t len)
{
	if (text.len % 2 != 0 || text.len / 2 != len) {
		return ST_INVALID;
	}
	for (size_t i = 0; i < len; i++) {
		int digits[2];
		for (size_t k = 0; k < 2; k++) {
			uint8_t byte = text.data[2 * i + k];
			digits[k] = value_of(
				hex_letters, byte >= 'A' && byte <= 'F' ? (uint8_t)(byte | 0x20) : byte);
		}
		if (digits[0] < 0 || digits[1] < 0) {
			return ST_INVALID;
		}
		out[i] = (uint8_t)(digits[0] << 4 | digits[1]);
	}
	return ST_OK;
}

/* C1 controls (U+0080 to U+009F) count as control bytes: terminals obey them. */
bool text_is_clean_utf8(struct span s)
{
	while (s.len > 0) {
		size_t len = utf8_sequence(s);
		if (len == 0 || s.data[0] < 0x20 || s.data[0] == 0x7f) {
			return false;
		}
		if (s.data[0] == 0xc2 && s.data[1] < 0xa0) {
			return false;
		}
		s = span_slice(s, len, s.len);
	}
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* Digits, then exactly one of the units; the product fits a positive int64. */
static enum status parse_with_unit(struct span text, const struct unit *units, uint64_t *out)
{
	size_t digits = 0;
	uint64_t value = 0;
	while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9') {
		digits++;
	}
	if (span_to_u64(span_slice(text, 0, digits), INT64_MAX, &value)) {
		return ST_INVALID;
	}
	struct span unit = span_slice(text, digits, text.len);
	for (const struct unit *u = units; u->name; u++) {
		if (span_equal_text(unit, u->name)) {
			uint64_t product = 0;
			if (!num_mul_u64(value, u->factor, &product) || product > INT64_MAX) {
				return ST_INVALID;
			}
			*out = product;
			return ST_OK;
		}
	}
	return ST_INVALID;
}

enum status text_parse_duration(struct span text, int64_t *out_ms)
{
	static const struct unit units[] = {
		{ "s", 1000 },
		{ "m", 60000 },
		{ "h", 3600000 },
		{ "d", 86400000 },
		{ NULL, 0 },
	};
	uint64_t ms = 0;
	enum status st = parse_with_unit(text, units, &ms);
	if (!st) {
		*out_ms = (int64_t)ms;
	}
	return st;
}

enum status text_parse_size(struct span text, uint64_t *out)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "B", 1 },
		{ "KB", 1000 },
		{ "MB", 1000000 },
		{ "GB", 1000000000 },
		{ "TB", 1000000000000 },
		{ "KiB", UINT64_C(1) << 10 },
		{ "MiB", UINT64_C(1) << 20 },
		{ "GiB", UINT64_C(1) << 30 },
		{ "TiB", UINT64_C(1) << 40 },
		{ NULL, 0 },
	};
	return parse_with_unit(text, units, out);
}
