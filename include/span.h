/* span.h - bytes lent: a pointer and a length, passed by value.
 *
 * A span never owns what it points at and is never assumed to end with NUL.
 * An empty span may have a NULL pointer.
 */
#ifndef DARKROOM_SPAN_H
#define DARKROOM_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	const uint8_t *data;
	size_t len;
};

/* Lends a C string without its NUL; NULL gives the empty span. */
struct span span_of(const char *text);

static inline struct span span_make(const void *data, size_t len)
{
	return (struct span){ data, len };
}

#define SPAN_LIT(literal) ((struct span){ (const uint8_t *)(literal), sizeof(literal) - 1 })

bool span_equal(struct span a, struct span b);
bool span_equal_text(struct span a, const char *text);

/* ASCII letters compare without regard to case; for header names only. */
bool span_equal_nocase(struct span a, const char *text);
bool span_starts_with(struct span s, const char *prefix);

/* The part from `from` on, at most `len` bytes, clamped to what is there. */
struct span span_slice(struct span s, size_t from, size_t len);

/* Index of the first `byte`, or s.len when there is none. */
size_t span_find(struct span s, uint8_t byte);

/* Without the spaces and tabs at both ends. */
struct span span_trim(struct span s);

/* Copies into `out` of `size` bytes with a closing NUL.
 * TOO_BIG: it does not fit.  INVALID: there is a NUL inside. */
#include "status.h"
enum status span_to_text(struct span s, char *out, size_t size) MUST_CHECK;

/* Decimal digits only, nothing around them.  INVALID: no number, or over `max`. */
enum status span_to_u64(struct span s, uint64_t max, uint64_t *out) MUST_CHECK;

#endif
