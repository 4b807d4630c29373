/* commit_replay.c - from the logs to the catalog again: what the applier does, from what the records say. */
#include "poison.h"

#include "inside.h"

#include "clock.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"

/* One record's change and what it points at. */
struct item {
	struct catalog_change change;
	union {
		struct catalog_blob blob;
		struct catalog_image image;
		struct catalog_result result;
		struct record_erase erase;
	};
};

struct replay {
	struct commit *c;
	int store;
	struct commit_replay_report *report;
	struct course *course;
	struct item *items;
	size_t count; /* of items with a change */
};

/* A record that is hurt is kept on disk, said, counted, and passed over. */
static void damage(struct replay *r, struct place at, const char *why)
{
	r->report->damaged++;
	log_event(LOG_ERROR, "commit.record.damaged", LOG_I64("store", r->store),
		LOG_U64("segment", at.segment), LOG_U64("offset", at.offset), LOG_TEXT("why", why));
}

/* OK leaves the item; NOT_FOUND says that the record stands for nothing any more. */
static enum status pass_over(struct replay *r, struct place at, enum status st, const char *why)
{
	if (st == ST_GONE || st == ST_NOT_FOUND) {
		r->report->voided++;
		return ST_NOT_FOUND;
	}
	if (st == ST_CORRUPT) {
		damage(r, at, why);
		return ST_NOT_FOUND;
	}
	return st;
}

/* A body that disagrees with its checksum may be a punched one; whether a live image is hurt, its chunks tell
 * when they are read. */
static enum status blob_item(struct replay *r, const struct scan_record *rec, struct item *item)
{
	struct record_blob blob;
	enum status st = record_get_blob(rec->body, rec->body.len, &blob);
	if (st != ST_OK)
		return rec->is_body_sound ? pass_over(r, rec->at, st, "not a BLOB") : ST_NOT_FOUND;
	item->change.kind = CATALOG_ADD_BLOB;
	item->change.blob = &item->blob;
	item->blob.collection = blob.collection;
	item->blob.bytes = blob.plain_len;
	item->blob.at = catalog_place_of(rec->at);
	memcpy(item->blob.blob_id, blob.blob_id, BLOB_ID_BYTES);
	return ST_OK;
}

/* Only the IMAGE knows the content address of the BLOB right before it. */
static void give_address(struct replay *r, const struct catalog_image *image)
{
	struct item *before = r->count > 0 ? &r->items[r->count - 1] : NULL;
	if (!before || before->change.kind != CATALOG_ADD_BLOB ||
		memcmp(before->blob.blob_id, image->blob_id, BLOB_ID_BYTES) != 0)
		return;
	before->blob.has_address = true;
	memcpy(before->blob.address, image->address, sizeof before->blob.address);
}

static enum status image_item(struct replay *r, const struct scan_record *rec, struct item *item)
{
	struct image_key *key = NULL;
	if (!rec->is_body_sound)
		return pass_over(r, rec->at, ST_CORRUPT, "an IMAGE's checksum disagrees");
	struct record_image *what = memory_alloc(sizeof *what);
	if (!what)
		return ST_FULL;
	enum status st = commit_unseal_image(r->c, (struct record_parts){ rec->key, rec->body }, &key, what);
	image_key_release(key);
	if (st == ST_OK) {
		item->change.kind = CATALOG_ADD_IMAGE;
		item->change.image = &item->image;
		item->image = what->image;
		item->image.record_at = catalog_place_of(rec->at);
		give_address(r, &item->image);
	}
	memory_wipe(what, sizeof *what);
	memory_free(what);
	return pass_over(r, rec->at, st, "an IMAGE does not open");
}

/* Originals were replayed before: an image without a row is destroyed, and so is what was made of it. */
static enum status open_result(struct replay *r, const struct scan_record *rec, struct record_result *out)
{
	struct record_clear clear;
	struct catalog_image image;
	struct image_key *key = NULL;
	struct buf plain;
	buf_init(&plain, RECORD_SEALED_MAX);
	enum status st = record_get_result_head(rec->body, &clear);
	if (st == ST_OK)
		st = catalog_find_image(r->c->catalog, clear.id, &image);
	if (st == ST_OK)
		st = commit_image_key(r->c, &image, &key);
	if (st == ST_OK)
		st = commit_unseal_result(key, rec->body, &plain, out);
	image_key_release(key);
	buf_wipe(&plain);
	return st;
}

static enum status result_item(struct replay *r, const struct scan_record *rec, struct item *item)
{
	if (!rec->is_body_sound)
		return pass_over(r, rec->at, ST_CORRUPT, "a RESULT's checksum disagrees");
	struct record_result *what = memory_alloc(sizeof *what);
	if (!what)
		return ST_FULL;
	enum status st = open_result(r, rec, what);
	if (st == ST_OK) {
		item->change.kind = CATALOG_ADD_RESULT;
		item->change.result = &item->result;
		item->result = what->result;
		item->result.at = catalog_place_of(rec->at);
	}
	memory_wipe(what, sizeof *what);
	memory_free(what);
	return pass_over(r, rec->at, st, "a RESULT does not open");
}

/* The key goes before the ERASE is applied, as in commit_apply.c: what is below the applied position is
 * carried out. */
