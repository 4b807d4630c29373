#include "poison.h"

#include "jpeg_segments.h"

#include "bytes.h"

/* A camera file has a dozen; profiles and previews in parts make it a few hundred. */
enum { SEGMENTS_MAX_JPEG = 4096, FILL_MAX = 64 };

struct jpeg_segments imaging_jpeg_segments(struct span image)
{
	return (struct jpeg_segments){ .image = image, .at = 2 };
}

/* A marker may be preceded by fill bytes 0xff (T.81 B.1.1.2). */
static enum status read_marker(struct jpeg_segments *s, uint8_t *marker)
{
	if (!bytes_has(s->image, s->at, 2) || s->image.data[s->at] != 0xff) {
		return ST_INVALID;
	}
	s->at++;
	for (unsigned fill = 0; fill < FILL_MAX && bytes_has(s->image, s->at, 1); fill++) {
		*marker = s->image.data[s->at++];
		if (*marker != 0xff) {
			return ST_OK;
		}
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
