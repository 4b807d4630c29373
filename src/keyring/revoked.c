/* revoked.c - an open-addressing set: epoch 0 marks a free place, DEAD one that was forgotten. */
#include "poison.h"

#include "revoked.h"

#include "memory.h"
#include "num.h"

#define DEAD UINT32_MAX

void revoked_init(struct revoked *r)
{
	memset(r, 0, sizeof *r);
}

void revoked_fini(struct revoked *r)
{
	memory_free(r->entries);
	memset(r, 0, sizeof *r);
}

static struct revoked_entry entry_of(const struct image_id *id)
{
	struct revoked_entry e = { .epoch = image_id_epoch(id) };
	memcpy(e.random, id->bytes + ID_AT_RANDOM, REVOKED_RANDOM);
	return e;
}

/* What stands behind the two bytes of time is random, thus a hash already; the table stays at most three
 * quarters full, so the walk ends. */
static struct revoked_entry *find(const struct revoked *r, const struct revoked_entry *e)
{
	size_t at = num_get_u64(e->random + 2) & (r->capacity - 1);
	for (;; at = (at + 1) & (r->capacity - 1)) {
		struct revoked_entry *here = &r->entries[at];
		if (here->epoch == 0)
			return here;
		if (here->epoch == e->epoch && memcmp(here->random, e->random, REVOKED_RANDOM) == 0)
			return here;
	}
}

/* Into a fresh table without the dead; twice as large unless the dead were what filled it. */
static bool rehash(struct revoked *r)
{
	struct revoked bigger = { .capacity = r->capacity ? r->capacity : REVOKED_MIN };
	if (r->used > bigger.capacity / 2)
		bigger.capacity *= 2;
	if (bigger.capacity > REVOKED_MAX)
		return false;
	bigger.entries = memory_alloc_array(bigger.capacity, sizeof *bigger.entries);
	if (!bigger.entries)
		return false;
	for (size_t i = 0; i < r->capacity; i++) {
		const struct revoked_entry *e = &r->entries[i];
		if (e->epoch != 0 && e->epoch != DEAD)
			*find(&bigger, e) = *e;
	}
	bigger.used = r->used;
	memory_free(r->entries);
	*r = bigger;
	return true;
}

bool revoked_add(struct revoked *r, const struct image_id *id)
{
	struct revoked_entry e = entry_of(id);
	if (e.epoch == 0 || e.epoch == DEAD)
		return true; /* no such epoch ever lives, so it cannot open */
	if (4 * (r->used + r->dead + 1) > 3 * r->capacity && !rehash(r))
		return revoked_has(r, id);
	struct revoked_entry *here = find(r, &e);
	if (here->epoch == 0) {
		*here = e;
		r->used++;
	}
	return true;
}

bool revoked_has(const struct revoked *r, const struct image_id *id)
{
	struct revoked_entry e = entry_of(id);
	return r->capacity > 0 && find(r, &e)->epoch != 0;
}

void revoked_forget(struct revoked *r, uint32_t last)
{
	for (size_t i = 0; i < r->capacity && r->used > 0; i++) {
		struct revoked_entry *e = &r->entries[i];
		if (e->epoch == 0 || e->epoch == DEAD || e->epoch > last)
			continue;
		memset(e->random, 0, REVOKED_RANDOM);
		e->epoch = DEAD;
		r->used--;
		r->dead++;
	}
}
