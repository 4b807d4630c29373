#include "poison.h"

#include "reader.h"

#include "num.h"

struct span reader_bytes(struct reader *r, size_t len)
{
	if (r->is_failed || len > r->rest.len) {
		r->is_failed = true;
		return span_make(NULL, 0);
	}
	struct span taken = span_make(r->rest.data, len);
	if (len > 0) {
		r->rest = span_make(r->rest.data + len, r->rest.len - len);
	}
	return taken;
}

void reader_copy(struct reader *r, void *out, size_t len)
{
	if (len == 0) {
		return;
	}
	struct span taken = reader_bytes(r, len);
	if (taken.len == len) {
		memcpy(out, taken.data, len);
	} else {
		memset(out, 0, len);
	}
}

uint8_t reader_u8(struct reader *r)
{
	uint8_t bytes[1];
	reader_copy(r, bytes, sizeof bytes);
	return bytes[0];
}

uint16_t reader_u16(struct reader *r)
{
	uint8_t bytes[2];
	reader_copy(r, bytes, sizeof bytes);
	return num_get_u16(bytes);
}

uint32_t reader_u32(struct reader *r)
{
	uint8_t bytes[4];
	reader_copy(r, bytes, sizeof bytes);
	return num_get_u32(bytes);
}

uint64_t reader_u64(struct reader *r)
{
	uint8_t bytes[8];
	reader_copy(r, bytes, sizeof bytes);
	return num_get_u64(bytes);
}
