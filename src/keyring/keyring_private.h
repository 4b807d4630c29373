/* keyring_private.h - what the keyring's files share. */
#ifndef DARKROOM_KEYRING_PRIVATE_H
#define DARKROOM_KEYRING_PRIVATE_H

#include "keyring.h"

#include "lock.h"
#include "mirror.h"
#include "revoked.h"
#include "root.h"

/* Handles alive at once: four batches of images being committed, a thread's worth of readers each, and
 * room. */
enum { IMAGE_KEYS_MAX = 8192 };

struct image_key {
	struct keyring *kr;
	struct image_id id;
	uint32_t epoch;
	uint32_t index; /* of its key bytes in kr->key_bytes */
	bool is_used, is_live;
	uint32_t next_free; /* index + 1; 0 ends the list */
};

struct keyring {
	/* fixed between open and close */
	struct root_keys *root;
	uint8_t directory_id[DIRECTORY_ID_BYTES];
	uint16_t node;
	uint64_t torn_slots; /* found and repaired when it was opened */

	/* owned by whoever set is_writing */
	struct mirrors mirrors;
	struct slot *image; /* what the disk is meant to hold */
	uint8_t *changed;   /* a byte a slot */
	uint32_t *due;
	bool is_held_told; /* said already that a slot is held, until none is */

	struct lock slots_lock; /* "keyring.slots"; guards all that follows */
	struct signal written;
	bool is_writing;
	struct slot *slots; /* what is known to be on the disk; the key zeroed in DYING ones */
	uint8_t *is_closed; /* a byte a slot: its epoch opens no image any more (revoked.h says why) */
	struct revoked revoked;
	struct image_key *handles;
	uint8_t (*key_bytes)[AEAD_KEY]; /* locked memory */
	uint32_t free_handle, handles_top, handles_used;
};

/* Excludes other writers; waits. */
void keyring_begin_write(struct keyring *kr);
void keyring_end_write(struct keyring *kr);

/* The slot's bytes that its tag covers: 0..23 and the directory id. */
enum { KEYRING_SLOT_AAD = SLOT_AAD + DIRECTORY_ID_BYTES };
void keyring_slot_aad(const struct keyring *kr, uint32_t epoch, uint8_t out[KEYRING_SLOT_AAD]);
enum status keyring_unwrap_slot(
	const struct keyring *kr, const struct slot *s, uint8_t out[AEAD_KEY]) MUST_CHECK;

/* Reads both mirrors into kr->image, repairs, copies to kr->slots. */
enum status keyring_load(struct keyring *kr) MUST_CHECK;

/* Under the lock: wipes the handles of every epoch that is not live. */
void keyring_kill_handles(struct keyring *kr);

/* Allocates the registry of handles; keyring_end_handles() must find none alive. */
enum status keyring_begin_handles(struct keyring *kr) MUST_CHECK;
void keyring_end_handles(struct keyring *kr);

#endif
