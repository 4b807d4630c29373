#include "poison.h"

#include "pixels.h"

#include <setjmp.h>
#include <jpeglib.h>

#include "memory.h"

enum { CHUNK_LEN = 64 * 1024 };

struct jpeg_output {
	struct jpeg_compress_struct info;
	struct jpeg_error_mgr errors;
	struct jpeg_destination_mgr destination;
	jmp_buf back;
	struct buf *out;
	bool is_failed;
	uint8_t chunk[CHUNK_LEN];
};

static struct jpeg_output *output_of(j_compress_ptr info)
{
	return info->client_data;
}

static _Noreturn void on_error(j_common_ptr info)
{
	struct jpeg_output *output = info->client_data;
	output->is_failed = true;
	longjmp(output->back, 1);
}

static void on_message(j_common_ptr info, int level)
{
	(void)info;
	(void)level;
}

static void begin(j_compress_ptr info)
{
	info->dest->next_output_byte = output_of(info)->chunk;
	info->dest->free_in_buffer = CHUNK_LEN;
}

static boolean pass_chunk(j_compress_ptr info)
{
	struct jpeg_output *output = output_of(info);
	buf_put(output->out, output->chunk, CHUNK_LEN);
	begin(info);
	return TRUE;
}

static void end(j_compress_ptr info)
{
	struct jpeg_output *output = output_of(info);
	buf_put(output->out, output->chunk, CHUNK_LEN - info->dest->free_in_buffer);
}

static void init(struct jpeg_output *output)
{
	output->info.err = jpeg_std_error(&output->errors);
	output->info.client_data = output;
	output->errors.error_exit = on_error;
	output->errors.emit_message = on_message;
	output->destination.init_destination = begin;
	output->destination.empty_output_buffer = pass_chunk;
	output->destination.term_destination = end;
}

static void write_pixels(struct jpeg_output *output, const struct pixels *in, uint8_t quality)
{
	struct jpeg_compress_struct *info = &output->info;
	jpeg_create_compress(info);
	info->client_data = output;
	info->dest = &output->destination;
	info->image_width = in->width;
	info->image_height = in->height;
	info->input_components = 3;
	info->in_color_space = JCS_RGB;
	jpeg_set_defaults(info);
	jpeg_set_quality(info, quality, TRUE);
	info->optimize_coding = TRUE;
	jpeg_start_compress(info, TRUE);
	while (info->next_scanline < info->image_height) {
		uint8_t *row = in->data + (size_t)info->next_scanline * in->width * 3;
		jpeg_write_scanlines(info, &row, 1);
	}
	jpeg_finish_compress(info);
}

enum status imaging_encode_jpeg(const struct pixels *in, uint8_t quality, struct buf *out)
{
	struct jpeg_output *output = memory_alloc(sizeof *output);
	if (!output) {
		return ST_FULL;
	}
	output->out = out;
	init(output);
	if (setjmp(output->back) == 0) {
		write_pixels(output, in, quality);
	}
	jpeg_destroy_compress(&output->info);
	bool is_good = !output->is_failed && buf_ok(out);
	memory_free(output);
	return is_good ? ST_OK : ST_FULL;
}
