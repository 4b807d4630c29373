/* rate.c - buckets in a bounded table; the one idle longest makes room. */
#include "poison.h"

#include "rate.h"

#include <string.h>

#include "lock.h"
#include "memory.h"

enum { BUCKETS = 1024, BURST_S = 10, PREFIX_MAX = 16 };

struct bucket {
	char prefix[PREFIX_MAX];
	int64_t tokens_milli, seen_ms;
};

struct rate {
	int64_t per_s;
	struct lock lock; /* guards buckets */
	struct bucket buckets[BUCKETS];
};

enum status rate_new(int64_t per_s, struct rate **out)
{
	struct rate *r = memory_alloc(sizeof *r);
	if (!r)
		return ST_FULL;
	r->per_s = per_s;
	lock_init(&r->lock, "http.rate");
	*out = r;
	return ST_OK;
}

/* An idle bucket is a full one, so forgetting the idlest forgets nothing that a limit needs. */
static struct bucket *find(struct rate *r, const char *prefix, int64_t now_ms)
{
	struct bucket *idlest = &r->buckets[0];
	for (size_t i = 0; i < BUCKETS; i++) {
		struct bucket *b = &r->buckets[i];
		if (strncmp(b->prefix, prefix, PREFIX_MAX - 1) == 0)
			return b;
		if (b->seen_ms < idlest->seen_ms)
			idlest = b;
	}
	*idlest = (struct bucket){ .tokens_milli = r->per_s * BURST_S * 1000, .seen_ms = now_ms };
	size_t len = strnlen(prefix, PREFIX_MAX - 1);
	memcpy(idlest->prefix, prefix, len);
	return idlest;
}

bool rate_take(struct rate *r, const char *prefix, int64_t now_ms)
{
	if (r->per_s == 0)
		return true;
	lock_acquire(&r->lock);
	struct bucket *b = find(r, prefix, now_ms);
	b->tokens_milli += (now_ms - b->seen_ms) * r->per_s;
	b->seen_ms = now_ms;
	if (b->tokens_milli > r->per_s * BURST_S * 1000)
		b->tokens_milli = r->per_s * BURST_S * 1000;
	bool may = b->tokens_milli >= 1000;
	if (may)
		b->tokens_milli -= 1000;
	lock_release(&r->lock);
	return may;
}

void rate_free(struct rate *r)
{
	if (!r)
		return;
	lock_fini(&r->lock);
	memory_free(r);
}
