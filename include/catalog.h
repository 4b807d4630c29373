/* catalog.h - every SQL statement and transaction of the catalog.
 *
 * One SQLite file, data/catalog.db (schema.sql).  One writer connection behind
 * the lock `catalog.write`; readers come from a bounded pool of query_only
 * connections.  WAL, synchronous=NORMAL: the segments replay its tail.  One
 * function here is one transaction.
 *
 * Threads: reads from any thread; catalog_apply() from commit's applier only,
 * the other writers from any thread.
 */
#ifndef DARKROOM_CATALOG_H
#define DARKROOM_CATALOG_H

#include "buf.h"
#include "catalog_row.h"
#include "span.h"
#include "status.h"

struct catalog; /* opaque */
struct clock;

/* Applies the batches' changes in order and their positions, in one transaction.  Jobs are due at now_ms,
 * which is wall time, as in all calls about jobs: work is about this machine, not about promises.  A batch
 * whose sequence is not past the position applied is skipped.  Any failure (IO, NO_SPACE, FULL, CORRUPT):
 * nothing was applied. */
enum status catalog_apply(struct catalog *c, const struct catalog_batch *batches, size_t count,
	int64_t now_ms) MUST_CHECK;
/* All zero before the first batch. */
enum status catalog_applied(struct catalog *c, int store, struct catalog_position *out) MUST_CHECK;

/* --- life --- */

struct catalog_options {
	const char *path;
	struct clock *clock;
	uint32_t readers_max;
};
/* Makes or opens, migrates, prepares every statement.  CORRUPT: quick_check failed (then: darkroom
 * rebuild). */
enum status catalog_open(const struct catalog_options *options, struct catalog **out) MUST_CHECK;
void catalog_close(struct catalog *c);
/* Deletes catalog.db, -wal and -shm at `path`; for rebuild, while nothing has it open. */
enum status catalog_remove(const char *path) MUST_CHECK;

/* Mirrors one collection of control.db (insert or update by number; a row of this name under another
 * number goes). */
enum status catalog_put_collection(struct catalog *c, uint32_t number, const char *name, int64_t retention_ms,
	int64_t created_at) MUST_CHECK;
enum status catalog_drop_collection(
	struct catalog *c, uint32_t number) MUST_CHECK; /* BUSY: it still has images */

/* --- looking --- */

/* NOT_FOUND: no row.  Expiry is the caller's to judge (expires_at against the clock). */
enum status catalog_find_image(
	struct catalog *c, const uint8_t id[CATALOG_ID], struct catalog_image *out) MUST_CHECK;
enum status catalog_find_idempotency(
	struct catalog *c, const uint8_t hash[16], struct catalog_image *out) MUST_CHECK;
/* An image that is not expired and refers to a blob of this content in this collection. */
enum status catalog_find_content(struct catalog *c, uint32_t collection, const uint8_t address[32],
	int64_t now_ms, struct catalog_image *out) MUST_CHECK;
/* A blob by its id, and the store it is in; for verify.  NOT_FOUND. */
enum status catalog_find_blob(
	struct catalog *c, const uint8_t blob_id[16], struct catalog_blob *out, int *store) MUST_CHECK;
enum status catalog_renditions(struct catalog *c, int64_t image_number,
	struct catalog_rendition out[RENDITIONS_MAX], size_t *count) MUST_CHECK;

/* A page of images, newest received first, not expired at now_ms; filters that are zero/NULL/-1 do not
 * apply. */
struct catalog_filter {
	const uint32_t *collections; /* the ones the caller may see; NULL: all */
	size_t collection_count;
	int64_t received_from, received_to; /* -1 */
	const char *format, *camera;        /* camera: substring without case */
	int state;                          /* -1, or enum catalog_state */
	uint64_t bytes_min, bytes_max;      /* bytes_max 0: none */
	uint32_t width_min, height_min;
	int64_t before_received, before_number; /* keyset cursor: strictly after this row in the order; -1 */
	int64_t now_ms;
	uint32_t limit; /* at most PAGE_ROWS_MAX */
};
/* Gives an array; end with memory_free().  TIMEOUT: a filter that matches hardly anything took over
 * CATALOG_READ_MS_MAX; narrow it by time. */
enum status catalog_list(struct catalog *c, const struct catalog_filter *f, struct catalog_image **out,
	size_t *count) MUST_CHECK;

