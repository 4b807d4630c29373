/* buf.h - bytes being built, with a stated maximum and a sticky failure.
 *
 * Append freely and ask buf_ok() once: after the first append that would pass
 * the maximum, or that found no memory, every later one does nothing.
 */
#ifndef DARKROOM_BUF_H
#define DARKROOM_BUF_H

#include <stdarg.h>

#include "span.h"
#include "status.h"

struct buf {
	uint8_t *data;
	size_t len;
	size_t capacity; /* allocated bytes; owned by buf.c */
	size_t max;      /* len never passes this */
	bool is_failed;
};

/* Starts an empty buffer that holds at most `max` bytes; allocates nothing yet. */
void buf_init(struct buf *b, size_t max);

void buf_put(struct buf *b, const void *data, size_t len);
void buf_put_span(struct buf *b, struct span s);
void buf_put_text(struct buf *b, const char *text);
void buf_put_byte(struct buf *b, uint8_t byte);
void buf_put_decimal(struct buf *b, int64_t value);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Little-endian, as in every format of ours. */
void buf_put_u16(struct buf *b, uint16_t value);
void buf_put_u32(struct buf *b, uint32_t value);
void buf_put_u64(struct buf *b, uint64_t value);

/* Makes room for `len` bytes and gives where to write them, already counted in
 * b->len; NULL after a failure.  Valid until the next call on `b`. */
uint8_t *buf_extend(struct buf *b, size_t len);

/* Appends text escaped for its place: the inside of a JSON string (invalid
 * UTF-8 becomes U+FFFD), HTML text or attribute, a log value, a header value
 * (bytes outside 0x20-0x7e become '?'). */
void buf_put_json(struct buf *b, struct span s);
void buf_put_html(struct buf *b, struct span s);
void buf_put_log(struct buf *b, struct span s);
void buf_put_header(struct buf *b, struct span s);

/* True if everything appended is there. */
bool buf_ok(const struct buf *b);

/* TOO_BIG or OK, for functions that return what buf_ok() says. */
enum status buf_status(const struct buf *b) MUST_CHECK;

/* Lends what is there; valid until the next append. */
struct span buf_span(const struct buf *b);

/* Lends it with a closing NUL (not counted); "" after a failure. */
const char *buf_text(struct buf *b);

/* Empties it, keeping memory and maximum; forgets a failure. */
void buf_clear(struct buf *b);

/* Frees; the bytes are overwritten first when it held secrets (buf_wipe). */
void buf_fini(struct buf *b);
void buf_wipe(struct buf *b);

#endif
