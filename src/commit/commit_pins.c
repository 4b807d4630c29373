/* commit_pins.c - blobs that are about to be referred to. */
#include "poison.h"

#include "inside.h"

#include "must.h"

void pins_init(struct pins *p)
{
	lock_init(&p->lock, "commit.pins");
	signal_init(&p->released);
}

void pins_fini(struct pins *p)
{
	signal_fini(&p->released);
	lock_fini(&p->lock);
}

/* No lock is held while purge forgets, only the claim that it does: the catalog takes its own. */
static void wait_until_free(struct pins *p)
{
	while (p->is_held)
		signal_wait(&p->released, &p->lock);
}

enum status commit_pin(struct commit *c, const uint8_t blob_id[BLOB_ID_BYTES])
{
	struct pins *p = &c->pins;
	enum status st = ST_FULL;
	lock_acquire(&p->lock);
	wait_until_free(p);
	if (p->count < PINS_MAX) {
		memcpy(p->ids[p->count++], blob_id, BLOB_ID_BYTES);
		st = ST_OK;
	}
	lock_release(&p->lock);
	return st;
}

/* A blob pinned twice stands twice. */
void commit_unpin(struct commit *c, const uint8_t blob_id[BLOB_ID_BYTES])
{
	struct pins *p = &c->pins;
	size_t i = 0;
	lock_acquire(&p->lock);
	while (i < p->count && memcmp(p->ids[i], blob_id, BLOB_ID_BYTES) != 0)
		i++;
	must(i < p->count);
	memmove(p->ids[i], p->ids[--p->count], BLOB_ID_BYTES);
	lock_release(&p->lock);
}

enum status commit_pins_acquire(struct commit *c, const uint8_t (**pins)[16], size_t *count)
{
	struct pins *p = &c->pins;
	lock_acquire(&p->lock);
	wait_until_free(p);
	p->is_held = true;
	memcpy(p->copies, p->ids, p->count * BLOB_ID_BYTES);
	*count = p->count;
	lock_release(&p->lock);
	*pins = (const uint8_t(*)[16])p->copies;
	return ST_OK;
}

void commit_pins_release(struct commit *c)
{
	struct pins *p = &c->pins;
	lock_acquire(&p->lock);
	must(p->is_held);
	p->is_held = false;
	lock_release(&p->lock);
	signal_wake_all(&p->released);
}
