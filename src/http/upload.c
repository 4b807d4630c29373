/* upload.c - handler: images in, as a raw body or as multipart/form-data. */
#include "poison.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "digest_field.h"
#include "image_json.h"
#include "memory.h"
#include "metrics.h"
#include "multipart.h"
#include "reply.h"
#include "request.h"
#include "route.h"
#include "visible.h"

enum { PART_BYTES = 32768, WAIT_MS = 30000 };

/* What applies to every image of one request. */
struct upload {
	struct request *rq;
	char collection[COLLECTION_NAME_MAX + 1];
	struct span idempotency_key;
	bool must_wait;
	uint32_t index; /* of the file within a multipart body */
};

static enum status read_options(struct request *rq, struct upload *u)
{
	struct span text;
	*u = (struct upload){ .rq = rq, .collection = "default" };
	enum status st = request_parameter(rq, "collection", &text);
	if (st == ST_OK && span_to_text(text, u->collection, sizeof u->collection) != ST_OK)
		return request_refuse(rq, ST_INVALID, "a collection's name has at most 63 characters");
	if (st == ST_OK || st == ST_NOT_FOUND)
		st = request_parameter(rq, "wait", &text);
	if (st == ST_OK) {
		u->must_wait = span_equal_text(text, "processed");
		if (!u->must_wait)
			return request_refuse(rq, ST_INVALID, "\"wait\" can only be \"processed\"");
	}
	if (st != ST_OK && st != ST_NOT_FOUND)
		return st;
	u->idempotency_key = gate_head_field(rq->head, "idempotency-key");
	if (u->idempotency_key.len > IDEMPOTENCY_KEY_MAX)
		return request_refuse(rq, ST_INVALID, "an Idempotency-Key has at most 255 characters");
	return ST_OK;
}

/* May this caller write there?  A collection out of reach does not exist for them. */
static enum status check_collection(struct upload *u)
{
	uint32_t number;
	enum status st = visible_collection(u->rq, span_of(u->collection), &number);
	return st == ST_INVALID ? request_refuse(u->rq, ST_NOT_FOUND, "there is no such collection") : st;
}

/* Each file of a multipart body is an upload of its own and needs a key of its own. */
static enum status key_of_file(struct upload *u, bool is_multipart, struct span *out)
{
	*out = u->idempotency_key;
	if (out->len == 0 || !is_multipart)
		return ST_OK;
	char *text = arena_printf(
		u->rq->arena, "%.*s#%u", (int)out->len, (const char *)out->data, (unsigned)u->index);
	if (!text)
		return ST_FULL;
	*out = span_of(text);
	return ST_OK;
}

static enum status begin(
	struct upload *u, struct span file_name, bool is_multipart, struct ingest_upload **out)
{
	struct request *rq = u->rq;
	struct ingest_request in = {
		.collection = span_of(u->collection),
		.principal = span_of(rq->caller.principal),
		.source = "http",
		.file_name = file_name,
		.length = rq->head->has_length && !is_multipart ? rq->head->content_length : 0,
	};
	enum status st = check_collection(u);
	if (st == ST_OK)
		st = key_of_file(u, is_multipart, &in.idempotency_key);
	if (st != ST_OK)
		return st;
	if (!is_multipart) {
		st = digest_field_sha256(rq->head, in.sha256);
		in.has_sha256 = st == ST_OK;
		if (st == ST_INVALID)
			return request_refuse(rq, st, "Repr-Digest must be sha-256=:base64:");
	}
	return ingest_begin(rq->services->ingest, &in, out, &rq->why);
}

/* Waits for the renditions when asked to, and reads the row again. */
static void settle(struct upload *u, struct catalog_image *image)
{
	struct catalog_image fresh;
	const struct http_options *o = u->rq->services;
	if (!u->must_wait)
		return;
	enum status st = commit_wait_processed(o->commit, image->id, WAIT_MS);
	if (st == ST_OK || st == ST_TIMEOUT)
		st = catalog_find_image(o->catalog, image->id, &fresh);
	if (st == ST_OK)
		*image = fresh;
}

static enum status accept(struct upload *u, struct ingest_upload *up, struct ingest_receipt *receipt)
{
	enum status st = ingest_accept(up, receipt, &u->rq->why);
	if (st == ST_OK)
		settle(u, &receipt->image);
	return st;
}

/* Statuses that a client can mend are told apart from those of an upload's picture. */
static void count_refusal(enum status st)
{
	if (st != ST_OK)
		metrics_add(METRIC_UPLOADS_REFUSED, 1);
}

/* --- raw body --- */

