/* commit_fixture.h - a data directory below ingest, and images to put into it. */
#ifndef DARKROOM_COMMIT_FIXTURE_H
#define DARKROOM_COMMIT_FIXTURE_H

#include "catalog.h"
#include "clock.h"
#include "commit.h"
#include "digest.h"
#include "fault.h"
#include "file.h"
#include "keyring.h"
#include "log.h"
#include "memory.h"
#include "must.h"

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW INT64_C(1790000000000)
enum { HOUR = 3600 * 1000 };
#define WORLD_SEGMENT MIB(16)

struct world {
	char dir[256], root_path[300], catalog_path[300];
	int dir_fd;
	uint64_t segment_bytes;
	unsigned fail_memory_at; /* commit_image()'s n-th allocation fails; 0: none */
	bool has_failed;
	struct keyring_options keyring_options;
	struct clock *clock;
	struct keyring *keyring;
	struct catalog *catalog;
	struct commit *commit;
};

/* Makes the directory, its root key and keyring; nothing is open. */
static inline void world_make(struct world *w)
{
	const char *base = getenv("TMPDIR");
	memset(w, 0, sizeof *w);
	log_configure(LOG_ERROR, LOG_FORMAT_TEXT);
	must(digest_init() == ST_OK);
	must(snprintf(w->dir, sizeof w->dir, "%s/commit-XXXXXX", base ? base : "/tmp") < (int)sizeof w->dir);
	must(mkdtemp(w->dir));
	must(snprintf(w->root_path, sizeof w->root_path, "%s/root.key", w->dir) < (int)sizeof w->root_path);
	must(snprintf(w->catalog_path, sizeof w->catalog_path, "%s/catalog.db", w->dir) <
		(int)sizeof w->catalog_path);
	must(file_open_dir(AT_FDCWD, w->dir, &w->dir_fd) == ST_OK);
	must(mkdirat(w->dir_fd, "originals", 0700) == 0 && mkdirat(w->dir_fd, "processed", 0700) == 0);
	w->segment_bytes = WORLD_SEGMENT;
	w->keyring_options =
		(struct keyring_options){ .dir_fd = w->dir_fd, .root_key_path = w->root_path, .node = 1 };
	memset(w->keyring_options.directory_id, 0xd1, 16);
	must(keyring_make_root_key(w->root_path) == ST_OK);
	must(keyring_create(&w->keyring_options) == ST_OK);
	w->clock = clock_new_manual(NOW);
}

/* Opens everything up to commit, which is neither replayed nor started. */
static inline void world_open(struct world *w)
{
	struct catalog_options catalog = { .path = w->catalog_path, .clock = w->clock, .readers_max = 8 };
	struct commit_options options = { .segment_bytes = w->segment_bytes,
		.segment_age_ms = HOUR,
		.inbox_bytes_max = MIB(64),
		.clock = w->clock };
	must(keyring_open(&w->keyring_options, &w->keyring) == ST_OK);
	must(catalog_open(&catalog, &w->catalog) == ST_OK);
	must(catalog_put_collection(w->catalog, 1, "photos", 24 * (int64_t)HOUR, NOW) == ST_OK);
	must(catalog_put_collection(w->catalog, 2, "scans", HOUR, NOW) == ST_OK);
	must(file_open_dir(w->dir_fd, "originals", &options.originals_fd) == ST_OK);
	must(file_open_dir(w->dir_fd, "processed", &options.processed_fd) == ST_OK);
	memcpy(options.directory_id, w->keyring_options.directory_id, 16);
	options.keyring = w->keyring;
	options.catalog = w->catalog;
	must(commit_open(&options, &w->commit) == ST_OK);
}

static inline void world_prepare(struct world *w, int64_t until_ms)
{
	must(keyring_prepare(w->keyring, keyring_epoch_of(clock_now_ms(w->clock)),
		     keyring_epoch_of(until_ms)) == ST_OK);
}

static inline struct commit_replay_report world_start(struct world *w)
{
	struct commit_replay_report report = { 0 };
	must(commit_replay(w->commit, NULL, &report) == ST_OK);
	world_prepare(w, clock_now_ms(w->clock) + 25 * (int64_t)HOUR);
	must(commit_start(w->commit) == ST_OK);
	return report;
}

static inline void world_stop(struct world *w)
{
	commit_stop(w->commit);
	commit_close(w->commit);
	catalog_close(w->catalog);
	keyring_close(w->keyring);
	w->commit = NULL;
	w->catalog = NULL;
	w->keyring = NULL;
}

static inline void world_begin(struct world *w)
{
	world_make(w);
	world_open(w);
	(void)world_start(w);
}

