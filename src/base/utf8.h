/* utf8.h - the one judge of UTF-8, for buf, text and json.  Source: RFC 3629. */
#ifndef DARKROOM_UTF8_H
#define DARKROOM_UTF8_H

#include "span.h"

static inline bool utf8_is_tail(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

/* Length (1 to 4) of the valid sequence that `s` begins with; 0 if it begins with none.
 * Overlong forms, surrogates and what is above U+10FFFF are not valid. */
static inline size_t utf8_sequence(struct span s)
{
	const uint8_t *p = s.data;
	if (s.len == 0) {
		return 0;
	}
	if (p[0] < 0x80) {
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		return s.len >= 2 && utf8_is_tail(p[1]) ? 2 : 0;
	}
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		uint8_t least = p[0] == 0xe0 ? 0xa0 : 0x80;
		uint8_t most = p[0] == 0xed ? 0x9f : 0xbf;
		return s.len >= 3 && p[1] >= least && p[1] <= most && utf8_is_tail(p[2]) ? 3 : 0;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		uint8_t least = p[0] == 0xf0 ? 0x90 : 0x80;
		uint8_t most = p[0] == 0xf4 ? 0x8f : 0xbf;
		return s.len >= 4 && p[1] >= least && p[1] <= most && utf8_is_tail(p[2]) && utf8_is_tail(p[3])
			       ? 4
			       : 0;
	}
	return 0;
}

#endif
