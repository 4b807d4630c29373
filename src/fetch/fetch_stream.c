/* fetch_stream.c - one blob, chunk by chunk, for as long as its image lives. */
#include "poison.h"

#include "inside.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "clock.h"
#include "file.h"
#include "imaging.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "must.h"
#include "num.h"
#include "text.h"

enum { ETAG_BYTES = 16, ETAG_TEXT = 2 * ETAG_BYTES };
#define NO_CHUNK UINT64_MAX

struct fetch_stream {
	struct fetch *fetch;
	struct catalog_image image;
	struct image_key *key;      /* its handle tells when the image is destroyed */
	struct blob_cipher *cipher; /* NULL once it was */
	int store;
	struct catalog_place at;
	uint64_t length;
	bool is_reply; /* to a reader, and counted; not for a child of ours */
	const char *media_type;
	char etag[ETAG_TEXT + 1];
	uint64_t plain_index; /* the chunk in plain[], NO_CHUNK: none */
	uint8_t plain[SEAL_CHUNK];
	uint8_t sealed[SEAL_CHUNK + CHUNK_TAG];
};

/* The blob id is random and says nothing; hashed, it does not show what names blobs inside either. */
static enum status make_etag(const uint8_t blob_id[BLOB_ID_BYTES], char out[ETAG_TEXT + 1])
{
	struct buf text;
	struct digest d = digest_hmac(SPAN_LIT("darkroom etag"), span_make(blob_id, BLOB_ID_BYTES));
	buf_init(&text, ETAG_TEXT);
	text_put_hex(&text, span_make(d.bytes, ETAG_BYTES));
	enum status st = buf_status(&text);
	if (st == ST_OK)
		st = span_to_text(buf_span(&text), out, ETAG_TEXT + 1);
	buf_fini(&text);
	return st;
}

/* What a stream is about; the key handle moves into it. */
struct subject {
	int store;
	struct catalog_place at;
	uint64_t length;
	const char *format;
	const uint8_t *blob_id;
	const struct blob_key *blob_key;
};

static enum status make_stream(struct fetch *f, const struct catalog_image *image,
	const struct subject *about, struct fetch_stream **out)
{
	struct blob_id id;
	struct fetch_stream *s = memory_alloc(sizeof *s);
	if (!s)
		return ST_FULL;
	s->fetch = f;
	s->image = *image;
	s->store = about->store;
	s->at = about->at;
	s->length = about->length;
	s->media_type = imaging_media_type(imaging_format_of(span_of(about->format)));
	s->plain_index = NO_CHUNK;
	memcpy(id.bytes, about->blob_id, sizeof id.bytes);
	enum status st = make_etag(about->blob_id, s->etag);
	if (st == ST_OK)
		st = blob_cipher_new(about->blob_key, &id, about->length, &s->cipher);
	if (st != ST_OK) {
		fetch_close(s);
		return st;
	}
	*out = s;
	return ST_OK;
}

static void count_reply(struct fetch_stream *s)
{
	s->is_reply = true;
	metrics_add(METRIC_READS, 1);
}

static enum status open_original(
	struct fetch *f, const struct catalog_image *image, struct fetch_stream **out)
{
	struct commit_opened opened;
	enum status st = fetch_judge(f, image);
	if (st == ST_OK)
		st = commit_open_image(f->options.commit, image, &opened);
	if (st != ST_OK)
		return st;
	struct subject about = {
		.store = CATALOG_ORIGINALS,
		.at = image->blob_at,
		.length = image->bytes,
		.format = image->format,
		.blob_id = image->blob_id,
		.blob_key = &opened.blob_key,
	};
	st = make_stream(f, image, &about, out);
	if (st == ST_OK) {
		(*out)->key = opened.key;
		opened.key = NULL;
	}
	commit_opened_fini(&opened);
	return st;
}

enum status fetch_open_original(struct fetch *f, const struct catalog_image *image, struct fetch_stream **out)
{
	enum status st = open_original(f, image, out);
	if (st == ST_OK)
		count_reply(*out);
	return st;
}

/* The row of that name, and its key out of the RESULT. */
static enum status find_rendition(
	struct fetch *f, const struct catalog_image *image, const char *name, struct catalog_rendition *out)
{
	struct catalog_rendition rows[RENDITIONS_MAX];
	size_t count = 0;
	if (image->state == CATALOG_RECEIVED)
		return ST_BUSY;
	enum status st = catalog_renditions(f->options.catalog, image->number, rows, &count);
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		if (strcmp(rows[i].name, name) == 0) {
			*out = rows[i];
			return ST_OK;
		}
	}
	return st == ST_OK ? ST_NOT_FOUND : st;
}

static enum status open_rendition(struct fetch *f, const struct catalog_image *image,
	const struct catalog_rendition *row, const struct blob_key *key, struct fetch_stream **out)
{
	struct subject about = {
		.store = CATALOG_PROCESSED,
		.at = row->blob_at,
		.length = row->bytes,
		.format = row->format,
		.blob_id = row->blob_id,
		.blob_key = key,
	};
	return make_stream(f, image, &about, out);
}

