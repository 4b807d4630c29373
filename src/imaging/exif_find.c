#include "poison.h"

#include "exif.h"

#include "bytes.h"
#include "jpeg_segments.h"

enum { CHUNKS_MAX = 100000 };

static const struct span nothing = { NULL, 0 };

static struct span after_prefix(struct span s)
{
	enum { PREFIX_LEN = 6 };
	return bytes_has(s, 0, PREFIX_LEN) && memcmp(s.data, "Exif\0\0", PREFIX_LEN) == 0
		       ? span_slice(s, PREFIX_LEN, s.len)
		       : nothing;
}

static struct span find_in_jpeg(struct span image)
{
	struct jpeg_segments segments = imaging_jpeg_segments(image);
	uint8_t marker;
	struct span parameters;
	while (imaging_jpeg_next(&segments, &marker, &parameters) == ST_OK) {
		if (marker == JPEG_SOS || marker == JPEG_EOI) {
			break;
		}
		struct span tiff = marker == JPEG_APP1 ? after_prefix(parameters) : nothing;
		if (tiff.len > 0) {
			return tiff;
		}
	}
	return nothing;
}

/* Chunks: length, type, data, checksum. */
static struct span find_in_png(struct span image)
{
	size_t at = 8;
	for (unsigned i = 0; i < CHUNKS_MAX && bytes_has(image, at, 12); i++) {
		size_t len = bytes_big32(image, at);
		if (!bytes_has(image, at + 8, len)) {
			break;
		}
		if (bytes_are(image, at + 4, "eXIf")) {
			return span_slice(image, at + 8, len);
		}
		if (!num_add(at, len + 12, &at)) {
			break;
		}
	}
	return nothing;
}

/* Chunks: type, length, data, padded to an even length.  Some writers keep JPEG's prefix in front of the
 * TIFF part. */
static struct span find_in_webp(struct span image)
{
	size_t at = 12;
	for (unsigned i = 0; i < CHUNKS_MAX && bytes_has(image, at, 8); i++) {
		size_t len = bytes_little32(image, at + 4);
		if (!bytes_has(image, at + 8, len)) {
			break;
		}
		if (bytes_are(image, at, "EXIF")) {
			struct span data = span_slice(image, at + 8, len), tiff = after_prefix(data);
			return tiff.len > 0 ? tiff : data;
		}
		if (!num_add(at, 8 + len + (len & 1), &at)) {
			break;
		}
	}
	return nothing;
}

struct span imaging_find_exif(struct span image, enum image_format format)
{
	switch (format) {
	case IMAGE_FORMAT_JPEG: return find_in_jpeg(image);
	case IMAGE_FORMAT_PNG: return find_in_png(image);
	case IMAGE_FORMAT_WEBP: return find_in_webp(image);
	default: return nothing;
	}
}
