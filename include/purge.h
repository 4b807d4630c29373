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

/* Destroys every epoch key due at trusted now, unless the clock is held; appends their receipts.  Gives
 * how many. */
enum status purge_due(struct purge *p, uint64_t *destroyed) MUST_CHECK;

/* The same at the start, when nothing else is open yet: a full disk or a damaged catalog cannot put it
 * off. */
enum status purge_due_keys(struct keyring *keyring, struct clock *clock, uint64_t *destroyed) MUST_CHECK;

/* One bounded round: forget up to PURGE_ROWS_BATCH rows of destroyed epochs, drop empty segments, punch
 * dead runs (when `is_hourly`), checkpoint.  Gives whether more is waiting. */
enum status purge_housekeeping(struct purge *p, bool is_hourly, bool *has_more) MUST_CHECK;

/* Early erase: commit_erase(), then a receipt.  NOT_FOUND; IO: do not believe it. */
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
