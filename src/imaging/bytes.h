/* bytes.h - numbers of either byte order at a place that may lie outside; internal to imaging.
 *
 * num.h reads our own formats, which are little-endian; image formats are of
 * both kinds and their offsets come from outside, so each read is told the span
 * and says 0 beyond its end.  Callers check the length first where 0 is a value.
 */
#ifndef DARKROOM_IMAGING_BYTES_H
#define DARKROOM_IMAGING_BYTES_H

#include "num.h"
#include "span.h"

static inline bool bytes_has(struct span s, size_t at, size_t len)
{
	return at <= s.len && len <= s.len - at;
}

static inline uint16_t bytes_big16(struct span s, size_t at)
{
	return (uint16_t)(bytes_has(s, at, 2) ? s.data[at] << 8 | s.data[at + 1] : 0);
}

static inline uint32_t bytes_big32(struct span s, size_t at)
{
	return bytes_has(s, at, 4) ? (uint32_t)bytes_big16(s, at) << 16 | bytes_big16(s, at + 2) : 0;
}

static inline uint16_t bytes_little16(struct span s, size_t at)
{
	return (uint16_t)(bytes_has(s, at, 2) ? num_get_u16(s.data + at) : 0);
}

static inline uint32_t bytes_little24(struct span s, size_t at)
{
	return bytes_has(s, at, 3) ? (uint32_t)num_get_u16(s.data + at) | (uint32_t)s.data[at + 2] << 16 : 0;
}

static inline uint32_t bytes_little32(struct span s, size_t at)
{
	return bytes_has(s, at, 4) ? num_get_u32(s.data + at) : 0;
}

/* True if the four characters of `tag` are at `at`. */
static inline bool bytes_are(struct span s, size_t at, const char tag[4])
{
	return bytes_has(s, at, 4) && memcmp(s.data + at, tag, 4) == 0;
}

#endif
