/* revoked.h - the ids of images erased early, kept until their epoch is destroyed.
 *
 * An exact set of (epoch, random part of the id).  It doubles up to
 * REVOKED_MAX; revoked_add() says false when it is full or finds no memory, and
 * the keyring then closes the id's whole epoch: nothing of it opens any more in
 * this process.  Forgetting a revocation is never the answer.
 *
 * Threads: under the keyring's lock `slots`.
 */
#ifndef DARKROOM_KEYRING_REVOKED_H
#define DARKROOM_KEYRING_REVOKED_H

#include "id.h"

enum { REVOKED_MIN = 1024, REVOKED_MAX = 1 << 20, REVOKED_RANDOM = ID_AT_MAC - ID_AT_RANDOM };

struct revoked_entry {
	uint32_t epoch;
	uint8_t random[REVOKED_RANDOM];
};
struct revoked {
	struct revoked_entry *entries;
	size_t capacity, used, dead;
};

void revoked_init(struct revoked *r); /* allocates nothing yet */
void revoked_fini(struct revoked *r);
bool revoked_add(struct revoked *r, const struct image_id *id) MUST_CHECK;
bool revoked_has(const struct revoked *r, const struct image_id *id);
/* All up to and including `last`. */
void revoked_forget(struct revoked *r, uint32_t last);

#endif
