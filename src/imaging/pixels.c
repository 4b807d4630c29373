#include "poison.h"

#include "pixels.h"

#include <math.h>

#include "memory.h"
#include "must.h"
#include "num.h"

enum status imaging_pixels_new(uint32_t width, uint32_t height, struct pixels *out)
{
	*out = (struct pixels){ NULL, width, height };
	must(width > 0 && height > 0);
	out->data = memory_alloc_array((size_t)width * height, 3);
	return out->data ? ST_OK : ST_FULL;
}

void imaging_pixels_fini(struct pixels *p)
{
	memory_free(p->data);
	*p = (struct pixels){ NULL, 0, 0 };
}

void imaging_blend_on_white(const uint8_t *rgba, uint8_t *rgb, size_t count)
{
	for (size_t i = 0; i < count; i++, rgba += 4, rgb += 3) {
		unsigned alpha = rgba[3], white = (255 - alpha) * 255 + 127;
		/* Read all before the first write: in place, a pixel's new end is its old beginning. */
		unsigned red = rgba[0], green = rgba[1], blue = rgba[2];
		rgb[0] = (uint8_t)((red * alpha + white) / 255);
		rgb[1] = (uint8_t)((green * alpha + white) / 255);
		rgb[2] = (uint8_t)((blue * alpha + white) / 255);
	}
}

void imaging_fit(
	uint32_t width, uint32_t height, uint32_t longest_side, uint32_t *out_width, uint32_t *out_height)
{
	uint64_t longest = num_max(width, height);
	*out_width = width;
	*out_height = height;
	if (longest > longest_side) {
		*out_width = (uint32_t)num_max(1, ((uint64_t)width * longest_side + longest / 2) / longest);
		*out_height = (uint32_t)num_max(1, ((uint64_t)height * longest_side + longest / 2) / longest);
	}
}

/* How an orientation reads its source: where row 0 begins and what a step along a row or column means (Exif
 * 2.32, tag 274).  5 to 8 exchange the axes. */
struct turn {
	bool is_transposed, is_mirrored, is_upside_down;
};

static const struct turn turns[9] = {
	[1] = { false, false, false },
	[2] = { false, true, false },
	[3] = { false, true, true },
	[4] = { false, false, true },
	[5] = { true, false, false },
	[6] = { true, false, true },
	[7] = { true, true, true },
	[8] = { true, true, false },
};

enum status imaging_turn_upright(const struct pixels *in, uint8_t orientation, struct pixels *out)
{
	must(orientation >= 1 && orientation <= 8);
	struct turn t = turns[orientation];
	enum status st = imaging_pixels_new(
		t.is_transposed ? in->height : in->width, t.is_transposed ? in->width : in->height, out);
	if (st) {
		return st;
	}
	uint8_t *to = out->data;
	for (uint32_t y = 0; y < out->height; y++) {
		for (uint32_t x = 0; x < out->width; x++, to += 3) {
			uint32_t column = t.is_transposed ? y : x, row = t.is_transposed ? x : y;
			column = t.is_mirrored ? in->width - 1 - column : column;
			row = t.is_upside_down ? in->height - 1 - row : row;
			memcpy(to, in->data + ((size_t)row * in->width + column) * 3, 3);
		}
	}
	return ST_OK;
}
