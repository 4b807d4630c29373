/* format.h - the keyring's two mirrored files, byte by byte.  Version 1.  Little-endian throughout.
 *
 * keyring.a and keyring.b have the same content: a head block of 4,096 bytes
 * and KEYRING_SLOTS slots of 512 bytes each, written whole (not merely
 * allocated) when they are made, so that overwriting in place never needs space
 * and never lands elsewhere.  Epoch e lives in slot e % KEYRING_SLOTS at offset
 * 4096 + 512 * slot.  All reads and writes are of whole 4,096-byte blocks: the
 * unit in which file systems and disks really write, hence the unit that a
 * power cut can tear.  A torn block takes its eight slots, live neighbours
 * included, in one mirror.
 *
 * Head block (4,096 bytes, zero where nothing is drawn; never written again):
 *    0  8  magic "DRKEYS1\n"
 *    8  4  version, 1
 *   12  4  number of slots
 *   16  4  epoch length, ms
 *   20  4  zero
 *   24 16  data directory id
 *   40  8  root key id: first 8 bytes of HMAC-SHA-256(root key, "darkroom root id")
 * 4092  4  CRC32C of bytes 0..4091
 *
 * Slot (512 bytes, zero where nothing is drawn):
 *    0  4  magic "DRSL"
 *    4  1  version, 1
 *    5  1  state: 0 empty, 1 live, 2 destroyed
 *    6  2  zero
 *    8  4  epoch: 0 when empty; otherwise the one that lives, or lived last, here
 *   12  4  slot number (so that a write that went astray is seen)
 *   16  8  root key id
 *   24 12  nonce            \
 *   36 32  encrypted key     > zeros unless live
 *   68 16  tag              /
 *  508  4  CRC32C of bytes 0..507
 *
 * Wrapped: AES-256-GCM under HKDF(root key, "darkroom epoch wrap"), associated
 * data = bytes 0..23 of the slot, then the data directory id.
 *
 * A slot is sound if and only if all its 512 bytes are what the encoder would
 * write for its state, epoch and key in that place; a live one's tag must
 * agree, too.  What is not sound is torn.
 *
 * Order: mirror a is written and synced before b is written, for making and for
 * destroying alike, and a slot is reused only when both mirrors say empty or
 * destroyed.  So a power cut tears at most one mirror, and what two sound
 * mirrors that differ mean follows from their epochs alone:
 *
 *   torn, sound                   the sound one
 *   torn, torn                    lost: no order of writes leads here, only damage
 *   epochs differ                 the newer: the older is in the history of the slot, so this
 *                                 is a making that did not finish (nothing is sealed under it yet)
 *   same epoch, one destroyed     destroyed: a destruction that did not finish
 *   same epoch, both live, other  a: a making that failed and was repeated; nothing is sealed under
 *   bytes                         either
 *
 * Therefore an epoch number that its slot has passed (the slot holds a newer
 * one, or the same one destroyed) can never live again.
 */
#ifndef DARKROOM_KEYRING_FORMAT_H
#define DARKROOM_KEYRING_FORMAT_H

#include "limits.h"
#include "status.h"

enum { SLOT_BYTES = 512, SLOT_BLOCK_BYTES = 4096, SLOTS_IN_BLOCK = SLOT_BLOCK_BYTES / SLOT_BYTES };
enum { SLOT_WRAPPED = 60, SLOT_AAD = 24, ROOT_ID_BYTES = 8, DIRECTORY_ID_BYTES = 16 };
#define KEYRING_FILE_BYTES (SLOT_BLOCK_BYTES + (uint64_t)KEYRING_SLOTS * SLOT_BYTES)
static_assert(
	KEYRING_SLOTS % KEYRING_BLOCK == 0 && KEYRING_BLOCK % SLOTS_IN_BLOCK == 0, "blocks tile the ring");

/* DYING exists in memory only: to be destroyed, not yet proven so. */
enum slot_state { SLOT_EMPTY, SLOT_LIVE, SLOT_DESTROYED, SLOT_TORN, SLOT_DYING };

struct slot {
	enum slot_state state;
	uint32_t epoch;
	uint8_t wrapped[SLOT_WRAPPED];
};

/* EMPTY, LIVE or DESTROYED as it stands on disk in slot `index`. */
void format_put_slot(
	const struct slot *s, uint32_t index, const uint8_t root_id[ROOT_ID_BYTES], uint8_t out[SLOT_BYTES]);
/* Never fails: what is not sound is SLOT_TORN.  The tag is the caller's to check. */
void format_get_slot(
	const uint8_t in[SLOT_BYTES], uint32_t index, const uint8_t root_id[ROOT_ID_BYTES], struct slot *out);

struct keyring_head {
	uint8_t directory_id[DIRECTORY_ID_BYTES], root_id[ROOT_ID_BYTES];
	uint32_t slots, epoch_ms;
};

void format_put_keyring_head(const struct keyring_head *h, uint8_t out[SLOT_BLOCK_BYTES]);
/* UNSUPPORTED: sound, but of another version.  CORRUPT: not a head, or damaged. */
enum status format_get_keyring_head(const uint8_t in[SLOT_BLOCK_BYTES], struct keyring_head *out) MUST_CHECK;

#endif
