/* access_mirror.c - collections as analysts see them: copied into the catalog, which joins images to them. */
#include "poison.h"

#include "access_private.h"
#include "catalog.h"
#include "memory.h"

enum status access_mirror(struct access *a, enum status st)
{
	struct control_collection *rows = NULL;
	size_t count = 0;
	if (st != ST_OK || !a->catalog)
		return st;
	st = control_list_collections(a->control, &rows, &count);
	for (size_t i = 0; st == ST_OK && i < count; i++)
		if (rows[i].has_key)
			st = catalog_put_collection(a->catalog, rows[i].number, rows[i].name,
				rows[i].retention_ms, rows[i].created_at);
	memory_free(rows);
	return st;
}

enum status access_mirror_collections(struct access *a, struct catalog *catalog)
{
	access_change_begin(a);
	a->catalog = catalog;
	return access_change_end(a, access_mirror(a, ST_OK));
}

enum status access_forget_collection(struct access *a, uint32_t number)
{
	access_change_begin(a);
	enum status st = a->catalog ? catalog_drop_collection(a->catalog, number) : ST_OK;
	if (st == ST_OK || st == ST_NOT_FOUND)
		st = control_forget_collection(a->control, number);
	return access_change_end(a, st);
}
