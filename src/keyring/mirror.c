/* mirror.c - keyring.a and keyring.b: whole blocks in, whole blocks out, proven on the disk. */
#include "poison.h"

#include "mirror.h"

#include <fcntl.h>

#include "file.h"
#include "log.h"
#include "memory.h"
#include "must.h"

const char *const mirror_names[MIRRORS] = { "keyring.a", "keyring.b" };
static const char *const new_names[MIRRORS] = { "keyring.a.new", "keyring.b.new" };

enum status mirrors_init(struct mirrors *m)
{
	memset(m, 0, sizeof *m);
	m->fds[0] = m->fds[1] = -1;
	m->expected = memory_alloc_aligned(MIRROR_IO_BYTES);
	m->found = memory_alloc_aligned(MIRROR_IO_BYTES);
	return m->expected && m->found ? ST_OK : ST_FULL;
}

void mirrors_fini(struct mirrors *m)
{
	for (int which = 0; which < MIRRORS; which++)
		file_close(&m->fds[which]);
	memory_free(m->expected);
	memory_free(m->found);
	m->expected = m->found = NULL;
}

static uint64_t offset_of(uint32_t slot)
{
	return SLOT_BLOCK_BYTES + (uint64_t)slot * SLOT_BYTES;
}

static void drop_cache(int fd)
{
	/* Only advice, and needless under direct I/O: a failure shows in nothing but what is read back. */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* --- making the files --- */

static enum status write_empty(struct mirrors *m, int fd, const struct keyring_head *head)
{
	static const struct slot empty;
	format_put_keyring_head(head, m->expected);
	enum status st = file_write_at(fd, span_make(m->expected, SLOT_BLOCK_BYTES), 0);
	for (uint32_t first = 0; st == ST_OK && first < KEYRING_SLOTS; first += KEYRING_BLOCK) {
		for (uint32_t i = 0; i < KEYRING_BLOCK; i++)
			format_put_slot(&empty, first + i, m->root_id, m->expected + (size_t)i * SLOT_BYTES);
		st = file_write_at(fd, span_make(m->expected, MIRROR_IO_BYTES), offset_of(first));
	}
	return st;
}

static enum status copy_all(struct mirrors *m, int from, int to)
{
	enum status st = file_read_at(from, m->found, SLOT_BLOCK_BYTES, 0);
	if (st == ST_OK)
		st = file_write_at(to, span_make(m->found, SLOT_BLOCK_BYTES), 0);
	for (uint32_t first = 0; st == ST_OK && first < KEYRING_SLOTS; first += KEYRING_BLOCK) {
		st = file_read_at(from, m->found, MIRROR_IO_BYTES, offset_of(first));
		if (st == ST_OK)
			st = file_write_at(to, span_make(m->found, MIRROR_IO_BYTES), offset_of(first));
	}
	return st;
}

/* `head` NULL: copy what `from` holds. */
static enum status make_one(
	struct mirrors *m, int dir_fd, int which, const struct keyring_head *head, int from)
{
	int fd = -1;
	enum status st = file_open(dir_fd, new_names[which],
		FILE_WRITE | FILE_CREATE_OR_OPEN | FILE_TRUNCATE | FILE_DIRECT, &fd);
	if (st == ST_OK) {
		st = file_allocate(fd, 0, KEYRING_FILE_BYTES);
		if (st == ST_UNSUPPORTED)
			st = ST_OK;
	}
	if (st == ST_OK)
		st = head ? write_empty(m, fd, head) : copy_all(m, from, fd);
	if (st == ST_OK)
		st = file_sync(fd);
	file_close(&fd);
	return st;
}

enum status mirrors_create(struct mirrors *m, int dir_fd, const struct keyring_head *head)
{
	enum status st = ST_OK;
	for (int which = 0; which < MIRRORS; which++) {
		int fd = -1;
		st = file_open(dir_fd, mirror_names[which], FILE_READ, &fd);
		file_close(&fd);
		if (st != ST_NOT_FOUND)
			return st == ST_OK ? ST_EXISTS : st;
	}
	memcpy(m->root_id, head->root_id, ROOT_ID_BYTES);
	st = ST_OK;
	for (int which = 0; st == ST_OK && which < MIRRORS; which++)
		st = make_one(m, dir_fd, which, head, -1);
	for (int which = 0; st == ST_OK && which < MIRRORS; which++)
		st = file_rename(dir_fd, new_names[which], mirror_names[which]);
	if (st == ST_OK)
		st = file_sync(dir_fd);
	return st;
}

static enum status open_one(struct mirrors *m, int dir_fd, int which)
{
	return file_open(dir_fd, mirror_names[which], FILE_WRITE | FILE_DIRECT, &m->fds[which]);
}

/* A mirror is missing after a crash between the two renames of mirrors_create(), or because somebody
 * lost it. */
static enum status replace_missing(struct mirrors *m, int dir_fd, int which)
{
	log_event(LOG_WARN, "keyring.mirror.missing", LOG_TEXT("name", mirror_names[which]),
		LOG_TEXT("repair", "copied from the other"));
	enum status st = make_one(m, dir_fd, which, NULL, m->fds[!which]);
	if (st == ST_OK)
		st = file_rename(dir_fd, new_names[which], mirror_names[which]);
	if (st == ST_OK)
		st = file_sync(dir_fd);
	return st == ST_OK ? open_one(m, dir_fd, which) : st;
}

enum status mirrors_open(struct mirrors *m, int dir_fd)
{
	enum status a = open_one(m, dir_fd, 0), b = open_one(m, dir_fd, 1);
	if (a == ST_NOT_FOUND && b == ST_OK)
		return replace_missing(m, dir_fd, 0);
	if (b == ST_NOT_FOUND && a == ST_OK)
		return replace_missing(m, dir_fd, 1);
	return a != ST_OK ? a : b;
}

/* --- heads --- */

enum status mirrors_read_head(struct mirrors *m, int which, struct keyring_head *out)
{
	enum status st = file_read_at(m->fds[which], m->found, SLOT_BLOCK_BYTES, 0);
	return st == ST_OK ? format_get_keyring_head(m->found, out) : st;
}

enum status mirrors_write_head(struct mirrors *m, int which, const struct keyring_head *head)
{
	format_put_keyring_head(head, m->expected);
	enum status st = file_write_at(m->fds[which], span_make(m->expected, SLOT_BLOCK_BYTES), 0);
	return st == ST_OK ? file_sync_data(m->fds[which]) : st;
}

/* --- slots --- */

enum status mirrors_lengthen(struct mirrors *m)
{
	enum status st = ST_OK;
	for (int which = 0; st == ST_OK && which < MIRRORS; which++) {
		uint64_t size = 0;
		st = file_size(m->fds[which], &size);
		if (st != ST_OK || size >= KEYRING_FILE_BYTES)
			continue;
		log_event(LOG_ERROR, "keyring.mirror.short", LOG_TEXT("name", mirror_names[which]),
			LOG_U64("size", size));
		st = file_truncate(m->fds[which], KEYRING_FILE_BYTES);
	}
	return st;
}

enum status mirrors_read(struct mirrors *m, int which, uint32_t first)
{
	if (first == 0)
		drop_cache(m->fds[which]);
	if (file_read_at(m->fds[which], m->found, MIRROR_IO_BYTES, offset_of(first)) == ST_OK)
		return ST_OK;
	for (uint32_t i = 0; i < KEYRING_BLOCK; i += SLOTS_IN_BLOCK) {
		uint8_t *block = m->found + (size_t)i * SLOT_BYTES;
		if (file_read_at(m->fds[which], block, SLOT_BLOCK_BYTES, offset_of(first + i)) == ST_OK)
			continue;
		memset(block, 0, SLOT_BLOCK_BYTES);
		if (++m->bad_blocks > MIRROR_BAD_MAX)
			return ST_IO;
	}
	return ST_OK;
}

static bool is_block_changed(const uint8_t *changed, uint32_t first)
{
	for (uint32_t i = 0; i < SLOTS_IN_BLOCK; i++)
		if (changed[first + i])
			return true;
	return false;
}

/* The next run of changed blocks from slot `*first` on, at most MIRROR_IO_BYTES long: its slots, encoded to
 * m->expected.  0: there is none. */
static uint32_t next_run(struct mirrors *m, const struct slot *image, const uint8_t *changed, uint32_t *first)
{
	uint32_t at = *first, count = 0;
	while (at < KEYRING_SLOTS && !is_block_changed(changed, at))
		at += SLOTS_IN_BLOCK;
	*first = at;
	while (at + count < KEYRING_SLOTS && count < KEYRING_BLOCK && is_block_changed(changed, at + count))
		count += SLOTS_IN_BLOCK;
	for (uint32_t i = 0; i < count; i++)
		format_put_slot(&image[at + i], at + i, m->root_id, m->expected + (size_t)i * SLOT_BYTES);
	return count;
}

enum status mirrors_write_one(struct mirrors *m, int which, const struct slot *image, const uint8_t *changed)
{
	enum status st = ST_OK;
	uint32_t first = 0, count = 0;
	while (st == ST_OK && (count = next_run(m, image, changed, &first)) > 0) {
		struct span bytes = span_make(m->expected, (size_t)count * SLOT_BYTES);
		st = file_write_at(m->fds[which], bytes, offset_of(first));
		first += count;
	}
	return st == ST_OK ? file_sync_data(m->fds[which]) : st;
}

static enum status verify_one(struct mirrors *m, int which, const struct slot *image, const uint8_t *changed)
{
	enum status st = ST_OK;
	uint32_t first = 0, count = 0;
	drop_cache(m->fds[which]);
	while (st == ST_OK && (count = next_run(m, image, changed, &first)) > 0) {
		size_t len = (size_t)count * SLOT_BYTES;
		st = file_read_at(m->fds[which], m->found, len, offset_of(first));
		if (st == ST_OK && memcmp(m->expected, m->found, len) != 0) {
			log_event(LOG_ERROR, "keyring.mirror.not_written",
				LOG_TEXT("name", mirror_names[which]), LOG_U64("slot", first),
				LOG_U64("count", count));
			st = ST_IO;
		}
		first += count;
	}
	return st;
}

enum status mirrors_verify(struct mirrors *m, const struct slot *image, const uint8_t *changed)
{
	enum status st = ST_OK;
	for (int which = 0; st == ST_OK && which < MIRRORS; which++)
		st = verify_one(m, which, image, changed);
	return st == ST_CORRUPT ? ST_IO : st;
}

enum status mirrors_write(struct mirrors *m, const struct slot *image, const uint8_t *changed)
{
	enum status st = ST_OK;
	for (int which = 0; st == ST_OK && which < MIRRORS; which++)
		st = mirrors_write_one(m, which, image, changed);
	return st == ST_OK ? mirrors_verify(m, image, changed) : st;
}
