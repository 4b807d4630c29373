/* text.h - bytes and times as text, both ways.
 *
 * Sources: RFC 4648 (base32 lower case and base64, hex), RFC 3339 (times).
 */
#ifndef DARKROOM_TEXT_H
#define DARKROOM_TEXT_H

#include "buf.h"

/* Lower-case base32 without padding; the decoder takes nothing else and refuses stray bits. */
void text_put_base32(struct buf *b, struct span bytes);
enum status text_from_base32(struct span text, uint8_t *out, size_t len) MUST_CHECK;

/* Standard base64 with padding; the decoder gives at most `max` bytes, their count in *len. */
void text_put_base64(struct buf *b, struct span bytes);
enum status text_from_base64(struct span text, uint8_t *out, size_t max, size_t *len) MUST_CHECK;

void text_put_hex(struct buf *b, struct span bytes);
enum status text_from_hex(struct span text, uint8_t *out, size_t len) MUST_CHECK;

/* "2026-11-25T01:02:03.004Z", always with three digits, so that times sort as text. */
enum { TEXT_TIME_MAX = 32 };
void text_time(int64_t ms, char out[TEXT_TIME_MAX]);
void text_put_time(struct buf *b, int64_t ms);
/* RFC 3339 with any offset, or a date alone (midnight UTC).  INVALID otherwise. */
enum status text_parse_time(struct span text, int64_t *out) MUST_CHECK;

/* "90s", "15m", "24h", "7d" to ms.  INVALID otherwise. */
enum status text_parse_duration(struct span text, int64_t *out_ms) MUST_CHECK;
/* "64MiB", "20KB", "4096" to bytes.  INVALID otherwise. */
enum status text_parse_size(struct span text, uint64_t *out) MUST_CHECK;

/* True if every byte sequence is valid UTF-8 (RFC 3629) and holds no NUL or control byte. */
bool text_is_clean_utf8(struct span s);

#endif