/* The key comes first: of an image erased since its row was read, nothing is NOT_FOUND, all is GONE. */
enum status fetch_open_rendition(
	struct fetch *f, const struct catalog_image *image, const char *name, struct fetch_stream **out)
{
	struct catalog_rendition row;
	struct commit_opened opened;
	struct commit_opened_result result;
	enum status st = fetch_judge(f, image);
	if (st == ST_OK)
		st = commit_open_image(f->options.commit, image, &opened);
	if (st != ST_OK)
		return st;
	st = find_rendition(f, image, name, &row);
	if (st == ST_OK)
		st = commit_open_result(f->options.commit, image, opened.key, &result);
	if (st != ST_OK)
		goto out;
	st = ST_CORRUPT; /* unless the RESULT knows the rendition that the row names */
	for (size_t i = 0; i < result.rendition_count && st == ST_CORRUPT; i++)
		if (memcmp(result.renditions[i].blob_id, row.blob_id, BLOB_ID_BYTES) == 0)
			st = open_rendition(f, image, &row, &result.renditions[i].key, out);
	commit_opened_result_fini(&result);
	if (st == ST_OK) {
		(*out)->key = opened.key;
		opened.key = NULL;
		count_reply(*out);
	}
out:
	if (st == ST_NOT_FOUND && !image_key_is_live(opened.key))
		st = ST_GONE;
	commit_opened_fini(&opened);
	return st;
}

uint64_t fetch_length(const struct fetch_stream *s)
{
	return s->length;
}

const char *fetch_media_type(const struct fetch_stream *s)
{
	return s->media_type;
}

const char *fetch_etag(const struct fetch_stream *s)
{
	return s->etag;
}

/* Asked before each chunk is opened.  Once it is gone, what could open the rest is wiped. */
static bool is_alive(struct fetch_stream *s)
{
	if (!s->cipher)
		return false;
	if (image_key_is_live(s->key) && fetch_judge(s->fetch, &s->image) == ST_OK)
		return true;
	blob_cipher_free(s->cipher);
	s->cipher = NULL;
	s->plain_index = NO_CHUNK;
	memory_wipe(s->plain, sizeof s->plain);
	if (s->is_reply)
		metrics_add(METRIC_READS_CUT, 1);
	return false;
}

/* Opens chunk `index` to `to`, which has room for it. */
static enum status open_chunk(struct fetch_stream *s, uint64_t index, uint8_t *to)
{
	size_t plain_len = (size_t)num_min(SEAL_CHUNK, s->length - index * SEAL_CHUNK);
	struct span sealed = span_make(s->sealed, plain_len + CHUNK_TAG);
	enum status st = commit_read_blob(s->fetch->options.commit, s->store, s->at,
		index * (SEAL_CHUNK + CHUNK_TAG), s->sealed, sealed.len);
	if (st == ST_OK)
		st = blob_cipher_open(s->cipher, index, sealed, to);
	if (st == ST_CORRUPT)
		log_event(LOG_ERROR, "fetch.chunk.damaged", LOG_I64("store", s->store),
			LOG_U64("segment", s->at.segment), LOG_U64("offset", s->at.offset),
			LOG_U64("chunk", index));
	return st;
}

/* The part of one chunk that is asked for.  A whole chunk goes straight to the caller. */
static enum status read_part(struct fetch_stream *s, uint64_t from, uint8_t *out, size_t len)
{
	uint64_t index = from / SEAL_CHUNK, inside = from % SEAL_CHUNK;
	if (inside == 0 && len == num_min(SEAL_CHUNK, s->length - from))
		return open_chunk(s, index, out);
	if (s->plain_index != index) {
		s->plain_index = NO_CHUNK;
		enum status st = open_chunk(s, index, s->plain);
		if (st != ST_OK)
			return st;
		s->plain_index = index;
	}
	memcpy(out, s->plain + inside, len);
	return ST_OK;
}

enum status fetch_read(struct fetch_stream *s, uint64_t from, uint8_t *out, size_t len, size_t *got)
{
	enum status st = ST_OK;
	*got = 0;
	if (!is_alive(s))
		return ST_GONE;
	uint64_t end = from >= s->length ? from : from + num_min(len, s->length - from);
	while (from < end) {
		size_t part = (size_t)num_min(end - from, SEAL_CHUNK - from % SEAL_CHUNK);
		if (!is_alive(s))
			return ST_GONE;
		st = read_part(s, from, out, part);
		if (st != ST_OK)
			return st;
		from += part;
		out += part;
		*got += part;
	}
	return st;
}

void fetch_close(struct fetch_stream *s)
{
	if (!s)
		return;
	blob_cipher_free(s->cipher);
	image_key_release(s->key);
	memory_wipe(s->plain, sizeof s->plain);
	memory_free(s);
}

/* --- for a child --- */

static enum status copy_to_fd(struct fetch_stream *s, int fd)
{
	uint8_t *chunk = memory_resize(NULL, SEAL_CHUNK);
	enum status st = chunk ? ST_OK : ST_FULL;
	size_t got = 1;
	for (uint64_t at = 0; st == ST_OK && at < s->length; at += got) {
		st = fetch_read(s, at, chunk, SEAL_CHUNK, &got);
		if (st == ST_OK)
			st = file_write_at(fd, span_make(chunk, got), at);
	}
	if (chunk)
		memory_wipe(chunk, SEAL_CHUNK);
	memory_free(chunk);
	return st;
}

enum status fetch_to_memfd(struct fetch *f, const struct catalog_image *image, int *out)
{
	struct fetch_stream *s = NULL;
	int fd = -1;
	enum status st = open_original(f, image, &s);
	if (st != ST_OK)
		return st;
	fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	st = fd < 0 ? ST_FULL : copy_to_fd(s, fd);
	if (st == ST_OK &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
		st = ST_IO;
	fetch_close(s);
	if (st == ST_OK)
		*out = fd;
	else
		file_close(&fd);
	return st;
}
