/* purge.h - destroy keys, forget rows, punch and drop segments, write receipts. The only way out.
 *
 * purge_due() is the moment of forgetting: epoch keys that are due are
 * overwritten in place, synced, read back, whatever state disk and catalog are
 * in.  purge_housekeeping() follows in small steps: rows, blocks, segments, the
 * write-ahead log, receipts.
 *
 * Threads: purge_erase() from any; the rest from the retention thread or before the server is open.
 */
#ifndef DARKROOM_PURGE_H
#define DARKROOM_PURGE_H

#include "access.h"
#include "commit.h"
#include "control.h"
#include "keyring.h"

struct purge; /* opaque */
struct purge_options {
	struct access *access; /* all borrowed */
	struct keyring *keyring;
	struct catalog *catalog;
	struct commit *commit;
	struct control *control;
	struct clock *clock;
};
/* Loads or makes the receipts' signing key (wrapped in control.db). */
enum status purge_new(const struct purge_options *options, struct purge **out) MUST_CHECK;
void purge_free(struct purge *p);

/* Destroys every epoch key due at trusted now, unless the clock is held.  Gives how many; their receipts come
 * with their rows' turn and name this time. */
enum status purge_due(struct purge *p, uint64_t *destroyed) MUST_CHECK;

/* The same at the start, when nothing else is open yet: a full disk or a damaged catalog cannot put it
 * off. */
enum status purge_due_keys(struct keyring *keyring, struct clock *clock, uint64_t *destroyed) MUST_CHECK;

/* One bounded round: receipts, then up to PURGE_ROWS_BATCH rows of destroyed epochs; dead runs are punched
 * when `is_hourly`; when no row waits any more, the log is checkpointed and a few empty segments are dropped.
 * Gives whether more is waiting.  BUSY: a reader held the checkpoint back; a later round tries again. */
enum status purge_housekeeping(struct purge *p, bool is_hourly, bool *has_more) MUST_CHECK;

/* How long the oldest rows that wait to be forgotten have been due, as of the last round; 0 when none are.
 * From the retention thread. */
int64_t purge_backlog_ms(struct purge *p);

/* Early erase: commit_erase(), then a receipt; one that cannot be written now is owed, and written by a later
 * round.  NOT_FOUND; IO: do not believe it. */
enum status purge_erase(struct purge *p, const struct catalog_image *image) MUST_CHECK;

/* Age in ms of the oldest key that is due and not destroyed; 0 when none. */
int64_t purge_lag_ms(struct purge *p);

/* The public key that receipts verify with, PEM. */
enum status purge_public_key(struct purge *p, struct buf *out) MUST_CHECK;
/* Receipts as a JSON array from number > after, at most `limit`. */
enum status purge_receipts(struct purge *p, uint64_t after, uint32_t limit, struct buf *out) MUST_CHECK;
/* Checks a JSON array of receipts against a public key: signatures and chain.  MISMATCH/INVALID with the
 * number in *bad. */
enum status purge_verify_receipts(struct span json, struct span public_pem, uint64_t *bad) MUST_CHECK;

#endif
