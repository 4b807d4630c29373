#include "poison.h"

#include "pixels.h"

#include "memory.h"
#include "num.h"

/* Colours are counted in cells of 4 bits a channel; the fullest cell's mean is the dominant colour. */
enum { CELL_COUNT = 1 << 12 };
struct cell {
	uint32_t count;
	uint64_t sum[3];
};

static size_t cell_of(const uint8_t *rgb)
{
	return (size_t)(rgb[0] >> 4) << 8 | (size_t)(rgb[1] >> 4) << 4 | rgb[2] >> 4;
}

static enum status find_colour(const struct pixels *p, uint8_t colour[3])
{
	struct cell *cells = memory_alloc_array(CELL_COUNT, sizeof *cells);
	if (!cells) {
		return ST_FULL;
	}
	size_t count = (size_t)p->width * p->height;
	for (size_t i = 0; i < count; i++) {
		struct cell *cell = &cells[cell_of(p->data + i * 3)];
		cell->count++;
		for (unsigned c = 0; c < 3; c++) {
			cell->sum[c] += p->data[i * 3 + c];
		}
	}
	const struct cell *fullest = cells;
	for (const struct cell *cell = cells; cell < cells + CELL_COUNT; cell++) {
		fullest = cell->count > fullest->count ? cell : fullest;
	}
	for (unsigned c = 0; c < 3; c++) {
		colour[c] = (uint8_t)((fullest->sum[c] + fullest->count / 2) / fullest->count);
	}
	memory_free(cells);
	return ST_OK;
}

/* Rec. 601 luma of one pixel, 0 to 255. */
static double luma(const struct pixels *p, uint32_t x, uint32_t y)
{
	const uint8_t *rgb = p->data + ((size_t)y * p->width + x) * 3;
	return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
}

static double brightness_of(const struct pixels *p)
{
	double sum = 0;
	for (uint32_t y = 0; y < p->height; y++) {
		for (uint32_t x = 0; x < p->width; x++) {
			sum += luma(p, x, y);
		}
	}
	return sum / 255 / ((double)p->width * p->height);
}

/* The variance v of the Laplacian has no upper bound worth naming, so it is told as v / (v + HALF): a sharp
 * photograph reduced to 320 px lies around 1,000, which becomes one half; order is kept over the whole
 * range. */
static double sharpness_of(const struct pixels *p)
{
	static const double HALF = 1000;
	double sum = 0, squares = 0, count = 0;
	for (uint32_t y = 1; y + 1 < p->height; y++) {
		for (uint32_t x = 1; x + 1 < p->width; x++) {
			double l = luma(p, x - 1, y) + luma(p, x + 1, y) + luma(p, x, y - 1) +
				   luma(p, x, y + 1) - 4 * luma(p, x, y);
			sum += l;
			squares += l * l;
			count++;
		}
	}
	if (count < 1) {
		return 0;
	}
	double variance = squares / count - sum / count * (sum / count);
	return variance > 0 ? variance / (variance + HALF) : 0;
}

enum status imaging_describe(const struct pixels *small, struct image_meta *meta)
{
	meta->brightness = brightness_of(small);
	meta->sharpness = sharpness_of(small);
	return find_colour(small, meta->colour);
}
