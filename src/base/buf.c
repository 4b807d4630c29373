#include "poison.h"

#include "buf.h"

#include "memory.h"
#include "must.h"
#include "num.h"

/* No secret is longer than this: up to here growing leaves no copy of the old bytes behind. */
enum { SECRET_MAX = 65536, CAPACITY_LEAST = 1024 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

static uint8_t *move_and_wipe(const struct buf *b, size_t capacity)
{
	uint8_t *data = memory_alloc(capacity);
	if (data && b->data) {
		memcpy(data, b->data, b->len);
		memory_wipe(b->data, b->capacity);
		memory_free(b->data);
	}
	return data;
}

/* Room for `need` bytes in all, one of which may be the closing NUL past max. */
static bool reserve(struct buf *b, size_t need)
{
	if (need <= b->capacity) {
		return true;
	}
	size_t capacity = b->capacity < CAPACITY_LEAST ? CAPACITY_LEAST : b->capacity;
	while (capacity < need) {
		if (!num_mul(capacity, 2, &capacity)) {
			capacity = need;
		}
	}
	size_t most = b->max == SIZE_MAX ? SIZE_MAX : b->max + 1;
	capacity = capacity > most ? most : capacity;
	uint8_t *data =
		b->capacity > SECRET_MAX ? memory_resize(b->data, capacity) : move_and_wipe(b, capacity);
	if (!data) {
		b->is_failed = true;
		return false;
	}
	b->data = data;
	b->capacity = capacity;
	return true;
}

uint8_t *buf_extend(struct buf *b, size_t len)
{
	size_t need = 0;
	if (b->is_failed) {
		return NULL;
	}
	if (!num_add(b->len, len, &need) || need > b->max) {
		b->is_failed = true;
		return NULL;
	}
	if (!reserve(b, need > 0 ? need : 1)) {
		return NULL;
	}
	uint8_t *at = b->data + b->len;
	b->len = need;
	return at;
}

void buf_put(struct buf *b, const void *data, size_t len)
{
	uint8_t *at = len > 0 ? buf_extend(b, len) : NULL;
	if (at) {
		memcpy(at, data, len);
	}
}

void buf_put_span(struct buf *b, struct span s)
{
	buf_put(b, s.data, s.len);
}

void buf_put_text(struct buf *b, const char *text)
{
	buf_put_span(b, span_of(text));
}

void buf_put_byte(struct buf *b, uint8_t byte)
{
	if (!b->is_failed && b->len < b->capacity && b->len < b->max) {
		b->data[b->len++] = byte;
	} else {
		buf_put(b, &byte, 1);
	}
}

void buf_put_decimal(struct buf *b, int64_t value)
{
	uint8_t digits[20]; /* as many as INT64_MIN has, and its sign */
	size_t at = sizeof digits;
	uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	do {
		digits[--at] = (uint8_t)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (value < 0) {
		digits[--at] = '-';
	}
	buf_put(b, digits + at, sizeof digits - at);
}

/* The text is measured first, so that nothing is cut and nothing is guessed. */
void buf_printf(struct buf *b, const char *format, ...)
{
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int len = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	must(len >= 0);
	size_t before = b->len;
	if (buf_extend(b, (size_t)len) && reserve(b, b->len + 1)) {
		(void)vsnprintf((char *)b->data + before, (size_t)len + 1, format, again);
	}
	va_end(again);
}

void buf_put_u16(struct buf *b, uint16_t value)
{
	uint8_t bytes[2];
	num_put_u16(bytes, value);
	buf_put(b, bytes, sizeof bytes);
}

void buf_put_u32(struct buf *b, uint32_t value)
{
	uint8_t bytes[4];
	num_put_u32(bytes, value);
	buf_put(b, bytes, sizeof bytes);
}

void buf_put_u64(struct buf *b, uint64_t value)
{
	uint8_t bytes[8];
	num_put_u64(bytes, value);
	buf_put(b, bytes, sizeof bytes);
}

bool buf_ok(const struct buf *b)
{
	return !b->is_failed;
}

enum status buf_status(const struct buf *b)
{
	return b->is_failed ? ST_TOO_BIG : ST_OK;
}

struct span buf_span(const struct buf *b)
{
	return span_make(b->data, b->len);
}

const char *buf_text(struct buf *b)
{
	size_t need = 0;
	if (b->is_failed || !num_add(b->len, 1, &need) || !reserve(b, need)) {
		return "";
	}
	b->data[b->len] = '\0';
	return (const char *)b->data;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->is_failed = false;
}

void buf_fini(struct buf *b)
{
	memory_free(b->data);
	*b = (struct buf){ .max = b->max };
}

void buf_wipe(struct buf *b)
{
	memory_wipe(b->data, b->capacity);
	buf_fini(b);
}
