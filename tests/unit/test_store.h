/* test_store.h - a store in a directory of its own, and records whose content follows from a number. */
#ifndef DARKROOM_TEST_STORE_H
#define DARKROOM_TEST_STORE_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "digest.h"
#include "file.h"
#include "limits.h"
#include "memory.h"
#include "store.h"

struct fixture {
	char path[64];
	uint64_t segment_bytes;
	int64_t segment_age_ms;
	uint64_t inbox_bytes_max;
	uint8_t store_number;
	struct queue *synced;
	struct store *store;
};

/* A fresh directory under `where`, nothing opened. */
static inline void fixture_init_in(struct fixture *f, const char *where)
{
	*f = (struct fixture){ .segment_bytes = MIB(4),
		.segment_age_ms = SEGMENT_AGE_MS,
		.inbox_bytes_max = MIB(256),
		.store_number = 1 };
	(void)snprintf(f->path, sizeof f->path, "%s/test_store.XXXXXX", where);
	if (!mkdtemp(f->path) || digest_init() != ST_OK ||
		queue_new("test.synced", BATCH_RING, &f->synced) != ST_OK) {
		perror("fixture");
		exit(2);
	}
}

static inline void fixture_init(struct fixture *f)
{
	fixture_init_in(f, "/tmp");
}

/* In memory where there is such a place: for tests that open thousands of times. */
static inline void fixture_init_fast(struct fixture *f)
{
	fixture_init_in(f, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static inline enum status fixture_open(struct fixture *f)
{
	struct store_options options = {
		.name = "test",
		.store_number = f->store_number,
		.directory_id = "0123456789abcde",
		.dir_fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.segment_bytes = f->segment_bytes,
		.segment_age_ms = f->segment_age_ms,
		.inbox_bytes_max = f->inbox_bytes_max,
		.synced = f->synced,
	};
	f->store = NULL;
	return store_open(&options, &f->store);
}

static inline enum status fixture_start(struct fixture *f)
{
	enum status st = fixture_open(f);
	return st == ST_OK ? store_start(f->store, SPAN_LIT("state")) : st;
}

static inline void fixture_stop(struct fixture *f)
{
	if (f->store) {
		store_stop(f->store);
		store_close(f->store);
		f->store = NULL;
	}
}

/* Removes every file in the directory whose name has `part` in it. */
static inline void fixture_clear(const struct fixture *f, const char *part)
{
	char path[400];
	DIR *dir = opendir(f->path);
	for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
		(void)snprintf(path, sizeof path, "%s/%s", f->path, e->d_name);
		if (e->d_name[0] != '.' && strstr(e->d_name, part)) {
			(void)unlink(path);
		}
	}
	if (dir) {
		(void)closedir(dir);
	}
}

static inline void fixture_fini(struct fixture *f)
{
	fixture_stop(f);
	fixture_clear(f, "");
	(void)rmdir(f->path);
	queue_free(f->synced);
}

static inline int fixture_segment(const struct fixture *f, uint32_t number, int flags)
{
	char path[128];
	(void)snprintf(path, sizeof path, "%s/%08x.seg", f->path, number);
	return open(path, flags | O_CLOEXEC);
}

/* A segment's content whole; free() it. */
static inline uint8_t *fixture_load(const struct fixture *f, uint32_t number, size_t *len)
{
	struct stat info;
	int fd = fixture_segment(f, number, O_RDONLY);
	uint8_t *bytes = NULL;
	*len = 0;
	if (fd >= 0 && fstat(fd, &info) == 0 && (bytes = malloc((size_t)info.st_size + 1)) != NULL &&
		pread(fd, bytes, (size_t)info.st_size, 0) == info.st_size) {
		*len = (size_t)info.st_size;
	}
	CHECK(bytes != NULL && *len > 0);
	(void)close(fd);
	return bytes;
}

/* Makes a segment hold exactly these bytes. */
static inline void fixture_store(const struct fixture *f, uint32_t number, const uint8_t *bytes, size_t len)
{
	int fd = fixture_segment(f, number, O_WRONLY);
	CHECK(fd >= 0 && pwrite(fd, bytes, len, 0) == (ssize_t)len && ftruncate(fd, (off_t)len) == 0);
	(void)close(fd);
}

/* Bytes that follow from `seed`; none is zero, so that a hole never looks like content. */
static inline void content_fill(uint8_t *out, size_t len, uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[i] = (uint8_t)(x | 1);
	}
}

/* One entry of one record, waited for. */
static inline enum status fixture_put_span(
	struct fixture *f, enum record_kind kind, struct span key, struct span body, struct place *at)
{
	struct store_record record = { .kind = kind, .key = key, .body = { body } };
	struct store_entry entry = { .records = &record, .record_count = 1 };
	enum status st = store_submit(f->store, &entry);
	if (st != ST_OK) {
		return st;
	}
	void *item = NULL;
	st = queue_take(f->synced, 20000, &item);
	if (st != ST_OK) {
		return st;
	}
	struct store_batch *batch = item;
	st = batch->status;
	CHECK(batch->entries == &entry);
	store_batch_free(batch);
	*at = record.at;
	return st;
}

/* The same with content by number: key and body. */
static inline enum status fixture_put(struct fixture *f, uint64_t seed, size_t len, struct place *at)
{
	uint8_t key[RECORD_KEY_MAX];
	uint8_t *body = malloc(len + 1);
	content_fill(key, sizeof key, seed + 1000003);
	content_fill(body, len, seed);
	enum status st =
		fixture_put_span(f, RECORD_BLOB, span_make(key, sizeof key), span_make(body, len), at);
	free(body);
	return st;
}

/* True if the record at `at` is whole and that of `seed`. */
static inline bool fixture_has(struct fixture *f, uint64_t seed, size_t len, struct place at)
{
	uint8_t key[RECORD_KEY_MAX];
	uint8_t *body = malloc(len + 1);
	struct store_head head;
	struct buf buf;
	buf_init(&buf, len + 1);
	content_fill(key, sizeof key, seed + 1000003);
	content_fill(body, len, seed);
	bool is_there = store_read_checked(f->store, at, &head, &buf) == ST_OK && head.body_len == len &&
			buf.len == len && head.key_len == sizeof key &&
			memcmp(head.key, key, sizeof key) == 0 &&
			memcmp(buf_span(&buf).data ? buf_span(&buf).data : body, body, len) == 0;
	buf_fini(&buf);
	free(body);
	return is_there;
}

/* What a scan from `from` found. */
struct tally {
	size_t batches, records, damaged, unsound;
	struct position end;
	char why[96];
	uint64_t damaged_bytes;
};

static inline struct tally fixture_scan(struct fixture *f, struct position from)
{
	struct tally t = { .batches = 0 };
	struct store_scan *scan = NULL;
	struct scan_batch b;
	enum status st = store_scan_open(f->store, from, &scan);
	while (st == ST_OK && (st = store_scan_next(scan, &b)) == ST_OK) {
		if (b.finding == SCAN_DAMAGED) {
			t.damaged++;
			t.damaged_bytes += b.end.offset - b.from;
			(void)snprintf(t.why, sizeof t.why, "%s", b.why);
			continue;
		}
		t.batches++;
		t.records += b.record_count;
		t.end = b.end;
		for (size_t i = 0; i < b.record_count; i++) {
			t.unsound += !b.records[i].is_body_sound;
		}
	}
	CHECK_EQ(st, ST_NOT_FOUND);
	store_scan_close(scan);
	return t;
}

#endif
