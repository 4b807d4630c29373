/* rate.h - a token bucket per key: so many requests a second, ten seconds' worth at once. */
#ifndef DARKROOM_HTTP_RATE_H
#define DARKROOM_HTTP_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

struct rate; /* opaque */

/* per_s 0: no limit. */
enum status rate_new(int64_t per_s, struct rate **out) MUST_CHECK;
/* True if this key may make a request now. */
bool rate_take(struct rate *r, const char *prefix, int64_t now_ms);
void rate_free(struct rate *r);

#endif
