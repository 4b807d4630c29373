#include "poison.h"

#include "pixels.h"

#include <webp/decode.h>

#include "bytes.h"
#include "memory.h"
#include "must.h"

enum { CHUNKS_MAX = 4096 };

/* The first frame of an animation: its bitstream and where it lies on the canvas.  A still image is one
 * frame. */
struct frame {
	struct span stream;
	uint32_t left, top;
	WebPBitstreamFeatures features;
};

static enum status refuse(struct decoded *out, enum status st, const char *why)
{
	out->why = why;
	return st;
}

static enum status refuse_code(struct decoded *out, VP8StatusCode code)
{
	switch (code) {
	case VP8_STATUS_OK: return ST_OK;
	case VP8_STATUS_OUT_OF_MEMORY: return refuse(out, ST_FULL, "there is not enough memory to decode it");
	case VP8_STATUS_NOT_ENOUGH_DATA:
	case VP8_STATUS_SUSPENDED: return refuse(out, ST_INVALID, "the WebP data end too early");
	default: return refuse(out, ST_INVALID, "the WebP data are damaged");
	}
}

/* ANMF, RFC 9649 2.7.1.1: left and top in units of two, sizes, duration and flags, then the frame's own
 * chunks. */
static bool find_first_frame(struct span image, struct frame *out)
{
	enum { FRAME_HEAD_LEN = 16 };
	size_t at = 12;
	for (unsigned i = 0; i < CHUNKS_MAX && bytes_has(image, at, 8); i++) {
		size_t len = bytes_little32(image, at + 4);
		if (bytes_are(image, at, "ANMF") && len > FRAME_HEAD_LEN && bytes_has(image, at + 8, len)) {
			out->left = 2 * bytes_little24(image, at + 8);
			out->top = 2 * bytes_little24(image, at + 11);
			out->stream = span_slice(image, at + 8 + FRAME_HEAD_LEN, len - FRAME_HEAD_LEN);
			return true;
		}
		if (!num_add(at, 8 + len + (len & 1), &at)) {
			return false;
		}
	}
	return false;
}

static enum status find_frame(const struct source *source, struct decoded *out, struct frame *frame)
{
	frame->stream = source->bytes;
	enum status st =
		refuse_code(out, WebPGetFeatures(frame->stream.data, frame->stream.len, &frame->features));
	if (st || !frame->features.has_animation) {
		return st;
	}
	if (!find_first_frame(source->bytes, frame)) {
		return refuse(out, ST_INVALID, "the WebP animation has no frame");
	}
	return refuse_code(out, WebPGetFeatures(frame->stream.data, frame->stream.len, &frame->features));
}

/* The canvas, or for a still image the size it is decoded to. */
static void choose_size(const struct source *source, bool is_whole, uint32_t *width, uint32_t *height)
{
	*width = source->probe.width;
	*height = source->probe.height;
	if (is_whole) {
		imaging_fit(*width, *height, source->useful_side, width, height);
	}
}

static enum status check_frame(const struct source *source, const struct frame *frame, bool *is_whole)
{
	uint64_t right = (uint64_t)frame->left + (uint32_t)frame->features.width;
	uint64_t bottom = (uint64_t)frame->top + (uint32_t)frame->features.height;
	if (frame->features.width <= 0 || frame->features.height <= 0 || right > source->probe.width ||
		bottom > source->probe.height) {
		return ST_INVALID;
	}
	*is_whole = (uint32_t)frame->features.width == source->probe.width &&
		    (uint32_t)frame->features.height == source->probe.height;
	return ST_OK;
}

/* Decodes into a canvas of four bytes a pixel that is transparent where the frame is not. */
static enum status decode_onto(
	const struct frame *frame, bool is_whole, struct pixels *canvas, struct decoded *out)
{
	WebPDecoderConfig config;
	must(WebPInitDecoderConfig(&config));
	size_t stride = (size_t)canvas->width * 4,
	       from = (size_t)frame->top * stride + (size_t)frame->left * 4;
	config.output.colorspace = MODE_RGBA;
	config.output.is_external_memory = 1;
	config.output.u.RGBA.rgba = canvas->data + from;
	config.output.u.RGBA.stride = (int)stride;
	config.output.u.RGBA.size = stride * canvas->height - from;
	if (is_whole) {
		config.options.use_scaling = 1;
		config.options.scaled_width = (int)canvas->width;
		config.options.scaled_height = (int)canvas->height;
	}
	enum status st = refuse_code(out, WebPDecode(frame->stream.data, frame->stream.len, &config));
	WebPFreeDecBuffer(&config.output);
	return st;
}

enum status imaging_decode_webp(const struct source *source, struct decoded *out)
{
	struct frame frame = { .left = 0 };
	bool is_whole = false;
	struct pixels canvas = { NULL, 0, 0 };
	*out = (struct decoded){ .why = NULL };
	enum status st = find_frame(source, out, &frame);
	if (st) {
		return st;
	}
	if (check_frame(source, &frame, &is_whole)) {
		return refuse(out, ST_INVALID, "the WebP header contradicts itself");
	}
	choose_size(source, is_whole, &canvas.width, &canvas.height);
	canvas.data = memory_alloc_array((size_t)canvas.width * canvas.height, 4);
	st = canvas.data ? decode_onto(&frame, is_whole, &canvas, out) : ST_FULL;
	if (st) {
		imaging_pixels_fini(&canvas);
		return st;
	}
	/* In place: of the largest pictures only one copy fits into a child's memory. */
	imaging_blend_on_white(canvas.data, canvas.data, (size_t)canvas.width * canvas.height);
	out->pixels = canvas;
	out->has_alpha = frame.features.has_alpha || !is_whole;
	return ST_OK;
}
