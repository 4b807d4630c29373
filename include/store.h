/* store.h - records by place in append-only segments, batches, recovery; never sees plaintext.
 *
 * A store is a directory of segment files (src/store/format.h draws them).  A
 * segment holds batches; a batch holds records and ends with a COMMIT.  One
 * writer thread gathers the entries that wait, writes them as one batch with
 * one fdatasync, and passes the batch to the queue it was given; whoever takes
 * it from there applies it and answers those who wait.
 *
 * Invariants:
 *   I1  Bytes below the end of a synced batch never change again, except a record's key area
 *       (store_erase_key) and blocks of a dead body given back (store_punch).
 *   I2  A batch that reached the queue is on disk, wholly.
 *   I3  Exactly one segment is open for append: the highest numbered one, and never one of an earlier run.
 *   I4  After a failed sync nothing is passed on and the process ends (must_end).
 *
 * Threads: store_submit(), reads and scans from any thread; store_erase_key(),
 * store_punch() and store_drop() one at a time (they share one lock).
 */
#ifndef DARKROOM_STORE_H
#define DARKROOM_STORE_H

#include "buf.h"
#include "queue.h"
#include "store_record.h"

struct store_options {
	const char *name;         /* "originals": for logs and the segment head; borrowed for ever */
	uint8_t store_number;     /* written into every segment */
	uint8_t directory_id[16]; /* equal in all files of one data directory */
	int dir_fd;               /* the store's directory; taken */
	uint64_t segment_bytes;   /* SEGMENT_BYTES; tests use less */
	int64_t segment_age_ms;
	uint64_t inbox_bytes_max;
	struct queue *synced; /* batches go here (struct store_batch *), at most BATCH_RING wait; borrowed */
};

/* Opens the directory and finds the log's end; removes a segment that was being made when the process died,
 * and cuts a torn tail.  Nothing can be submitted yet.  CORRUPT only if the directory is another store's;
 * damaged segments are reported by scans and do not stop the opening. */
enum status store_open(const struct store_options *options, struct store **out) MUST_CHECK;

/* Begins a fresh segment whose STATE carries `state` and starts the writer thread. */
enum status store_start(struct store *st, struct span state) MUST_CHECK;

/* What the STATE of the next segment will carry; copied.  TOO_BIG: over STATE_BYTES_MAX. */
enum status store_set_state(struct store *st, struct span state) MUST_CHECK;

/* Queues an entry.  FULL: inbox_bytes_max is spent (an empty inbox takes any entry).  STOPPED: store_stop()
 * was called, or store_start() not yet.  TOO_BIG: it is over SEGMENT_BYTES_CEILING. */
enum status store_submit(struct store *st, struct store_entry *entry) MUST_CHECK;

/* After handling a batch from the queue: gives the batch back (its entries are their owners'), before
 * store_close().  The writer has BATCHES_MAX of them and waits when all are out. */
void store_batch_free(struct store_batch *batch);

/* True if whoever handled everything up to `handled` has handled all that will come from before the open
 * segment: a STATE and the seal of a clean stop take a sequence number, too, and are not passed on. */
bool store_is_told(struct store *st, struct position handled);

/* The end of the last synced batch. */
struct position store_end(struct store *st);

struct store_head {
	enum record_kind kind;
	uint32_t body_len;
	uint64_t sequence;
	uint8_t key[RECORD_KEY_MAX];
	uint16_t key_len;
};

/* Reads and checks a record's head and key area.
 * NOT_FOUND: the segment was dropped; a normal outcome.  CORRUPT: it is not a sound head of that place. */
enum status store_read_head(struct store *st, struct place at, struct store_head *out) MUST_CHECK;

/* Reads part of a body, unchecked (an AEAD guards it).  CORRUPT: outside the record. */
enum status store_read_body(
	struct store *st, struct place at, uint64_t from, uint8_t *out, size_t len) MUST_CHECK;

/* Reads the whole body, at most out->max, and checks its checksum. */
enum status store_read_checked(
	struct store *st, struct place at, struct store_head *head, struct buf *body) MUST_CHECK;

/* Overwrites the record's key area with zeros in place, syncs, and reads it back past the cache.
 * Idempotent.  NOT_FOUND: the segment is gone already.  CORRUPT: there is no sound head, or it has no
 * key area.  CORRUPT, IO: do not believe it is gone. */
enum status store_erase_key(struct store *st, struct place at) MUST_CHECK;

/* Gives the whole blocks strictly inside the body back to the file system; the head stays readable.  Gives
 * the bytes in *freed (0 where the file system cannot punch).  BUSY: the record is in the log's last batch,
 * whose bodies decide whether that batch is torn; after the next batch, or store_roll(), it can be. */
enum status store_punch(struct store *st, struct place at, uint64_t *freed) MUST_CHECK;

/* Unlinks a closed segment.  BUSY: it is the open one, or holds the log's end.  NOT_FOUND: it is gone
 * already. */
enum status store_drop(struct store *st, uint32_t segment, uint64_t *freed) MUST_CHECK;

/* Closes the open segment and begins another, if it holds more than its STATE; a writer that writes rolls
 * by age itself, this is for idle stores. */
enum status store_roll(struct store *st) MUST_CHECK;

/* Segment numbers that exist, ascending.  Gives an array; end with memory_free(). */
enum status store_segments(struct store *st, uint32_t **numbers, size_t *count) MUST_CHECK;
/* Bytes of a segment's file; 0 where there is none. */
uint64_t store_segment_size(struct store *st, uint32_t segment);

/* Ends the writer after what is queued is written; store_submit() answers STOPPED from now on. */
void store_stop(struct store *st);
/* Frees; stop it first.  NULL is fine. */
void store_close(struct store *st);

#include "store_scan.h"

#endif
