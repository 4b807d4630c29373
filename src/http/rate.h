/* rate.h - a token bucket per key: so many requests a second, ten seconds' worth at once.
 *
 * There are 1024 buckets.  More keys than that within ten seconds share the buckets' tokens: all of them
 * together never get more than 1024 keys would.
 *
 * Threads: any.
 */
#ifndef DARKROOM_HTTP_RATE_H
#define DARKROOM_HTTP_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

struct rate; /* opaque */

/* per_s 0: no limit. */
enum status rate_new(int64_t per_s, struct rate **out) MUST_CHECK;
/* True if this key may make a request now.  `prefix`: what tells keys apart, 1 to 15 characters. */
bool rate_take(struct rate *r, const char *prefix, int64_t now_ms);
void rate_free(struct rate *r);

#endif
