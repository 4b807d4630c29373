/* claims.c - keys in work. */
#include "poison.h"

#include "claims.h"

#include "clock.h"
#include "must.h"

void claims_init(struct claims *c, const char *name)
{
	lock_init(&c->lock, name);
	signal_init(&c->released);
	c->count = 0;
}

void claims_fini(struct claims *c)
{
	signal_fini(&c->released);
	lock_fini(&c->lock);
}

/* Index of the key, or the count when nobody has it. */
static size_t find(const struct claims *c, const struct claim_key *key)
{
	size_t i = 0;
	while (i < c->count && memcmp(&c->keys[i], key, sizeof *key) != 0)
		i++;
	return i;
}

/* Under the lock: true once nobody has it. */
static bool wait_until_free(struct claims *c, const struct claim_key *key, int64_t wait_ms)
{
	int64_t deadline = clock_monotonic_ms() + wait_ms;
	bool is_in_time = wait_ms > 0;
	while (find(c, key) < c->count && is_in_time)
		is_in_time = signal_wait_until(&c->released, &c->lock, deadline);
	return find(c, key) == c->count;
}

enum status claims_acquire(struct claims *c, const struct claim_key *key, int64_t wait_ms)
{
	enum status st = ST_OK;
	lock_acquire(&c->lock);
	if (!wait_until_free(c, key, wait_ms))
		st = ST_BUSY;
	else if (c->count == CLAIMS_MAX)
		st = ST_FULL;
	else
		c->keys[c->count++] = *key;
	lock_release(&c->lock);
	return st;
}

enum status claims_wait(struct claims *c, const struct claim_key *key, int64_t wait_ms)
{
	lock_acquire(&c->lock);
	bool is_free = wait_until_free(c, key, wait_ms);
	lock_release(&c->lock);
	return is_free ? ST_OK : ST_BUSY;
}

void claims_release(struct claims *c, const struct claim_key *key)
{
	lock_acquire(&c->lock);
	size_t i = find(c, key);
	must(i < c->count);
	c->keys[i] = c->keys[--c->count];
	lock_release(&c->lock);
	signal_wake_all(&c->released);
}