static inline int world_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static inline void world_end(struct world *w)
{
	if (w->commit)
		world_stop(w);
	clock_free(w->clock);
	file_close(&w->dir_fd);
	must(nftw(w->dir, world_remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* --- contents --- */

/* Bytes that depend on the seed and never repeat within a chunk. */
static inline void fill_bytes(uint8_t *out, size_t len, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + 1;
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		out[i] = (uint8_t)(x >> 24);
	}
}

static inline uint8_t *seal_bytes(
	const struct blob_key *key, const struct blob_id *id, const uint8_t *bytes, size_t len)
{
	struct blob_cipher *cipher = NULL;
	uint8_t *sealed = malloc(blob_sealed_len(len)), *to = sealed;
	must(sealed && blob_cipher_new(key, id, len, &cipher) == ST_OK);
	for (uint64_t i = 0; i < blob_chunk_count(len); i++) {
		struct span part = span_slice(span_make(bytes, len), i * SEAL_CHUNK, SEAL_CHUNK);
		must(blob_cipher_seal(cipher, i, part, to) == ST_OK);
		to += part.len + CHUNK_TAG;
	}
	blob_cipher_free(cipher);
	return sealed;
}

/* What one image is made from. */
struct sample {
	uint32_t collection, seed;
	size_t len;
	int64_t keep_ms;
	uint8_t idempotency;              /* 0: none; else the key's hash is this byte, repeated */
	const struct catalog_image *link; /* not NULL: link to its blob */
};

static inline enum status put_sample(
	struct world *w, const struct sample *s, struct catalog_image *out, struct commit_answer *answer)
{
	struct commit_upload up = { 0 };
	struct image_id id;
	struct commit_opened other = { 0 };
	uint8_t *bytes = malloc(s->len + 1), *sealed = NULL;
	must(bytes);
	fill_bytes(bytes, s->len, s->seed);
	struct catalog_image *image = &up.image;
	image->collection = s->collection;
	image->width = 640;
	image->height = 480;
	image->bytes = s->len;
	image->received_at = clock_now_ms(w->clock);
	image->expires_at = image->received_at + s->keep_ms;
	image->epoch = keyring_epoch_of(image->expires_at);
	image->ready_at = image->meta.taken_at = -1;
	image->has_uploader = true;
	memset(image->uploader, 0x55, sizeof image->uploader);
	image->has_idempotency = s->idempotency != 0;
	memset(image->idempotency, s->idempotency, sizeof image->idempotency);
	(void)snprintf(image->format, sizeof image->format, "jpeg");
	(void)snprintf(image->source, sizeof image->source, "http");
	(void)snprintf(up.person.file_name, sizeof up.person.file_name, "holiday %" PRIu32 ".jpg", s->seed);
	(void)snprintf(up.person.uploader, sizeof up.person.uploader, "ada");
	memcpy(up.address, digest_of(span_make(bytes, s->len)).bytes, sizeof up.address);
	enum status st =
		keyring_new_image(w->keyring, s->collection, image->expires_at, &id, up.wrapped, &up.key);
	if (st == ST_OK) {
		memcpy(image->id, id.bytes, sizeof image->id);
		if (s->link) {
			must(commit_open_image(w->commit, s->link, &other) == ST_OK);
			up.blob_key = other.blob_key;
			memcpy(image->blob_id, s->link->blob_id, sizeof image->blob_id);
			commit_opened_fini(&other);
		} else {
			struct blob_id blob;
			must(keyring_new_blob(&up.blob_key, &blob) == ST_OK);
			memcpy(image->blob_id, blob.bytes, sizeof image->blob_id);
			sealed = seal_bytes(&up.blob_key, &blob, bytes, s->len);
			up.blob_sealed = span_make(sealed, blob_sealed_len(s->len));
		}
		if (w->fail_memory_at > 0)
			fault_arm(FAULT_MEMORY, w->fail_memory_at, ENOMEM, false);
		st = commit_image(w->commit, &up, answer);
		if (w->fail_memory_at > 0) {
			w->has_failed = fault_has_fired();
			fault_disarm();
		}
		*out = up.image;
	}
	image_key_release(up.key);
	free(sealed);
	free(bytes);
	return st;
}

/* A new image of `len` bytes kept for `keep_ms`; gives its row. */
static inline struct catalog_image put_image(struct world *w, uint32_t seed, size_t len, int64_t keep_ms)
{
	struct sample s = { .collection = 1, .seed = seed, .len = len, .keep_ms = keep_ms };
	struct catalog_image made, row = { 0 };
	struct commit_answer answer;
	CHECK_EQ(put_sample(w, &s, &made, &answer), ST_OK);
	CHECK(!answer.is_void);
	CHECK_EQ(catalog_find_image(w->catalog, made.id, &row), ST_OK);
	CHECK_EQ(row.number, answer.image_number);
	return row;
}

/* Opens all chunks and compares with what fill_bytes() makes. */
static inline enum status read_back(struct world *w, const struct catalog_image *row, uint32_t seed)
{
	struct commit_opened opened;
	struct blob_cipher *cipher = NULL;
	struct blob_id id;
	enum status st = commit_open_image(w->commit, row, &opened);
	if (st != ST_OK)
		return st;
	uint8_t *want = malloc(row->bytes + 1), *sealed = malloc(SEAL_CHUNK + CHUNK_TAG),
		*plain = malloc(SEAL_CHUNK);
	must(want && sealed && plain);
	fill_bytes(want, row->bytes, seed);
	memcpy(id.bytes, row->blob_id, sizeof id.bytes);
	must(blob_cipher_new(&opened.blob_key, &id, row->bytes, &cipher) == ST_OK);
	for (uint64_t i = 0; st == ST_OK && i < blob_chunk_count(row->bytes); i++) {
		size_t len = (size_t)(row->bytes - i * SEAL_CHUNK < SEAL_CHUNK ? row->bytes - i * SEAL_CHUNK
									       : SEAL_CHUNK);
		st = commit_read_blob(w->commit, CATALOG_ORIGINALS, row->blob_at,
			i * (SEAL_CHUNK + CHUNK_TAG), sealed, len + CHUNK_TAG);
		if (st == ST_OK)
			st = blob_cipher_open(cipher, i, span_make(sealed, len + CHUNK_TAG), plain);
		if (st == ST_OK)
			CHECK_BYTES(plain, want + i * SEAL_CHUNK, len);
	}
	blob_cipher_free(cipher);
	commit_opened_fini(&opened);
	free(want);
	free(sealed);
	free(plain);
	return st;
}

/* One rendition of `len` bytes and a private JSON, as a processor would give. */
static inline enum status put_result(
	struct world *w, const struct catalog_image *row, struct image_key *key, size_t len)
{
	struct commit_rendition rendition = { 0 };
	struct blob_id blob;
	uint8_t *bytes = malloc(len + 1);
	must(bytes && keyring_new_blob(&rendition.key, &blob) == ST_OK);
	fill_bytes(bytes, len, 77);
	uint8_t *sealed = seal_bytes(&rendition.key, &blob, bytes, len);
	(void)snprintf(rendition.row.name, sizeof rendition.row.name, "thumb");
	(void)snprintf(rendition.row.format, sizeof rendition.row.format, "jpeg");
	rendition.row.width = 320;
	rendition.row.height = 240;
	rendition.row.bytes = len;
	memcpy(rendition.row.blob_id, blob.bytes, sizeof rendition.row.blob_id);
	rendition.sealed = span_make(sealed, blob_sealed_len(len));
	struct commit_result_in in = {
		.id = row->id,
		.key = key,
		.private_json = SPAN_LIT("{\"gps\":[1,2]}"),
		.renditions = &rendition,
		.rendition_count = 1,
	};
	memcpy(in.result.id, row->id, sizeof in.result.id);
	in.result.is_good = true;
	in.result.ready_at = clock_now_ms(w->clock);
	in.result.width = 640;
	in.result.height = 480;
	in.result.meta.taken_at = NOW - HOUR;
	in.result.meta.exposure_s = 0.004;
	(void)snprintf(in.result.meta.camera, sizeof in.result.meta.camera, "Box 1");
	(void)snprintf(in.result.meta.colour, sizeof in.result.meta.colour, "#112233");
	enum status st = commit_result(w->commit, &in);
	free(sealed);
	free(bytes);
	return st;
}

/* The catalog's dump; end with free(). */
static inline char *dump_catalog(struct world *w)
{
	struct buf text;
	buf_init(&text, MIB(16));
	CHECK_EQ(catalog_dump(w->catalog, &text), ST_OK);
	char *copy = strdup(buf_text(&text));
	buf_fini(&text);
	must(copy);
	return copy;
}

/* Stops, forgets the catalog, opens again and replays everything. */
static inline struct commit_replay_report world_rebuild(struct world *w)
{
	world_stop(w);
	must(catalog_remove(w->catalog_path) == ST_OK);
	world_open(w);
	return world_start(w);
}

/* The record's key area as it is on disk: true if it is all zeros. */
static inline bool is_key_zero(struct world *w, const struct catalog_image *row)
{
	char name[64];
	uint8_t key[WRAPPED_KEY_BYTES], bits = 0;
	(void)snprintf(name, sizeof name, "originals/%08" PRIx32 ".seg", row->record_at.segment);
	int fd = openat(w->dir_fd, name, O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && pread(fd, key, sizeof key, row->record_at.offset + 48) == (ssize_t)sizeof key &&
		close(fd) == 0);
	for (size_t i = 0; i < sizeof key; i++)
		bits |= key[i];
	return bits == 0;
}

static inline void say_nothing(void *context, const char *line)
{
	(void)context, (void)line;
}
static inline void say_aloud(void *context, const char *line)
{
	(void)context;
	(void)fprintf(stderr, "verify: %s\n", line);
}

/* Verifies the open, running world; everything must be sound. */
static inline void check_sound(struct world *w)
{
	struct commit_verify_report report;
	char why[256];
	CHECK_EQ(commit_verify(w->commit, say_aloud, NULL, NULL, &report), ST_OK);
	CHECK_EQ(report.damaged + report.dangling + report.lost, 0);
	CHECK_EQ(catalog_verify(w->catalog, why), ST_OK);
}

#endif
