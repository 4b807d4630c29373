/* commit_verify.c - reads everything that is kept and compares it with the catalog. */
#include "poison.h"

#include "inside.h"

#include <inttypes.h>

#include "clock.h"
#include "memory.h"
#include "num.h"

enum { PAGE = 64, LINE_MAX_BYTES = 256 };

struct verify {
	struct commit *c;
	void (*say)(void *context, const char *line);
	void *context;
	struct commit_verify_report *report;
	struct course course;
	struct catalog_position applied; /* of the store in hand */
	int store;
	uint8_t *sealed, *plain; /* one chunk each */
};

static void say_place(struct verify *v, int store, struct place at, const char *what)
{
	char line[LINE_MAX_BYTES];
	(void)snprintf(line, sizeof line, "%s: store %d, segment %08" PRIx32 ", offset %" PRIu32, what, store,
		at.segment, at.offset);
	v->say(v->context, line);
}

static void say_image(struct verify *v, const uint8_t id[CATALOG_ID], const char *what, enum status st)
{
	char line[LINE_MAX_BYTES], text[IMAGE_ID_TEXT + 1];
	struct image_id named;
	memcpy(named.bytes, id, sizeof named.bytes);
	image_id_text(&named, text);
	(void)snprintf(line, sizeof line, "image %s: %s: %s", text, what, status_text(st));
	v->say(v->context, line);
}

/* --- what the logs hold --- */

static void damage(struct verify *v, struct place at, const char *what)
{
	v->report->damaged++;
	say_place(v, v->store, at, what);
}

static bool is_same(struct catalog_place row, struct place at)
{
	return row.segment == at.segment && row.offset == at.offset && row.length == at.length;
}

/* A BLOB without a row is garbage that waits for its blocks to be given back, punched or not: no finding. */
static enum status check_blob(struct verify *v, const struct scan_record *rec)
{
	struct record_blob head;
	struct catalog_blob row;
	int store = 0;
	if (record_get_blob(rec->body, rec->body.len, &head) != ST_OK) {
		if (rec->is_body_sound)
			damage(v, rec->at, "a BLOB's head is malformed");
		return ST_OK;
	}
	enum status st = catalog_find_blob(v->c->catalog, head.blob_id, &row, &store);
	if (st == ST_NOT_FOUND) {
		v->report->orphans++;
		return ST_OK;
	}
	if (st != ST_OK)
		return st;
	if (store != v->store || !is_same(row.at, rec->at))
		damage(v, rec->at, "the catalog has this BLOB at another place");
	else if (!rec->is_body_sound)
		damage(v, rec->at, "a BLOB in use disagrees with its checksum");
	else
		v->report->blobs++;
	return ST_OK;
}

static void check_columns(struct verify *v, const uint8_t *id, const char *differs)
{
	char what[96];
	if (!differs)
		return;
	v->report->dangling++;
	(void)snprintf(what, sizeof what, "the catalog says something else of its %s", differs);
	say_image(v, id, what, ST_MISMATCH);
}

/* An image that opens has a row, unless it is due or its Idempotency-Key had a first one. */
static enum status check_row(
	struct verify *v, const struct scan_record *rec, const struct catalog_image *image)
{
	struct catalog_image row;
	enum status st = catalog_find_image(v->c->catalog, image->id, &row);
	if (st == ST_OK && !is_same(row.record_at, rec->at))
		damage(v, rec->at, "the catalog has this IMAGE at another place");
	else if (st == ST_OK)
		check_columns(v, image->id, commit_compare_image(&row, image));
	if (st == ST_OK || image->expires_at <= clock_now_ms(v->c->clock))
		return st == ST_NOT_FOUND ? ST_OK : st;
	if (st == ST_NOT_FOUND && image->has_idempotency &&
		catalog_find_idempotency(v->c->catalog, image->idempotency, &row) == ST_OK)
		return ST_OK;
	if (st == ST_NOT_FOUND) {
		v->report->lost++;
		say_image(v, image->id, "kept, but not in the catalog", st);
		st = ST_OK;
	}
	return st;
}

static enum status check_image(struct verify *v, const struct scan_record *rec, uint64_t sequence)
{
	struct image_key *key = NULL;
	struct record_image *what = memory_alloc(sizeof *what);
	if (!what)
		return ST_FULL;
	enum status st = commit_unseal_image(v->c, (struct record_parts){ rec->key, rec->body }, &key, what);
	image_key_release(key);
	if (st == ST_OK)
		st = sequence <= v->applied.sequence ? check_row(v, rec, &what->image) : ST_OK;
	else if (st == ST_CORRUPT)
		damage(v, rec->at, "an IMAGE does not open");
	memory_wipe(what, sizeof *what);
	memory_free(what);
	return st == ST_GONE || st == ST_CORRUPT ? ST_OK : st;
}

