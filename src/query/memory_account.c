/* memory_account.c - wraps SQLite's allocator.  Its own heap limit is one for the whole process, and
 * a query that reached it would starve the applier; so each query thread is counted alone. */
#include "poison.h"

#include "memory_account.h"

#include <sqlite3.h>
#include <stddef.h>

#include "query.h"

static sqlite3_mem_methods standard;

/* Owned by the thread. */
static _Thread_local int64_t *account;
static _Thread_local int64_t limit;

void memory_account_begin(int64_t *counter, int64_t most)
{
	account = counter;
	limit = most;
}

void memory_account_end(void)
{
	account = NULL;
	limit = 0;
}

static void *counted_malloc(int size)
{
	if (account && *account + size > limit)
		return NULL;
	void *p = standard.xMalloc(size);
	if (p && account)
		*account += standard.xSize(p);
	return p;
}

static void counted_free(void *p)
{
	if (account)
		*account -= standard.xSize(p);
	standard.xFree(p);
}

static void *counted_realloc(void *p, int size)
{
	int64_t before = account ? standard.xSize(p) : 0;
	if (account && *account + size - before > limit)
		return NULL;
	void *moved = standard.xRealloc(p, size);
	if (moved && account)
		*account += standard.xSize(moved) - before;
	return moved;
}

enum status query_init_memory(void)
{
	if (standard.xMalloc)
		return ST_OK; /* once in a process: ours must not be taken for the standard ones */
	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &standard) != SQLITE_OK)
		return ST_IO;
	sqlite3_mem_methods counted = standard;
	counted.xMalloc = counted_malloc;
	counted.xFree = counted_free;
	counted.xRealloc = counted_realloc;
	return sqlite3_config(SQLITE_CONFIG_MALLOC, &counted) == SQLITE_OK ? ST_OK : ST_IO;
}
