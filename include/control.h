/* control.h - every SQL statement of control.db: what the segments cannot rebuild.
 *
 * Principals, API keys, collections, receipts, settings fixed at creation and
 * the clock's high-water mark live in data/control.db (src/control/control.sql),
 * synchronous=FULL.  Analysts never see it.  Secrets are here only as keyed
 * hashes, collection keys only wrapped.  One function is one transaction.
 *
 * Threads: any; one connection behind the lock `control.db`.
 */
#ifndef DARKROOM_CONTROL_H
#define DARKROOM_CONTROL_H

#include "buf.h"
#include "limits.h"
#include "span.h"
#include "status.h"

struct control; /* opaque */

enum status control_open(const char *path, struct control **out) MUST_CHECK;
void control_close(struct control *c);
enum status control_verify(struct control *c, char why[256]) MUST_CHECK;

/* --- settings fixed when the data directory is made, and marks that move --- */
/* NOT_FOUND: never set. */
enum status control_get_number(struct control *c, const char *name, int64_t *out) MUST_CHECK;
enum status control_put_number(struct control *c, const char *name, int64_t value) MUST_CHECK;
/* Appends to `out`.  TOO_BIG: past its maximum. */
enum status control_get_bytes(struct control *c, const char *name, struct buf *out) MUST_CHECK;
enum status control_put_bytes(struct control *c, const char *name, struct span value) MUST_CHECK;

/* --- collections --- */
struct control_collection {
	uint32_t number; /* given by control_add_collection(), from 1, never used twice */
	char name[COLLECTION_NAME_MAX + 1];
	int64_t retention_ms, created_at;
	uint32_t formats; /* bit per enum image_format */
	uint8_t wrapped_key[60];
	bool has_key;    /* false (and zeros): made, but its key was not set yet */
	bool is_removed; /* takes nothing new; dies with its last image */
};
/* EXISTS: the name is taken, also by a removed one.  FULL: COLLECTIONS_MAX.  On OK out_number is the new
 * number; the caller then wraps a key for it and sets it. */
enum status control_add_collection(
	struct control *c, const struct control_collection *in, uint32_t *out_number) MUST_CHECK;
/* Once; NOT_FOUND after that. */
enum status control_set_collection_key(
	struct control *c, uint32_t number, const uint8_t wrapped[60]) MUST_CHECK;
/* Retention and formats may change; images keep the expiry they were promised. */
enum status control_change_collection(
	struct control *c, uint32_t number, int64_t retention_ms, uint32_t formats) MUST_CHECK;
enum status control_remove_collection(struct control *c, uint32_t number) MUST_CHECK;
/* The row and its wrapped key go for good (its images are gone). */
enum status control_forget_collection(struct control *c, uint32_t number) MUST_CHECK;
enum status control_list_collections(
	struct control *c, struct control_collection **out, size_t *count) MUST_CHECK; /* memory_free() */

/* --- principals and keys --- */
struct control_key {
	char prefix[13]; /* 12 characters, for finding and showing; unique */
	char principal[PRINCIPAL_NAME_MAX + 1];
	char role[16];
	uint8_t secret_hash[32];
	int64_t created_at, expires_at;   /* expires_at -1: never */
	int64_t revoked_at, last_used_at; /* -1 */
	bool is_for_all_collections;
	uint32_t collections[KEY_COLLECTIONS_MAX]; /* numbers, when not for all */
	size_t collection_count;
};
/* EXISTS: the prefix is taken.  FULL: KEYS_MAX.  INVALID: an unknown collection.  Times -1 and use are set
 * by the calls below. */
enum status control_add_key(struct control *c, const struct control_key *in) MUST_CHECK;
enum status control_find_key(struct control *c, const char prefix[13], struct control_key *out) MUST_CHECK;
enum status control_list_keys(
	struct control *c, struct control_key **out, size_t *count) MUST_CHECK; /* memory_free() */
enum status control_revoke_key(struct control *c, const char prefix[13], int64_t now_ms) MUST_CHECK;
enum status control_touch_key(struct control *c, const char prefix[13], int64_t now_ms) MUST_CHECK;
enum status control_count_keys(struct control *c, size_t *out) MUST_CHECK;

/* --- receipts: a chain, kept RECEIPT_KEEP_DAYS --- */
enum control_receipt_kind { CONTROL_RECEIPT_EPOCH = 1, CONTROL_RECEIPT_ERASE = 2 };
struct control_receipt {
	uint64_t number;
	enum control_receipt_kind kind;
	struct buf body, signature;
}; /* body: JSON as signed */
struct control_new_receipt {
	uint64_t number;
	enum control_receipt_kind kind;
	uint32_t epoch;
	struct span body, signature;
	int64_t made_at;
};
/* Appends; `number` must be one more than the last (EXISTS otherwise).  INVALID: a second one for that
 * epoch. */
enum status control_add_receipt(struct control *c, const struct control_new_receipt *r) MUST_CHECK;
enum status control_last_receipt(
	struct control *c, struct control_receipt *out) MUST_CHECK; /* NOT_FOUND: none; end its bufs */
/* The first with number > after.  NOT_FOUND: the end. */
enum status control_next_receipt(struct control *c, uint64_t after, struct control_receipt *out) MUST_CHECK;
/* True if a receipt for this epoch is there. */
enum status control_has_epoch_receipt(struct control *c, uint32_t epoch, bool *out) MUST_CHECK;
/* Deletes what was made before, but never the last one; nothing else deletes or changes a receipt. */
enum status control_drop_receipts(struct control *c, int64_t before_ms) MUST_CHECK;

#endif
