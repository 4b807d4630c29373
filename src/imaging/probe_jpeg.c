#include "poison.h"

#include "probe.h"

#include "bytes.h"
#include "jpeg_segments.h"

enum { SOF_BASELINE = 0xc0, SOF_EXTENDED = 0xc1, SOF_PROGRESSIVE = 0xc2, SOF_LAST = 0xcf };

static bool is_frame(uint8_t marker)
{
	return marker >= SOF_BASELINE && marker <= SOF_LAST && marker != JPEG_DHT && marker != JPEG_JPG &&
	       marker != JPEG_DAC;
}

static enum status check_components(struct span frame, uint8_t count)
{
	for (uint8_t i = 0; i < count; i++) {
		uint8_t sampling = frame.data[6 + 3 * i + 1];
		unsigned across = sampling >> 4, down = sampling & 15;
		if (across < 1 || across > 4 || down < 1 || down > 4) {
			return ST_INVALID;
		}
	}
	return ST_OK;
}

/* Frame header, T.81 B.2.2: precision, lines, samples per line, components. */
static enum status read_frame(uint8_t marker, struct span frame, struct image_probe *out)
{
	if (marker > SOF_PROGRESSIVE) {
		return ST_UNSUPPORTED; /* lossless, hierarchical or arithmetic-coded */
	}
	if (!bytes_has(frame, 0, 6)) {
		return ST_INVALID;
	}
	uint8_t precision = frame.data[0], components = frame.data[5];
	if (precision != 8) {
		return precision == 12 && marker != SOF_BASELINE ? ST_UNSUPPORTED : ST_INVALID;
	}
	if (frame.len != 6 + 3 * (size_t)components) {
		return ST_INVALID;
	}
	if (components != 1 && components != 3 && components != 4) {
		return ST_UNSUPPORTED;
	}
	out->height = bytes_big16(frame, 1);
	out->width = bytes_big16(frame, 3);
	out->is_progressive = marker == SOF_PROGRESSIVE;
	return check_components(frame, components);
}

enum status imaging_probe_jpeg(struct span head, struct image_probe *out)
{
	struct jpeg_segments segments = imaging_jpeg_segments(head);
	for (;;) {
		uint8_t marker;
		struct span parameters;
		if (imaging_jpeg_next(&segments, &marker, &parameters)) {
			return ST_INVALID;
		}
		if (marker == JPEG_SOS || marker == JPEG_EOI) {
			return ST_INVALID;
		}
		if (is_frame(marker)) {
			return read_frame(marker, parameters, out);
		}
	}
}
