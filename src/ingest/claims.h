/* claims.h - who is working on what: a bounded table of keys, each claimed by one thread at a time.
 *
 * A claim is no lock: it is held across body bytes and commits, and whoever
 * finds it taken waits or goes away.  Idempotency-Keys and contents in flight
 * are claimed; a thread claims its Idempotency-Key before a content, and waits
 * for nothing while it holds a content.
 *
 * Threads: any.
 */
#ifndef DARKROOM_INGEST_CLAIMS_H
#define DARKROOM_INGEST_CLAIMS_H

#include "lock.h"
#include "status.h"

/* More than there are request threads, each of which holds one key of a kind. */
enum { CLAIMS_MAX = 4096, CLAIM_KEY = 36 };

struct claim_key {
	uint8_t bytes[CLAIM_KEY];
};
struct claims {
	struct lock lock;
	struct signal released;
	size_t count;
	struct claim_key keys[CLAIMS_MAX];
};

void claims_init(struct claims *c, const char *name);
void claims_fini(struct claims *c);

/* OK: it is ours until claims_release().  BUSY: somebody has it and did not let go in `wait_ms`.
 * FULL: the table is. */
enum status claims_acquire(struct claims *c, const struct claim_key *key, int64_t wait_ms) MUST_CHECK;
/* Waits until nobody has `key`, without taking it.  BUSY: somebody has it still. */
enum status claims_wait(struct claims *c, const struct claim_key *key, int64_t wait_ms) MUST_CHECK;
void claims_release(struct claims *c, const struct claim_key *key);

#endif
