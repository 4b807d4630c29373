#include "poison.h"

#include "budget.h"

#include "must.h"

void budget_init(struct budget *b, const char *lock_name, uint64_t total)
{
	*b = (struct budget){ .total = total };
	lock_init(&b->lock, lock_name);
}

enum status budget_acquire(struct budget *b, uint64_t bytes)
{
	lock_acquire(&b->lock);
	bool is_granted = bytes <= b->total - b->used;
	b->used += is_granted ? bytes : 0;
	lock_release(&b->lock);
	return is_granted ? ST_OK : ST_FULL;
}

void budget_release(struct budget *b, uint64_t bytes)
{
	lock_acquire(&b->lock);
	must(bytes <= b->used);
	b->used -= bytes;
	lock_release(&b->lock);
}

uint64_t budget_used(struct budget *b)
{
	lock_acquire(&b->lock);
	uint64_t used = b->used;
	lock_release(&b->lock);
	return used;
}

void budget_fini(struct budget *b)
{
	lock_fini(&b->lock);
}
