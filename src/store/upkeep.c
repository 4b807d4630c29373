#include "poison.h"
#include "store_private.h"

#include <fcntl.h>

#include "file.h"
#include "log.h"
#include "memory.h"
#include "num.h"

/* The blocks that a key area lies in: one, or two when it straddles their border. */
struct key_blocks {
	int fd;
	uint64_t begin;
	size_t len, key_at, key_len;
	uint8_t *bytes;
};

static bool is_zero(const uint8_t *p, size_t len)
{
	uint8_t bits = 0;
	for (size_t i = 0; i < len; i++) {
		bits |= p[i];
	}
	return bits == 0;
}

/* Reads past the page cache: the descriptor is direct, or the cache is dropped first. */
static enum status read_blocks(struct key_blocks *k)
{
	(void)posix_fadvise(k->fd, (off_t)k->begin, (off_t)k->len, POSIX_FADV_DONTNEED);
	return file_read_at(k->fd, k->bytes, k->len, k->begin);
}

/* Every other byte is written back as it was read, so a write torn between sectors leaves the neighbours
 * whole.
 * Zeros are written again: an attempt before may have failed at the sync, and what is read now may be a
 * cache's. */
static enum status erase_blocks(struct store *st, struct key_blocks *k)
{
	enum status status = read_blocks(k);
	if (status != ST_OK) {
		return status;
	}
	memory_wipe(k->bytes + k->key_at, k->key_len);
	status = file_write_at(k->fd, span_make(k->bytes, k->len), k->begin);
	if (status == ST_OK) {
		status = file_sync_data(k->fd);
	}
	if (status == ST_OK) {
		status = read_blocks(k);
	}
	if (status == ST_OK && !is_zero(k->bytes + k->key_at, k->key_len)) {
		log_event(LOG_ERROR, "store.erase.failed", LOG_TEXT("store", st->options.name),
			LOG_U64("from", k->begin));
		status = ST_IO;
	}
	return status;
}

enum status store_erase_key(struct store *st, struct place at)
{
	struct key_blocks k = { .fd = -1 };
	struct record_head head;
	uint64_t key = (uint64_t)at.offset + RECORD_HEAD_BYTES;
	int fd = -1;
	lock_acquire(&st->upkeep);
	enum status status = store_segment_open(st, at.segment, FILE_READ, &fd);
	if (status == ST_OK) {
		status = store_record_at(fd, at, &head);
	}
	if (status == ST_OK && head.key_len == 0) {
		status = ST_CORRUPT;
	}
	if (status != ST_OK) {
		goto out;
	}
	k.begin = key & ~(uint64_t)(BLOCK_BYTES - 1);
	k.len = (size_t)(num_align(key + head.key_len, BLOCK_BYTES) - k.begin);
	k.key_at = (size_t)(key - k.begin);
	k.key_len = head.key_len;
	k.bytes = memory_alloc_aligned(k.len);
	status = k.bytes ? store_segment_open(st, at.segment, FILE_WRITE | FILE_DIRECT, &k.fd) : ST_FULL;
	if (status == ST_OK) {
		status = erase_blocks(st, &k);
	}
out:
	lock_release(&st->upkeep);
	if (k.bytes) {
		memory_wipe(k.bytes, k.len);
	}
	memory_free(k.bytes);
	file_close(&k.fd);
	file_close(&fd);
	return status;
}

/* A batch decides by its bodies whether it is torn, as long as it is the log's last. */
static bool is_in_last_batch(struct store *st, struct place at)
{
	lock_acquire(&st->inbox);
	bool is_in = at.segment == st->end.segment && at.offset >= st->end_begin;
	lock_release(&st->inbox);
	return is_in;
}

static enum status punch_body(int fd, uint64_t body, uint64_t body_end, uint64_t *freed)
{
	uint64_t begin = num_align(body, BLOCK_BYTES), end = body_end & ~(uint64_t)(BLOCK_BYTES - 1);
	if (begin >= end) {
		return ST_OK;
	}
	uint64_t before = store_segment_blocks(fd);
	enum status status = file_punch(fd, begin, end - begin);
	uint64_t after = store_segment_blocks(fd);
	if (status == ST_OK && before > after) {
		*freed = before - after;
	}
	return status == ST_UNSUPPORTED ? ST_OK : status;
}

enum status store_punch(struct store *st, struct place at, uint64_t *freed)
{
	struct record_head head;
	int fd = -1;
	*freed = 0;
	if (is_in_last_batch(st, at)) {
		return ST_BUSY;
	}
	lock_acquire(&st->upkeep);
	enum status status = store_segment_open(st, at.segment, FILE_WRITE, &fd);
	if (status == ST_OK) {
		status = store_record_at(fd, at, &head);
	}
	if (status == ST_OK) {
		uint64_t body = (uint64_t)at.offset + RECORD_HEAD_BYTES + head.key_len;
		status = punch_body(fd, body, body + head.body_len, freed);
	}
	lock_release(&st->upkeep);
	file_close(&fd);
	return status;
}

/* True while the segment holds the log's end or is written to. */
static bool is_needed(struct store *st, uint32_t segment)
{
	lock_acquire(&st->inbox);
	bool is_it = segment == st->open_number || segment == st->end.segment || segment >= st->newest;
	lock_release(&st->inbox);
	return is_it;
}

enum status store_drop(struct store *st, uint32_t segment, uint64_t *freed)
{
	char name[SEGMENT_NAME_BYTES];
	int fd = -1;
	*freed = 0;
	if (is_needed(st, segment)) {
		return ST_BUSY;
	}
	store_segment_name(segment, name);
	lock_acquire(&st->upkeep);
	enum status status = store_segment_open(st, segment, FILE_READ, &fd);
	uint64_t blocks = status == ST_OK ? store_segment_blocks(fd) : 0;
	if (status == ST_OK) {
		status = file_unlink(st->options.dir_fd, name);
	}
	if (status == ST_OK) {
		*freed = blocks;
		status = file_sync(st->options.dir_fd);
	}
	lock_release(&st->upkeep);
	file_close(&fd);
	return status;
}
