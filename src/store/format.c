#include "poison.h"
#include "format.h"

#include "digest.h"
#include "num.h"

static const uint8_t segment_magic[8] = { 'D', 'R', 'S', 'E', 'G', '1', '\r', '\n' };
static const uint8_t record_magic[4] = { 'D', 'R', 'R', '1' };

enum { FORMAT_VERSION = 1, SEGMENT_HEAD_USED = 64 };

static bool is_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] != 0) {
			return false;
		}
	}
	return true;
}

void format_put_segment_head(const struct segment_head *h, uint8_t out[64])
{
	memset(out, 0, SEGMENT_HEAD_USED);
	memcpy(out, segment_magic, sizeof segment_magic);
	num_put_u32(out + 8, FORMAT_VERSION);
	out[12] = h->store_number;
	num_put_u32(out + 16, h->number);
	num_put_u64(out + 24, h->generation);
	num_put_u64(out + 32, (uint64_t)h->created_ms);
	memcpy(out + 40, h->directory_id, sizeof h->directory_id);
	num_put_u32(out + 60, digest_crc32c(0, span_make(out, 60)));
}

enum status format_get_segment_head(const uint8_t in[64], struct segment_head *out)
{
	if (memcmp(in, segment_magic, sizeof segment_magic) != 0 || num_get_u32(in + 8) != FORMAT_VERSION ||
		num_get_u32(in + 60) != digest_crc32c(0, span_make(in, 60)) || !is_zero(in + 13, 3) ||
		!is_zero(in + 20, 4) || !is_zero(in + 56, 4)) {
		return ST_CORRUPT;
	}
	out->store_number = in[12];
	out->number = num_get_u32(in + 16);
	out->generation = num_get_u64(in + 24);
	out->created_ms = (int64_t)num_get_u64(in + 32);
	memcpy(out->directory_id, in + 40, sizeof out->directory_id);
	return ST_OK;
}

void format_put_record_head(const struct record_head *h, uint8_t out[RECORD_HEAD_BYTES])
{
	memcpy(out, record_magic, sizeof record_magic);
	out[4] = FORMAT_VERSION;
	out[5] = h->kind;
	num_put_u16(out + 6, h->key_len);
	num_put_u64(out + 8, h->generation);
	num_put_u64(out + 16, h->sequence);
	num_put_u32(out + 24, h->index);
	num_put_u32(out + 28, h->body_len);
	num_put_u32(out + 32, h->body_crc);
	num_put_u32(out + 36, h->offset);
	num_put_u32(out + 40, 0);
	num_put_u32(out + 44, digest_crc32c(0, span_make(out, 44)));
}

static bool is_sound_kind(const struct record_head *h)
{
	if (h->kind == RECORD_COMMIT) {
		return h->key_len == 0 && h->body_len == COMMIT_BODY_BYTES;
	}
	return h->kind >= RECORD_STATE && h->kind < RECORD_COMMIT &&
	       (h->key_len == 0 || h->key_len == RECORD_KEY_MAX);
}

enum status format_get_record_head(const uint8_t in[RECORD_HEAD_BYTES], struct record_head *out)
{
	if (memcmp(in, record_magic, sizeof record_magic) != 0 || in[4] != FORMAT_VERSION ||
		!is_zero(in + 40, 4) || num_get_u32(in + 44) != digest_crc32c(0, span_make(in, 44))) {
		return ST_CORRUPT;
	}
	*out = (struct record_head){
		.kind = in[5],
		.key_len = num_get_u16(in + 6),
		.generation = num_get_u64(in + 8),
		.sequence = num_get_u64(in + 16),
		.index = num_get_u32(in + 24),
		.body_len = num_get_u32(in + 28),
		.body_crc = num_get_u32(in + 32),
		.offset = num_get_u32(in + 36),
	};
	return is_sound_kind(out) ? ST_OK : ST_CORRUPT;
}

void format_put_commit(const struct commit_body *c, uint8_t out[COMMIT_BODY_BYTES])
{
	num_put_u64(out, c->sequence);
	num_put_u32(out + 8, c->begin);
	num_put_u32(out + 12, c->record_count);
	num_put_u32(out + 16, c->heads_crc);
	num_put_u32(out + 20, 0);
	num_put_u64(out + 24, c->end);
}

enum status format_get_commit(const uint8_t in[COMMIT_BODY_BYTES], struct commit_body *out)
{
	*out = (struct commit_body){
		.sequence = num_get_u64(in),
		.begin = num_get_u32(in + 8),
		.record_count = num_get_u32(in + 12),
		.heads_crc = num_get_u32(in + 16),
		.end = num_get_u64(in + 24),
	};
	return num_get_u32(in + 20) == 0 ? ST_OK : ST_CORRUPT;
}

uint64_t format_record_bytes(uint16_t key_len, uint64_t body_len)
{
	return num_align(RECORD_HEAD_BYTES + (uint64_t)key_len + body_len, RECORD_ALIGN);
}
