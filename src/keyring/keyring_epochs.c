/* keyring_epochs.c - making, destroying and counting epochs. */
#include "poison.h"

#include "keyring_private.h"

#include "log.h"
#include "memory.h"
#include "must.h"
#include "random.h"

/* --- asking --- */

static enum epoch_state state_of(const struct slot *s, uint32_t epoch)
{
	if (epoch == 0 || s->epoch < epoch)
		return EPOCH_ABSENT;
	if (s->epoch > epoch || s->state == SLOT_DESTROYED)
		return EPOCH_DESTROYED;
	return EPOCH_LIVE;
}

enum epoch_state keyring_epoch_state(struct keyring *kr, uint32_t epoch)
{
	lock_acquire(&kr->slots_lock);
	enum epoch_state state = state_of(&kr->slots[epoch % KEYRING_SLOTS], epoch);
	lock_release(&kr->slots_lock);
	return state;
}

static bool is_undestroyed(const struct slot *s)
{
	return s->state == SLOT_LIVE || s->state == SLOT_DYING;
}

uint32_t keyring_oldest_live(struct keyring *kr)
{
	uint32_t oldest = 0;
	lock_acquire(&kr->slots_lock);
	for (uint32_t i = 0; i < KEYRING_SLOTS; i++)
		if (is_undestroyed(&kr->slots[i]) && (oldest == 0 || kr->slots[i].epoch < oldest))
			oldest = kr->slots[i].epoch;
	lock_release(&kr->slots_lock);
	return oldest;
}

/* After a write: what was marked is on the disk now, so it holds in memory too. */
static void believe(struct keyring *kr)
{
	lock_acquire(&kr->slots_lock);
	for (uint32_t i = 0; i < KEYRING_SLOTS; i++) {
		if (!kr->changed[i])
			continue;
		kr->slots[i] = kr->image[i];
		kr->is_closed[i] = 0;
	}
	lock_release(&kr->slots_lock);
}

/* --- making --- */

static enum status make_key(const struct keyring *kr, uint32_t epoch, struct slot *out)
{
	uint8_t key[AEAD_KEY], aad[KEYRING_SLOT_AAD];
	keyring_slot_aad(kr, epoch, aad);
	enum status st = random_bytes(key, sizeof key);
	if (st == ST_OK)
		st = aead_wrap_key(kr->root->epoch_wrap, span_make(aad, sizeof aad), key, out->wrapped);
	memory_wipe(key, sizeof key);
	out->state = SLOT_LIVE;
	out->epoch = epoch;
	return st;
}

/* Puts a key for `epoch` into kr->image unless it has one or had one.  BUSY: an older epoch is still in
 * its slot. */
static enum status stage(struct keyring *kr, uint32_t epoch)
{
	struct slot fresh;
	const struct slot *s = &kr->slots[epoch % KEYRING_SLOTS];
	if (state_of(s, epoch) != EPOCH_ABSENT)
		return ST_OK;
	if (is_undestroyed(s))
		return ST_BUSY;
	enum status st = make_key(kr, epoch, &fresh);
	if (st == ST_OK) {
		kr->image[epoch % KEYRING_SLOTS] = fresh;
		kr->changed[epoch % KEYRING_SLOTS] = 1;
	}
	memory_wipe(&fresh, sizeof fresh);
	return st;
}

static void unstage(struct keyring *kr)
{
	for (uint32_t i = 0; i < KEYRING_SLOTS; i++)
		if (kr->changed[i])
			kr->image[i] = kr->slots[i];
}

/* Up to the end of the block of `last`: one pair of syncs then serves KEYRING_BLOCK epochs. */
static uint32_t round_up(uint32_t first, uint32_t last)
{
	uint32_t rounded = last | (KEYRING_BLOCK - 1);
	return rounded - first < KEYRING_SLOTS ? rounded : last;
}

/* Only the writer changes kr->slots, so it may read them without the lock. */
static enum status stage_range(struct keyring *kr, uint32_t first, uint32_t last, bool *is_held)
{
	bool is_needed = false;
	for (uint32_t e = first; e <= last; e++)
		is_needed = is_needed || state_of(&kr->slots[e % KEYRING_SLOTS], e) == EPOCH_ABSENT;
	uint32_t end = is_needed ? round_up(first, last) : last;
	for (uint32_t e = first; e <= end; e++) {
		enum status st = stage(kr, e);
		if (st == ST_BUSY && e <= last)
			*is_held = true;
		if (st != ST_OK && st != ST_BUSY)
			return st;
	}
	return ST_OK;
}

