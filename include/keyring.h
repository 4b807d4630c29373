/* keyring.h - root, epoch and data keys: make, wrap, open, destroy. The only holder of keys.
 *
 *   root key    32 random bytes in a file of its own (0600), off the data disk in production
 *    ├ epoch key   one per EPOCH_MS of expiry, wrapped in a fixed slot of two mirrored files;
 *    │             destroyed by overwriting the slot in place (src/keyring/format.h draws it)
 *    │   └ image key  one per image, wrapped in its IMAGE record's key area
 *    │        └ sealed objects: subkey = HKDF(image key, kind || 32 random bytes kept before the ciphertext)
 *    ├ collection key  one per collection, wrapped in control.db; makes content addresses and pseudonyms
 *    └ derived: id MAC, secret hash, receipts' wrap
 *   blob key    one per content, inside the sealed part of each IMAGE (or RESULT) that refers to the blob
 *
 * Nonces: every AES-256-GCM key here encrypts either one message under nonce 0
 * (subkeys) or chunk i under nonce i (blob keys); keys that wrap others use random nonces.
 *
 * Invariants, true whenever `slots` is not held:
 *   I1  A slot is live only if both mirrors hold the same synced wrapped key.
 *   I2  A slot is handed out for a new epoch only if both mirrors say empty or destroyed.
 *   I3  An image key handle that is alive belongs to an epoch that is live.
 *
 * Threads: any.  Handles are counted; a destroyed or revoked one keeps existing
 * but answers GONE, its bytes wiped.
 */
#ifndef DARKROOM_KEYRING_H
#define DARKROOM_KEYRING_H

#include "buf.h"
#include "digest.h"
#include "limits.h"
#include "span.h"
#include "status.h"

struct keyring; /* opaque */

/* --- image ids: 25 bytes, 40 characters of base32 ---
 *   0 1 version 1 · 1 2 node · 3 4 collection number · 7 4 expiry epoch · 11 2 ms within it ·
 *   13 8 random · 21 4 MAC (all big-endian: ids of one node and collection sort by expiry, so that an index
 *   grows at its end) */
enum {
	IMAGE_ID_BYTES = 25,
	IMAGE_ID_TEXT = 40,
	WRAPPED_KEY_BYTES = 60,
	BLOB_ID_BYTES = 16,
	SEAL_OVERHEAD = 48,
	CHUNK_TAG = 16
};
struct image_id {
	uint8_t bytes[IMAGE_ID_BYTES];
};
void image_id_text(const struct image_id *id, char out[IMAGE_ID_TEXT + 1]);
/* INVALID: not 40 characters of base32, or another version.  Says nothing about genuineness. */
enum status image_id_parse(struct span text, struct image_id *out) MUST_CHECK;
uint32_t image_id_collection(const struct image_id *id);
uint32_t image_id_epoch(const struct image_id *id);

/* The epoch whose end is the first at or after `expires_ms`: its key is due at epoch * EPOCH_MS. */
static inline uint32_t keyring_epoch_of(int64_t expires_ms)
{
	return (uint32_t)((expires_ms + EPOCH_MS - 1) / EPOCH_MS);
}
static inline int64_t keyring_epoch_due_ms(uint32_t epoch)
{
	return (int64_t)epoch * EPOCH_MS;
}

/* --- life --- */

struct keyring_options {
	int dir_fd;                /* where keyring.a and keyring.b are; borrowed */
	const char *root_key_path; /* 64 hex digits and a newline, mode 0600 or stricter */
	uint8_t directory_id[16];
	uint16_t node;
};

/* Writes a new root key file (mode 0600; EXISTS if there is one). */
enum status keyring_make_root_key(const char *path) MUST_CHECK;

/* Makes both mirrors, preallocated and synced.  EXISTS: there is a keyring already. */
enum status keyring_create(const struct keyring_options *options) MUST_CHECK;

