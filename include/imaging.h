/* imaging.h - probe, decode, resize, encode, describe within limits; pure functions on spans.
 *
 * imaging_probe() looks at header bytes only and is the one function here that
 * the server process itself runs on outside bytes.  Everything else decodes
 * pixels and runs only in a sandboxed child (sandbox.h).
 *
 * Formats: JPEG (libjpeg-turbo), PNG (libpng), WebP (libwebp, first frame),
 * GIF (first frame) and BMP (stb_image).  Sources: ITU T.81, W3C PNG 3rd
 * edition, RFC 9649, GIF89a, Exif 2.32 (CIPA DC-008), blurha.sh.
 */
#ifndef DARKROOM_IMAGING_H
#define DARKROOM_IMAGING_H

#include "buf.h"
#include "limits.h"
#include "span.h"
#include "status.h"

/*      name    text    media type    file ending */
/* clang-format off */
#define IMAGE_FORMAT_TABLE(X) \
	X(JPEG, "jpeg", "image/jpeg", "jpg") \
	X(PNG,  "png",  "image/png",  "png") \
	X(WEBP, "webp", "image/webp", "webp") \
	X(GIF,  "gif",  "image/gif",  "gif") \
	X(BMP,  "bmp",  "image/bmp",  "bmp")

enum image_format {
	IMAGE_FORMAT_NONE,
#define X(name, text, media, ending) IMAGE_FORMAT_##name,
	IMAGE_FORMAT_TABLE(X)
#undef X
	IMAGE_FORMAT_COUNT
};
/* clang-format on */

/* Constant texts; "none" and "application/octet-stream" for IMAGE_FORMAT_NONE. */
const char *imaging_format_text(enum image_format f);
const char *imaging_media_type(enum image_format f);
const char *imaging_file_ending(enum image_format f);
/* IMAGE_FORMAT_NONE when unknown. */
enum image_format imaging_format_of(struct span text);

struct image_probe {
	enum image_format format;
	uint32_t width, height;
	bool is_progressive;
};

/* Reads format and stored dimensions (before orientation) from at most
 * IMAGE_PROBE_MAX leading bytes.  A JPEG whose
 * frame header lies behind long metadata segments is found by skipping over them
 * within `head`; pass the whole image when it is in memory.
 * UNSUPPORTED: not one of the formats.  INVALID: the header contradicts itself or
 * ends.  TOO_BIG: over the pixel or side limits of limits.h. */
enum status imaging_probe(struct span head, struct image_probe *out) MUST_CHECK;

struct image_meta {
	enum image_format format;
	uint32_t width, height; /* after orientation */
	uint8_t orientation;    /* 1-8 as stored; 1 when absent */
	bool has_alpha, has_gps;
	char camera[64], lens[64];             /* cleaned UTF-8, "" when absent */
	double exposure_s, aperture, focal_mm; /* 0 when absent */
	uint32_t iso;
	int64_t taken_at_ms; /* -1 when absent; Exif local time read as UTC unless an offset tag is there */
	uint8_t colour[3];   /* dominant colour, sRGB */
	double brightness,
		sharpness; /* 0..1 mean luma; variance of the Laplacian of the 320 px picture, 0..1 */
	char blurhash[64];
	double gps_latitude, gps_longitude; /* valid only if has_gps; sealed, never a plain column */
};

/* Exif of a JPEG (APP1), PNG (eXIf) or WebP (EXIF chunk) into `meta`; all absent when there is none.
 * Never fails on damage: it stops and keeps what was read. */
void imaging_read_exif(struct span image, struct image_meta *meta);

struct image_rendition_spec {
	const char *name;
	uint32_t longest_side;
	uint8_t quality;
};
extern const struct image_rendition_spec
	imaging_renditions[]; /* thumb 320, preview 1600; ends with name NULL */

struct image_rendition {
	const char *name;
	enum image_format format;
	uint32_t width, height;
	struct buf bytes;
};

struct image_result {
	struct image_meta meta;
	struct image_rendition renditions[RENDITIONS_MAX];
	size_t rendition_count;
};

/* Decodes once (JPEG scaled), turns upright, makes every rendition (JPEG quality
 * 80, alpha on white, no metadata, never enlarged) and describes the picture.
 * Memory comes through the process's own limits.
 * INVALID: cannot be decoded; `why` (>= 128 bytes) says so in words.
 * TOO_BIG: over the limits.  FULL: no memory. */
enum status imaging_process(struct span image, struct image_result *out, char why[128]) MUST_CHECK;
void imaging_result_fini(struct image_result *r);

/* The result on its way from the child: one length-checked binary message (layout in src/imaging/wire.c). */
enum status imaging_result_write(const struct image_result *r, struct buf *out) MUST_CHECK;
/* Parses what a hostile child may have written.  INVALID: anything odd.  Renditions copy their bytes. */
enum status imaging_result_read(struct span message, struct image_result *out) MUST_CHECK;

#endif
