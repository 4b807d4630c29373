#include "poison.h"

#include "pixels.h"

#include <setjmp.h>
#include <png.h>

#include "memory.h"
#include "num.h"

/* Room for one compressed profile that is then ignored; pixels are not counted here. */
#define PNG_CHUNK_MEMORY_MAX MIB(8)
enum { PNG_CHUNKS_CACHED_MAX = 64 };

struct png_job {
	png_structp png;
	png_infop info;
	jmp_buf back;
	enum status status;
	const char *why;
	struct span rest;
	const struct source *source;
	struct pixels pixels;
	uint8_t *rgba, **rows; /* one row with alpha; all rows of an interlaced picture */
	bool has_alpha, is_starved;
};

static _Noreturn void fail(struct png_job *job, enum status st, const char *why)
{
	job->status = st;
	job->why = why;
	longjmp(job->back, 1);
}

static _Noreturn void fail_full(struct png_job *job)
{
	fail(job, ST_FULL, "there is not enough memory to decode it");
}

static _Noreturn void on_error(png_structp png, png_const_charp message)
{
	(void)message;
	struct png_job *job = png_get_error_ptr(png);
	if (job->is_starved) {
		fail_full(job);
	}
	fail(job, ST_INVALID, "the PNG data are damaged");
}

static void on_warning(png_structp png, png_const_charp message)
{
	(void)png;
	(void)message;
}

/* The library says only in words that memory was short, so it is remembered here. */
static png_voidp on_alloc(png_structp png, png_alloc_size_t size)
{
	struct png_job *job = png_get_mem_ptr(png);
	void *p = memory_alloc(size);
	job->is_starved = job->is_starved || !p;
	return p;
}

static void on_free(png_structp png, png_voidp p)
{
	(void)png;
	memory_free(p);
}

static void on_read(png_structp png, png_bytep to, size_t len)
{
	struct png_job *job = png_get_io_ptr(png);
	if (len > job->rest.len) {
		fail(job, ST_INVALID, "the PNG data end too early");
	}
	memcpy(to, job->rest.data, len);
	job->rest = span_slice(job->rest, len, job->rest.len);
}

static void read_head(struct png_job *job)
{
	png_set_read_fn(job->png, job, on_read);
	png_set_user_limits(job->png, IMAGE_SIDE_MAX, IMAGE_SIDE_MAX);
	png_set_chunk_cache_max(job->png, PNG_CHUNKS_CACHED_MAX);
	png_set_chunk_malloc_max(job->png, PNG_CHUNK_MEMORY_MAX);
	/* Text, profiles and all else that does not change a pixel is stepped over unread. */
	png_set_keep_unknown_chunks(job->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
	png_read_info(job->png, job->info);
	if (png_get_image_width(job->png, job->info) != job->source->probe.width ||
		png_get_image_height(job->png, job->info) != job->source->probe.height) {
		fail(job, ST_INVALID, "the PNG header contradicts itself");
	}
}

/* Whatever is stored comes out as eight bits of RGB, or RGBA where there is any transparency. */
static void set_transforms(struct png_job *job)
{
	png_byte colour = png_get_color_type(job->png, job->info);
	job->has_alpha = colour & PNG_COLOR_MASK_ALPHA || png_get_valid(job->png, job->info, PNG_INFO_tRNS);
	png_set_expand(job->png);
	png_set_scale_16(job->png);
	if (!(colour & PNG_COLOR_MASK_COLOR)) {
		png_set_gray_to_rgb(job->png);
	}
	png_set_interlace_handling(job->png);
	png_read_update_info(job->png, job->info);
	size_t pixel_len = job->has_alpha ? 4 : 3;
	if (png_get_rowbytes(job->png, job->info) != job->source->probe.width * pixel_len) {
		fail(job, ST_INVALID, "the PNG has an unknown pixel layout");
	}
}

static void read_by_rows(struct png_job *job)
{
	struct pixels *p = &job->pixels;
	if (imaging_pixels_new(p->width, p->height, p) ||
		(job->has_alpha && !(job->rgba = memory_alloc_array(p->width, 4)))) {
		fail_full(job);
	}
	for (uint32_t y = 0; y < p->height; y++) {
		uint8_t *to = p->data + (size_t)y * p->width * 3;
		png_read_row(job->png, job->rgba ? job->rgba : to, NULL);
		if (job->rgba) {
			imaging_blend_on_white(job->rgba, to, p->width);
		}
	}
}

/* Interlaced rows are visited seven times, so all must be there with their alpha.  It is blended away in
 * place: of the largest pictures only one copy fits into a child's memory. */
static void read_whole(struct png_job *job)
{
	struct pixels *p = &job->pixels;
	size_t row_len = (size_t)p->width * (job->has_alpha ? 4 : 3);
	p->data = memory_alloc_array(p->height, row_len);
	job->rows = memory_alloc_array(p->height, sizeof *job->rows);
	if (!p->data || !job->rows) {
		fail_full(job);
	}
	for (uint32_t y = 0; y < p->height; y++) {
		job->rows[y] = p->data + y * row_len;
	}
	png_read_image(job->png, job->rows);
	if (job->has_alpha) {
		imaging_blend_on_white(p->data, p->data, (size_t)p->width * p->height);
	}
}

static void read_pixels(struct png_job *job)
{
	job->pixels = (struct pixels){ NULL, job->source->probe.width, job->source->probe.height };
	if (png_get_interlace_type(job->png, job->info) == PNG_INTERLACE_NONE) {
		read_by_rows(job);
	} else {
		read_whole(job);
	}
	png_read_end(job->png, NULL);
}

static void run(struct png_job *job)
{
	job->png = png_create_read_struct_2(
		PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job, on_alloc, on_free);
	job->info = job->png ? png_create_info_struct(job->png) : NULL;
	if (!job->info) {
		fail_full(job);
	}
	read_head(job);
	set_transforms(job);
	read_pixels(job);
}

enum status imaging_decode_png(const struct source *source, struct decoded *out)
{
	struct png_job *job = memory_alloc(sizeof *job);
	if (!job) {
		return ST_FULL;
	}
	job->source = source;
	job->rest = source->bytes;
	if (setjmp(job->back) == 0) {
		run(job);
	}
	png_destroy_read_struct(&job->png, &job->info, NULL);
	memory_free(job->rows);
	memory_free(job->rgba);
	enum status st = job->status;
	if (st) {
		imaging_pixels_fini(&job->pixels);
	}
	*out = (struct decoded){ .pixels = job->pixels, .has_alpha = job->has_alpha, .why = job->why };
	memory_free(job);
	return st;
}
