#include "poison.h"

#include "imaging.h"

#include "bytes.h"
#include "probe.h"

static bool is_webp(struct span head)
{
	return bytes_are(head, 0, "RIFF") && bytes_are(head, 8, "WEBP");
}

static enum image_format format_by_magic(struct span head)
{
	if (bytes_has(head, 0, 3) && memcmp(head.data, "\xff\xd8\xff", 3) == 0) {
		return IMAGE_FORMAT_JPEG;
	}
	if (bytes_has(head, 0, 8) && memcmp(head.data, "\x89PNG\r\n\x1a\n", 8) == 0) {
		return IMAGE_FORMAT_PNG;
	}
	if (bytes_has(head, 0, 6) &&
		(memcmp(head.data, "GIF87a", 6) == 0 || memcmp(head.data, "GIF89a", 6) == 0)) {
		return IMAGE_FORMAT_GIF;
	}
	if (bytes_has(head, 0, 2) && memcmp(head.data, "BM", 2) == 0) {
		return IMAGE_FORMAT_BMP;
	}
	return is_webp(head) ? IMAGE_FORMAT_WEBP : IMAGE_FORMAT_NONE;
}

static enum status probe_format(struct span head, struct image_probe *out)
{
	switch (out->format) {
	case IMAGE_FORMAT_JPEG: return imaging_probe_jpeg(head, out);
	case IMAGE_FORMAT_PNG: return imaging_probe_png(head, out);
	case IMAGE_FORMAT_WEBP: return imaging_probe_webp(head, out);
	case IMAGE_FORMAT_GIF: return imaging_probe_gif(head, out);
	case IMAGE_FORMAT_BMP: return imaging_probe_bmp(head, out);
	case IMAGE_FORMAT_NONE:
	case IMAGE_FORMAT_COUNT: break;
	}
	return ST_UNSUPPORTED;
}

static uint64_t pixels_max(const struct image_probe *p)
{
	if (p->format == IMAGE_FORMAT_GIF) {
		return IMAGE_PIXELS_GIF_MAX;
	}
	return p->is_progressive ? IMAGE_PIXELS_PROGRESSIVE_MAX : IMAGE_PIXELS_MAX;
}

static enum status check_limits(const struct image_probe *p)
{
	if (p->width == 0 || p->height == 0) {
		return ST_INVALID;
	}
	if (p->width > IMAGE_SIDE_MAX || p->height > IMAGE_SIDE_MAX) {
		return ST_TOO_BIG;
	}
	return (uint64_t)p->width * p->height > pixels_max(p) ? ST_TOO_BIG : ST_OK;
}

enum status imaging_probe(struct span head, struct image_probe *out)
{
	*out = (struct image_probe){ .format = format_by_magic(head) };
	enum status st = probe_format(head, out);
	return st ? st : check_limits(out);
}
