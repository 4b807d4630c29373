#include "poison.h"
#include "store_private.h"

#include <sys/stat.h>

#include "file.h"
#include "memory.h"

static const char hex[] = "0123456789abcdef";
static const char suffix[] = ".seg";

void store_segment_name(uint32_t number, char out[SEGMENT_NAME_BYTES])
{
	for (unsigned i = 0; i < 8; i++) {
		out[i] = hex[number >> (28 - 4 * i) & 15];
	}
	memcpy(out + 8, suffix, sizeof suffix);
}

/* 0 for a name that is no segment's: number 0 is never used. */
static uint32_t number_of_name(const char *name)
{
	uint32_t number = 0;
	if (strlen(name) != SEGMENT_NAME_BYTES - 1 || memcmp(name + 8, suffix, sizeof suffix) != 0) {
		return 0;
	}
	for (unsigned i = 0; i < 8; i++) {
		const char *digit = memchr(hex, name[i], 16);
		if (!digit) {
			return 0;
		}
		number = number << 4 | (uint32_t)(digit - hex);
	}
	return number;
}

enum status store_segment_open(struct store *st, uint32_t number, unsigned flags, int *out)
{
	char name[SEGMENT_NAME_BYTES];
	store_segment_name(number, name);
	return file_open(st->options.dir_fd, name, flags, out);
}

enum status store_segment_head(struct store *st, int fd, uint32_t number, struct segment_head *out)
{
	uint8_t bytes[64];
	size_t got = 0;
	/* A file without its head is what a death in the midst of making one leaves: said by who cannot
	 * remove it. */
	enum status status = file_read_some(fd, bytes, sizeof bytes, 0, &got);
	if (status != ST_OK) {
		return status;
	}
	if (got < sizeof bytes || format_get_segment_head(bytes, out) != ST_OK) {
		return ST_CORRUPT;
	}
	if (out->store_number != st->options.store_number ||
		memcmp(out->directory_id, st->options.directory_id, sizeof out->directory_id) != 0) {
		return ST_MISMATCH;
	}
	return out->number == number && out->generation != 0 ? ST_OK : ST_CORRUPT;
}

enum status store_segment_list(struct store *st, uint32_t **numbers, size_t *count)
{
	char **names = NULL;
	size_t name_count = 0, found = 0;
	enum status status = file_list(st->options.dir_fd, SEGMENTS_MAX, &names, &name_count);
	if (status != ST_OK) {
		return status;
	}
	uint32_t *list = memory_alloc_array(name_count + 1, sizeof *list);
	/* Equal length and lower-case digits: the names' order is the numbers'. */
	for (size_t i = 0; list && i < name_count; i++) {
		list[found] = number_of_name(names[i]);
		found += list[found] != 0;
	}
	memory_free(names);
	if (!list) {
		return ST_FULL;
	}
	*numbers = list;
	*count = found;
	return ST_OK;
}

uint64_t store_segment_size(struct store *st, uint32_t segment)
{
	int fd = -1;
	uint64_t size = 0;
	if (store_segment_open(st, segment, FILE_READ, &fd) != ST_OK || file_size(fd, &size) != ST_OK) {
		size = 0;
	}
	file_close(&fd);
	return size;
}

uint64_t store_segment_blocks(int fd)
{
	struct stat info;
	return fstat(fd, &info) == 0 ? (uint64_t)info.st_blocks * 512 : 0;
}

enum status store_record_at(int fd, struct place at, struct record_head *out)
{
	uint8_t bytes[RECORD_HEAD_BYTES];
	if (at.offset < SEGMENT_HEAD_BYTES || at.offset % RECORD_ALIGN != 0) {
		return ST_CORRUPT;
	}
	enum status status = file_read_at(fd, bytes, sizeof bytes, at.offset);
	if (status != ST_OK) {
		return status;
	}
	if (format_get_record_head(bytes, out) != ST_OK || out->offset != at.offset) {
		return ST_CORRUPT;
	}
	return (uint64_t)RECORD_HEAD_BYTES + out->key_len + out->body_len == at.length ? ST_OK : ST_CORRUPT;
}
