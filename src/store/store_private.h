/* store_private.h - what the store's files share: the store itself, segment files by number, the walk
 * over one file.
 *
 * Locks: `inbox` guards what follows it; `upkeep` lets one erase, punch or drop
 * run at a time.  Neither is taken while the other is held.  What stands under
 * "owned by the writer thread" is touched by nobody else once it runs.
 */
#ifndef DARKROOM_STORE_PRIVATE_H
#define DARKROOM_STORE_PRIVATE_H

#include "format.h"
#include "lock.h"
#include "thread.h"

enum { SEGMENT_NAME_BYTES = 13, RECORDS_IN_BATCH_MAX = BATCH_ENTRIES_MAX * ENTRY_RECORDS_MAX };
#define STAGING_BYTES (BATCH_BYTES_MAX + KIB(64))
static_assert(STAGING_BYTES % BLOCK_BYTES == 0, "slices of a large batch stay aligned");

struct open_segment {
	int fd; /* -1: none is open */
	uint32_t number;
	uint64_t generation;
	uint64_t end; /* of the last synced batch */
	uint64_t capacity;
	int64_t born_ms; /* monotonic */
	bool is_used;    /* holds more than its STATE */
};

struct store {
	struct store_options options;
	struct thread writer;

	struct lock inbox;
	struct signal inbox_changed; /* the writer waits here */
	struct signal rolled;        /* store_roll() waits here */
	struct store_entry *first, *last;
	uint64_t inbox_bytes;
	bool is_started, is_stopping, is_writer_gone;
	uint64_t rolls_wanted, rolls_done;
	enum status roll_status;
	struct position end;  /* of the last synced batch */
	uint32_t end_begin;   /* offset where that batch begins */
	uint64_t told_end;    /* sequence of the last batch that went to the queue, or of the log as opened */
	uint32_t open_number; /* 0: no segment is open */
	uint32_t newest;      /* highest number that exists */
	uint8_t *state;       /* owned copy */
	size_t state_len;
	struct store_batch *batches[BATCHES_MAX]; /* free ones, the first batches_free */
	size_t batches_free;

	struct lock upkeep;

	/* owned by the writer thread */
	struct open_segment open;
	uint8_t *staging;
	size_t staging_fill;
	uint64_t staging_at;  /* file offset of staging's first byte */
	uint8_t *state_taken; /* STATE body being written */
};

/* --- segment files --- */
void store_segment_name(uint32_t number, char out[SEGMENT_NAME_BYTES]);
/* Opens an existing one.  NOT_FOUND: it was dropped. */
enum status store_segment_open(struct store *st, uint32_t number, unsigned flags, int *out) MUST_CHECK;
/* Reads the head block.  CORRUPT: unsound, or another number's.  MISMATCH: another store's. */
enum status store_segment_head(
	struct store *st, int fd, uint32_t number, struct segment_head *out) MUST_CHECK;
/* All numbers in the directory, ascending; end with memory_free(). */
enum status store_segment_list(struct store *st, uint32_t **numbers, size_t *count) MUST_CHECK;
/* Blocks that the file occupies, in bytes; 0 when unknown. */
uint64_t store_segment_blocks(int fd);

/* --- one record --- */
/* Reads and checks the head at `at` of an open file. */
enum status store_record_at(int fd, struct place at, struct record_head *out) MUST_CHECK;

/* --- walking one file, in memory bounded by its largest batch --- */
struct walk {
	int fd;
	uint32_t segment;
	uint64_t size;       /* nothing is read behind it */
	uint64_t generation; /* 0: not known; no sound head is in the file */
	bool is_head_sound;
	uint8_t *data; /* window: bytes [base, base + len) of the file */
	size_t capacity, len;
	uint64_t base;
	struct scan_record *records;
	size_t record_capacity;
};

struct walk_batch {
	uint64_t begin, end, sequence;
	size_t record_count; /* in walk->records, lent until the next call */
	bool are_bodies_sound;
	const char *why; /* when it is not a batch */
};

/* What lies between two places that hold no valid batch. */
struct walk_gap {
	uint64_t end;           /* where the next valid batch begins, or the limit */
	bool is_found;          /* there is one */
	bool is_zero;           /* nothing but zeros was passed */
	uint64_t sequence_seen; /* highest of sound heads of batches passed */
};

/* NOT_FOUND: dropped.  A damaged head block is no error. */
enum status store_walk_open(struct store *st, uint32_t number, struct walk *out) MUST_CHECK;
/* Checks the batch that begins at `at`.  CORRUPT: there is no valid one. */
enum status store_walk_batch(struct walk *w, uint64_t at, struct walk_batch *out) MUST_CHECK;
/* Looks for the next valid batch with a sequence above `above`, trying every block in [from, limit). */
enum status store_walk_find(
	struct walk *w, uint64_t from, uint64_t limit, uint64_t above, struct walk_gap *out) MUST_CHECK;
/* The segment's STATE: where its predecessor ended.  CORRUPT: there is no sound one. */
enum status store_walk_predecessor(struct walk *w, struct position *out) MUST_CHECK;
void store_walk_close(struct walk *w);

/* --- opening --- */
/* Finds the end of the log, removes what was being made, cuts what was torn. */
enum status store_recover(struct store *st) MUST_CHECK;

/* --- the writer's files --- */
/* Begins the next segment with room for `need` bytes behind its STATE, then closes the one before.
 * On failure the one before stays as it was and nothing of the new one is left. */
enum status store_segment_begin(struct store *st, uint64_t need) MUST_CHECK;
/* Cuts the open segment's unused tail and closes it. */
void store_segment_end(struct store *st);
/* Ends the log for a clean stop: an empty batch, then the cut. */
void store_segment_seal(struct store *st);

/* Aligned writing through staging: begin at a block, put bytes, flush pads to the block. */
void store_stage_begin(struct store *st, uint64_t at);
enum status store_stage_put(struct store *st, int fd, struct span bytes) MUST_CHECK;
enum status store_stage_flush(struct store *st, int fd) MUST_CHECK;

/* What a batch is made with, record by record. */
struct batch_maker {
	int fd;
	uint64_t generation, sequence, begin, at;
	uint32_t index, heads_crc;
};
enum status store_make_record(struct store *st, struct batch_maker *m, struct store_record *r) MUST_CHECK;
/* The COMMIT and the padding; m->at is the batch's end then. */
enum status store_make_commit(struct store *st, struct batch_maker *m) MUST_CHECK;
/* Length of a record's body. */
uint64_t store_body_len(const struct store_record *r);
/* The body's checksum. */
uint32_t store_body_crc(const struct store_record *r);
/* A batch of `bytes` of records with its COMMIT and padding. */
uint64_t store_batch_bytes(uint64_t bytes);
/* Makes the end of a synced batch known. */
void store_publish_end(struct store *st, uint64_t begin, uint64_t end, uint64_t sequence);

/* The writer thread; `argument` is the store. */
void store_writer_run(void *argument);

#endif
