/* catalog_fixture.h - a catalog in a directory of its own, and images to put into it. */
#ifndef DARKROOM_CATALOG_FIXTURE_H
#define DARKROOM_CATALOG_FIXTURE_H

#include "catalog.h"
#include "catalog_functions.h"
#include "clock.h"
#include "memory.h"
#include "must.h"

#include "check.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

enum { DAY_MS = 24 * 3600 * 1000, NOW = 1000000000 };

struct fixture {
	char directory[64], path[96];
	struct clock *clock;
	struct catalog *catalog;
	uint64_t sequences[CATALOG_STORES + 1];
	uint32_t next_blob;
};

static inline enum status fixture_open(struct fixture *f, uint32_t readers_max)
{
	struct catalog_options options = { .path = f->path, .clock = f->clock, .readers_max = readers_max };
	return catalog_open(&options, &f->catalog);
}

static inline void fixture_begin(struct fixture *f)
{
	memset(f, 0, sizeof *f);
	snprintf(f->directory, sizeof f->directory, "%s/darkroom-test-XXXXXX", P_tmpdir);
	must(mkdtemp(f->directory));
	snprintf(f->path, sizeof f->path, "%s/catalog.db", f->directory);
	f->clock = clock_new_manual(NOW);
}

static inline void fixture_init(struct fixture *f)
{
	fixture_begin(f);
	CHECK_EQ(fixture_open(f, 4), ST_OK);
	must(f->catalog);
	CHECK_EQ(catalog_put_collection(f->catalog, 1, "photos", 7 * (int64_t)DAY_MS, NOW), ST_OK);
	CHECK_EQ(catalog_put_collection(f->catalog, 2, "scans", DAY_MS, NOW), ST_OK);
}

static inline void fixture_fini(struct fixture *f)
{
	catalog_close(f->catalog);
	CHECK_EQ(catalog_remove(f->path), ST_OK);
	CHECK_EQ(rmdir(f->directory), 0);
	clock_free(f->clock);
}

/* A connection of the test's own, to look or to tamper. */
static inline sqlite3 *fixture_sqlite(struct fixture *f)
{
	sqlite3 *db = NULL;
	must(sqlite3_open(f->path, &db) == SQLITE_OK);
	must(catalog_register_functions(db, f->clock) == ST_OK);
	return db;
}

