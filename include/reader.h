/* reader.h - takes a format apart: a cursor over a span with a sticky failure.
 *
 * Read freely and ask reader_ok() once: past the end every read gives zeros or
 * an empty span and the failure stays.  The counterpart of buf.
 */
#ifndef DARKROOM_READER_H
#define DARKROOM_READER_H

#include "span.h"

struct reader {
	struct span rest;
	bool is_failed;
};

static inline struct reader reader_of(struct span s)
{
	return (struct reader){ s, false };
}

uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);

/* Lends the next `len` bytes. */
struct span reader_bytes(struct reader *r, size_t len);

/* Copies the next `len` bytes to `out`, zeros after a failure. */
void reader_copy(struct reader *r, void *out, size_t len);

/* True if every read so far was inside; reader_at_end(): and nothing is left. */
static inline bool reader_ok(const struct reader *r)
{
	return !r->is_failed;
}
static inline bool reader_at_end(const struct reader *r)
{
	return !r->is_failed && r->rest.len == 0;
}

#endif
