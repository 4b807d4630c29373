/* retention.h - timer thread: destroy due keys, forget rows, reclaim segments, checkpoint.
 *
 * Wakes every second (sooner under a time scale), at each wake: tick the clock,
 * destroy what is due, make slots ahead, store the clock's high-water mark,
 * metrics.  In between housekeeping goes on in small rounds with rests, so that
 * ingest hardly feels it, and a key that comes due waits for one round at most.
 */
#ifndef DARKROOM_RETENTION_H
#define DARKROOM_RETENTION_H

#include "purge.h"

struct retention; /* opaque */

struct retention_options {
	struct purge *purge;
	struct keyring *keyring;
	struct catalog *catalog;
	struct commit *commit;
	struct control *control;
	struct clock *clock;
	int data_fd; /* borrowed; for the free-space gauge */
};

/* What must be true before the port opens: slots made ahead, everything due destroyed, the mark stored. */
enum status retention_prepare(const struct retention_options *options) MUST_CHECK;
enum status retention_start(const struct retention_options *options, struct retention **out) MUST_CHECK;
/* False with a sentence when the last rounds failed or the clock is held. */
bool retention_is_healthy(struct retention *r, const char **why);
void retention_stop(struct retention *r);

#endif
