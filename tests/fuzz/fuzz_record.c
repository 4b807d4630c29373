/* Segment files.  Whatever the bytes are, opening and scanning ends, stays inside of them, and what
 * passes as a record is one
 * that can be read again by its place with the same content.
 *
 * Input: one byte, then a file's content from its first batch on; the head block is supplied.  With an
 * odd first byte all
 * checksums, generations and offsets are put right, so that what was changed inside the heads is believed. */
#include "store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "log.h"
#include "must.h"
#include "num.h"
#include "store/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 18 };
#define FUZZ_GENERATION UINT64_C(0x6e6f697461726567)

static char directory[64];

static void make_directory(void)
{
	if (directory[0]) {
		return;
	}
	const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(directory, sizeof directory, "%s/fuzz_record.XXXXXX", where);
	must(mkdtemp(directory) != NULL);
	log_configure(LOG_ERROR, LOG_FORMAT_TEXT);
}

static void put_crc(uint8_t *at, struct span bytes)
{
	num_put_u32(at, digest_crc32c(0, bytes));
}

/* Everything that begins like a head becomes one as far as checksums go. */
static void repair(uint8_t *bytes, size_t size)
{
	uint32_t heads_crc = 0;
	for (size_t at = 0; size >= 80 && at <= size - 80; at += RECORD_ALIGN) {
		uint8_t *head = bytes + at;
		if (memcmp(head, "DRR1", 4) != 0) {
			continue;
		}
		num_put_u64(head + 8, FUZZ_GENERATION);
		num_put_u32(head + 36, (uint32_t)(SEGMENT_HEAD_BYTES + at));
		heads_crc = num_get_u32(head + 24) == 0 ? 0 : heads_crc;
		if (head[5] == RECORD_COMMIT) {
			num_put_u32(head + 48 + 16, heads_crc);
			put_crc(head + 32, span_make(head + 48, COMMIT_BODY_BYTES));
		}
		put_crc(head + 44, span_make(head, 44));
		heads_crc = digest_crc32c(heads_crc, span_make(head, RECORD_HEAD_BYTES));
	}
}

static void write_segment(const uint8_t *data, size_t size)
{
	static uint8_t block[SEGMENT_HEAD_BYTES];
	struct segment_head head = { .store_number = 1, .number = 1, .generation = FUZZ_GENERATION };
	char path[96];
	format_put_segment_head(&head, block);
	(void)snprintf(path, sizeof path, "%s/00000001.seg", directory);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0);
	must(pwrite(fd, block, sizeof block, 0) == (ssize_t)sizeof block);
	must(pwrite(fd, data, size, SEGMENT_HEAD_BYTES) == (ssize_t)size);
	(void)close(fd);
}

static void check_record(struct store *st, const struct scan_record *r)
{
	struct store_head head;
	struct buf body;
	buf_init(&body, INPUT_MAX);
	must((uint64_t)r->at.offset + r->at.length <= SEGMENT_HEAD_BYTES + INPUT_MAX);
	must(store_read_head(st, r->at, &head) == ST_OK);
	must(head.kind == r->kind && head.body_len == r->body.len && head.key_len == r->key.len);
	enum status status = store_read_checked(st, r->at, &head, &body);
	must(status == (r->is_body_sound ? ST_OK : ST_CORRUPT));
	must(!r->is_body_sound || span_equal(buf_span(&body), r->body));
	buf_fini(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store *st = NULL;
	struct store_scan *scan = NULL;
	struct scan_batch batch;
	uint64_t last = 0;
	static uint8_t bytes[INPUT_MAX];
	if (size == 0 || size > INPUT_MAX) {
		return 0;
	}
	memcpy(bytes, data + 1, size - 1);
	if (data[0] % 2 == 1) {
		repair(bytes, size - 1);
	}
	make_directory();
	write_segment(bytes, size - 1);
	struct store_options options = { .name = "fuzz",
		.store_number = 1,
		.segment_bytes = MIB(1),
		.dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	must(store_open(&options, &st) == ST_OK);
	must(store_scan_open(st, (struct position){ 0, 0, 0 }, &scan) == ST_OK);
	enum status status;
	while ((status = store_scan_next(scan, &batch)) == ST_OK) {
		must(batch.from <= batch.end.offset);
		if (batch.finding == SCAN_DAMAGED) {
			must(batch.record_count == 0 && batch.why != NULL);
			continue;
		}
		must(batch.end.sequence > last);
		last = batch.end.sequence;
		for (size_t i = 0; i < batch.record_count; i++) {
			check_record(st, &batch.records[i]);
		}
	}
	must(status == ST_NOT_FOUND);
	must(last == store_end(st).sequence);
	store_scan_close(scan);
	store_close(st);
	return 0;
}
