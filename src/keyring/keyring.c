/* keyring.c - the keyring's life, and who may write. */
#include "poison.h"

#include "keyring_private.h"

#include "log.h"
#include "memory.h"
#include "must.h"
#include "num.h"

static void fill_head(
	const struct keyring_options *options, const struct root_keys *root, struct keyring_head *out)
{
	memset(out, 0, sizeof *out);
	memcpy(out->directory_id, options->directory_id, DIRECTORY_ID_BYTES);
	memcpy(out->root_id, root->id, ROOT_ID_BYTES);
	out->slots = KEYRING_SLOTS;
	out->epoch_ms = EPOCH_MS;
}

enum status keyring_create(const struct keyring_options *options)
{
	struct root_keys *root = NULL;
	struct mirrors mirrors;
	struct keyring_head head;
	enum status st = mirrors_init(&mirrors);
	if (st == ST_OK)
		st = root_load(options->root_key_path, &root);
	if (st == ST_OK) {
		fill_head(options, root, &head);
		st = mirrors_create(&mirrors, options->dir_fd, &head);
	}
	mirrors_fini(&mirrors);
	root_free(root);
	return st;
}

static enum status mismatch(const char *why)
{
	log_event(LOG_ERROR, "keyring.head.mismatch", LOG_TEXT("why", why));
	return ST_MISMATCH;
}

static enum status check_head(const struct keyring_head *found, const struct keyring_head *expected)
{
	if (memcmp(found->directory_id, expected->directory_id, DIRECTORY_ID_BYTES) != 0)
		return mismatch("the keyring belongs to another data directory");
	if (memcmp(found->root_id, expected->root_id, ROOT_ID_BYTES) != 0)
		return mismatch("the root key file is not the one that this keyring was made with");
	if (found->slots != expected->slots || found->epoch_ms != expected->epoch_ms)
		return mismatch("the keyring was made with another number of slots or another epoch length");
	return ST_OK;
}

/* One sound head is enough: it is written over the other. */
static enum status check_heads(struct keyring *kr, const struct keyring_head *expected)
{
	struct keyring_head heads[MIRRORS];
	enum status st[MIRRORS];
	memset(heads, 0, sizeof heads);
	for (int which = 0; which < MIRRORS; which++) {
		st[which] = mirrors_read_head(&kr->mirrors, which, &heads[which]);
		if (st[which] == ST_OK)
			st[which] = check_head(&heads[which], expected);
		if (st[which] == ST_MISMATCH || st[which] == ST_UNSUPPORTED)
			return st[which];
	}
	if (st[0] != ST_OK && st[1] != ST_OK) {
		log_event(LOG_ERROR, "keyring.head.lost", LOG_TEXT("why", "neither mirror has a sound head"));
		return st[0] == ST_CORRUPT ? st[1] : st[0];
	}
	if (st[0] == ST_OK && st[1] == ST_OK)
		return ST_OK;
	kr->torn_slots++; /* a head is eight slots long; that it was hurt is what counts */
	log_event(LOG_WARN, "keyring.head.repaired", LOG_TEXT("name", mirror_names[st[0] == ST_OK]));
	return mirrors_write_head(&kr->mirrors, st[0] == ST_OK, expected);
}

static enum status allocate(struct keyring *kr)
{
	kr->image = memory_alloc_array(KEYRING_SLOTS, sizeof *kr->image);
	kr->slots = memory_alloc_array(KEYRING_SLOTS, sizeof *kr->slots);
	kr->changed = memory_alloc_array(KEYRING_SLOTS, 1);
	kr->is_closed = memory_alloc_array(KEYRING_SLOTS, 1);
	kr->due = memory_alloc_array(KEYRING_SLOTS, sizeof *kr->due);
	if (!kr->image || !kr->slots || !kr->changed || !kr->is_closed || !kr->due)
		return ST_FULL;
	return keyring_begin_handles(kr);
}

enum status keyring_open(const struct keyring_options *options, struct keyring **out)
{
	struct keyring_head head;
	struct keyring *kr = memory_alloc(sizeof *kr);
	if (!kr)
		return ST_FULL;
	lock_init(&kr->slots_lock, "keyring.slots");
	signal_init(&kr->written);
	revoked_init(&kr->revoked);
	memcpy(kr->directory_id, options->directory_id, DIRECTORY_ID_BYTES);
	kr->node = options->node;
	enum status st = mirrors_init(&kr->mirrors);
	if (st == ST_OK)
		st = allocate(kr);
	if (st == ST_OK)
		st = root_load(options->root_key_path, &kr->root);
	if (st == ST_OK) {
		memcpy(kr->mirrors.root_id, kr->root->id, ROOT_ID_BYTES);
		fill_head(options, kr->root, &head);
		st = mirrors_open(&kr->mirrors, options->dir_fd);
	}
	if (st == ST_OK)
		st = check_heads(kr, &head);
	if (st == ST_OK)
		st = keyring_load(kr);
	if (st == ST_OK)
		*out = kr;
	else
		keyring_close(kr);
	return st;
}

static void free_slots(struct slot *slots)
{
	if (slots)
		memory_wipe(slots, KEYRING_SLOTS * sizeof *slots);
	memory_free(slots);
}

uint64_t keyring_torn_slots(const struct keyring *kr)
{
	return kr->torn_slots;
}

void keyring_close(struct keyring *kr)
{
	if (!kr)
		return;
	must(!kr->is_writing);
	keyring_end_handles(kr);
	revoked_fini(&kr->revoked);
	mirrors_fini(&kr->mirrors);
	free_slots(kr->image);
	free_slots(kr->slots);
	memory_free(kr->changed);
	memory_free(kr->is_closed);
	memory_free(kr->due);
	root_free(kr->root);
	signal_fini(&kr->written);
	lock_fini(&kr->slots_lock);
	memory_free(kr);
}

/* The lock is not held while the disk works, so that ingest never waits for a sync: this flag keeps
 * writers apart. */
void keyring_begin_write(struct keyring *kr)
{
	lock_acquire(&kr->slots_lock);
	while (kr->is_writing)
		signal_wait(&kr->written, &kr->slots_lock);
	kr->is_writing = true;
	lock_release(&kr->slots_lock);
}

void keyring_end_write(struct keyring *kr)
{
	memset(kr->changed, 0, KEYRING_SLOTS);
	lock_acquire(&kr->slots_lock);
	kr->is_writing = false;
	signal_wake_one(&kr->written);
	lock_release(&kr->slots_lock);
}

void keyring_slot_aad(const struct keyring *kr, uint32_t epoch, uint8_t out[KEYRING_SLOT_AAD])
{
	const struct slot live = { .state = SLOT_LIVE, .epoch = epoch };
	uint8_t bytes[SLOT_BYTES];
	format_put_slot(&live, epoch % KEYRING_SLOTS, kr->root->id, bytes);
	memcpy(out, bytes, SLOT_AAD);
	memcpy(out + SLOT_AAD, kr->directory_id, DIRECTORY_ID_BYTES);
}

enum status keyring_unwrap_slot(const struct keyring *kr, const struct slot *s, uint8_t out[AEAD_KEY])
{
	uint8_t aad[KEYRING_SLOT_AAD];
	must(s->state == SLOT_LIVE);
	keyring_slot_aad(kr, s->epoch, aad);
	return aead_unwrap_key(kr->root->epoch_wrap, span_make(aad, sizeof aad), s->wrapped, out);
}
