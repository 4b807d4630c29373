/* images.c - handlers: find, show and erase images. */
#include "poison.h"

#include <stdio.h>

#include "clock.h"
#include "image_json.h"
#include "imaging.h"
#include "memory.h"
#include "num.h"
#include "reply.h"
#include "request.h"
#include "route.h"
#include "text.h"
#include "visible.h"

enum { CURSOR_BYTES = 16, CURSOR_TEXT = 26 };

enum status image_get(struct request *rq)
{
	struct catalog_image image;
	struct buf body;
	enum status st = visible_image(rq, &image);
	if (st != ST_OK)
		return st;
	buf_init(&body, KIB(256));
	struct json_writer w = json_writer_of(&body);
	st = image_json_put(rq, &w, NULL, &image, true);
	if (st == ST_OK)
		st = reply_json(rq, 200, NULL, &body);
	buf_fini(&body);
	return st;
}

enum status image_delete(struct request *rq)
{
	struct catalog_image image;
	enum status st = visible_image(rq, &image);
	if (st != ST_OK)
		return st;
	st = purge_erase(rq->services->purge, &image);
	if (st == ST_NOT_FOUND)
		return request_refuse(rq, ST_GONE, "the image is destroyed already");
	rq->services->on_erase(rq->services->context, image.id);
	return st == ST_OK ? reply_empty(rq, 204, "Cache-Control: no-store\r\n") : st;
}

/* --- the list --- */

static enum status read_cursor(struct request *rq, struct catalog_filter *f)
{
	struct span text;
	uint8_t bytes[CURSOR_BYTES];
	enum status st = request_parameter(rq, "cursor", &text);
	if (st != ST_OK)
		return st;
	if (text_from_base32(text, bytes, sizeof bytes) != ST_OK)
		return request_refuse(
			rq, ST_INVALID, "\"cursor\" must be the next_cursor of an earlier page");
	f->before_received = (int64_t)num_get_u64(bytes);
	f->before_number = (int64_t)num_get_u64(bytes + 8);
	if (f->before_received < 0 || f->before_number < 0)
		return request_refuse(
			rq, ST_INVALID, "\"cursor\" must be the next_cursor of an earlier page");
	return ST_OK;
}

static void put_cursor(struct json_writer *w, const struct catalog_image *last)
{
	uint8_t bytes[CURSOR_BYTES];
	struct buf text;
	num_put_u64(bytes, (uint64_t)last->received_at);
	num_put_u64(bytes + 8, (uint64_t)last->number);
	buf_init(&text, CURSOR_TEXT + 1);
	text_put_base32(&text, span_make(bytes, sizeof bytes));
	json_put_text(w, "next_cursor", buf_span(&text));
	buf_fini(&text);
}

static enum status read_state(struct request *rq, struct catalog_filter *f)
{
	struct span text;
	enum status st = request_parameter(rq, "state", &text);
	if (st != ST_OK)
		return st;
	for (int s = CATALOG_RECEIVED; s <= CATALOG_FAILED; s++)
		if (span_equal_text(text, image_state_text((enum catalog_state)s)))
			f->state = s;
	return f->state >= 0 ? ST_OK
			     : request_refuse(rq, ST_INVALID, "\"state\" must be received, ready or failed");
}

static enum status read_format(struct request *rq, struct catalog_filter *f)
{
	struct span text;
	enum status st = request_parameter(rq, "format", &text);
	if (st != ST_OK)
		return st;
	enum image_format format = imaging_format_of(text);
	if (format == IMAGE_FORMAT_NONE)
		return request_refuse(rq, ST_INVALID, "\"format\" must be jpeg, png, webp, gif or bmp");
	f->format = imaging_format_text(format);
	return ST_OK;
}

static enum status read_camera(struct request *rq, struct catalog_filter *f)
{
	struct span text;
	enum status st = request_parameter(rq, "camera", &text);
	if (st == ST_OK)
		f->camera = arena_text(rq->arena, text);
	return st == ST_OK && !f->camera ? ST_FULL : st;
}

static enum status read_collection(struct request *rq, struct catalog_filter *f)
{
	struct span name;
	enum status st = request_parameter(rq, "collection", &name);
	if (st != ST_OK)
		return st;
	uint32_t *number = arena_alloc(rq->arena, sizeof *number);
	if (!number)
		return ST_FULL;
	st = visible_collection(rq, name, number);
	f->collections = number;
	f->collection_count = 1;
	return st;
}

static enum status read_numbers(struct request *rq, struct catalog_filter *f)
{
	uint64_t width = 0, height = 0, limit = PAGE_ROWS;
	enum status st = request_number(rq, "bytes_min", INT64_MAX, &f->bytes_min);
	if (st == ST_OK || st == ST_NOT_FOUND)
		st = request_number(rq, "bytes_max", INT64_MAX, &f->bytes_max);
	if (st == ST_OK || st == ST_NOT_FOUND)
		st = request_number(rq, "width_min", UINT32_MAX, &width);
	if (st == ST_OK || st == ST_NOT_FOUND)
		st = request_number(rq, "height_min", UINT32_MAX, &height);
	if (st == ST_OK || st == ST_NOT_FOUND)
		st = request_number(rq, "limit", PAGE_ROWS_MAX, &limit);
	if (st != ST_OK && st != ST_NOT_FOUND)
		return st;
	if (limit == 0)
		return request_refuse(rq, ST_INVALID, "\"limit\" must be 1 to 500");
	f->width_min = (uint32_t)width;
	f->height_min = (uint32_t)height;
	f->limit = (uint32_t)limit;
	return ST_OK;
}

static enum status read_filter(struct request *rq, struct catalog_filter *f)
{
	enum status (*const readers[])(struct request *, struct catalog_filter *) = {
		read_collection,
		read_state,
		read_format,
		read_camera,
		read_numbers,
		read_cursor,
	};
	*f = (struct catalog_filter){ .received_from = -1,
		.received_to = -1,
		.state = -1,
		.before_received = -1,
		.before_number = -1,
		.now_ms = clock_now_ms(rq->services->clock) };
	f->collections = request_collections(rq, &f->collection_count);
	enum status st = request_time(rq, "from", &f->received_from);
	if (st == ST_OK || st == ST_NOT_FOUND)
		st = request_time(rq, "to", &f->received_to);
	for (size_t i = 0; (st == ST_OK || st == ST_NOT_FOUND) && i < sizeof readers / sizeof *readers; i++)
		st = readers[i](rq, f);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status image_list(struct request *rq)
{
	struct catalog_filter f;
	struct catalog_image *rows = NULL;
	struct buf body;
	size_t count = 0;
	buf_init(&body, REPLY_BYTES_MAX);
	struct json_writer w = json_writer_of(&body);
	enum status st = read_filter(rq, &f);
	if (st == ST_OK)
		st = catalog_list(rq->services->catalog, &f, &rows, &count);
	json_begin_object(&w, NULL);
	json_begin_array(&w, "images");
	for (size_t i = 0; st == ST_OK && i < count; i++)
		st = image_json_put(rq, &w, NULL, &rows[i], false);
	json_end_array(&w);
	if (st == ST_OK && count == f.limit)
		put_cursor(&w, &rows[count - 1]);
	json_end_object(&w);
	if (st == ST_OK)
		st = reply_json(rq, 200, NULL, &body);
	memory_free(rows);
	buf_fini(&body);
	return st;
}
