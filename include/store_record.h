/* store_record.h - what goes into a store, how it comes back, and where it is.
 *
 * A caller makes an entry of records and submits it (store.h); the writer puts
 * entries into batches.  A place finds one record again, a position says up to
 * where the log was read.
 */
#ifndef DARKROOM_STORE_RECORD_H
#define DARKROOM_STORE_RECORD_H

#include "span.h"
#include "status.h"

struct store; /* opaque */

enum record_kind {
	RECORD_STATE = 1,
	RECORD_BLOB,
	RECORD_IMAGE,
	RECORD_RESULT,
	RECORD_DEAD,
	RECORD_OFFSET,
	RECORD_ERASE,
	RECORD_PURGED,
	RECORD_COMMIT
};

/* Where a record begins and how long it is with head and key area, without its padding.  length 0:
 * nowhere. */
struct place {
	uint32_t segment, offset, length;
};

/* Up to where a log was read or applied: the end of a batch, and its sequence number (0: nothing yet).
 * Sequence numbers grow by one from batch to batch of the log; the store's own batches (a segment's STATE,
 * the empty batch of a clean stop) take one too, so numbers in the queue may skip. */
struct position {
	uint32_t segment, offset;
	uint64_t sequence;
};

enum { RECORD_KEY_MAX = 60, RECORD_BODY_PARTS = 3, BATCHES_MAX = 10 };

/* One record to write.  The body is the parts one after the other.  All spans are borrowed until the
 * entry's batch was taken from the queue; `at` is filled by the writer before that. */
struct store_record {
	enum record_kind kind;
	struct span key; /* wrapped key, RECORD_KEY_MAX bytes or empty; outside the checksum */
	struct span body[RECORD_BODY_PARTS];
	struct place at;
	uint32_t body_crc; /* the store's: store_submit() computes it in the caller's thread */
};

/* Records that must be in one batch.  Owned by the caller, lent to the store from store_submit() until its
 * batch was handled. */
struct store_entry {
	struct store_record *records;
	size_t record_count;      /* 1 to ENTRY_RECORDS_MAX */
	void *owner;              /* the caller's */
	struct store_entry *next; /* the store's until the batch is out, then the list of the batch */
	uint64_t bytes;           /* the store's */
};

/* One synced batch, or one that could not be written (status NO_SPACE or IO: none of it is on disk). */
struct store_batch {
	struct store *store;
	struct position end;
	enum status status;
	struct store_entry *entries; /* in log order */
	size_t entry_count;
	int64_t written_ms; /* write and sync took this long */
};

#endif
