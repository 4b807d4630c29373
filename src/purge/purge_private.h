/* purge_private.h - what the files of the purge module share. */
#ifndef DARKROOM_PURGE_PRIVATE_H
#define DARKROOM_PURGE_PRIVATE_H

#include <stdatomic.h>

#include "lock.h"
#include "purge.h"
#include "receipt.h"

enum { OWED_MAX = 1024, DESTROYED_KEPT = 1024 };

struct destroyed_epoch {
	uint32_t epoch;
	int64_t at;
};

struct purge {
	struct purge_options options;
	struct sign_key *receipt_key;
	/* Rows went since the last checkpoint: what they said is still in the write-ahead log. */
	atomic_bool has_residue;
	/* owned by the retention thread: */
	struct destroyed_epoch destroyed[DESTROYED_KEPT]; /* by epoch % DESTROYED_KEPT */
	uint32_t covered;         /* epochs up to here have their receipts */
	int64_t oldest_due_ms;    /* of the rows that wait to be forgotten; 0: none do */
	int64_t checkpoint_at_ms; /* monotonic: not to be tried before */
	struct lock lock;         /* "purge.owed"; guards what follows */
	struct receipt_facts owed[OWED_MAX]; /* erases whose receipt could not be written yet */
	size_t owed_count;
};

/* Writes what is owed; what cannot be written stays owed. */
enum status purge_write_owed(struct purge *p) MUST_CHECK;

/* When the epoch's key went; now, if that was in an earlier process or too many have gone since. */
int64_t purge_destroyed_at(struct purge *p, uint32_t epoch);

#endif
