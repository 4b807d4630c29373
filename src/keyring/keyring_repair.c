/* keyring_repair.c - reading the mirrors at start, and making them agree as format.h says. */
#include "poison.h"

#include "keyring_private.h"

#include "log.h"
#include "memory.h"
#include "must.h"

struct repair {
	struct slot *sides[MIRRORS]; /* all slots as each mirror has them */
	uint8_t *changed[MIRRORS];
	uint64_t lost, differing, torn;
	uint32_t first_lost;
};

/* A live slot whose tag disagrees is torn: its checksum was made for other bytes than ours. */
static enum status check_tag(struct keyring *kr, struct slot *s)
{
	uint8_t key[AEAD_KEY];
	if (s->state != SLOT_LIVE)
		return ST_OK;
	enum status st = keyring_unwrap_slot(kr, s, key);
	memory_wipe(key, sizeof key);
	if (st != ST_CORRUPT)
		return st;
	memset(s, 0, sizeof *s);
	s->state = SLOT_TORN;
	return ST_OK;
}

static enum status read_side(struct keyring *kr, struct repair *r, int which)
{
	enum status st = ST_OK;
	for (uint32_t first = 0; st == ST_OK && first < KEYRING_SLOTS; first += KEYRING_BLOCK) {
		st = mirrors_read(&kr->mirrors, which, first);
		for (uint32_t i = 0; st == ST_OK && i < KEYRING_BLOCK; i++) {
			struct slot *s = &r->sides[which][first + i];
			format_get_slot(
				kr->mirrors.found + (size_t)i * SLOT_BYTES, first + i, kr->root->id, s);
			st = check_tag(kr, s);
		}
	}
	return st;
}

static bool is_same(const struct slot *a, const struct slot *b)
{
	return a->state == b->state && a->epoch == b->epoch &&
	       memcmp(a->wrapped, b->wrapped, SLOT_WRAPPED) == 0;
}

/* The table in format.h. */
static const struct slot *choose(const struct slot *a, const struct slot *b)
{
	if (a->state == SLOT_TORN)
		return b;
	if (b->state == SLOT_TORN)
		return a;
	if (a->epoch != b->epoch)
		return a->epoch > b->epoch ? a : b;
	return b->state == SLOT_DESTROYED ? b : a;
}

static void merge(struct keyring *kr, struct repair *r)
{
	for (uint32_t i = 0; i < KEYRING_SLOTS; i++) {
		const struct slot *a = &r->sides[0][i], *b = &r->sides[1][i];
		const struct slot *chosen = choose(a, b);
		if (chosen->state == SLOT_TORN) {
			r->first_lost = r->lost++ == 0 ? i : r->first_lost;
			continue;
		}
		r->torn += a->state == SLOT_TORN || b->state == SLOT_TORN;
		kr->image[i] = *chosen;
		r->changed[0][i] = !is_same(chosen, a);
		r->changed[1][i] = !is_same(chosen, b);
		r->differing += r->changed[0][i] || r->changed[1][i];
		kr->changed[i] = r->changed[0][i] || r->changed[1][i];
	}
}

/* One mirror is synced before the other is touched, so that a power cut now finds a sound side again. */
static enum status write_back(struct keyring *kr, struct repair *r)
{
	enum status st = ST_OK;
	if (r->differing == 0)
		return ST_OK;
	log_event(LOG_WARN, "keyring.mirrors.repaired", LOG_U64("slots", r->differing),
		LOG_U64("torn", r->torn));
	for (int which = 0; st == ST_OK && which < MIRRORS; which++)
		if (memchr(r->changed[which], 1, KEYRING_SLOTS))
			st = mirrors_write_one(&kr->mirrors, which, kr->image, r->changed[which]);
	if (st == ST_OK)
		st = mirrors_verify(&kr->mirrors, kr->image, kr->changed);
	memset(kr->changed, 0, KEYRING_SLOTS);
	return st;
}

static enum status repair_init(struct repair *r)
{
	memset(r, 0, sizeof *r);
	for (int which = 0; which < MIRRORS; which++) {
		r->sides[which] = memory_alloc_array(KEYRING_SLOTS, sizeof *r->sides[which]);
		r->changed[which] = memory_alloc_array(KEYRING_SLOTS, 1);
		if (!r->sides[which] || !r->changed[which])
			return ST_FULL;
	}
	return ST_OK;
}

static void repair_fini(struct repair *r)
{
	for (int which = 0; which < MIRRORS; which++) {
		if (r->sides[which])
			memory_wipe(r->sides[which], KEYRING_SLOTS * sizeof *r->sides[which]);
		memory_free(r->sides[which]);
		memory_free(r->changed[which]);
	}
}

enum status keyring_load(struct keyring *kr)
{
	struct repair r;
	enum status st = repair_init(&r);
	if (st == ST_OK)
		st = mirrors_lengthen(&kr->mirrors);
	for (int which = 0; st == ST_OK && which < MIRRORS; which++)
		st = read_side(kr, &r, which);
	if (st == ST_OK)
		merge(kr, &r);
	if (st == ST_OK && r.lost > 0) {
		log_event(LOG_ERROR, "keyring.slots.lost", LOG_U64("count", r.lost),
			LOG_U64("first", r.first_lost), LOG_TEXT("why", "neither mirror has them whole"));
		st = kr->mirrors.bad_blocks > 0 ? ST_IO : ST_CORRUPT;
	}
	if (st == ST_OK)
		st = write_back(kr, &r);
	if (st == ST_OK)
		memcpy(kr->slots, kr->image, KEYRING_SLOTS * sizeof *kr->slots);
	kr->torn_slots += r.torn;
	repair_fini(&r);
	return st;
}
