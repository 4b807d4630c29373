/* gate_head.h - one HTTP/1.1 request head, read strictly (RFC 9110, RFC 9112).
 *
 * A head is accepted if and only if every server and proxy would read it the
 * same way.  Refused: bare LF or CR, control bytes, obs-fold, space before the
 * colon, missing or second Host, second or malformed Content-Length (digits
 * only, 12 at most), Content-Length with Transfer-Encoding, Transfer-Encoding
 * other than one "chunked", more than HEAD_HEADERS_MAX fields, over
 * HEAD_BYTES_MAX, a target over TARGET_BYTES_MAX or not in origin form, "%00",
 * "%2f", "%5c", "//", "." or ".." segments in the path, methods other than
 * GET HEAD POST PUT DELETE OPTIONS PATCH, versions other than 1.1 (and 1.0
 * without keep-alive), a GET or HEAD with a body, a 1.0 POST without length,
 * target bytes that RFC 3986 wants encoded, a second field of a kind that decides.
 *
 * Pure functions; fuzzed.
 */
#ifndef DARKROOM_GATE_HEAD_H
#define DARKROOM_GATE_HEAD_H

#include "limits.h"
#include "span.h"
#include "status.h"

struct gate_field {
	struct span name, value;
};

struct gate_head {
	struct span method, target, path, query; /* spans into the bytes parsed */
	struct gate_field fields[HEAD_HEADERS_MAX];
	size_t field_count;
	bool has_length, is_chunked, expects_continue, keeps_alive;
	uint64_t content_length;
	size_t head_len; /* bytes up to and with the empty line */
};

/* Index just behind the empty line, or 0 when `bytes` hold no complete head yet. */
size_t gate_head_find_end(struct span bytes);

/* Parses the complete head at the start of `bytes`, which must stay while *out is used.
 * Not OK: *http_status is 400, 405, 411, 414, 417, 431, 501 or 505 and `why` a constant sentence. */
enum status gate_head_parse(
	struct span bytes, struct gate_head *out, int *http_status, const char **why) MUST_CHECK;

/* The first field of that name; empty span when absent.  Fields that decide something (Host, framing,
 * Authorization, Content-Type, Idempotency-Key, Range, Expect ...) stand once or the head is refused. */
struct span gate_head_field(const struct gate_head *h, const char *name);

/* Follows chunked framing over the raw body, byte exact (RFC 9112, 7.1), without extensions or trailers. */
struct gate_chunks {
	int state;
	uint64_t left;
	unsigned digits;
	uint64_t data_bytes;
};
/* Consumes from `raw`; gives in *used how many bytes belong to this body and in *is_done whether it ended.
 * INVALID: anything but strict framing. */
enum status gate_chunks_feed(struct gate_chunks *c, struct span raw, size_t *used, bool *is_done) MUST_CHECK;
/* How many bytes can be read without taking one of the next request; 0 when the body has ended. */
size_t gate_chunks_wanted(const struct gate_chunks *c);

#endif
