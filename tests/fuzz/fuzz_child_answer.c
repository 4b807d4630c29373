/* What a captured child could answer.  An accepted answer, written again, is the same bytes: nothing in it
 * was ignored, and nothing is left to two readings. */
#include "imaging.h"

#include <string.h>

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_result result;
	struct buf again;
	enum status st = imaging_result_read(span_make(data, size), &result);
	must(st == ST_OK || st == ST_INVALID);
	if (st) {
		must(result.rendition_count == 0);
		return 0;
	}
	buf_init(&again, size + 1);
	must(imaging_result_write(&result, &again) == ST_OK);
	must(again.len == size && memcmp(again.data, data, size) == 0);
	buf_fini(&again);
	imaging_result_fini(&result);
	return 0;
}
