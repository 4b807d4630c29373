/* blob_reply.c - handlers: an original's or a rendition's bytes, with Range and ETag (RFC 9110 sections
 * 13, 14). */
#include "poison.h"

#include <stdio.h>

#include "clock.h"
#include "imaging.h"
#include "memory.h"
#include "num.h"
#include "reply.h"
#include "request.h"
#include "route.h"
#include "visible.h"

enum { COPY_BYTES = 262144, CACHE_S_MAX = 3600 };

struct byte_range {
	uint64_t first, len;
	bool is_partial;
};

/* If-Range compares strongly: a weak tag never fits (RFC 9110 section 13.1.5). */
static bool is_etag(struct span value, const char *etag)
{
	char quoted[96];
	(void)snprintf(quoted, sizeof quoted, "\"%s\"", etag);
	return span_equal_text(span_trim(value), quoted);
}

/* If-None-Match compares weakly. */
static bool names_etag(struct span list, const char *etag)
{
	if (span_equal_text(list, "*"))
		return true;
	while (list.len > 0) {
		size_t comma = span_find(list, ',');
		struct span one = span_trim(span_slice(list, 0, comma));
		if (span_starts_with(one, "W/"))
			one = span_slice(one, 2, one.len);
		if (is_etag(one, etag))
			return true;
		list = span_slice(list, comma + 1, list.len);
	}
	return false;
}

/* "first-last", "first-" or "-suffix" against `length` bytes.  UNSUPPORTED: no such form, which RFC 9110 lets
 * us ignore.  MISMATCH: it lies outside. */
static enum status parse_range(struct span value, uint64_t length, struct byte_range *out)
{
	uint64_t first = 0, last = UINT64_MAX;
	size_t dash = span_find(value, '-');
	struct span from = span_slice(value, 0, dash), to = span_slice(value, dash + 1, value.len);
	if (dash == value.len || (from.len == 0 && to.len == 0))
		return ST_UNSUPPORTED;
	if (from.len > 0 && span_to_u64(from, UINT64_MAX, &first) != ST_OK)
		return ST_UNSUPPORTED;
	if (to.len > 0 && span_to_u64(to, UINT64_MAX, &last) != ST_OK)
		return ST_UNSUPPORTED;
	if (from.len == 0) {
		first = last < length ? length - last : 0;
		if (last == 0)
			return ST_MISMATCH;
		last = UINT64_MAX;
	}
	if (last < first)
		return ST_UNSUPPORTED;
	if (first >= length)
		return ST_MISMATCH;
	*out = (struct byte_range){ first, num_min(last, length - 1) - first + 1, true };
	return ST_OK;
}

/* One range of bytes is served as such; several, another unit, or another method than GET get the whole. */
static enum status read_range(
	const struct request *rq, uint64_t length, const char *etag, struct byte_range *out)
{
	struct span value = gate_head_field(rq->head, "range"),
		    condition = gate_head_field(rq->head, "if-range");
	*out = (struct byte_range){ 0, length, false };
	if (rq->is_head_method || !span_starts_with(value, "bytes=") || span_find(value, ',') < value.len)
		return ST_OK;
	if (condition.len > 0 && !is_etag(condition, etag))
		return ST_OK;
	enum status st = parse_range(span_trim(span_slice(value, 6, value.len)), length, out);
	return st == ST_UNSUPPORTED ? ST_OK : st;
}

/* Nobody may keep these bytes beyond their end, whatever a cache thinks. */
static int64_t cache_seconds(struct request *rq, const struct catalog_image *image)
{
	int64_t left = clock_real_ms_until(rq->services->clock, image->expires_at) / 1000;
	return left < CACHE_S_MAX ? left : CACHE_S_MAX;
}

