#include "poison.h"

#include "jpeg_segments.h"

#include "bytes.h"

/* A camera file has a dozen; profiles and previews in parts make it a few hundred. */
enum { SEGMENTS_MAX_JPEG = 4096, STRAY_MAX = 4096 };

struct jpeg_segments imaging_jpeg_segments(struct span image)
{
	return (struct jpeg_segments){ .image = image, .at = 2 };
}

/* A marker may be preceded by fill bytes 0xff (T.81 B.1.1.2).  Some cameras leave other bytes between
 * segments; they are passed over as libjpeg does it, so that both find the same segments. */
static enum status read_marker(struct jpeg_segments *s, uint8_t *marker)
{
	bool is_after_fill = false;
	for (unsigned stray = 0; stray < STRAY_MAX && bytes_has(s->image, s->at, 1); stray++) {
		*marker = s->image.data[s->at++];
		if (is_after_fill && *marker != 0xff && *marker != 0) {
			return ST_OK;
		}
		is_after_fill = *marker == 0xff;
	}
	return ST_INVALID;
}

/* TEM, RST0-7, SOI and a stuffed zero have no length and no business in front of a scan. */
static bool is_out_of_place(uint8_t marker)
{
	return marker <= 0x01 || (marker >= 0xd0 && marker <= JPEG_SOI);
}

enum status imaging_jpeg_next(struct jpeg_segments *s, uint8_t *marker, struct span *parameters)
{
	*parameters = (struct span){ NULL, 0 };
	*marker = 0;
	if (++s->seen > SEGMENTS_MAX_JPEG || read_marker(s, marker) || is_out_of_place(*marker)) {
		return ST_INVALID;
	}
	if (*marker == JPEG_EOI) {
		return ST_OK;
	}
	size_t len = bytes_big16(s->image, s->at);
	if (len < 2 || !bytes_has(s->image, s->at, len)) {
		return ST_INVALID;
	}
	*parameters = span_slice(s->image, s->at + 2, len - 2);
	s->at += len;
	return ST_OK;
}