enum status keyring_prepare(struct keyring *kr, uint32_t first, uint32_t last)
{
	bool is_held = false;
	if (first == 0 || last < first || last > UINT32_MAX - KEYRING_BLOCK || last - first >= KEYRING_SLOTS)
		return ST_INVALID;
	keyring_begin_write(kr);
	enum status st = stage_range(kr, first, last, &is_held);
	if (st == ST_OK && memchr(kr->changed, 1, KEYRING_SLOTS))
		st = mirrors_write(&kr->mirrors, kr->image, kr->changed);
	if (st == ST_OK)
		believe(kr);
	else
		unstage(kr);
	bool is_news = is_held && !kr->is_held_told;
	kr->is_held_told = is_held;
	keyring_end_write(kr);
	if (is_news)
		log_event(LOG_ERROR, "keyring.slot.held", LOG_U64("first", first), LOG_U64("last", last),
			LOG_TEXT("why", "an older epoch was not destroyed in time"));
	return st == ST_OK && is_held ? ST_BUSY : st;
}

/* --- destroying --- */

static int compare_epochs(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* The oldest `max` epochs that are due, ascending, in kr->due. */
static size_t find_due(struct keyring *kr, uint32_t last, size_t max)
{
	size_t count = 0;
	for (uint32_t i = 0; i < KEYRING_SLOTS; i++)
		if (is_undestroyed(&kr->slots[i]) && kr->slots[i].epoch <= last)
			kr->due[count++] = kr->slots[i].epoch;
	qsort(kr->due, count, sizeof *kr->due, compare_epochs);
	return count < max ? count : max;
}

/* From here on nothing of these epochs opens, whatever the disk will say.  Their wrapped keys leave
 * memory now, and kr->image keeps saying destroyed even if writing fails: a later write of their
 * neighbours must not bring them back. */
static void doom(struct keyring *kr, size_t count)
{
	lock_acquire(&kr->slots_lock);
	for (size_t i = 0; i < count; i++) {
		uint32_t at = kr->due[i] % KEYRING_SLOTS;
		memory_wipe(kr->slots[at].wrapped, SLOT_WRAPPED);
		memory_wipe(kr->image[at].wrapped, SLOT_WRAPPED);
		kr->slots[at].state = SLOT_DYING;
		kr->image[at].state = SLOT_DESTROYED;
		kr->changed[at] = 1;
	}
	keyring_kill_handles(kr);
	lock_release(&kr->slots_lock);
}

enum status keyring_destroy_due(struct keyring *kr, uint32_t last, uint32_t *out, size_t max, size_t *count)
{
	enum status st = ST_OK;
	*count = 0;
	keyring_begin_write(kr);
	size_t due = find_due(kr, last, max);
	if (due > 0) {
		doom(kr, due);
		st = mirrors_write(&kr->mirrors, kr->image, kr->changed);
	}
	if (st == ST_OK && due > 0) {
		believe(kr);
		lock_acquire(&kr->slots_lock);
		revoked_forget(&kr->revoked, kr->due[due - 1]);
		lock_release(&kr->slots_lock);
		memcpy(out, kr->due, due * sizeof *out);
		*count = due;
	}
	keyring_end_write(kr);
	/* Not durable, not proven: whatever failed, the answer is that it is to be done again. */
	return st == ST_OK ? ST_OK : ST_IO;
}

/* --- checking --- */

static enum status count_disagreeing(struct keyring *kr, uint64_t *out)
{
	struct mirrors *m = &kr->mirrors;
	uint8_t disagrees[KEYRING_BLOCK];
	enum status st = ST_OK;
	m->bad_blocks = 0;
	for (uint32_t first = 0; st == ST_OK && first < KEYRING_SLOTS; first += KEYRING_BLOCK) {
		memset(disagrees, 0, sizeof disagrees);
		for (uint32_t i = 0; i < KEYRING_BLOCK; i++)
			format_put_slot(&kr->image[first + i], first + i, m->root_id,
				m->expected + (size_t)i * SLOT_BYTES);
		for (int which = 0; st == ST_OK && which < MIRRORS; which++) {
			st = mirrors_read(m, which, first);
			for (size_t i = 0; i < KEYRING_BLOCK; i++)
				if (memcmp(m->expected + i * SLOT_BYTES, m->found + i * SLOT_BYTES,
					    SLOT_BYTES) != 0)
					disagrees[i] = 1;
		}
		for (size_t i = 0; i < KEYRING_BLOCK; i++)
			*out += disagrees[i];
	}
	return st;
}

enum status keyring_check(struct keyring *kr, struct keyring_report *out)
{
	memset(out, 0, sizeof *out);
	keyring_begin_write(kr);
	for (uint32_t i = 0; i < KEYRING_SLOTS; i++) {
		const struct slot *s = &kr->slots[i];
		out->empty += s->state == SLOT_EMPTY;
		out->destroyed += s->state == SLOT_DESTROYED;
		if (!is_undestroyed(s))
			continue;
		out->live++;
		if (out->oldest_live == 0 || s->epoch < out->oldest_live)
			out->oldest_live = s->epoch;
		if (s->epoch > out->newest_live)
			out->newest_live = s->epoch;
	}
	enum status st = count_disagreeing(kr, &out->disagree);
	keyring_end_write(kr);
	return st;
}
