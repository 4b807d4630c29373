#include "poison.h"
#include "store_private.h"

#include "digest.h"
#include "file.h"
#include "must.h"
#include "num.h"

void store_stage_begin(struct store *st, uint64_t at)
{
	must(at % BLOCK_BYTES == 0);
	st->staging_at = at;
	st->staging_fill = 0;
}

static enum status stage_write(struct store *st, int fd)
{
	enum status status = file_write_at(fd, span_make(st->staging, st->staging_fill), st->staging_at);
	st->staging_at += st->staging_fill;
	st->staging_fill = 0;
	return status;
}

enum status store_stage_put(struct store *st, int fd, struct span bytes)
{
	while (bytes.len > 0) {
		size_t part = (size_t)num_min(bytes.len, STAGING_BYTES - st->staging_fill);
		memcpy(st->staging + st->staging_fill, bytes.data, part);
		st->staging_fill += part;
		bytes = span_slice(bytes, part, bytes.len);
		if (st->staging_fill == STAGING_BYTES) {
			enum status status = stage_write(st, fd);
			if (status != ST_OK) {
				return status;
			}
		}
	}
	return ST_OK;
}

/* Zeros up to the next multiple of `align`; it divides the staging buffer, so this never passes its end. */
static void stage_pad(struct store *st, size_t align)
{
	size_t to = (size_t)num_align(st->staging_fill, align);
	must(to >= st->staging_fill);
	memset(st->staging + st->staging_fill, 0, to - st->staging_fill);
	st->staging_fill = to;
}

enum status store_stage_flush(struct store *st, int fd)
{
	stage_pad(st, BLOCK_BYTES);
	return st->staging_fill == 0 ? ST_OK : stage_write(st, fd);
}

uint64_t store_body_len(const struct store_record *r)
{
	uint64_t len = 0;
	for (size_t i = 0; i < RECORD_BODY_PARTS; i++) {
		/* Saturates: a sum that wraps is over every limit. */
		if (!num_add_u64(len, r->body[i].len, &len)) {
			return UINT64_MAX;
		}
	}
	return len;
}

uint32_t store_body_crc(const struct store_record *r)
{
	uint32_t crc = 0;
	for (size_t i = 0; i < RECORD_BODY_PARTS; i++) {
		crc = digest_crc32c(crc, r->body[i]);
	}
	return crc;
}

uint64_t store_batch_bytes(uint64_t bytes)
{
	return num_align(bytes + format_record_bytes(0, COMMIT_BODY_BYTES), BLOCK_BYTES);
}

enum status store_make_record(struct store *st, struct batch_maker *m, struct store_record *r)
{
	uint8_t bytes[RECORD_HEAD_BYTES];
	struct record_head head = {
		.kind = (uint8_t)r->kind,
		.key_len = (uint16_t)r->key.len,
		.generation = m->generation,
		.sequence = m->sequence,
		.index = m->index++,
		.body_len = (uint32_t)store_body_len(r),
		.body_crc = r->body_crc,
		.offset = (uint32_t)m->at,
	};
	r->at = (struct place){ 0, head.offset, RECORD_HEAD_BYTES + head.key_len + head.body_len };
	format_put_record_head(&head, bytes);
	if (r->kind != RECORD_COMMIT) {
		m->heads_crc = digest_crc32c(m->heads_crc, span_make(bytes, sizeof bytes));
	}
	m->at += format_record_bytes(head.key_len, head.body_len);
	enum status status = store_stage_put(st, m->fd, span_make(bytes, sizeof bytes));
	if (status == ST_OK) {
		status = store_stage_put(st, m->fd, r->key);
	}
	for (size_t i = 0; status == ST_OK && i < RECORD_BODY_PARTS; i++) {
		status = store_stage_put(st, m->fd, r->body[i]);
	}
	stage_pad(st, RECORD_ALIGN);
	if (status == ST_OK && st->staging_fill == STAGING_BYTES) {
		status = stage_write(st, m->fd);
	}
	return status;
}

enum status store_make_commit(struct store *st, struct batch_maker *m)
{
	uint8_t bytes[COMMIT_BODY_BYTES];
	uint64_t end = num_align(m->at + format_record_bytes(0, COMMIT_BODY_BYTES), BLOCK_BYTES);
	struct commit_body body = {
		.sequence = m->sequence,
		.begin = (uint32_t)m->begin,
		.record_count = m->index,
		.heads_crc = m->heads_crc,
		.end = end,
	};
	format_put_commit(&body, bytes);
	struct store_record record = { .kind = RECORD_COMMIT, .body = { span_make(bytes, sizeof bytes) } };
	record.body_crc = store_body_crc(&record);
	enum status status = store_make_record(st, m, &record);
	if (status == ST_OK) {
		status = store_stage_flush(st, m->fd);
	}
	m->at = end;
	return status;
}
