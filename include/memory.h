/* memory.h - the heap, behind the seam that lets tests fail the n-th call.
 *
 * memory_alloc() gives zeroed memory.  NULL is a normal answer (FULL).
 * memory_free() accepts NULL.
 */
#ifndef DARKROOM_MEMORY_H
#define DARKROOM_MEMORY_H

#include <stddef.h>

void *memory_alloc(size_t size);
void *memory_alloc_array(size_t count, size_t size);
void *memory_resize(void *p, size_t size);
void memory_free(void *p);

/* Page-aligned (4 KiB) zeroed memory for direct I/O; end with memory_free(). */
void *memory_alloc_aligned(size_t size);

/* Overwrites with zeros by a write the compiler keeps. */
void memory_wipe(void *p, size_t size);

/* Locked, undumpable, excluded from core dumps, whole pages; NULL when refused.
 * If the lock limit is too small the pages are given unlocked and one warning
 * is logged.  memory_free_locked() wipes first. */
void *memory_alloc_locked(size_t size);
void memory_free_locked(void *p, size_t size);

/* Forbids core dumps and ptrace by other processes of the same user, for this whole process. */
void memory_forbid_dumps(void);

#endif
