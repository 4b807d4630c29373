/* inside.h - what commit's own files share.
 *
 * A pending lives on the heap of the thread that waits for it.  It holds the
 * store's entry and, one to one with its records, the changes to the catalog;
 * the applier fills in the places, applies, and answers.  After the answer it
 * is the waiter's alone again.
 */
#ifndef DARKROOM_COMMIT_INSIDE_H
#define DARKROOM_COMMIT_INSIDE_H

#include <stdatomic.h>

#include "commit.h"
#include "lock.h"
#include "record.h"
#include "thread.h"

/* Each image in the making pins at most one blob, and there are fewer request threads than this. */
enum { PINS_MAX = 4096, BELL_MAX = 4096, SHARDS = 16 };
/* How often the applier tries again while the catalog's disk is full. */
enum { APPLY_RETRY_MS = 500 };

struct pins {
	struct lock lock;
	struct signal released;
	bool is_held; /* purge is forgetting: no new pin passes */
	size_t count;
	uint8_t ids[PINS_MAX][BLOB_ID_BYTES];
	uint8_t copies[PINS_MAX][BLOB_ID_BYTES]; /* lent to purge while is_held */
};

struct commit {
	struct store *stores[CATALOG_STORES]; /* by store number, less one */
	struct keyring *keyring;
	struct catalog *catalog;
	struct clock *clock;
	struct queue *synced, *bell;
	struct thread applier;
	_Atomic enum status lack; /* what the applier waits for, else OK: meanwhile nothing new is let in */
	bool is_started[CATALOG_STORES]; /* owned by whoever starts and stops */
	struct lock shards[SHARDS];      /* each guards the answers of its pendings */
	struct pins pins;
	struct lock wait_lock; /* guards what follows */
	struct signal processed;
	uint64_t processed_count; /* grows with every RESULT and ERASE applied */
	bool is_stopping;
};

struct pending {
	struct store_entry entry;
	struct store_record records[ENTRY_RECORDS_MAX];
	struct catalog_change changes[ENTRY_RECORDS_MAX];
	struct catalog_blob blobs[ENTRY_RECORDS_MAX];
	struct catalog_image image;
	struct catalog_result result;
	struct record_erase erase;
	struct lock *shard;
	struct signal answered;
	bool is_answered; /* guarded by *shard, as is the next */
	enum status status;
};

/* Submits to `store`, waits for the answer. */
enum status commit_submit(struct commit *c, int store, struct pending *p) MUST_CHECK;

struct pending *pending_new(void);
void pending_free(struct pending *p); /* NULL is fine */
/* Adds a record with the change that it stands for; gives its index. */
size_t pending_add(struct pending *p, enum record_kind kind, enum catalog_change_kind change);

/* The applier's thread. */
void commit_apply(void *commit);

/* How far a look at both stores is.  Without a listener it costs nothing. */
struct course {
	struct commit *c;
	const struct commit_progress *listener; /* may be NULL */
	uint64_t total, behind;                 /* behind: whole segments, and what was added */
	int store;                              /* of the segment in hand, as is the next; 0: none */
	uint32_t segment;
};
/* Both stores, each from a segment on (0: all of it). */
enum status course_begin(struct course *x, struct commit *c, const struct commit_progress *listener,
	const uint32_t from[CATALOG_STORES]) MUST_CHECK;
/* The scan of `store` stands at `at`. */
void course_at(struct course *x, int store, struct position at, uint64_t images);
/* So many bytes besides the segments were read. */
void course_add(struct course *x, uint64_t bytes, uint64_t images);
/* All is behind. */
void course_end(struct course *x, uint64_t images);

void pins_init(struct pins *p);
void pins_fini(struct pins *p);

static inline struct place place_of(struct catalog_place p)
{
	return (struct place){ p.segment, p.offset, p.length };
}
static inline struct catalog_place catalog_place_of(struct place p)
{
	return (struct catalog_place){ p.segment, p.offset, p.length };
}
static inline struct catalog_position catalog_position_of(struct position p)
{
	return (struct catalog_position){ p.segment, p.offset, p.sequence };
}

/* Opens the seal of an IMAGE from the parts of its record.  `out` is wiped unless OK.  GONE, CORRUPT. */
struct record_parts {
	struct span key, body;
};
enum status commit_unseal_image(struct commit *c, struct record_parts parts, struct image_key **key,
	struct record_image *out) MUST_CHECK;
/* The same for a RESULT, whose private JSON is lent from `plain`, a buf that the caller inits and wipes. */
enum status commit_unseal_result(
	struct image_key *key, struct span body, struct buf *plain, struct record_result *out) MUST_CHECK;
/* For verify: the first column in which a row is not what its record says; NULL: none. */
const char *commit_compare_image(const struct catalog_image *row, const struct catalog_image *record);
const char *commit_compare_result(const struct catalog_image *row, const struct catalog_rendition *rows,
	size_t count, const struct catalog_result *record);
/* The image's key, from the head of its IMAGE record.  GONE, CORRUPT, IO. */
enum status commit_image_key(
	struct commit *c, const struct catalog_image *image, struct image_key **out) MUST_CHECK;

#endif