/* The number in the first row; -1 without one. */
static inline int64_t fixture_ask(struct fixture *f, const char *text)
{
	sqlite3 *db = fixture_sqlite(f);
	sqlite3_stmt *statement = NULL;
	int64_t value = -1;
	CHECK_EQ(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
	if (sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return value;
}

static inline void fixture_tamper(struct fixture *f, const char *text)
{
	sqlite3 *db = fixture_sqlite(f);
	CHECK_EQ(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* Blob `n` of a collection: id and address follow from n. */
static inline struct catalog_blob fixture_blob(uint32_t n, uint32_t collection)
{
	struct catalog_blob blob = { .collection = collection,
		.has_address = true,
		.bytes = 1000 + n,
		.at = { .segment = 1 + n / 1000, .offset = n % 1000 * 8192, .length = 1016 + n } };
	memcpy(blob.blob_id, &n, sizeof n);
	memcpy(blob.address, &n, sizeof n);
	blob.address[31] = 0xaa;
	return blob;
}

/* Image `n` on blob `n`, received at NOW + n, for a day. */
static inline struct catalog_image fixture_image(uint32_t n, uint32_t collection)
{
	struct catalog_image image = { .collection = collection,
		.width = 640,
		.height = 480,
		.format = "jpeg",
		.source = "http",
		.bytes = 1000 + n,
		.received_at = NOW + n,
		.expires_at = NOW + n + DAY_MS,
		.record_at = { .segment = 1 + n / 1000, .offset = n % 1000 * 8192 + 4096, .length = 512 } };
	memcpy(image.id, &n, sizeof n);
	memcpy(image.blob_id, &n, sizeof n);
	image.has_address = true;
	memcpy(image.address, &n, sizeof n);
	image.address[31] = 0xaa;
	image.epoch = (uint32_t)((image.expires_at + EPOCH_MS - 1) / EPOCH_MS);
	return image;
}

/* A good result for image `n` with one rendition on blob n + 1000000, in store 2. */
static inline struct catalog_result fixture_result(uint32_t n)
{
	uint32_t blob = n + 1000000;
	struct catalog_result result = { .is_good = true,
		.ready_at = NOW + n + 250,
		.width = 480,
		.height = 640,
		.at = { .segment = 7, .offset = 4096, .length = 700 },
		.rendition_count = 1,
		.meta = { .camera = "Canon EOS R5",
			.lens = "RF 50",
			.colour = "#aabbcc",
			.blurhash = "LEHV",
			.exposure_s = 0.004,
			.aperture = 2.8,
			.focal_mm = 50,
			.iso = 200,
			.taken_at = 77,
			.brightness = 0.25,
			.sharpness = 0.5,
			.has_gps = true },
		.renditions = {
			{ .name = "thumb", .format = "jpeg", .width = 240, .height = 320, .bytes = 99 } } };
	memcpy(result.id, &n, sizeof n);
	memcpy(result.renditions[0].blob_id, &blob, sizeof blob);
	return result;
}

static inline struct catalog_blob fixture_result_blob(uint32_t n)
{
	struct catalog_blob blob = fixture_blob(n + 1000000, 1);
	blob.has_address = false;
	blob.at.segment = 7;
	return blob;
}

/* One batch of linked changes with the next sequence of that store. */
static inline enum status fixture_apply(struct fixture *f, int store, struct catalog_change *changes)
{
	struct catalog_position end = {
		.segment = store == 1 ? 1 : 7, .offset = 8192, .sequence = ++f->sequences[store]
	};
	return catalog_apply(f->catalog, &(struct catalog_batch){ store, end, changes }, 1, NOW);
}

static inline enum status fixture_add(
	struct fixture *f, const struct catalog_image *image, struct catalog_change *answer)
{
	uint32_t n;
	memcpy(&n, image->blob_id, sizeof n);
	struct catalog_blob blob = fixture_blob(n, image->collection);
	struct catalog_change second = { .kind = CATALOG_ADD_IMAGE, .image = image };
	struct catalog_change first = { .kind = CATALOG_ADD_BLOB, .blob = &blob, .next = &second };
	enum status st = fixture_apply(f, CATALOG_ORIGINALS, &first);
	if (answer)
		*answer = second;
	return st;
}

static inline void fixture_add_plain(struct fixture *f, uint32_t n)
{
	struct catalog_image image = fixture_image(n, 1);
	struct catalog_change answer;
	CHECK_EQ(fixture_add(f, &image, &answer), ST_OK);
	CHECK(!answer.is_void);
}

static inline enum status fixture_finish(
	struct fixture *f, const struct catalog_result *result, struct catalog_change *answer)
{
	uint32_t n;
	memcpy(&n, result->id, sizeof n);
	struct catalog_blob blob = fixture_result_blob(n);
	struct catalog_change second = { .kind = CATALOG_ADD_RESULT, .result = result };
	struct catalog_change first = { .kind = CATALOG_ADD_BLOB, .blob = &blob, .next = &second };
	enum status st = fixture_apply(f, CATALOG_PROCESSED, &first);
	if (answer)
		*answer = second;
	return st;
}

static inline void fixture_finish_plain(struct fixture *f, uint32_t n)
{
	struct catalog_result result = fixture_result(n);
	struct catalog_change answer;
	CHECK_EQ(fixture_finish(f, &result, &answer), ST_OK);
	CHECK(!answer.is_void);
}

static inline enum status fixture_erase(struct fixture *f, uint32_t n, struct catalog_change *answer)
{
	uint8_t id[CATALOG_ID] = { 0 };
	memcpy(id, &n, sizeof n);
	struct catalog_change change = { .kind = CATALOG_ERASE_IMAGE, .erased_id = id };
	enum status st = fixture_apply(f, CATALOG_ORIGINALS, &change);
	if (answer)
		*answer = change;
	return st;
}

/* The catalog as text, to be ended with memory_free(). */
static inline char *fixture_dump(struct fixture *f)
{
	struct buf text;
	buf_init(&text, MIB(16));
	CHECK_EQ(catalog_dump(f->catalog, &text), ST_OK);
	char *copy = memory_alloc(text.len + 1);
	must(copy);
	if (text.len > 0)
		memcpy(copy, text.data, text.len);
	buf_fini(&text);
	return copy;
}

static inline void fixture_check_sound(struct fixture *f)
{
	char why[256];
	CHECK_EQ(catalog_verify(f->catalog, why), ST_OK);
	CHECK_STR(why, "");
}

#endif
