#include "poison.h"

#include "pixels.h"

#include <setjmp.h>
#include <jpeglib.h>

/* The library's codes without its macros, which say forbidden names: the header is made for such use. */
#define JERROR_H
#define JMESSAGE(code, string) code,
enum jpeg_code {
#include <jerror.h>
	JPEG_CODE_COUNT
};

#include "memory.h"
#include "num.h"

/* A progressive picture of many tiny scans costs the sender bytes and us a pass over all coefficients each;
 * what encoders write has about ten, optimised ones some twenty. */
enum { SCANS_MAX = 64 };

/* Coefficients of the largest picture allowed, at 4:4:4 and four components, with room for tables. */
#define JPEG_MEMORY_MAX MIB(832)

struct jpeg_job {
	struct jpeg_decompress_struct info;
	struct jpeg_error_mgr errors;
	struct jpeg_progress_mgr progress;
	jmp_buf back;
	enum status status;
	const char *why;
	const struct source *source;
	struct pixels pixels;
	uint8_t *row;   /* one row of CMYK */
	bool has_ended; /* the data ended before the end marker */
};

static struct jpeg_job *job_of(j_common_ptr info)
{
	return info->client_data;
}

static _Noreturn void fail(struct jpeg_job *job, enum status st, const char *why)
{
	job->status = st;
	job->why = why;
	longjmp(job->back, 1);
}

static _Noreturn void fail_damaged(struct jpeg_job *job)
{
	fail(job, ST_INVALID, job->has_ended ? "the JPEG data end too early" : "the JPEG data are damaged");
}

static _Noreturn void on_error(j_common_ptr info)
{
	switch (info->err->msg_code) {
	case JERR_OUT_OF_MEMORY: fail(job_of(info), ST_FULL, "there is not enough memory to decode it");
	case JERR_NO_BACKING_STORE:
		fail(job_of(info), ST_TOO_BIG, "decoding it would take more memory than allowed");
	default: fail_damaged(job_of(info));
	}
}

/* The library calls damage a warning and paints grey; we refuse it.  Stray bytes, odd application markers and
 * a missing end marker are common in sound files and cost no pixel: where data really end too early, one of
 * the others follows, or a scan is found missing at the end. */
static void on_message(j_common_ptr info, int level)
{
	if (level >= 0) {
		return;
	}
	info->err->num_warnings++;
	switch (info->err->msg_code) {
	case JWRN_JPEG_EOF: job_of(info)->has_ended = true; break;
	case JWRN_BOGUS_PROGRESSION:
	case JWRN_HIT_MARKER:
	case JWRN_HUFF_BAD_CODE:
	case JWRN_MUST_RESYNC: fail_damaged(job_of(info));
	default: break;
	}
}

static void on_output(j_common_ptr info)
{
	(void)info;
}

static void on_progress(j_common_ptr info)
{
	struct jpeg_job *job = job_of(info);
	if (job->info.input_scan_number > SCANS_MAX) {
		fail(job, ST_TOO_BIG, "the JPEG has too many scans");
	}
}

/* The smallest scale whose long side is still useful; eighths that are no power of two have no fast path. */
static void choose_scale(struct jpeg_job *job)
{
	uint64_t side = num_max(job->info.image_width, job->info.image_height);
	unsigned divisor = 8;
	while (divisor > 1 && side / divisor < job->source->useful_side) {
		divisor /= 2;
	}
	job->info.scale_num = 1;
	job->info.scale_denom = divisor;
}