static enum status read_raw(struct request *rq, struct ingest_upload *up)
{
	uint8_t part[PART_BYTES];
	uint64_t total = 0;
	size_t got = 1;
	enum status st = ST_OK;
	while (st == ST_OK && got > 0) {
		st = request_read(rq, part, sizeof part, &got);
		total += got;
		if (st == ST_OK && got > 0)
			st = ingest_body(up, span_make(part, got), &rq->why);
	}
	if (st == ST_OK && rq->head->has_length && total != rq->head->content_length) {
		rq->must_close = true;
		return request_refuse(rq, ST_INVALID, "the body is shorter than its Content-Length");
	}
	return st;
}

static enum status reply_created(struct request *rq, const struct ingest_receipt *receipt)
{
	char headers[256];
	struct buf body;
	char id[IMAGE_ID_TEXT + 1];
	struct image_id image_id;
	memcpy(image_id.bytes, receipt->image.id, sizeof image_id.bytes);
	image_id_text(&image_id, id);
	(void)snprintf(headers, sizeof headers, "Location: /v1/images/%s\r\n%s", id,
		receipt->is_repeat ? "Idempotent-Replayed: true\r\n" : "");
	buf_init(&body, KIB(64));
	struct json_writer w = json_writer_of(&body);
	enum status st = image_json_put(rq, &w, NULL, &receipt->image, false);
	if (st == ST_OK)
		st = reply_json(rq, 201, headers, &body);
	buf_fini(&body);
	return st;
}

