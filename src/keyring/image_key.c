/* image_key.c - the registry of image keys that are open now. */
#include "poison.h"

#include "keyring_private.h"

#include "log.h"
#include "memory.h"
#include "must.h"
#include "random.h"

static_assert((int)SEAL_OVERHEAD == (int)AEAD_SALT + (int)AEAD_TAG, "as keyring.h says");
static_assert((int)WRAPPED_KEY_BYTES == (int)AEAD_WRAPPED, "as keyring.h says");

/* --- ids --- */

static void put_big(uint8_t *p, uint32_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static struct digest mac_of(const struct keyring *kr, const struct image_id *id)
{
	return digest_hmac(span_make(kr->root->image_id, AEAD_KEY), span_make(id->bytes, ID_AT_MAC));
}

static enum status make_id(
	const struct keyring *kr, uint32_t collection, int64_t expires_ms, struct image_id *out)
{
	uint32_t epoch = keyring_epoch_of(expires_ms);
	int64_t begin = keyring_epoch_due_ms(epoch) - EPOCH_MS;
	out->bytes[0] = ID_VERSION;
	put_big(out->bytes + ID_AT_NODE, kr->node, 2);
	put_big(out->bytes + ID_AT_COLLECTION, collection, 4);
	put_big(out->bytes + ID_AT_EPOCH, epoch, 4);
	enum status st = random_bytes(out->bytes + ID_AT_RANDOM, ID_AT_MAC - ID_AT_RANDOM);
	if (st != ST_OK)
		return st;
	put_big(out->bytes + ID_AT_RANDOM, (uint32_t)(expires_ms - begin), 2);
	struct digest mac = mac_of(kr, out);
	memcpy(out->bytes + ID_AT_MAC, mac.bytes, ID_MAC_BYTES);
	return ST_OK;
}

bool keyring_is_genuine(struct keyring *kr, const struct image_id *id)
{
	struct digest mac = mac_of(kr, id);
	return id->bytes[0] == ID_VERSION &&
	       digest_equal_bytes(mac.bytes, id->bytes + ID_AT_MAC, ID_MAC_BYTES);
}

/* --- the registry; all under the lock --- */

enum status keyring_begin_handles(struct keyring *kr)
{
	kr->handles = memory_alloc_array(IMAGE_KEYS_MAX, sizeof *kr->handles);
	kr->key_bytes = memory_alloc_locked(IMAGE_KEYS_MAX * sizeof *kr->key_bytes);
	return kr->handles && kr->key_bytes ? ST_OK : ST_FULL;
}

void keyring_end_handles(struct keyring *kr)
{
	must(kr->handles_used == 0);
	memory_free(kr->handles);
	if (kr->key_bytes)
		memory_free_locked(kr->key_bytes, IMAGE_KEYS_MAX * sizeof *kr->key_bytes);
}

static struct image_key *take_handle(struct keyring *kr, const struct image_id *id)
{
	struct image_key *key = NULL;
	if (kr->free_handle > 0) {
		key = &kr->handles[kr->free_handle - 1];
		kr->free_handle = key->next_free;
	} else if (kr->handles_top < IMAGE_KEYS_MAX) {
		key = &kr->handles[kr->handles_top];
		key->index = kr->handles_top++;
	} else {
		return NULL;
	}
	key->kr = kr;
	key->id = *id;
	key->epoch = image_id_epoch(id);
	key->is_used = true;
	key->is_live = false;
	kr->handles_used++;
	return key;
}

static void wipe_handle(struct image_key *key)
{
	memory_wipe(key->kr->key_bytes[key->index], AEAD_KEY);
	key->is_live = false;
}

static void give_back(struct image_key *key)
{
	wipe_handle(key);
	key->is_used = false;
	key->next_free = key->kr->free_handle;
	key->kr->free_handle = key->index + 1;
	key->kr->handles_used--;
}

void keyring_kill_handles(struct keyring *kr)
{
	for (uint32_t i = 0; i < kr->handles_top; i++) {
		struct image_key *key = &kr->handles[i];
		const struct slot *s = &kr->slots[key->epoch % KEYRING_SLOTS];
		if (key->is_live && (s->state != SLOT_LIVE || s->epoch != key->epoch))
			wipe_handle(key);
	}
}

void keyring_revoke(struct keyring *kr, const struct image_id *id)
{
	bool is_closing = false;
	uint8_t *is_closed = &kr->is_closed[image_id_epoch(id) % KEYRING_SLOTS];
	lock_acquire(&kr->slots_lock);
	for (uint32_t i = 0; i < kr->handles_top; i++)
		if (kr->handles[i].is_live && memcmp(&kr->handles[i].id, id, sizeof *id) == 0)
			wipe_handle(&kr->handles[i]);
	if (!revoked_add(&kr->revoked, id)) {
		is_closing = !*is_closed;
		*is_closed = 1;
	}
	lock_release(&kr->slots_lock);
	if (is_closing)
		log_event(LOG_ERROR, "keyring.epoch.closed", LOG_U64("epoch", image_id_epoch(id)),
			LOG_TEXT("why",
				"no room to remember one more early erasure; restart to open it again"));
}

/* --- making and opening --- */

/* Under the lock.  GONE: the id's epoch is not live.  BUSY: it is closed. */
static enum status epoch_key(struct keyring *kr, uint32_t epoch, uint8_t out[AEAD_KEY])
{
	const struct slot *s = &kr->slots[epoch % KEYRING_SLOTS];
	if (epoch == 0 || s->state != SLOT_LIVE || s->epoch != epoch)
		return ST_GONE;
	if (kr->is_closed[epoch % KEYRING_SLOTS])
		return ST_BUSY;
	enum status st = keyring_unwrap_slot(kr, s, out);
	if (st == ST_CORRUPT)
		log_event(LOG_ERROR, "keyring.slot.corrupt_in_memory", LOG_U64("epoch", epoch));
	return st;
}

static struct span id_span(const struct image_id *id)
{
	return span_make(id->bytes, IMAGE_ID_BYTES);
}

/* Under the lock: a new key straight into the handle's locked bytes. */
static enum status fill_new(struct keyring *kr, struct image_key *key, uint8_t wrapped[WRAPPED_KEY_BYTES])
{
	uint8_t outer[AEAD_KEY];
	uint8_t *inner = kr->key_bytes[key->index];
	enum status st = epoch_key(kr, key->epoch, outer);
	if (st == ST_OK)
		st = random_bytes(inner, AEAD_KEY);
	if (st == ST_OK)
		st = aead_wrap_key(outer, id_span(&key->id), inner, wrapped);
	memory_wipe(outer, sizeof outer);
	return st;
}

static enum status fill_old(
	struct keyring *kr, struct image_key *key, const uint8_t wrapped[WRAPPED_KEY_BYTES])
{
	static const uint8_t zeros[WRAPPED_KEY_BYTES];
	uint8_t outer[AEAD_KEY];
	if (memcmp(wrapped, zeros, sizeof zeros) == 0 || revoked_has(&kr->revoked, &key->id))
		return ST_GONE;
	enum status st = epoch_key(kr, key->epoch, outer);
	if (st == ST_OK)
		st = aead_unwrap_key(outer, id_span(&key->id), wrapped, kr->key_bytes[key->index]);
	memory_wipe(outer, sizeof outer);
	return st;
}

enum status keyring_new_image(struct keyring *kr, uint32_t collection, int64_t expires_ms,
	struct image_id *id, uint8_t wrapped[WRAPPED_KEY_BYTES], struct image_key **out)
{
	struct image_key *key = NULL;
	if (expires_ms <= 0 || expires_ms > (int64_t)UINT32_MAX * EPOCH_MS)
		return ST_INVALID;
	enum status st = make_id(kr, collection, expires_ms, id);
	if (st != ST_OK)
		return st;
	lock_acquire(&kr->slots_lock);
	key = take_handle(kr, id);
	st = key ? fill_new(kr, key, wrapped) : ST_FULL;
	if (key && st == ST_OK)
		key->is_live = true;
	else if (key)
		give_back(key);
	lock_release(&kr->slots_lock);
	if (st == ST_OK)
		*out = key;
	return st;
}

enum status keyring_open_image(struct keyring *kr, const struct image_id *id,
	const uint8_t wrapped[WRAPPED_KEY_BYTES], struct image_key **out)
{
	struct image_key *key = NULL;
	lock_acquire(&kr->slots_lock);
	key = take_handle(kr, id);
	enum status st = key ? fill_old(kr, key, wrapped) : ST_FULL;
	if (key && st == ST_OK)
		key->is_live = true;
	else if (key)
		give_back(key);
	lock_release(&kr->slots_lock);
	if (st == ST_OK)
		*out = key;
	return st;
}

bool image_key_is_live(struct image_key *key)
{
	lock_acquire(&key->kr->slots_lock);
	bool is_live = key->is_live;
	lock_release(&key->kr->slots_lock);
	return is_live;
}

void image_key_release(struct image_key *key)
{
	if (!key)
		return;
	struct keyring *kr = key->kr;
	lock_acquire(&kr->slots_lock);
	must(key->is_used);
	give_back(key);
	lock_release(&kr->slots_lock);
}

/* --- sealing --- */

static enum status subkey_of(
	struct image_key *key, const char *kind, const uint8_t salt[AEAD_SALT], uint8_t out[AEAD_KEY])
{
	lock_acquire(&key->kr->slots_lock);
	bool is_live = key->is_live;
	if (is_live)
		aead_subkey(key->kr->key_bytes[key->index], kind, salt, out);
	lock_release(&key->kr->slots_lock);
	return is_live ? ST_OK : ST_GONE;
}

enum status image_key_seal(struct image_key *key, const char *kind, struct span plain, struct buf *out)
{
	uint8_t salt[AEAD_SALT], subkey[AEAD_KEY];
	enum status st = random_bytes(salt, sizeof salt);
	if (st == ST_OK)
		st = subkey_of(key, kind, salt, subkey);
	if (st == ST_OK)
		st = aead_put_object(subkey, salt, plain, out);
	memory_wipe(subkey, sizeof subkey);
	return st;
}

enum status image_key_open(struct image_key *key, const char *kind, struct span sealed, struct buf *out)
{
	uint8_t subkey[AEAD_KEY];
	if (sealed.len < SEAL_OVERHEAD)
		return ST_CORRUPT;
	enum status st = subkey_of(key, kind, sealed.data, subkey);
	if (st == ST_OK)
		st = aead_get_object(subkey, sealed, out);
	memory_wipe(subkey, sizeof subkey);
	return st;
}