static void prepare(struct jpeg_job *job)
{
	const struct source *source = job->source;
	jpeg_create_decompress(&job->info);
	job->info.client_data = job;
	job->info.progress = &job->progress;
	job->info.mem->max_memory_to_use = (long)JPEG_MEMORY_MAX;
	jpeg_mem_src(&job->info, source->bytes.data, source->bytes.len);
	jpeg_read_header(&job->info, TRUE);
	if (job->info.image_width != source->probe.width || job->info.image_height != source->probe.height ||
		(job->info.progressive_mode != FALSE) != source->probe.is_progressive) {
		fail(job, ST_INVALID, "the JPEG has more than one frame header");
	}
	choose_scale(job);
	job->info.out_color_space = job->info.num_components == 4 ? JCS_CMYK : JCS_RGB;
	job->info.dct_method = JDCT_ISLOW;
}

/* Adobe's programs store ink inverted and say so by their marker; T.81 itself knows no inks. */
static void cmyk_to_rgb(const uint8_t *ink, uint8_t *rgb, size_t count, bool is_inverted)
{
	for (size_t i = 0; i < count; i++, ink += 4, rgb += 3) {
		unsigned key = is_inverted ? ink[3] : 255u - ink[3];
		for (unsigned c = 0; c < 3; c++) {
			rgb[c] = (uint8_t)(((is_inverted ? ink[c] : 255u - ink[c]) * key + 127) / 255);
		}
	}
}

static void read_row(struct jpeg_job *job)
{
	uint8_t *to = job->pixels.data + (size_t)job->info.output_scanline * job->pixels.width * 3;
	uint8_t *row = job->row ? job->row : to;
	if (jpeg_read_scanlines(&job->info, &row, 1) != 1) {
		fail(job, ST_INVALID, "the JPEG data end too early");
	}
	if (job->row) {
		cmyk_to_rgb(job->row, to, job->pixels.width, job->info.saw_Adobe_marker != FALSE);
	}
}

/* A colour that no scan brought, or, in a progressive picture without its end, bits still to come. */
static bool lacks_scans(const struct jpeg_job *job, int component)
{
	if (!job->info.comp_info[component].quant_table) {
		return true;
	}
	for (int i = 0; i < DCTSIZE2 && job->has_ended && job->info.coef_bits; i++) {
		if (job->info.coef_bits[component][i] != 0) {
			return true;
		}
	}
	return false;
}

static void check_scans(struct jpeg_job *job)
{
	for (int i = 0; i < job->info.num_components; i++) {
		if (lacks_scans(job, i)) {
			fail(job, ST_INVALID, "the JPEG data end too early");
		}
	}
}

static void read_pixels(struct jpeg_job *job)
{
	jpeg_start_decompress(&job->info);
	bool is_cmyk = job->info.out_color_space == JCS_CMYK;
	if (imaging_pixels_new(job->info.output_width, job->info.output_height, &job->pixels)) {
		fail(job, ST_FULL, "there is not enough memory to decode it");
	}
	if (is_cmyk && !(job->row = memory_alloc_array(job->pixels.width, 4))) {
		fail(job, ST_FULL, "there is not enough memory to decode it");
	}
	while (job->info.output_scanline < job->info.output_height) {
		read_row(job);
	}
	check_scans(job);
	jpeg_finish_decompress(&job->info);
}

static void init_errors(struct jpeg_job *job)
{
	job->info.err = jpeg_std_error(&job->errors);
	job->info.client_data = job;
	job->errors.error_exit = on_error;
	job->errors.emit_message = on_message;
	job->errors.output_message = on_output;
	job->progress.progress_monitor = on_progress;
}

enum status imaging_decode_jpeg(const struct source *source, struct decoded *out)
{
	struct jpeg_job *job = memory_alloc(sizeof *job);
	if (!job) {
		return ST_FULL;
	}
	job->source = source;
	init_errors(job);
	if (setjmp(job->back) == 0) {
		prepare(job);
		read_pixels(job);
	}
	jpeg_destroy_decompress(&job->info);
	memory_free(job->row);
	enum status st = job->status;
	if (st) {
		imaging_pixels_fini(&job->pixels);
	}
	*out = (struct decoded){ .pixels = job->pixels, .why = job->why };
	memory_free(job);
	return st;
}