/* The RESULT that the row names; others are void. */
static enum status compare_result(struct verify *v, const struct scan_record *rec,
	const struct catalog_image *row, struct record_result *what)
{
	struct catalog_rendition rows[RENDITIONS_MAX];
	struct image_key *key = NULL;
	struct buf plain;
	size_t count = 0;
	buf_init(&plain, RECORD_SEALED_MAX);
	enum status st = commit_image_key(v->c, row, &key);
	if (st == ST_OK)
		st = commit_unseal_result(key, rec->body, &plain, what);
	if (st == ST_OK)
		st = catalog_renditions(v->c->catalog, row->number, rows, &count);
	if (st == ST_OK)
		check_columns(v, row->id, commit_compare_result(row, rows, count, &what->result));
	image_key_release(key);
	buf_wipe(&plain);
	return st;
}

/* One that does not open is found where the image's content is. */
static enum status check_result(struct verify *v, const struct scan_record *rec)
{
	struct record_clear clear;
	struct catalog_image row;
	enum status st = record_get_result_head(rec->body, &clear);
	if (st == ST_OK)
		st = catalog_find_image(v->c->catalog, clear.id, &row);
	if (st == ST_OK && is_same(row.result_at, rec->at)) {
		struct record_result *what = memory_alloc(sizeof *what);
		st = what ? compare_result(v, rec, &row, what) : ST_FULL;
		if (what)
			memory_wipe(what, sizeof *what);
		memory_free(what);
	}
	return st == ST_NOT_FOUND || st == ST_GONE || st == ST_CORRUPT ? ST_OK : st;
}

static enum status check_record(struct verify *v, const struct scan_record *rec, uint64_t sequence)
{
	v->report->records++;
	v->report->bytes += rec->at.length;
	if (rec->kind == RECORD_BLOB)
		return check_blob(v, rec);
	if (!rec->is_body_sound) {
		damage(v, rec->at, "a record disagrees with its checksum");
		return ST_OK;
	}
	if (rec->kind == RECORD_RESULT)
		return check_result(v, rec);
	return rec->kind == RECORD_IMAGE ? check_image(v, rec, sequence) : ST_OK;
}

static enum status check_log(struct verify *v)
{
	struct store_scan *scan = NULL;
	struct scan_batch batch;
	enum status st = catalog_applied(v->c->catalog, v->store, &v->applied);
	if (st == ST_OK)
		st = store_scan_open(commit_store(v->c, v->store), (struct position){ 0 }, &scan);
	while (st == ST_OK && (st = store_scan_next(scan, &batch)) == ST_OK) {
		course_at(&v->course, v->store, batch.end, v->report->images);
		if (batch.finding == SCAN_DAMAGED) {
			damage(v, (struct place){ batch.end.segment, batch.from, 0 }, batch.why);
			continue;
		}
		v->report->batches++;
		for (size_t i = 0; st == ST_OK && i < batch.record_count; i++)
			st = check_record(v, &batch.records[i], batch.end.sequence);
	}
	store_scan_close(scan);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

/* --- what the catalog holds --- */

struct content {
	int store;
	struct catalog_place at;
	uint64_t bytes;
	const uint8_t *blob_id;
	const struct blob_key *key;
};

static enum status open_content(struct verify *v, const struct content *what)
{
	struct blob_cipher *cipher = NULL;
	struct blob_id id;
	memcpy(id.bytes, what->blob_id, sizeof id.bytes);
	enum status st = blob_cipher_new(what->key, &id, what->bytes, &cipher);
	uint64_t chunks = blob_chunk_count(what->bytes);
	for (uint64_t i = 0; st == ST_OK && i < chunks; i++) {
		size_t len = (size_t)num_min(SEAL_CHUNK, what->bytes - i * SEAL_CHUNK) + CHUNK_TAG;
		st = commit_read_blob(
			v->c, what->store, what->at, i * (SEAL_CHUNK + CHUNK_TAG), v->sealed, len);
		if (st == ST_OK)
			st = blob_cipher_open(cipher, i, span_make(v->sealed, len), v->plain);
	}
	blob_cipher_free(cipher);
	memory_wipe(v->plain, SEAL_CHUNK);
	return st;
}

static const struct blob_key *key_of(
	const struct commit_opened_result *r, const uint8_t blob_id[BLOB_ID_BYTES])
{
	for (size_t i = 0; i < r->rendition_count; i++)
		if (memcmp(r->renditions[i].blob_id, blob_id, BLOB_ID_BYTES) == 0)
			return &r->renditions[i].key;
	return NULL;
}

static enum status check_renditions(
	struct verify *v, const struct catalog_image *image, struct image_key *key)
{
	struct commit_opened_result result;
	struct catalog_rendition rows[RENDITIONS_MAX];
	size_t count = 0;
	enum status st = commit_open_result(v->c, image, key, &result);
	if (st != ST_OK)
		return st == ST_NOT_FOUND ? ST_OK : st;
	st = catalog_renditions(v->c->catalog, image->number, rows, &count);
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		struct content what = { CATALOG_PROCESSED, rows[i].blob_at, rows[i].bytes, rows[i].blob_id,
			key_of(&result, rows[i].blob_id) };
		st = what.key ? open_content(v, &what) : ST_CORRUPT;
	}
	commit_opened_result_fini(&result);
	return st;
}