/* Opens both mirrors.  Slots on which they differ are repaired by the table in src/keyring/format.h: the
 * sound one, else the newer epoch, else the destroyed one; a mirror that is missing is copied from the
 * other.
 * NOT_FOUND: no keyring, or no root key file.  INVALID: the root key file is malformed.  DENIED: it is a
 * symbolic link, others may read or write it, or its group may read it though it is ours.
 * MISMATCH: the root key or the directory id is another's.  UNSUPPORTED: another version.
 * CORRUPT: a slot is lost in both mirrors.  IO: the same, but because it could not be read. */
enum status keyring_open(const struct keyring_options *options, struct keyring **out) MUST_CHECK;
void keyring_close(struct keyring *kr);
/* Slots that one mirror did not have whole when the keyring was opened, and that the other gave back; for
 * verify. */
uint64_t keyring_torn_slots(const struct keyring *kr);

/* --- epochs --- */

/* Makes slots, in synced blocks of KEYRING_BLOCK, so that every epoch in [first, last] that is not
 * destroyed is live. Destroyed ones are passed over.  BUSY: a slot is still held by a live older epoch
 * (alarm: purge is behind); all the others are live.  INVALID: epoch 0, or a range longer than the ring.
 * Anything else: none was made. */
enum status keyring_prepare(struct keyring *kr, uint32_t first, uint32_t last) MUST_CHECK;

enum epoch_state { EPOCH_ABSENT, EPOCH_LIVE, EPOCH_DESTROYED };
enum epoch_state keyring_epoch_state(struct keyring *kr, uint32_t epoch);

/* Destroys every live slot whose epoch is <= `last`: revokes its handles, overwrites both mirrors in
 * place, syncs, reads back past the cache.  Gives at most `max` destroyed epochs, ascending, in out[] and
 * their number in *count; call again while *count == max.  IO: do not believe any of them; the caller
 * tries again. */
enum status keyring_destroy_due(
	struct keyring *kr, uint32_t last, uint32_t *out, size_t max, size_t *count) MUST_CHECK;

/* The oldest live epoch, 0 when there is none. */
uint32_t keyring_oldest_live(struct keyring *kr);

/* --- ids and image keys --- */

struct image_key; /* opaque, counted handle in the keyring's registry */

/* A new id for `collection` and `expires_ms`, and a fresh image key wrapped under the epoch's key with the
 * id as associated data.  GONE: that epoch is destroyed or not prepared.  FULL: too many handles are
 * alive.
 * INVALID: no such time.  BUSY: see keyring_revoke(). */
enum status keyring_new_image(struct keyring *kr, uint32_t collection, int64_t expires_ms,
	struct image_id *id, uint8_t wrapped[WRAPPED_KEY_BYTES], struct image_key **out) MUST_CHECK;

/* GONE: the epoch is destroyed, the wrapped key is zeros, or the id was revoked.  CORRUPT: the tag disagrees.
 * FULL: too many handles are alive.  BUSY: see keyring_revoke(). */
enum status keyring_open_image(struct keyring *kr, const struct image_id *id,
	const uint8_t wrapped[WRAPPED_KEY_BYTES], struct image_key **out) MUST_CHECK;

/* True if the id's MAC is ours.  Constant time. */
bool keyring_is_genuine(struct keyring *kr, const struct image_id *id);

/* Wipes all handles of that id and refuses to open it again in this process (the caller then erases the
 * key area). Ids are remembered until their epoch is destroyed, some 780,000 at once; past that, or
 * without memory, the id's whole epoch answers BUSY until the process restarts (by then the key areas are
 * zero): safe before available, and logged. */
void keyring_revoke(struct keyring *kr, const struct image_id *id);

bool image_key_is_live(struct image_key *key);
void image_key_release(struct image_key *key); /* NULL is fine */

/* Appends 32 random bytes, ciphertext and tag (len + SEAL_OVERHEAD).  `kind` is a constant short text. */
enum status image_key_seal(
	struct image_key *key, const char *kind, struct span plain, struct buf *out) MUST_CHECK;
