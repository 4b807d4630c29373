/* ingest_fixture.h - ingest and fetch on the world of commit_fixture.h; uploads as http makes them. */
#ifndef DARKROOM_INGEST_FIXTURE_H
#define DARKROOM_INGEST_FIXTURE_H

#include "access.h"
#include "budget.h"
#include "fetch.h"
#include "imaging.h"
#include "ingest.h"

#include "commit_fixture.h"

struct studio {
	struct world world;
	char control_path[300];
	struct control *control;
	struct access *access;
	struct budget budget;
	struct ingest *ingest;
	struct fetch *fetch;
	uint64_t bytes_max, budget_bytes, disk_reserve;
	int64_t rows_max, jobs_max;
};

/* Opens what stands on a started world. */
static inline void studio_open(struct studio *s)
{
	struct world *w = &s->world;
	must(control_open(s->control_path, &s->control) == ST_OK);
	must(access_open(s->control, w->keyring, w->clock, &s->access) == ST_OK);
	budget_init(&s->budget, "test.budget", s->budget_bytes);
	struct ingest_options options = {
		.access = s->access,
		.keyring = w->keyring,
		.catalog = w->catalog,
		.commit = w->commit,
		.clock = w->clock,
		.budget = &s->budget,
		.data_fd = w->dir_fd,
		.image_bytes_max = s->bytes_max,
		.disk_reserve = s->disk_reserve,
		.catalog_rows_max = s->rows_max,
		.jobs_queued_max = s->jobs_max,
	};
	struct fetch_options fetch = { w->keyring, w->catalog, w->commit, w->clock };
	must(ingest_new(&options, &s->ingest) == ST_OK && fetch_new(&fetch, &s->fetch) == ST_OK);
}

static inline void studio_close(struct studio *s)
{
	CHECK_EQ(budget_used(&s->budget), 0);
	ingest_free(s->ingest);
	fetch_free(s->fetch);
	budget_fini(&s->budget);
	access_close(s->access);
	control_close(s->control);
}

static inline void studio_make(struct studio *s)
{
	memset(s, 0, sizeof *s);
	world_make(&s->world);
	must(snprintf(s->control_path, sizeof s->control_path, "%s/control.db", s->world.dir) <
		(int)sizeof s->control_path);
	s->bytes_max = MIB(16);
	s->budget_bytes = MIB(256);
	s->disk_reserve = KIB(64);
	s->rows_max = s->jobs_max = 100000;
}

/* With two collections, "photos" (24 h, all formats) and "scans" (1 h, GIF only). */
static inline void studio_begin(struct studio *s)
{
	struct control_collection made;
	const char *why = NULL;
	struct access_new_collection photos = { .name = SPAN_LIT("photos"),
		.retention_ms = 24 * (int64_t)HOUR };
	struct access_new_collection scans = {
		.name = SPAN_LIT("scans"), .retention_ms = HOUR, .formats = 1u << IMAGE_FORMAT_GIF
	};
	world_open(&s->world);
	(void)world_start(&s->world);
	studio_open(s);
	must(access_make_collection(s->access, &photos, &made, &why) == ST_OK && made.number == 1);
	must(access_make_collection(s->access, &scans, &made, &why) == ST_OK && made.number == 2);
}

static inline void studio_end(struct studio *s)
{
	studio_close(s);
	world_end(&s->world);
}

/* The head of a GIF of 640 x 480 and then bytes of the seed's; at least 13. */
static inline uint8_t *gif_bytes(size_t len, uint32_t seed)
{
	static const uint8_t head[13] = { 'G', 'I', 'F', '8', '9', 'a', 0x80, 0x02, 0xe0, 0x01, 0, 0, 0 };
	uint8_t *bytes = malloc(len + 1);
	must(bytes && len >= sizeof head);
	fill_bytes(bytes, len, seed);
	memcpy(bytes, head, sizeof head);
	return bytes;
}

static inline struct ingest_request request_of(const char *collection)
{
	return (struct ingest_request){ .collection = span_of(collection),
		.principal = SPAN_LIT("ada"),
		.source = "http",
		.file_name = SPAN_LIT("holiday.gif") };
}

/* Begin, body in parts of `part` bytes, accept, end. */
static inline enum status upload_parts(struct studio *s, const struct ingest_request *request,
	struct span bytes, size_t part, struct ingest_receipt *out)
{
	const char *why = NULL;
	struct ingest_upload *up = NULL;
	enum status st = ingest_begin(s->ingest, request, &up, &why);
	for (size_t at = 0; st == ST_OK && at < bytes.len; at += part)
		st = ingest_body(up, span_slice(bytes, at, part), &why);
	if (st == ST_OK)
		st = ingest_accept(up, out, &why);
	CHECK(st == ST_OK || (why && strlen(why) > 5));
	ingest_end(up);
	return st;
}

static inline enum status upload_gif(struct studio *s, const struct ingest_request *request, size_t len,
	uint32_t seed, struct ingest_receipt *out)
{
	uint8_t *bytes = gif_bytes(len, seed);
	enum status st = upload_parts(s, request, span_make(bytes, len), 50000, out);
	free(bytes);
	return st;
}

static inline void id_text(const struct catalog_image *image, char out[IMAGE_ID_TEXT + 1])
{
	struct image_id id;
	memcpy(id.bytes, image->id, sizeof id.bytes);
	image_id_text(&id, out);
}

static inline enum status find_again(
	struct studio *s, const struct catalog_image *image, struct catalog_image *out)
{
	char text[IMAGE_ID_TEXT + 1];
	uint32_t collection = 0;
	id_text(image, text);
	enum status st = fetch_find(s->fetch, span_of(text), out, &collection);
	CHECK_EQ(collection, image->collection);
	return st;
}

/* Reads the whole original and compares it. */
static inline enum status check_original(
	struct studio *s, const struct catalog_image *image, size_t len, uint32_t seed)
{
	struct catalog_image row;
	struct fetch_stream *stream = NULL;
	size_t got = 0;
	enum status st = find_again(s, image, &row);
	if (st == ST_OK)
		st = fetch_open_original(s->fetch, &row, &stream);
	if (st != ST_OK)
		return st;
	uint8_t *want = gif_bytes(len, seed), *have = malloc(len + 1);
	must(have);
	CHECK_EQ(fetch_length(stream), len);
	st = fetch_read(stream, 0, have, len, &got);
	CHECK_EQ(got, len);
	CHECK_BYTES(have, want, len);
	fetch_close(stream);
	free(want);
	free(have);
	return st;
}

#endif
