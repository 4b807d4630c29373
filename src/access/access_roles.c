/* access_roles.c - the table of roles: what each may do, and nothing else. */
#include "poison.h"

#include "access.h"

#define MAY(permission) (UINT64_C(1) << PERM_##permission)
static_assert(PERM_COUNT <= 64, "a permission is a bit");

/* Whoever has a key may ask who it is; an uploader may not look at what others sent, an analyst sees rows,
 * not pictures. */
const struct access_role access_roles[] = {
	{ "uploader", "uploads images and sees nothing", MAY(SELF) | MAY(IMAGE_WRITE) },
	{ "reader", "reads images, their renditions and records",
		MAY(SELF) | MAY(IMAGE_LIST) | MAY(ORIGINAL_READ) | MAY(RENDITION_READ) | MAY(STATS_READ) |
			MAY(COLLECTION_READ) },
	{ "analyst", "queries the published views",
		MAY(SELF) | MAY(SQL) | MAY(STATS_READ) | MAY(COLLECTION_READ) },
	{ "engineer", "reads images and metrics, for the processing code",
		MAY(SELF) | MAY(IMAGE_LIST) | MAY(ORIGINAL_READ) | MAY(RENDITION_READ) | MAY(STATS_READ) |
			MAY(COLLECTION_READ) | MAY(METRICS_READ) },
	{ "auditor", "reads purge receipts, metrics and counts",
		MAY(SELF) | MAY(RECEIPT_READ) | MAY(METRICS_READ) | MAY(STATS_READ) | MAY(COLLECTION_READ) },
	{ "admin", "does everything", (UINT64_C(1) << PERM_COUNT) - 1 - MAY(UNSET) },
	{ NULL, NULL, 0 },
};

const struct access_role *access_find_role(struct span name)
{
	for (const struct access_role *role = access_roles; role->name; role++)
		if (span_equal_text(name, role->name))
			return role;
	return NULL;
}

bool access_may(const struct access_caller *caller, enum permission p)
{
	if (p <= PERM_UNSET || p >= PERM_COUNT)
		return false;
	return p == PERM_PUBLIC || (caller->permissions >> p & 1) != 0;
}
