/* jpeg_segments.h - walks the marker segments in front of a JPEG's first scan; internal to imaging. */
#ifndef DARKROOM_IMAGING_JPEG_SEGMENTS_H
#define DARKROOM_IMAGING_JPEG_SEGMENTS_H

#include "span.h"
#include "status.h"

struct jpeg_segments {
	struct span image;
	size_t at;
	unsigned seen;
};

enum {
	JPEG_SOI = 0xd8,
	JPEG_EOI = 0xd9,
	JPEG_SOS = 0xda,
	JPEG_APP1 = 0xe1,
	JPEG_DHT = 0xc4,
	JPEG_JPG = 0xc8,
	JPEG_DAC = 0xcc
};

/* Stands behind the SOI that the caller has seen. */
struct jpeg_segments imaging_jpeg_segments(struct span image);

/* The next marker and its parameters without their length.  INVALID: no marker is there, it is one that
 * cannot be here, the segment ends outside, or there are too many.  SOS and EOI are given with what belongs
 * to them and must end the walk. */
enum status imaging_jpeg_next(struct jpeg_segments *s, uint8_t *marker, struct span *parameters) MUST_CHECK;

#endif
