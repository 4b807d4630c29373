#include "poison.h"
#include "store_private.h"

#include "digest.h"
#include "file.h"
#include "memory.h"
#include "num.h"

#define WINDOW_BYTES KIB(256)

/* Loads [from, end), which lies inside the file, and forgets what is before `from`. */
static enum status window_need(struct walk *w, uint64_t from, uint64_t end)
{
	if (from < w->base || from > w->base + w->len) {
		w->base = from;
		w->len = 0;
	}
	if (end <= w->base + w->len) {
		return ST_OK;
	}
	if (from > w->base) {
		w->len -= (size_t)(from - w->base);
		memmove(w->data, w->data + (from - w->base), w->len);
		w->base = from;
	}
	uint64_t need = num_align(end - from, WINDOW_BYTES);
	if (need > w->capacity) {
		uint8_t *data = memory_resize(w->data, need);
		if (!data) {
			return ST_FULL;
		}
		w->data = data;
		w->capacity = need;
	}
	size_t more = (size_t)num_min(w->size - (w->base + w->len), w->capacity - w->len);
	size_t got = 0;
	enum status status = file_read_some(w->fd, w->data + w->len, more, w->base + w->len, &got);
	w->len += got;
	return status == ST_OK && got < more ? ST_CORRUPT : status;
}

static const uint8_t *window_at(const struct walk *w, uint64_t at)
{
	return w->data + (at - w->base);
}

/* Decodes the head at `at` of the batch that begins at `begin`. */
static enum status head_at(struct walk *w, uint64_t begin, uint64_t at, struct record_head *out)
{
	if (w->size < RECORD_HEAD_BYTES || at > w->size - RECORD_HEAD_BYTES) {
		return ST_CORRUPT;
	}
	enum status status = window_need(w, begin, at + RECORD_HEAD_BYTES);
	if (status != ST_OK) {
		return status;
	}
	if (format_get_record_head(window_at(w, at), out) != ST_OK || out->offset != at) {
		return ST_CORRUPT;
	}
	return w->generation == 0 || out->generation == w->generation ? ST_OK : ST_CORRUPT;
}

static enum status add_record(struct walk *w, size_t count, const struct record_head *h)
{
	if (count >= RECORDS_IN_BATCH_MAX) {
		return ST_CORRUPT;
	}
	if (count == w->record_capacity) {
		size_t more = count == 0 ? 64 : count * 2;
		struct scan_record *records = memory_resize(w->records, more * sizeof *records);
		if (!records) {
			return ST_FULL;
		}
		w->records = records;
		w->record_capacity = more;
	}
	/* The spans hold lengths until the whole batch is in the window; the checksum waits there too. */
	w->records[count] = (struct scan_record){
		.kind = h->kind,
		.at = { w->segment, h->offset, RECORD_HEAD_BYTES + h->key_len + h->body_len },
		.key = { NULL, h->key_len },
		.body = { NULL, h->body_len },
		.body_crc = h->body_crc,
	};
	return ST_OK;
}

static bool is_commit_right(
	struct walk *w, const struct record_head *h, const struct walk_batch *b, uint32_t crc)
{
	struct commit_body body;
	struct span bytes = span_make(window_at(w, h->offset + RECORD_HEAD_BYTES), COMMIT_BODY_BYTES);
	uint64_t end = num_align(h->offset + format_record_bytes(0, COMMIT_BODY_BYTES), BLOCK_BYTES);
	return digest_crc32c(0, bytes) == h->body_crc && format_get_commit(bytes.data, &body) == ST_OK &&
	       body.sequence == b->sequence && body.begin == b->begin &&
	       body.record_count == b->record_count && body.heads_crc == crc && body.end == end;
}

/* The spans of a batch that is wholly in the window. */
static void lend_records(struct walk *w, struct walk_batch *b)
{
	b->are_bodies_sound = true;
	for (size_t i = 0; i < b->record_count; i++) {
		struct scan_record *r = &w->records[i];
		r->key.data = window_at(w, (uint64_t)r->at.offset + RECORD_HEAD_BYTES);
		r->body.data = r->key.data + r->key.len;
		r->is_body_sound = digest_crc32c(0, r->body) == r->body_crc;
		b->are_bodies_sound = b->are_bodies_sound && r->is_body_sound;
	}
}

static enum status not_a_batch(struct walk_batch *b, enum status status, const char *why)
{
	b->why = why;
	return status;
}

