/* commit_course.c - how far a look at the stores is, by the sizes of their segments' files. */
#include "poison.h"

#include "inside.h"

#include "memory.h"
#include "num.h"

static enum status add_sizes(struct course *x, int store, uint32_t from)
{
	uint32_t *numbers = NULL;
	size_t count = 0;
	enum status st = store_segments(commit_store(x->c, store), &numbers, &count);
	for (size_t i = 0; st == ST_OK && i < count; i++)
		if (numbers[i] >= from)
			x->total += store_segment_size(commit_store(x->c, store), numbers[i]);
	memory_free(numbers);
	return st;
}

enum status course_begin(struct course *x, struct commit *c, const struct commit_progress *listener,
	const uint32_t from[CATALOG_STORES])
{
	enum status st = ST_OK;
	*x = (struct course){ .c = c, .listener = listener };
	for (int store = CATALOG_ORIGINALS; listener && st == ST_OK && store <= CATALOG_PROCESSED; store++)
		st = add_sizes(x, store, from[store - 1]);
	return st;
}

/* A file may have shrunk or grown since its size was taken: nobody is told of more than all. */
static void tell(const struct course *x, uint64_t done, uint64_t images)
{
	x->listener->tell(x->listener->context, num_min(done, x->total), x->total, images);
}

/* The segment in hand is behind. */
static void leave_segment(struct course *x)
{
	if (x->store != 0)
		x->behind += store_segment_size(commit_store(x->c, x->store), x->segment);
	x->store = 0;
}

void course_at(struct course *x, int store, struct position at, uint64_t images)
{
	if (!x->listener)
		return;
	if (store != x->store || at.segment != x->segment)
		leave_segment(x);
	x->store = store;
	x->segment = at.segment;
	tell(x, x->behind + at.offset, images);
}

void course_add(struct course *x, uint64_t bytes, uint64_t images)
{
	if (!x->listener)
		return;
	leave_segment(x);
	x->behind += bytes;
	tell(x, x->behind, images);
}

void course_end(struct course *x, uint64_t images)
{
	if (x->listener)
		tell(x, x->total, images);
}
