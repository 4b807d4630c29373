/* rate.c - buckets in a bounded table; the fullest makes room. */
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

/* What is in it at that time.  Threads may come with times slightly out of order. */
static int64_t tokens_at(const struct rate *r, const struct bucket *b, int64_t now_ms)
{
	int64_t full = r->per_s * BURST_S * 1000;
	int64_t idle_ms = now_ms > b->seen_ms ? now_ms - b->seen_ms : 0;
	if (b->prefix[0] == '\0' || idle_ms >= BURST_S * 1000)
		return full;
	int64_t tokens = b->tokens_milli + idle_ms * r->per_s;
	return tokens < full ? tokens : full;
}

/* A key without a bucket takes over the fullest with what is in it.  A bucket idle for ten seconds is full,
 * so forgetting its key forgets nothing; while none is full, more keys than buckets share their tokens and
 * gain none by coming in turns. */
static struct bucket *find(struct rate *r, const char *prefix, int64_t now_ms)
{
	struct bucket *fullest = &r->buckets[0];
	int64_t most = -1;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct bucket *b = &r->buckets[i];
		if (strncmp(b->prefix, prefix, PREFIX_MAX) == 0)
			return b;
		int64_t tokens = tokens_at(r, b, now_ms);
		if (tokens > most) {
			most = tokens;
			fullest = b;
		}
	}
	*fullest = (struct bucket){ .tokens_milli = most, .seen_ms = now_ms };
	memcpy(fullest->prefix, prefix, strnlen(prefix, PREFIX_MAX - 1));
	return fullest;
}

bool rate_take(struct rate *r, const char *prefix, int64_t now_ms)
{
	if (r->per_s == 0)
		return true;
	lock_acquire(&r->lock);
	struct bucket *b = find(r, prefix, now_ms);
	b->tokens_milli = tokens_at(r, b, now_ms);
	if (b->seen_ms < now_ms)
		b->seen_ms = now_ms;
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
