#include "poison.h"

#include "imaging.h"

#include "must.h"
#include "num.h"
#include "pixels.h"

/* Ascending: each is made from the next larger one. */
const struct image_rendition_spec imaging_renditions[] = {
	{ "thumb", RENDITION_THUMB_SIDE, RENDITION_QUALITY },
	{ "preview", RENDITION_PREVIEW_SIDE, RENDITION_QUALITY },
	{ NULL, 0, 0 },
};
static const size_t rendition_count = sizeof imaging_renditions / sizeof *imaging_renditions - 1;
static_assert(sizeof imaging_renditions / sizeof *imaging_renditions - 1 <= RENDITIONS_MAX,
	"every rendition has its place in a result");

/* A decoder may leave out detail as long as twice the largest rendition is left: measured, the difference
 * from a full decode is then below what the measure resolves. */
enum { USEFUL_SIDE = 2 * RENDITION_PREVIEW_SIDE, TINY_SIDE = 32 };

static void say(char why[128], const char *text)
{
	int len = snprintf(why, 128, "%s", text);
	must(len >= 0);
}

static const char *words_of_probe(enum status st)
{
	switch (st) {
	case ST_UNSUPPORTED: return "this kind of image is not supported";
	case ST_TOO_BIG: return "the image has too many pixels";
	default: return "the image header is damaged or ends too early";
	}
}

static enum status decode(const struct source *source, struct decoded *out)
{
	switch (source->probe.format) {
	case IMAGE_FORMAT_JPEG: return imaging_decode_jpeg(source, out);
	case IMAGE_FORMAT_PNG: return imaging_decode_png(source, out);
	case IMAGE_FORMAT_WEBP: return imaging_decode_webp(source, out);
	case IMAGE_FORMAT_GIF:
	case IMAGE_FORMAT_BMP: return imaging_decode_stb(source, out);
	case IMAGE_FORMAT_NONE:
	case IMAGE_FORMAT_COUNT: break;
	}
	return ST_UNSUPPORTED;
}

/* Replaces `p` by itself resized.  FULL. */
static enum status resize_to(struct pixels *p, uint32_t width, uint32_t height)
{
	struct pixels smaller = { NULL, 0, 0 };
	enum status st = imaging_resize(p, width, height, &smaller);
	if (!st) {
		imaging_pixels_fini(p);
		*p = smaller;
	}
	return st;
}

static enum status turn(struct pixels *p, uint8_t orientation)
{
	struct pixels upright = { NULL, 0, 0 };
	if (orientation == 1) {
		return ST_OK;
	}
	enum status st = imaging_turn_upright(p, orientation, &upright);
	if (!st) {
		imaging_pixels_fini(p);
		*p = upright;
	}
	return st;
}

/* Down to the largest rendition's size first, then upright: turning costs by the pixel. */
static enum status make_largest(const struct image_probe *probe, uint8_t orientation, struct pixels *p)
{
	uint32_t width, height;
	imaging_fit(probe->width, probe->height, RENDITION_PREVIEW_SIDE, &width, &height);
	enum status st = width == p->width && height == p->height ? ST_OK : resize_to(p, width, height);
	return st ? st : turn(p, orientation);
}

static enum status add_rendition(
	const struct image_rendition_spec *spec, struct pixels *p, struct image_rendition *out)
{
	uint32_t width, height;
	*out = (struct image_rendition){ .name = spec->name, .format = IMAGE_FORMAT_JPEG };
	buf_init(&out->bytes, RENDITION_BYTES_MAX);
	imaging_fit(p->width, p->height, spec->longest_side, &width, &height);
	enum status st = width == p->width && height == p->height ? ST_OK : resize_to(p, width, height);
	out->width = width;
	out->height = height;
	return st ? st : imaging_encode_jpeg(p, spec->quality, &out->bytes);
}

/* Largest first; leaves the smallest in `p`. */
static enum status make_renditions(struct pixels *p, struct image_result *out)
{
	out->rendition_count = rendition_count;
	for (size_t i = rendition_count; i > 0; i--) {
		enum status st = add_rendition(&imaging_renditions[i - 1], p, &out->renditions[i - 1]);
		if (st) {
			return st;
		}
	}
	return ST_OK;
}

static enum status describe(struct pixels *small, struct image_meta *meta)
{
	uint32_t width, height;
	enum status st = imaging_describe(small, meta);
	imaging_fit(small->width, small->height, TINY_SIDE, &width, &height);
	if (!st) {
		st = resize_to(small, width, height);
	}
	if (!st) {
		static_assert(sizeof meta->blurhash > BLURHASH_LEN, "the hash fits");
		imaging_blurhash(small, meta->blurhash);
	}
	return st;
}

static void read_meta(struct span image, const struct image_probe *probe, struct image_meta *meta)
{
	imaging_read_exif(image, meta);
	bool is_transposed = meta->orientation >= 5;
	meta->format = probe->format;
	meta->width = is_transposed ? probe->height : probe->width;
	meta->height = is_transposed ? probe->width : probe->height;
}

enum status imaging_process(struct span image, struct image_result *out, char why[128])
{
	struct source source = { .bytes = image, .useful_side = USEFUL_SIDE };
	struct decoded decoded = { .why = NULL };
	*out = (struct image_result){ .rendition_count = 0 };
	say(why, "");
	enum status st = imaging_probe(image, &source.probe);
	if (st) {
		say(why, words_of_probe(st));
		return st == ST_TOO_BIG ? ST_TOO_BIG : ST_INVALID;
	}
	read_meta(image, &source.probe, &out->meta);
	st = decode(&source, &decoded);
	if (st) {
		goto out;
	}
	out->meta.has_alpha = decoded.has_alpha;
	st = make_largest(&source.probe, out->meta.orientation, &decoded.pixels);
	st = st ? st : make_renditions(&decoded.pixels, out);
	st = st ? st : describe(&decoded.pixels, &out->meta);
out:
	if (st) {
		say(why, decoded.why ? decoded.why : status_text(st));
		imaging_result_fini(out);
	}
	imaging_pixels_fini(&decoded.pixels);
	return st;
}

void imaging_result_fini(struct image_result *r)
{
	for (size_t i = 0; i < RENDITIONS_MAX; i++) {
		buf_fini(&r->renditions[i].bytes);
	}
	*r = (struct image_result){ .rendition_count = 0 };
}