static void put_headers(struct request *rq, const struct catalog_image *image, struct fetch_stream *s,
	const struct byte_range *range, char out[1024])
{
	char part[128] = "";
	enum image_format format = imaging_format_of(span_of(image->format));
	if (range->is_partial)
		(void)snprintf(part, sizeof part, "Content-Range: bytes %llu-%llu/%llu\r\n",
			(unsigned long long)range->first, (unsigned long long)(range->first + range->len - 1),
			(unsigned long long)fetch_length(s));
	(void)snprintf(out, 1024,
		"ETag: \"%s\"\r\nAccept-Ranges: bytes\r\n%sCache-Control: private, max-age=%lld\r\n"
		"Content-Disposition: inline; filename=\"%.*s.%s\"\r\n"
		"Content-Security-Policy: default-src 'none'; sandbox\r\n"
		"Cross-Origin-Resource-Policy: same-origin\r\n",
		fetch_etag(s), part, (long long)cache_seconds(rq, image), (int)rq->path_parameters[0].len,
		(const char *)rq->path_parameters[0].data,
		rq->path_parameters[1].len ? "jpg" : imaging_file_ending(format));
}

/* The head goes out with the first bytes, so that what cannot be read at all is still answered with a
 * problem.  Not OK after that: the connection is cut, so that nobody takes the part for the whole. */
static enum status copy(
	struct request *rq, struct fetch_stream *s, struct byte_range range, const struct reply_head *head)
{
	size_t size = (size_t)num_min(range.len, COPY_BYTES);
	uint8_t *memory = arena_alloc(rq->arena, size);
	enum status st = memory ? ST_OK : ST_FULL;
	while (st == ST_OK && range.len > 0) {
		size_t got = 0;
		st = fetch_read(s, range.first, memory, (size_t)num_min(range.len, size), &got);
		struct span bytes = span_make(memory, got);
		if (st == ST_OK)
			st = rq->http_status == 0 ? reply_begin(rq, head, bytes) : reply_bytes(rq, bytes);
		range.first += got;
		range.len -= got;
	}
	if (memory)
		memory_wipe(memory, size);
	return st;
}

static enum status refuse_range(struct request *rq, uint64_t length)
{
	rq->problem_status = 416;
	rq->problem_headers =
		arena_printf(rq->arena, "Content-Range: bytes */%llu\r\n", (unsigned long long)length);
	return request_refuse(rq, ST_MISMATCH, "the range lies outside the bytes that there are");
}

static enum status send_stream(struct request *rq, const struct catalog_image *image, struct fetch_stream *s)
{
	char headers[1024];
	struct byte_range range;
	struct reply_head head = { .content_type = fetch_media_type(s), .headers = headers };
	enum status ranged = read_range(rq, fetch_length(s), fetch_etag(s), &range);
	put_headers(rq, image, s, &range, headers);
	if (names_etag(gate_head_field(rq->head, "if-none-match"), fetch_etag(s))) {
		head.http_status = 304;
		return reply_begin(rq, &head, span_make(NULL, 0));
	}
	if (ranged != ST_OK)
		return refuse_range(rq, fetch_length(s));
	head.http_status = range.is_partial ? 206 : 200;
	head.length = range.len;
	return rq->is_head_method ? reply_begin(rq, &head, span_make(NULL, 0)) : copy(rq, s, range, &head);
}

enum status original_get(struct request *rq)
{
	struct catalog_image image;
	struct fetch_stream *s = NULL;
	enum status st = visible_image(rq, &image);
	if (st == ST_OK)
		st = fetch_open_original(rq->services->fetch, &image, &s);
	if (st == ST_OK)
		st = send_stream(rq, &image, s);
	fetch_close(s);
	return st;
}

enum status rendition_get(struct request *rq)
{
	struct catalog_image image;
	struct fetch_stream *s = NULL;
	char name[RENDITION_NAME_MAX + 1];
	enum status st = visible_image(rq, &image);
	if (st != ST_OK)
		return st;
	if (span_to_text(rq->path_parameters[1], name, sizeof name) != ST_OK)
		return request_refuse(rq, ST_NOT_FOUND, "there is no rendition of this name");
	st = fetch_open_rendition(rq->services->fetch, &image, name, &s);
	if (st == ST_NOT_FOUND)
		rq->why = image.state == CATALOG_FAILED
				  ? "the image could not be processed: it has no renditions"
				  : "there is no rendition of this name";
	if (st == ST_BUSY) {
		rq->problem_status = 404;
		rq->why = "the image is not processed yet: try again in a moment";
	}
	if (st == ST_OK)
		st = send_stream(rq, &image, s);
	fetch_close(s);
	return st;
}
