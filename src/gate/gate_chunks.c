#include "poison.h"

#include "gate_head.h"

#include "num.h"

/* Eight hex digits hold 4 GiB, more than any body may be; more digits are only room for overflow. */
enum { SIZE_DIGITS_MAX = 8 };

/* What is expected next.  0 is the start of a body, so that a zeroed follower is ready. */
enum { SIZE, SIZE_LF, DATA, DATA_CR, DATA_LF, LAST_CR, LAST_LF, DONE, BROKEN };

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool take_size(struct gate_chunks *c, uint8_t byte)
{
	int value = hex_value(byte);
	if (byte == '\r' && c->digits > 0) {
		c->state = SIZE_LF;
		return true;
	}
	if (value < 0 || c->digits == SIZE_DIGITS_MAX) {
		c->state = BROKEN;
		return false;
	}
	c->left = c->left << 4 | (uint64_t)value;
	c->digits++;
	return true;
}

static bool take_exactly(struct gate_chunks *c, uint8_t byte, uint8_t expected, int next)
{
	c->state = byte == expected ? next : BROKEN;
	return byte == expected;
}

/* One byte of framing; data is taken in bulk by gate_chunks_feed(). */
static bool take(struct gate_chunks *c, uint8_t byte)
{
	switch (c->state) {
	case SIZE: return take_size(c, byte);
	case SIZE_LF: return take_exactly(c, byte, '\n', c->left > 0 ? DATA : LAST_CR);
	case DATA_CR: return take_exactly(c, byte, '\r', DATA_LF);
	case DATA_LF: c->digits = 0; return take_exactly(c, byte, '\n', SIZE);
	case LAST_CR: return take_exactly(c, byte, '\r', LAST_LF);
	case LAST_LF: return take_exactly(c, byte, '\n', DONE);
	default: return false;
	}
}

enum status gate_chunks_feed(struct gate_chunks *c, struct span raw, size_t *used, bool *is_done)
{
	size_t at = 0;
	enum status st = ST_OK;
	while (at < raw.len && c->state != DONE && st == ST_OK) {
		if (c->state == DATA) {
			uint64_t part = num_min(c->left, raw.len - at);
			at += (size_t)part;
			c->data_bytes += part;
			c->left -= part;
			c->state = c->left > 0 ? DATA : DATA_CR;
		} else if (take(c, raw.data[at])) {
			at++;
		} else {
			st = ST_INVALID;
		}
	}
	*used = at;
	*is_done = c->state == DONE;
	return st;
}

size_t gate_chunks_wanted(const struct gate_chunks *c)
{
	if (c->state == DATA) {
		return (size_t)num_min(c->left, SIZE_MAX);
	}
	return c->state == DONE ? 0 : 1;
}
