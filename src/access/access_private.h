/* access_private.h - what is held in memory of keys and collections, within the module.
 *
 * A change goes: access_change_begin(), control.db, access_change_end(), which
 * reads everything again.  Only one change runs at a time, so that an older
 * reading never replaces a newer one; no lock is held while control.db works.
 * If reading again fails, nothing is held any more: everybody is denied until
 * it succeeds, rather than a revoked key let in.
 */
#ifndef DARKROOM_ACCESS_PRIVATE_H
#define DARKROOM_ACCESS_PRIVATE_H

#include "access.h"

#include "lock.h"

struct access {
	struct control *control;
	struct keyring *keyring;
	struct clock *clock;
	int64_t retention_max_ms, retention_default_ms; /* set before use */
	/* Where collections are mirrored; NULL until then; under access_change_begin(). */
	struct catalog *catalog;

	struct lock cache; /* "access.cache"; guards all below */
	struct signal changed;
	bool is_changing, is_stale;
	struct control_key *keys; /* by prefix */
	size_t key_count;
	struct access_collection *collections; /* by number; locked memory, room for COLLECTIONS_MAX */
	size_t collection_count;
};

void access_change_begin(struct access *a);
/* Reads everything again; gives `st` or, if that was OK, what reading said. */
enum status access_change_end(struct access *a, enum status st) MUST_CHECK;

/* Copies all collections into the catalog, if there is one, when `st` is OK; between begin and end.  Gives
 * the status. */
enum status access_mirror(struct access *a, enum status st) MUST_CHECK;

/* The key with this prefix, under `cache`; NULL. */
struct control_key *access_cached_key(struct access *a, const char *prefix);

#endif
