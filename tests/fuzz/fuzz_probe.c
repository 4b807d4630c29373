/* The header probe, the one part of imaging that the server itself runs on outside bytes.  What it accepts
 * is within the limits, and looking at more bytes never changes an accepted answer. */
#include "imaging.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(const struct image_probe *p)
{
	must(p->format > IMAGE_FORMAT_NONE && p->format < IMAGE_FORMAT_COUNT);
	must(p->width >= 1 && p->width <= IMAGE_SIDE_MAX);
	must(p->height >= 1 && p->height <= IMAGE_SIDE_MAX);
	must((uint64_t)p->width * p->height <= IMAGE_PIXELS_MAX);
	must(!p->is_progressive || p->format == IMAGE_FORMAT_JPEG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_probe whole, half;
	enum status st = imaging_probe(span_make(data, size), &whole);
	must(st == ST_OK || st == ST_UNSUPPORTED || st == ST_INVALID || st == ST_TOO_BIG);
	if (st == ST_OK) {
		check_accepted(&whole);
	}
	if (imaging_probe(span_make(data, size / 2), &half) == ST_OK) {
		must(st == ST_OK && whole.format == half.format && whole.width == half.width &&
			whole.height == half.height);
	}
	return 0;
}
