/* access.h - who is asking, and may they: principals, keys, roles, collections. Deny by default.
 *
 * A key is "dr_" + 12 characters of prefix + "_" + 43 characters of base64url
 * secret (256 bits).  Stored are the prefix and HMAC(root-derived, secret).
 * Unknown, revoked and wrong keys take the same time and give the same answer.
 *
 * Threads: any; keys and collections are cached behind one lock and reloaded
 * after each change.
 */
#ifndef DARKROOM_ACCESS_H
#define DARKROOM_ACCESS_H

#include "control.h"
#include "keyring.h"
#include "span.h"
#include "status.h"

struct access; /* opaque */
struct clock;

/*      name             sentence */
/* clang-format off */
#define PERMISSION_TABLE(X) \
	X(PUBLIC,            "anyone") \
	X(SELF,              "anyone with a valid key") \
	X(IMAGE_WRITE,       "upload images") \
	X(IMAGE_LIST,        "see images' records") \
	X(ORIGINAL_READ,     "read originals") \
	X(RENDITION_READ,    "read renditions") \
	X(IMAGE_ERASE,       "erase an image early") \
	X(STATS_READ,        "see counts") \
	X(SQL,               "query the published views") \
	X(COLLECTION_READ,   "see collections") \
	X(COLLECTION_EDIT,   "make, change and remove collections") \
	X(KEY_EDIT,          "make, list and revoke keys") \
	X(METRICS_READ,      "read metrics") \
	X(RECEIPT_READ,      "read purge receipts")

enum permission {
	PERM_UNSET,
#define X(name, sentence) PERM_##name,
	PERMISSION_TABLE(X)
#undef X
	PERM_COUNT
};
/* clang-format on */

struct access_role {
	const char *name;
	const char *sentence;
	uint64_t permissions; /* bit per enum permission */
};
/* uploader, reader, analyst, engineer, auditor, admin; ends with name NULL. */
extern const struct access_role access_roles[];
const struct access_role *access_find_role(struct span name); /* NULL when unknown */

/* Who a request is from; copied into the request. */
struct access_caller {
	char principal[PRINCIPAL_NAME_MAX + 1], key_prefix[13];
	uint64_t permissions;
	bool is_for_all_collections;
	uint32_t collections[KEY_COLLECTIONS_MAX];
	size_t collection_count;
};

enum status access_open(struct control *control, struct keyring *keyring, struct clock *clock,
	struct access **out) MUST_CHECK;
void access_close(struct access *a);

/* `token` is what follows "Bearer ".  DENIED: unknown, wrong, expired or revoked, always after the same
 * work. */
enum status access_authenticate(struct access *a, struct span token, struct access_caller *out) MUST_CHECK;

bool access_may(const struct access_caller *caller, enum permission p);
bool access_reaches(const struct access_caller *caller, uint32_t collection);

/* --- keys --- */
struct access_new_key {
	const char *principal, *role;
	const char *const *collections; /* names, ended by NULL; NULL: all */
	int64_t valid_ms;               /* 0: never expires */
};
enum { ACCESS_KEY_TEXT = 3 + 12 + 1 + 43 };
/* Gives the key's text once; wipe it after showing.  INVALID: unknown role, bad name.  NOT_FOUND: unknown
 * collection. */
enum status access_make_key(
	struct access *a, const struct access_new_key *in, char out[ACCESS_KEY_TEXT + 1]) MUST_CHECK;
enum status access_revoke_key(struct access *a, struct span prefix) MUST_CHECK;
enum status access_list_keys(
	struct access *a, struct control_key **out, size_t *count) MUST_CHECK; /* memory_free() */

/* --- collections: control.db's rows with their keys opened --- */
struct access_collection {
	struct control_collection row;
	struct collection_key key;
};
/* NOT_FOUND.  A copy; wipe its key with access_collection_wipe(). */
enum status access_find_collection(
	struct access *a, struct span name, struct access_collection *out) MUST_CHECK;
enum status access_collection_by_number(
	struct access *a, uint32_t number, struct access_collection *out) MUST_CHECK;
void access_collection_wipe(struct access_collection *c);
struct access_new_collection {
	struct span name;
	int64_t retention_ms; /* 0: the configured default */
	uint32_t formats;     /* 0: all */
};
/* INVALID with `why` (a constant sentence): a name outside [a-z0-9][a-z0-9-]{0,62}, a retention out of
 * RETENTION_MIN_MS..retention_max_ms, no format.  EXISTS. */
enum status access_make_collection(struct access *a, const struct access_new_collection *in,
	struct control_collection *out, const char **why) MUST_CHECK;
enum status access_change_collection(struct access *a, uint32_t number, int64_t retention_ms,
	uint32_t formats, const char **why) MUST_CHECK;
enum status access_remove_collection(struct access *a, uint32_t number) MUST_CHECK;
/* A removed collection whose last image is gone: its rows and its key go for good.  BUSY: it has images
 * yet. */
enum status access_forget_collection(struct access *a, uint32_t number) MUST_CHECK;
enum status access_list_collections(
	struct access *a, struct control_collection **out, size_t *count) MUST_CHECK; /* memory_free() */
/* Writes all collections into the catalog now, and from now on each one that is made, changed or removed.
 * `catalog` is borrowed for the life of `a`. */
struct catalog;
enum status access_mirror_collections(struct access *a, struct catalog *catalog) MUST_CHECK;
/* From the configuration, before use: what a collection gets that names no retention, and the most it may
 * have. */
void access_set_retention_max(struct access *a, int64_t retention_max_ms);
void access_set_retention_default(struct access *a, int64_t retention_ms);

#endif
