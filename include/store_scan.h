/* store_scan.h - reading a store's log in order: replay, rebuild, verify.
 *
 * A scan gives one batch after the other, in memory bounded by the largest, and
 * says where bytes are no sound batch; it goes on behind them.  It reads up to
 * the end as it was when the scan was opened.
 *
 * Threads: a scan belongs to one; the store may be written meanwhile.
 */
#ifndef DARKROOM_STORE_SCAN_H
#define DARKROOM_STORE_SCAN_H

#include "store.h"

struct store_scan; /* opaque; belongs to one thread */

enum scan_finding { SCAN_SOUND, SCAN_DAMAGED };

struct scan_record {
	enum record_kind kind;
	struct place at;
	struct span key, body; /* lent until the next call */
	uint32_t body_crc;     /* as the head says */
	bool is_body_sound;    /* false: the checksum disagrees (a punched body, or damage) */
};

struct scan_batch {
	enum scan_finding finding; /* DAMAGED: bytes in [from, end) were not a sound batch; no records */
	struct position end;
	uint32_t from;
	const char *why;             /* a constant sentence when damaged */
	struct scan_record *records; /* lent until the next call */
	size_t record_count;
};

/* Begins behind `from` (sequence 0: at the oldest segment).  Reads up to the end as it is now. */
enum status store_scan_open(struct store *st, struct position from, struct store_scan **out) MUST_CHECK;
/* The next batch (one without records where the log was stopped cleanly), or damage between batches.
 * NOT_FOUND: the end.  IO: the disk gave an error; the same call may be made again. */
enum status store_scan_next(struct store_scan *scan, struct scan_batch *out) MUST_CHECK;
void store_scan_close(struct store_scan *scan);

#endif