static enum status erase_item(struct replay *r, const struct scan_record *rec, struct item *item)
{
	if (!rec->is_body_sound)
		return pass_over(r, rec->at, ST_CORRUPT, "an ERASE's checksum disagrees");
	enum status st = record_get_erase(rec->body, &item->erase);
	if (st != ST_OK)
		return pass_over(r, rec->at, st, "not an ERASE");
	st = store_erase_key(commit_store(r->c, CATALOG_ORIGINALS), item->erase.target);
	if (st == ST_CORRUPT)
		damage(r, item->erase.target, "an ERASE's target is no sound record");
	else if (st != ST_OK && st != ST_NOT_FOUND)
		return st;
	item->change.kind = CATALOG_ERASE_IMAGE;
	item->change.erased_id = item->erase.id;
	return ST_OK;
}

static enum status make_item(struct replay *r, const struct scan_record *rec, struct item *item)
{
	switch (rec->kind) {
	case RECORD_BLOB: return blob_item(r, rec, item);
	case RECORD_IMAGE: return image_item(r, rec, item);
	case RECORD_RESULT: return result_item(r, rec, item);
	case RECORD_ERASE: return erase_item(r, rec, item);
	default: return ST_NOT_FOUND;
	}
}

static void count(struct replay *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct catalog_change *x = &r->items[i].change;
		r->report->images += x->kind == CATALOG_ADD_IMAGE && !x->is_void;
		r->report->results += x->kind == CATALOG_ADD_RESULT && !x->is_void;
		r->report->erases += x->kind == CATALOG_ERASE_IMAGE;
		r->report->voided +=
			x->kind != CATALOG_ERASE_IMAGE && x->kind != CATALOG_ADD_BLOB && x->is_void;
	}
}

static enum status replay_batch(struct replay *r, const struct scan_batch *batch)
{
	enum status st = ST_OK;
	struct catalog_change *first = NULL, **tail = &first;
	r->count = 0;
	r->items = memory_alloc_array(batch->record_count + 1, sizeof *r->items);
	if (!r->items)
		return ST_FULL;
	for (size_t i = 0; st == ST_OK && i < batch->record_count; i++) {
		struct item *item = &r->items[r->count];
		memset(item, 0, sizeof *item);
		st = make_item(r, &batch->records[i], item);
		if (st == ST_OK) {
			*tail = &item->change;
			tail = &item->change.next;
			r->count++;
		} else if (st == ST_NOT_FOUND) {
			st = ST_OK;
		}
	}
	if (st == ST_OK)
		st = catalog_apply(r->c->catalog,
			&(struct catalog_batch){ r->store, catalog_position_of(batch->end), first }, 1,
			clock_wall_ms());
	if (st == ST_OK) {
		count(r);
		r->report->batches++;
		metrics_add(METRIC_REPLAYED, 1);
	}
	memory_free(r->items);
	r->items = NULL;
	return st;
}

static enum status replay_store(struct replay *r)
{
	struct catalog_position applied;
	struct store_scan *scan = NULL;
	struct scan_batch batch;
	enum status st = catalog_applied(r->c->catalog, r->store, &applied);
	if (st == ST_OK)
		st = store_scan_open(commit_store(r->c, r->store),
			(struct position){ applied.segment, applied.offset, applied.sequence }, &scan);
	while (st == ST_OK && (st = store_scan_next(scan, &batch)) == ST_OK) {
		if (batch.finding == SCAN_SOUND)
			st = replay_batch(r, &batch);
		else
			damage(r, (struct place){ batch.end.segment, batch.from, 0 }, batch.why);
		course_at(r->course, r->store, batch.end, r->report->images);
	}
	store_scan_close(scan);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status begin_course(
	struct course *course, struct commit *c, const struct commit_progress *progress)
{
	uint32_t from[CATALOG_STORES] = { 0 };
	enum status st = ST_OK;
	for (int store = CATALOG_ORIGINALS; st == ST_OK && store <= CATALOG_PROCESSED; store++) {
		struct catalog_position applied = { 0 };
		st = catalog_applied(c->catalog, store, &applied);
		from[store - 1] = applied.segment;
	}
	return st == ST_OK ? course_begin(course, c, progress, from) : st;
}

enum status commit_replay(
	struct commit *c, const struct commit_progress *progress, struct commit_replay_report *out)
{
	struct course course;
	struct commit_replay_report report = { 0 };
	enum status st = begin_course(&course, c, progress);
	/* Originals first: a RESULT asks for its image's row. */
	for (int store = CATALOG_ORIGINALS; st == ST_OK && store <= CATALOG_PROCESSED; store++) {
		struct replay r = { .c = c, .store = store, .report = &report, .course = &course };
		st = replay_store(&r);
	}
	if (st == ST_OK)
		course_end(&course, report.images);
	log_event(st == ST_OK ? LOG_INFO : LOG_ERROR, "commit.log.replayed",
		LOG_U64("batches", report.batches), LOG_U64("images", report.images),
		LOG_U64("results", report.results), LOG_U64("erases", report.erases),
		LOG_U64("voided", report.voided), LOG_U64("damaged", report.damaged),
		LOG_STATUS("status", st));
	*out = report;
	return st;
}
