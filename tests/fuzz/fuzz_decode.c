/* The whole way from bytes to a result, as a child runs it.  A good result passes the parent's reader.
 * Only small pictures, so that many are tried; their number of pixels changes nothing in the code that
 * runs. */
#include "imaging.h"

#include <string.h>

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIXELS_MAX = 1 << 18 };

static void check_good(const struct image_result *result)
{
	struct image_result read_back;
	struct buf message;
	buf_init(&message, MIB(4));
	must(imaging_result_write(result, &message) == ST_OK);
	must(imaging_result_read(buf_span(&message), &read_back) == ST_OK);
	imaging_result_fini(&read_back);
	buf_fini(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_probe probe;
	struct image_result result;
	char why[128];
	if (imaging_probe(span_make(data, size), &probe) ||
		(uint64_t)probe.width * probe.height > PIXELS_MAX) {
		return 0;
	}
	enum status st = imaging_process(span_make(data, size), &result, why);
	must(memchr(why, 0, sizeof why) != NULL);
	if (st == ST_OK) {
		check_good(&result);
	} else {
		must(st == ST_INVALID || st == ST_TOO_BIG || st == ST_FULL);
		must(why[0] != '\0' && result.rendition_count == 0);
	}
	imaging_result_fini(&result);
	return 0;
}