/* A row that is due, or whose epoch is destroyed, only waits to be forgotten. */
static void check_live(struct verify *v, const struct catalog_image *image)
{
	struct commit_opened opened;
	if (image->expires_at <= clock_now_ms(v->c->clock) ||
		keyring_epoch_state(v->c->keyring, image->epoch) == EPOCH_DESTROYED)
		return;
	v->report->images++;
	enum status st = commit_open_image(v->c, image, &opened);
	if (st != ST_OK) {
		v->report->dangling++;
		say_image(v, image->id, "its record cannot be opened", st);
		return;
	}
	struct content what = { CATALOG_ORIGINALS, image->blob_at, image->bytes, image->blob_id,
		&opened.blob_key };
	st = open_content(v, &what);
	if (st != ST_OK) {
		v->report->dangling++;
		say_image(v, image->id, "its bytes cannot be opened", st);
	}
	st = check_renditions(v, image, opened.key);
	if (st != ST_OK) {
		v->report->dangling++;
		say_image(v, image->id, "what was made of it cannot be opened", st);
	}
	commit_opened_fini(&opened);
}

static enum status check_catalog(struct verify *v)
{
	size_t count = PAGE;
	int64_t after = 0;
	enum status st = ST_OK;
	struct catalog_image *page = memory_alloc_array(PAGE, sizeof *page);
	if (!page)
		return ST_FULL;
	while (st == ST_OK && count == PAGE) {
		st = catalog_walk(v->c->catalog, after, page, PAGE, &count);
		for (size_t i = 0; st == ST_OK && i < count; i++) {
			check_live(v, &page[i]);
			course_add(&v->course, page[i].bytes, v->report->images);
			after = page[i].number;
		}
	}
	memory_free(page);
	return st;
}

/* All segments, then once more the originals, as they are opened.  Counts that the catalog cannot give only
 * make it less exact. */
static enum status begin_course(struct verify *v, const struct commit_progress *progress)
{
	static const uint32_t all[CATALOG_STORES] = { 0 };
	struct catalog_stats stats;
	enum status st = course_begin(&v->course, v->c, progress, all);
	if (st == ST_OK && progress &&
		catalog_stats(v->c->catalog, NULL, 0, clock_now_ms(v->c->clock), &stats) == ST_OK)
		v->course.total += (uint64_t)stats.bytes;
	return st;
}

enum status commit_verify(struct commit *c, void (*say)(void *context, const char *line), void *context,
	const struct commit_progress *progress, struct commit_verify_report *out)
{
	memset(out, 0, sizeof *out);
	struct verify v = { .c = c, .say = say, .context = context, .report = out };
	v.sealed = memory_resize(NULL, SEAL_CHUNK + CHUNK_TAG);
	v.plain = memory_resize(NULL, SEAL_CHUNK);
	enum status st = v.sealed && v.plain ? begin_course(&v, progress) : ST_FULL;
	for (v.store = CATALOG_ORIGINALS; st == ST_OK && v.store <= CATALOG_PROCESSED; v.store++)
		st = check_log(&v);
	if (st == ST_OK)
		st = check_catalog(&v);
	if (st == ST_OK)
		course_end(&v.course, out->images);
	memory_free(v.sealed);
	memory_free(v.plain);
	if (st == ST_OK && out->damaged + out->dangling + out->lost > 0)
		return ST_INVALID;
	return st;
}