/* One record of the batch; moves *at behind it.  *is_last: it was the COMMIT. */
static enum status walk_record(
	struct walk *w, struct walk_batch *b, uint64_t *at, uint32_t *crc, bool *is_last)
{
	struct record_head h;
	enum status status = head_at(w, b->begin, *at, &h);
	if (status != ST_OK) {
		return not_a_batch(b, status, "a record's head is unsound");
	}
	if (b->sequence == 0) {
		b->sequence = h.sequence;
	}
	if (h.index != b->record_count || h.sequence != b->sequence || h.sequence == 0) {
		return not_a_batch(b, ST_CORRUPT, "a record's head does not belong to its batch");
	}
	uint64_t bytes = format_record_bytes(h.key_len, h.body_len);
	if (bytes > w->size - *at) {
		return not_a_batch(b, ST_CORRUPT, "a record reaches behind the end of the file");
	}
	*is_last = h.kind == RECORD_COMMIT;
	if (!*is_last) {
		uint8_t head[RECORD_HEAD_BYTES];
		format_put_record_head(&h, head);
		*crc = digest_crc32c(*crc, span_make(head, sizeof head));
		status = add_record(w, b->record_count++, &h);
		*at += bytes;
		return status == ST_OK ? ST_OK : not_a_batch(b, status, "a batch has too many records");
	}
	status = window_need(w, b->begin, *at + bytes);
	if (status != ST_OK) {
		return status;
	}
	b->end = num_align(*at + bytes, BLOCK_BYTES);
	return is_commit_right(w, &h, b, *crc)
		       ? ST_OK
		       : not_a_batch(b, ST_CORRUPT, "a batch's COMMIT disagrees with it");
}

enum status store_walk_batch(struct walk *w, uint64_t at, struct walk_batch *out)
{
	uint64_t next = at;
	uint32_t crc = 0;
	bool is_last = false;
	*out = (struct walk_batch){ .begin = at, .end = at };
	while (!is_last) {
		enum status status = walk_record(w, out, &next, &crc, &is_last);
		if (status != ST_OK) {
			return status;
		}
	}
	if (out->end > w->size) {
		return not_a_batch(out, ST_CORRUPT, "the file ends inside a batch's last block");
	}
	lend_records(w, out);
	return ST_OK;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

enum status store_walk_find(
	struct walk *w, uint64_t from, uint64_t limit, uint64_t above, struct walk_gap *out)
{
	limit = num_min(limit, w->size);
	*out = (struct walk_gap){ .end = limit, .is_zero = true };
	for (uint64_t at = from, next; at < limit; at = next) {
		next = num_min(num_align(at + 1, BLOCK_BYTES), limit);
		enum status status = window_need(w, at, next);
		if (status != ST_OK) {
			return status;
		}
		struct record_head h;
		struct walk_batch batch;
		bool is_head = at % BLOCK_BYTES == 0 && head_at(w, at, at, &h) == ST_OK && h.index == 0;
		if (is_head) {
			status = store_walk_batch(w, at, &batch);
			if (status == ST_OK && batch.sequence > above && batch.end <= limit) {
				out->end = at;
				out->is_found = true;
				return ST_OK;
			}
			if (status != ST_OK && status != ST_CORRUPT) {
				return status;
			}
			out->sequence_seen = num_max(out->sequence_seen, h.sequence);
			status = window_need(w, at, next);
			if (status != ST_OK) {
				return status;
			}
		}
		out->is_zero = out->is_zero && is_zero(window_at(w, at), (size_t)(next - at));
	}
	return ST_OK;
}

/* The head block is damaged: any sound record head says the generation too. */
static enum status learn_generation(struct walk *w)
{
	for (uint64_t at = SEGMENT_HEAD_BYTES; at < w->size && w->size - at >= RECORD_HEAD_BYTES;
		at += BLOCK_BYTES) {
		struct record_head h;
		enum status status = head_at(w, at, at, &h);
		if (status == ST_OK && h.index == 0 && h.generation != 0) {
			w->generation = h.generation;
			return ST_OK;
		}
		if (status != ST_OK && status != ST_CORRUPT) {
			return status;
		}
	}
	return ST_OK;
}

enum status store_walk_open(struct store *st, uint32_t number, struct walk *out)
{
	struct segment_head head;
	*out = (struct walk){ .fd = -1, .segment = number };
	enum status status = store_segment_open(st, number, FILE_READ, &out->fd);
	if (status == ST_OK) {
		status = file_size(out->fd, &out->size);
	}
	if (status == ST_OK && out->size > UINT32_MAX) {
		out->size = UINT32_MAX; /* no offset reaches further */
	}
	if (status != ST_OK) {
		goto out;
	}
	status = store_segment_head(st, out->fd, number, &head);
	out->is_head_sound = status == ST_OK;
	if (status == ST_OK) {
		out->generation = head.generation;
	} else if (status == ST_CORRUPT || status == ST_MISMATCH) {
		status = learn_generation(out);
	}
out:
	if (status != ST_OK) {
		store_walk_close(out);
	}
	return status;
}

enum status store_walk_predecessor(struct walk *w, struct position *out)
{
	struct walk_batch batch;
	enum status status = store_walk_batch(w, SEGMENT_HEAD_BYTES, &batch);
	if (status != ST_OK) {
		return status;
	}
	const struct scan_record *state = w->records;
	if (batch.record_count != 1 || state->kind != RECORD_STATE || !state->is_body_sound ||
		state->body.len < STATE_BODY_BYTES) {
		return ST_CORRUPT;
	}
	*out = (struct position){ num_get_u32(state->body.data), num_get_u32(state->body.data + 4),
		num_get_u64(state->body.data + 8) };
	return out->sequence + 1 == batch.sequence ? ST_OK : ST_CORRUPT;
}

void store_walk_close(struct walk *w)
{
	file_close(&w->fd);
	memory_free(w->data);
	memory_free(w->records);
	w->data = NULL;
	w->records = NULL;
}