/* GONE: the key was destroyed meanwhile.  CORRUPT: the tag disagrees. */
enum status image_key_open(
	struct image_key *key, const char *kind, struct span sealed, struct buf *out) MUST_CHECK;

/* --- blobs: AES-256-GCM in SEAL_CHUNK chunks; nonce = chunk number; associated data = blob id, whole length,
 *     chunk number.  Ciphertext of n bytes: n + CHUNK_TAG per chunk (one chunk at least, also when empty).
 * --- */

struct blob_key {
	uint8_t bytes[32];
}; /* wipe with memory_wipe() after use */
struct blob_id {
	uint8_t bytes[BLOB_ID_BYTES];
};
/* Random both; the id begins with 48 bits of wall time in ms, as a UUID of version 7 does, so that an index
 * over ids grows at its end. */
enum status keyring_new_blob(struct blob_key *key, struct blob_id *id) MUST_CHECK;

uint64_t blob_sealed_len(uint64_t plain_len);
uint64_t blob_chunk_count(uint64_t plain_len);

struct blob_cipher; /* opaque; belongs to one thread */
enum status blob_cipher_new(const struct blob_key *key, const struct blob_id *id, uint64_t plain_len,
	struct blob_cipher **out) MUST_CHECK;
/* Chunk `index` of the plaintext (SEAL_CHUNK bytes, fewer in the last) to plain.len + CHUNK_TAG bytes at
 * `out`. */
enum status blob_cipher_seal(
	struct blob_cipher *c, uint64_t index, struct span plain, uint8_t *out) MUST_CHECK;
/* CORRUPT: the tag disagrees; `out` (sealed.len - CHUNK_TAG bytes) is wiped. */
enum status blob_cipher_open(
	struct blob_cipher *c, uint64_t index, struct span sealed, uint8_t *out) MUST_CHECK;
void blob_cipher_free(struct blob_cipher *c);

/* --- collections, pseudonyms, secrets --- */

struct collection_key {
	uint8_t bytes[32];
};
enum status keyring_new_collection_key(
	struct keyring *kr, uint32_t collection, uint8_t wrapped[WRAPPED_KEY_BYTES]) MUST_CHECK;
enum status keyring_open_collection_key(struct keyring *kr, uint32_t collection,
	const uint8_t wrapped[WRAPPED_KEY_BYTES], struct collection_key *out) MUST_CHECK;
/* Content address: HMAC-SHA-256(HKDF(collection key, "address"), bytes); begun here, fed with
 * digest_update(). */
struct digest_stream *collection_key_address(const struct collection_key *key);
/* What stands for a person in plain columns: the first 16 bytes of HMAC(HKDF(collection key, "pseudonym"),
 * name). */
void collection_key_pseudonym(const struct collection_key *key, struct span name, uint8_t out[16]);
/* Keyed hash of an Idempotency-Key within (collection, principal). */
void collection_key_idempotency(
	const struct collection_key *key, struct span principal, struct span text, uint8_t out[16]);

/* Keyed hash of an API key's secret, for control.db. */
struct digest keyring_hash_secret(struct keyring *kr, struct span secret);

/* A small secret (the receipt signing key) wrapped under the root key; same shape as image_key_seal(). */
enum status keyring_wrap(struct keyring *kr, const char *kind, struct span plain, struct buf *out) MUST_CHECK;
enum status keyring_unwrap(
	struct keyring *kr, const char *kind, struct span sealed, struct buf *out) MUST_CHECK;

/* Counts slots by state and compares the mirrors; for doctor and verify.  Gives the number of slots that
 * disagree. */
struct keyring_report {
	uint64_t live, destroyed, empty, disagree;
	uint32_t oldest_live, newest_live;
};
enum status keyring_check(struct keyring *kr, struct keyring_report *out) MUST_CHECK;

#endif
