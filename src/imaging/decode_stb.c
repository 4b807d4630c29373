#include "poison.h"

#include "pixels.h"

#include "bytes.h"
#include "stb.h"

/* What stb holds at once for a pixel (GIF: two pictures of four bytes and a mark; BMP: one picture), and
 * for tables. */
enum { GIF_PIXEL_COST = 9, BMP_PIXEL_COST = 4, TABLES_COST = 1 << 20 };
enum { GIF_BLOCKS_MAX = 65536, GIF_SUB_BLOCKS_MAX = 1 << 22 };

static enum status refuse(struct decoded *out, enum status st, const char *why)
{
	out->why = why;
	return st;
}

/* Steps over sub-blocks: a length and that many bytes each, until a length of 0.  False: they do not end. */
static bool skip_sub_blocks(struct span image, size_t *at)
{
	for (unsigned i = 0; i < GIF_SUB_BLOCKS_MAX && bytes_has(image, *at, 1); i++) {
		size_t len = image.data[*at];
		*at += 1 + len;
		if (len == 0) {
			return true;
		}
	}
	return false;
}

static size_t colour_table_len(uint8_t flags)
{
	return flags & 0x80 ? 3u << ((flags & 7) + 1) : 0;
}

/* stb takes the end of the bytes for the end of the data and says that all is well; so look whether the
 * first frame is there whole (GIF89a, appendix B). */
static bool gif_has_first_frame(struct span image)
{
	enum { EXTENSION = 0x21, FRAME = 0x2c, FRAME_HEAD_LEN = 10 };
	size_t at = 13 + colour_table_len(image.data[10]);
	for (unsigned i = 0; i < GIF_BLOCKS_MAX && bytes_has(image, at, FRAME_HEAD_LEN); i++) {
		bool is_frame = image.data[at] == FRAME;
		if (!is_frame && image.data[at] != EXTENSION) {
			return false;
		}
		at += is_frame ? FRAME_HEAD_LEN + colour_table_len(image.data[at + 9]) + 1 : 2;
		if (!skip_sub_blocks(image, &at)) {
			return false;
		}
		if (is_frame) {
			return true;
		}
	}
	return false;
}

/* Beyond the end stb reads zeros: rows are padded to four bytes and must all be there. */
static bool bmp_has_rows(struct span image, const struct image_probe *probe)
{
	enum { CORE_LEN = 12 };
	size_t bits_at = bytes_little32(image, 14) == CORE_LEN ? 24 : 28, len, end;
	size_t row_len = ((size_t)probe->width * bytes_little16(image, bits_at) + 31) / 32 * 4;
	return num_mul(row_len, probe->height, &len) && num_add(len, bytes_little32(image, 10), &end) &&
	       end <= image.len;
}

static bool is_whole(const struct source *source)
{
	return source->probe.format == IMAGE_FORMAT_GIF ? gif_has_first_frame(source->bytes)
							: bmp_has_rows(source->bytes, &source->probe);
}

/* Whether the picture had an alpha channel is not told apart from an opaque one with four channels: look. */
static bool has_clear_pixel(const uint8_t *rgba, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (rgba[i * 4 + 3] != 255) {
			return true;
		}
	}
	return false;
}

static enum status copy_pixels(
	const uint8_t *rgba, int width, int height, const struct source *source, struct decoded *out)
{
	if ((uint32_t)width != source->probe.width || (uint32_t)height != source->probe.height) {
		return refuse(out, ST_INVALID, "the header contradicts itself");
	}
	enum status st = imaging_pixels_new(source->probe.width, source->probe.height, &out->pixels);
	if (!st) {
		size_t count = (size_t)source->probe.width * source->probe.height;
		out->has_alpha = has_clear_pixel(rgba, count);
		imaging_blend_on_white(rgba, out->pixels.data, count);
	}
	return st;
}

enum status imaging_decode_stb(const struct source *source, struct decoded *out)
{
	bool is_gif = source->probe.format == IMAGE_FORMAT_GIF;
	size_t count = (size_t)source->probe.width * source->probe.height;
	int width = 0, height = 0, channels = 0;
	*out = (struct decoded){ .why = NULL };
	if (source->bytes.len > INT32_MAX) {
		return refuse(out, ST_TOO_BIG, "the file is too long");
	}
	if (!is_whole(source)) {
		return refuse(out, ST_INVALID, "the image data end too early");
	}
	imaging_stb_quota(count * (is_gif ? GIF_PIXEL_COST : BMP_PIXEL_COST) + TABLES_COST);
	uint8_t *rgba = stbi_load_from_memory(
		source->bytes.data, (int)source->bytes.len, &width, &height, &channels, 4);
	if (!rgba && imaging_stb_is_spent()) {
		return refuse(out, ST_FULL, "there is not enough memory to decode it");
	}
	enum status st = rgba ? copy_pixels(rgba, width, height, source, out)
			      : refuse(out, ST_INVALID, "the image data are damaged");
	stbi_image_free(rgba);
	return st;
}
