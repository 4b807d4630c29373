/* catalog_contents.c - a chain of blocked Bloom filters: 16 bits an address, six of them set. */
#include "poison.h"

#include "catalog_contents.h"

#include <string.h>

#include "limits.h"
#include "lock.h"
#include "log.h"
#include "memory.h"
#include "num.h"

enum { BLOCK_WORDS = 8, BLOCK_ADDRESSES = 32, PROBES = 6, PROBE_BITS = 9 };
/* A link of the largest size holds 16 million addresses in 32 MiB. */
enum { BLOCKS_MIN = 1 << 11, BLOCKS_MAX = 1 << 19 };

struct block {
	uint64_t words[BLOCK_WORDS];
};

struct link {
	struct link *next; /* an older one */
	struct block *blocks;
	uint64_t block_count, count; /* addresses added, the same one again too */
	int64_t newest_at;
};

struct contents {
	struct lock lock;
	struct link *newest; /* guarded by lock, as is the next */
	bool is_blind;       /* something could not be added */
};

static struct link *link_new(uint64_t block_count)
{
	struct link *l = memory_alloc(sizeof *l);
	struct block *blocks = l ? memory_alloc_array((size_t)block_count, sizeof *blocks) : NULL;
	if (!blocks) {
		memory_free(l);
		return NULL;
	}
	*l = (struct link){ .blocks = blocks, .block_count = block_count };
	return l;
}

static void link_free(struct link *l)
{
	memory_free(l->blocks);
	memory_free(l);
}

enum status contents_new(uint64_t expected, struct contents **out)
{
	struct contents *c = memory_alloc(sizeof *c);
	if (!c)
		return ST_FULL;
	lock_init(&c->lock, "catalog.contents");
	uint64_t blocks = num_min(num_max(expected / BLOCK_ADDRESSES * 2, BLOCKS_MIN), BLOCKS_MAX);
	c->newest = link_new(blocks);
	if (!c->newest) {
		contents_free(c);
		return ST_FULL;
	}
	*out = c;
	return ST_OK;
}

void contents_free(struct contents *c)
{
	if (!c)
		return;
	while (c->newest) {
		struct link *l = c->newest;
		c->newest = l->next;
		link_free(l);
	}
	lock_fini(&c->lock);
	memory_free(c);
}

/* Two numbers of the address: which block, and which bits in it. */
struct place_in_filter {
	uint64_t block, bits;
};
static struct place_in_filter place_of(const uint8_t address[32])
{
	struct place_in_filter p;
	memcpy(&p.block, address, sizeof p.block);
	memcpy(&p.bits, address + sizeof p.block, sizeof p.bits);
	return p;
}

static unsigned probe(uint64_t bits, unsigned i)
{
	return bits >> (i * PROBE_BITS) & ((1u << PROBE_BITS) - 1);
}

static bool link_has(const struct link *l, struct place_in_filter p)
{
	const struct block *block = &l->blocks[p.block % l->block_count];
	bool has = true;
	for (unsigned i = 0; has && i < PROBES; i++) {
		unsigned bit = probe(p.bits, i);
		has = block->words[bit / 64] >> (bit % 64) & 1;
	}
	return has;
}

static void link_add(struct link *l, struct place_in_filter p, int64_t received_at)
{
	struct block *block = &l->blocks[p.block % l->block_count];
	for (unsigned i = 0; i < PROBES; i++) {
		unsigned bit = probe(p.bits, i);
		block->words[bit / 64] |= UINT64_C(1) << (bit % 64);
	}
	l->count++;
	l->newest_at = received_at > l->newest_at ? received_at : l->newest_at;
}

/* Links whose every image has expired; never the newest one. */
static void drop_old(struct contents *c, int64_t now_ms)
{
	struct link **at = &c->newest->next;
	while (*at) {
		struct link *l = *at;
		if (l->newest_at > now_ms - RETENTION_MAX_MS) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		link_free(l);
	}
}

static void extend(struct contents *c, int64_t now_ms)
{
	struct link *l = link_new(num_min(c->newest->block_count * 2, BLOCKS_MAX));
	if (!l) {
		if (!c->is_blind)
			log_event(LOG_WARN, "catalog.contents.blind");
		c->is_blind = true;
		return;
	}
	l->next = c->newest;
	c->newest = l;
	drop_old(c, now_ms);
}

void contents_add(struct contents *c, const uint8_t address[32], int64_t received_at)
{
	lock_acquire(&c->lock);
	if (c->newest->count >= c->newest->block_count * BLOCK_ADDRESSES)
		extend(c, received_at);
	link_add(c->newest, place_of(address), received_at);
	lock_release(&c->lock);
}

bool contents_may_have(struct contents *c, const uint8_t address[32])
{
	struct place_in_filter p = place_of(address);
	lock_acquire(&c->lock);
	bool may = c->is_blind;
	for (const struct link *l = c->newest; !may && l; l = l->next)
		may = link_has(l, p);
	lock_release(&c->lock);
	return may;
}
