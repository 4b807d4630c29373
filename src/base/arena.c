#include "poison.h"

#include "arena.h"

#include <stdarg.h>
#include <stdalign.h>

#include "memory.h"
#include "must.h"
#include "num.h"

enum { BLOCK_BYTES_LEAST = 4096 };

struct block {
	struct block *next;
	size_t size;
	size_t used;
	alignas(max_align_t) uint8_t bytes[];
};

struct arena {
	struct block *blocks; /* the newest first; only it is filled */
	size_t max;
	size_t taken; /* of max, with what alignment costs */
};

struct arena *arena_new(size_t max)
{
	struct arena *a = memory_alloc(sizeof *a);
	if (a) {
		a->max = max;
	}
	return a;
}

/* Blocks double as the arena grows, so that a large one is made of few. */
static struct block *add_block(struct arena *a, size_t size)
{
	size_t total = 0;
	size_t wanted = a->blocks ? (size_t)num_min(a->blocks->size * 2, a->max - a->taken) : 0;
	wanted = (size_t)num_max(num_max(wanted, size), BLOCK_BYTES_LEAST - sizeof(struct block));
	struct block *block = num_add(wanted, sizeof *block, &total) ? memory_alloc(total) : NULL;
	if (block) {
		block->size = wanted;
		block->next = a->blocks;
		a->blocks = block;
	}
	return block;
}

void *arena_alloc(struct arena *a, size_t size)
{
	if (size > a->max - a->taken) {
		return NULL;
	}
	size_t whole = (size_t)num_align(size > 0 ? size : 1, alignof(max_align_t));
	if (whole > a->max - a->taken) {
		return NULL;
	}
	struct block *block = a->blocks;
	if (!block || whole > block->size - block->used) {
		block = add_block(a, whole);
	}
	if (!block) {
		return NULL;
	}
	void *p = block->bytes + block->used;
	block->used += whole;
	a->taken += whole;
	return p;
}

char *arena_text(struct arena *a, struct span s)
{
	size_t size = 0;
	char *text = num_add(s.len, 1, &size) ? arena_alloc(a, size) : NULL;
	if (text && s.len > 0) {
		memcpy(text, s.data, s.len);
	}
	return text;
}

struct span arena_copy(struct arena *a, struct span s)
{
	void *copy = s.len > 0 ? arena_alloc(a, s.len) : NULL;
	if (!copy) {
		return span_make(NULL, 0);
	}
	memcpy(copy, s.data, s.len);
	return span_make(copy, s.len);
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int len = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	must(len >= 0);
	char *text = arena_alloc(a, (size_t)len + 1);
	if (text) {
		(void)vsnprintf(text, (size_t)len + 1, format, again);
	}
	va_end(again);
	return text;
}

void arena_free(struct arena *a)
{
	while (a && a->blocks) {
		struct block *next = a->blocks->next;
		memory_free(a->blocks);
		a->blocks = next;
	}
	memory_free(a);
}
