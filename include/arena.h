/* arena.h - small memory that dies together: one per request and per job.
 *
 * Nothing taken from an arena outlives it and nothing is freed alone.  It has
 * a maximum; past it arena_alloc() gives NULL, which callers answer with FULL.
 * Threads: an arena belongs to one thread.
 */
#ifndef DARKROOM_ARENA_H
#define DARKROOM_ARENA_H

#include "span.h"

struct arena; /* opaque */

/* Gives an arena of at most `max` bytes; NULL without memory. */
struct arena *arena_new(size_t max);

/* Zeroed memory, aligned for any type; NULL when the maximum is spent. */
void *arena_alloc(struct arena *a, size_t size);

/* Copies: with a closing NUL, or as bytes.  NULL/empty span when spent. */
char *arena_text(struct arena *a, struct span s);
struct span arena_copy(struct arena *a, struct span s);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

void arena_free(struct arena *a);

#endif
