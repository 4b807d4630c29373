#include "poison.h"

#include "process_child.h"

#include "imaging.h"
#include "sandbox.h"

/* Results hold renditions of at most RENDITION_BYTES_MAX each and a page of text. */
#define ANSWER_BYTES_MAX ((uint64_t)RENDITIONS_MAX * RENDITION_BYTES_MAX + KIB(64))

static int answer_with(const struct image_result *result)
{
	struct buf message;
	buf_init(&message, ANSWER_BYTES_MAX);
	if (imaging_result_write(result, &message)) {
		return SANDBOX_EXIT_NO_MEMORY;
	}
	return sandbox_write_answer(buf_span(&message)) ? PROCESS_CHILD_BROKEN : PROCESS_CHILD_GOOD;
}

static int refuse_with(const char *why)
{
	return sandbox_write_answer(span_of(why)) ? PROCESS_CHILD_BROKEN : PROCESS_CHILD_UNDECODABLE;
}

static int run(void)
{
	struct span image;
	struct image_result result;
	char why[128];
	if (sandbox_confine()) {
		return PROCESS_CHILD_BROKEN;
	}
	switch (sandbox_map_input(&image)) {
	case ST_OK: break;
	case ST_FULL: return SANDBOX_EXIT_NO_MEMORY;
	default: return PROCESS_CHILD_BROKEN;
	}
	switch (imaging_process(image, &result, why)) {
	case ST_OK: return answer_with(&result);
	case ST_FULL: return SANDBOX_EXIT_NO_MEMORY;
	default: return refuse_with(why);
	}
}

int process_child_main(void)
{
	_exit(run());
}