struct catalog_stats {
	int64_t images, received, ready, failed, bytes, blob_bytes, jobs_queued, jobs_dead,
		oldest_received_at, next_expires_at;
};
/* `collections` as in catalog_filter.  Times -1 when there is no image; next_expires_at is that of an
 * image of the oldest epoch, so at most EPOCH_MS late.  Expired images that wait to be forgotten are not
 * counted; their blobs are. */
enum status catalog_stats(struct catalog *c, const uint32_t *collections, size_t collection_count,
	int64_t now_ms, struct catalog_stats *out) MUST_CHECK;

/* Rows of images and jobs queued or running, from counters in memory: for admission, costs nothing. */
struct catalog_load {
	int64_t images, jobs;
};
struct catalog_load catalog_load(struct catalog *c);

/* --- jobs --- */

struct catalog_job {
	int64_t image_number;
	uint32_t attempts;
	struct catalog_image image;
};
/* The next job due at now_ms, queued or with a lease that ran out, now leased.  NOT_FOUND: nothing to do. */
enum status catalog_claim_job(
	struct catalog *c, int64_t now_ms, int64_t lease_until_ms, struct catalog_job *out) MUST_CHECK;
/* Queues again what was running: for a start, when no worker of an earlier process can be alive. */
enum status catalog_release_jobs(struct catalog *c) MUST_CHECK;
/* Ends an attempt without a RESULT: queued again at next_at_ms, or dead.  Nothing when the job is not
 * running (any more). */
enum status catalog_fail_job(struct catalog *c, int64_t image_number, const char *reason, int64_t next_at_ms,
	bool is_dead) MUST_CHECK;
/* Gives a running job back unattempted: this attempt does not count. */
enum status catalog_put_off_job(struct catalog *c, int64_t image_number, int64_t next_at_ms) MUST_CHECK;
/* When the next queued job is due; -1: none. */
enum status catalog_next_job_at(struct catalog *c, int64_t *out) MUST_CHECK;

/* --- forgetting --- */

/* Images per epoch <= last, for receipts: ascending, at most max rows. */
struct catalog_epoch_count {
	uint32_t epoch;
	uint64_t images;
};
enum status catalog_count_epochs(struct catalog *c, uint32_t last, struct catalog_epoch_count *out,
	size_t max, size_t *count) MUST_CHECK;

/* Deletes at most `limit` images whose epoch <= last with their renditions, jobs and results; blobs that
 * lose their last image and are not in pins[] become dead bodies.  Gives how many images went. */
enum status catalog_forget(struct catalog *c, uint32_t last, uint32_t limit, const uint8_t (*pins)[16],
	size_t pin_count, uint64_t *forgotten) MUST_CHECK;
/* Deletes blobs without images that are not pinned, at most some thousands a call (left from pins or from
 * uploads that became void). */
enum status catalog_forget_unused(
	struct catalog *c, const uint8_t (*pins)[16], size_t pin_count, uint64_t *forgotten) MUST_CHECK;

struct catalog_dead {
	int store;
	struct catalog_place at;
};
/* Dead bodies, at most max, by place. */
enum status catalog_dead_bodies(
	struct catalog *c, struct catalog_dead *out, size_t max, size_t *count) MUST_CHECK;
enum status catalog_body_punched(struct catalog *c, int store, struct catalog_place at) MUST_CHECK;

/* Segments < below (of a store) in which no row is left, at most max, ascending: those in which a batch
 * that was applied ended or to which a row once pointed.  Of others catalog_segment_is_used() says false. */
enum status catalog_empty_segments(
	struct catalog *c, int store, uint32_t below, uint32_t *out, size_t max, size_t *count) MUST_CHECK;
enum status catalog_segment_dropped(struct catalog *c, int store, uint32_t segment) MUST_CHECK;
/* True if any row names a place in this segment. */
enum status catalog_segment_is_used(struct catalog *c, int store, uint32_t segment, bool *out) MUST_CHECK;

/* wal_checkpoint(TRUNCATE), verified: BUSY when a reader held it back. */
enum status catalog_checkpoint(struct catalog *c) MUST_CHECK;

/* --- verify --- */

/* Every image with its places, in pages by number; for verify. */
enum status catalog_walk(struct catalog *c, int64_t after_number, struct catalog_image *out, size_t max,
	size_t *count) MUST_CHECK;
/* integrity_check, foreign_key_check, and every kept count counted again; INVALID with the first finding
 * in `why`. */
enum status catalog_verify(struct catalog *c, char why[256]) MUST_CHECK;
/* A text dump of the tables that schema.sql marks REBUILT, in key order without row numbers; for comparing
 * a rebuild. */
enum status catalog_dump(struct catalog *c, struct buf *out) MUST_CHECK;

#endif