static enum status raw_name(struct request *rq, struct span *out)
{
	enum status st = request_parameter(rq, "name", out);
	if (st == ST_OK && out->len > FILE_NAME_MAX_BYTES)
		return request_refuse(rq, ST_INVALID, "a file name has at most 255 bytes");
	if (st == ST_NOT_FOUND)
		*out = span_make(NULL, 0);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status post_raw(struct upload *u)
{
	struct ingest_upload *up = NULL;
	struct ingest_receipt receipt;
	struct span name;
	enum status st = raw_name(u->rq, &name);
	if (st == ST_OK)
		st = begin(u, name, false, &up);
	if (st == ST_OK)
		st = read_raw(u->rq, up);
	if (st == ST_OK)
		st = accept(u, up, &receipt);
	ingest_end(up);
	count_refusal(st);
	return st == ST_OK ? reply_created(u->rq, &receipt) : st;
}

/* --- multipart --- */

/* One file's end: what became of it. */
struct file_outcome {
	enum status st;
	const char *why;
	struct ingest_receipt receipt;
};

struct form {
	struct upload *upload;
	struct multipart parser;
	struct ingest_upload *file; /* the part at hand, when it is a file that was not refused */
	struct buf field;           /* the part at hand, when it is a field */
	bool is_file;
	struct file_outcome *outcomes;
	size_t count, refused;
};

/* The next event, reading as much of the body as it takes. */
static enum status next_event(struct form *f, enum multipart_event *out)
{
	while ((*out = multipart_next(&f->parser)) == MULTIPART_MORE) {
		size_t room = 0, got = 0;
		uint8_t *to = multipart_room(&f->parser, &room);
		enum status st = request_read(f->upload->rq, to, room, &got);
		if (st != ST_OK)
			return st;
		if (got == 0)
			return request_refuse(f->upload->rq, ST_INVALID,
				"the multipart body ends before its closing boundary");
		multipart_fed(&f->parser, got);
	}
	if (*out == MULTIPART_BAD)
		return request_refuse(f->upload->rq, ST_INVALID, f->parser.why);
	return ST_OK;
}

/* A refused file is told in the answer and does not stop the others. */
static void refuse_file(struct form *f, enum status st)
{
	f->outcomes[f->count].st = st;
	f->outcomes[f->count].why = f->upload->rq->why;
	f->upload->rq->why = NULL;
	f->refused++;
	count_refusal(st);
	ingest_end(f->file);
	f->file = NULL;
}

static enum status begin_part(struct form *f)
{
	f->is_file = f->parser.has_file_name;
	if (!f->is_file) {
		buf_clear(&f->field);
		return ST_OK;
	}
	if (f->count == MULTIPART_FILES_MAX)
		return request_refuse(f->upload->rq, ST_TOO_BIG, "one request may bring at most 64 files");
	f->upload->index = (uint32_t)f->count;
	char *name = arena_text(f->upload->rq->arena, span_of(f->parser.file_name));
	enum status st = name ? begin(f->upload, span_of(name), true, &f->file) : ST_FULL;
	if (st != ST_OK)
		refuse_file(f, st);
	return ST_OK;
}

static void take_data(struct form *f)
{
	if (!f->is_file) {
		buf_put_span(&f->field, f->parser.data);
	} else if (f->file) {
		enum status st = ingest_body(f->file, f->parser.data, &f->upload->rq->why);
		if (st != ST_OK)
			refuse_file(f, st);
	}
}

static enum status end_field(struct form *f)
{
	if (strcmp(f->parser.name, "collection") != 0)
		return ST_OK;
	if (f->count > 0)
		return request_refuse(
			f->upload->rq, ST_INVALID, "the field \"collection\" must come before the files");
	if (!buf_ok(&f->field) || span_to_text(buf_span(&f->field), f->upload->collection,
					  sizeof f->upload->collection) != ST_OK)
		return request_refuse(
			f->upload->rq, ST_INVALID, "a collection's name has at most 63 characters");
	return ST_OK;
}

static enum status end_part(struct form *f)
{
	if (!f->is_file)
		return end_field(f);
	if (f->file) {
		enum status st = accept(f->upload, f->file, &f->outcomes[f->count].receipt);
		if (st != ST_OK) {
			refuse_file(f, st);
		} else {
			ingest_end(f->file);
			f->file = NULL;
		}
	}
	f->count++;
	return ST_OK;
}

static enum status read_form(struct form *f)
{
	enum multipart_event event = MULTIPART_MORE;
	enum status st = ST_OK;
	while (st == ST_OK && event != MULTIPART_END) {
		st = next_event(f, &event);
		if (st == ST_OK && event == MULTIPART_PART)
			st = begin_part(f);
		else if (st == ST_OK && event == MULTIPART_DATA)
			take_data(f);
		else if (st == ST_OK && event == MULTIPART_PART_END)
			st = end_part(f);
	}
	return st;
}

/* The epilogue behind the closing boundary is read and ignored (RFC 2046). */
static enum status read_epilogue(struct request *rq)
{
	uint8_t ignored[4096];
	size_t got = 1;
	enum status st = ST_OK;
	while (st == ST_OK && got > 0)
		st = request_read(rq, ignored, sizeof ignored, &got);
	return st;
}

static enum status put_outcome(struct request *rq, struct json_writer *w, const struct file_outcome *o)
{
	enum status st = ST_OK;
	json_begin_object(w, NULL);
	json_put_i64(w, "status", o->st == ST_OK ? 201 : reply_code_of(o->st));
	if (o->st == ST_OK) {
		st = image_json_put(rq, w, "image", &o->receipt.image, false);
	} else {
		json_put_text(w, "code", span_of(reply_word_of(o->st)));
		json_put_text(w, "detail", span_of(o->why ? o->why : status_text(o->st)));
	}
	json_end_object(w);
	return st;
}

static enum status reply_form(struct form *f)
{
	struct request *rq = f->upload->rq;
	struct buf body;
	if (f->count == 0)
		return request_refuse(rq, ST_INVALID, "the form has no file: give each file part a filename");
	if (f->count == 1 && f->refused == 0)
		return reply_created(rq, &f->outcomes[0].receipt);
	if (f->count == 1)
		return request_refuse(rq, f->outcomes[0].st, f->outcomes[0].why);
	buf_init(&body, REPLY_BYTES_MAX);
	struct json_writer w = json_writer_of(&body);
	enum status st = ST_OK;
	json_begin_object(&w, NULL);
	json_begin_array(&w, "files");
	for (size_t i = 0; st == ST_OK && i < f->count; i++)
		st = put_outcome(rq, &w, &f->outcomes[i]);
	json_end_array(&w);
	json_end_object(&w);
	if (st == ST_OK)
		st = reply_json(rq, f->refused ? 207 : 201, NULL, &body);
	buf_fini(&body);
	return st;
}

static enum status post_form(struct upload *u, struct span content_type)
{
	struct request *rq = u->rq;
	struct form *f = arena_alloc(rq->arena, sizeof *f);
	if (!f)
		return ST_FULL;
	f->upload = u;
	f->outcomes = arena_alloc(rq->arena, MULTIPART_FILES_MAX * sizeof *f->outcomes);
	buf_init(&f->field, 1024);
	enum status st = f->outcomes ? multipart_init(&f->parser, content_type) : ST_FULL;
	if (st == ST_INVALID)
		return request_refuse(rq, st, "multipart/form-data needs a boundary");
	if (st == ST_OK)
		st = read_form(f);
	if (st == ST_OK)
		st = read_epilogue(rq);
	if (st == ST_OK)
		st = reply_form(f);
	ingest_end(f->file);
	buf_fini(&f->field);
	return st;
}

enum status image_post(struct request *rq)
{
	struct upload u;
	struct span content_type = gate_head_field(rq->head, "content-type");
	struct span type = span_trim(span_slice(content_type, 0, span_find(content_type, ';')));
	enum status st = read_options(rq, &u);
	if (st != ST_OK)
		return st;
	if (!rq->head->has_length && !rq->head->is_chunked) {
		rq->problem_status = 411;
		return request_refuse(rq, ST_INVALID, "an upload needs a Content-Length or chunked encoding");
	}
	return span_equal_nocase(type, "multipart/form-data") ? post_form(&u, content_type) : post_raw(&u);
}
