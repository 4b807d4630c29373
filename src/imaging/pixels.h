/* pixels.h - decoded pixels, what is done to them, and the doors of the codecs; internal to imaging.
 *
 * Pixels are 8-bit sRGB values, three bytes each, rows from the top without gaps.  Alpha is
 * blended onto white while decoding, so nothing behind a decoder knows of it.  Only sizes that
 * imaging_probe() accepted come here: width * height * 4 fits size_t.
 *
 * Foreign codecs report errors by longjmp; each decoder keeps what it opened in one struct that
 * outlives the jump, and ends it in one place.
 */
#ifndef DARKROOM_IMAGING_PIXELS_H
#define DARKROOM_IMAGING_PIXELS_H

#include "imaging.h"

struct pixels {
	uint8_t *data;
	uint32_t width, height;
};

/* FULL.  Zeroed. */
enum status imaging_pixels_new(uint32_t width, uint32_t height, struct pixels *out) MUST_CHECK;
void imaging_pixels_fini(struct pixels *p);

/* What a decoder is given: the bytes, what the probe said of them, and the long side that is still of use (a
 * decoder that can scale leaves at least that). */
struct source {
	struct span bytes;
	struct image_probe probe;
	uint32_t useful_side;
};

struct decoded {
	struct pixels pixels;
	bool has_alpha;
	const char *why;
};

/* INVALID, TOO_BIG with a constant sentence in out->why.  FULL.  Gives out->pixels only with OK. */
enum status imaging_decode_jpeg(const struct source *source, struct decoded *out) MUST_CHECK;
enum status imaging_decode_png(const struct source *source, struct decoded *out) MUST_CHECK;
enum status imaging_decode_webp(const struct source *source, struct decoded *out) MUST_CHECK;
/* GIF and BMP. */
enum status imaging_decode_stb(const struct source *source, struct decoded *out) MUST_CHECK;

/* `count` pixels of four bytes with alpha become three on white; may be done in place. */
void imaging_blend_on_white(const uint8_t *rgba, uint8_t *rgb, size_t count);

/* The sides that fit into `longest_side`; never larger than they are, never 0. */
void imaging_fit(
	uint32_t width, uint32_t height, uint32_t longest_side, uint32_t *out_width, uint32_t *out_height);
/* FULL. */
enum status imaging_resize(
	const struct pixels *in, uint32_t width, uint32_t height, struct pixels *out) MUST_CHECK;

/* Turns and mirrors so that Exif orientation `orientation` stands upright.  FULL. */
enum status imaging_turn_upright(const struct pixels *in, uint8_t orientation, struct pixels *out) MUST_CHECK;

/* Baseline JPEG 4:2:0 with optimised tables and no metadata but the JFIF header.  FULL: no memory or over
 * out->max. */
enum status imaging_encode_jpeg(const struct pixels *in, uint8_t quality, struct buf *out) MUST_CHECK;

/* Dominant colour, brightness and sharpness of a small picture.  FULL. */
enum status imaging_describe(const struct pixels *small, struct image_meta *meta) MUST_CHECK;

/* BlurHash of 4x3 components; BLURHASH_LEN characters and a NUL. */
enum { BLURHASH_LEN = 28 };
void imaging_blurhash(const struct pixels *tiny, char out[BLURHASH_LEN + 1]);

#endif
