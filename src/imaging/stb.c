#include "poison.h"

#include <assert.h>
#include <setjmp.h>
#include <stdint.h>

#include "memory.h"
#include "must.h"
#include "num.h"

/* What stb frees does not say how big it was: each block begins with its size. */
enum { BLOCK_HEAD_LEN = 16 };

static _Thread_local struct {
	size_t max, used;
	bool is_spent;
} quota;

static size_t *size_of_block(void *p)
{
	return (size_t *)(void *)((uint8_t *)p - BLOCK_HEAD_LEN);
}

static void *quota_alloc(size_t size)
{
	size_t whole;
	uint8_t *block = NULL;
	if (size <= quota.max - quota.used && num_add(size, BLOCK_HEAD_LEN, &whole)) {
		block = memory_alloc(whole);
	}
	if (!block) {
		quota.is_spent = true;
		return NULL;
	}
	quota.used += size;
	block += BLOCK_HEAD_LEN;
	*size_of_block(block) = size;
	return block;
}

static void quota_free(void *p)
{
	if (p) {
		must(*size_of_block(p) <= quota.used);
		quota.used -= *size_of_block(p);
		memory_free(size_of_block(p));
	}
}

static void *quota_resize(void *p, size_t size)
{
	void *larger = quota_alloc(size);
	if (larger && p) {
		memcpy(larger, p, num_min(size, *size_of_block(p)));
		quota_free(p);
	}
	return larger;
}

/* stb_image_resize2 follows a NULL pointer when an allocation fails (2.12; found by failing each in turn).
 * So none fails before its eyes: lack of memory leaves it by a jump, and its blocks, which are kept in a
 * list, are freed here. */
struct resize_block {
	struct resize_block *next, *previous;
};
static_assert(sizeof(struct resize_block) % 16 == 0, "what follows is aligned for any type");
static _Thread_local struct {
	jmp_buf back;
	struct resize_block *blocks;
} resizing;

static void *resize_alloc(size_t size)
{
	size_t whole;
	struct resize_block *block =
		num_add(size, sizeof(struct resize_block), &whole) ? memory_alloc(whole) : NULL;
	if (!block) {
		longjmp(resizing.back, 1);
	}
	block->next = resizing.blocks;
	if (block->next) {
		block->next->previous = block;
	}
	resizing.blocks = block;
	return block + 1;
}

static void resize_free(void *p)
{
	if (!p) {
		return;
	}
	struct resize_block *block = (struct resize_block *)p - 1;
	*(block->previous ? &block->previous->next : &resizing.blocks) = block->next;
	if (block->next) {
		block->next->previous = block->previous;
	}
	memory_free(block);
}

#define STBI_MALLOC(size) quota_alloc(size)
#define STBI_REALLOC(p, size) quota_resize(p, size)
#define STBI_FREE(p) quota_free(p)
#define STBIR_MALLOC(size, context) ((void)(context), resize_alloc(size))
#define STBIR_FREE(p, context) ((void)(context), resize_free(p))
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_IMPLEMENTATION

/* The one place where foreign code is compiled as ours: its warnings are not ours to mend. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include "stb.h"
#pragma GCC diagnostic pop

bool imaging_stb_resize(STBIR_RESIZE *job)
{
	if (setjmp(resizing.back) == 0) {
		return stbir_resize_extended(job) != 0;
	}
	while (resizing.blocks) {
		resize_free(resizing.blocks + 1);
	}
	return false;
}

void imaging_stb_quota(size_t bytes)
{
	must(quota.used == 0);
	quota.max = bytes;
	quota.is_spent = false;
}

bool imaging_stb_is_spent(void)
{
	return quota.is_spent;
}
