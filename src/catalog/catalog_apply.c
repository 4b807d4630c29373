/* catalog_apply.c - one batch of a log as one transaction.
 *
 * Everything is decided from the log alone, never from the time of day, so that a
 * replay comes to the same rows: an Idempotency-Key is taken if its first image was
 * alive when the later one was received.
 */
#include "poison.h"

#include <string.h>

#include "catalog_private.h"
#include "log.h"
#include "must.h"

struct applying {
	struct database *db;
	int store;
	int64_t now_ms;
};

/* The number in the row that `sql` gives; NOT_FOUND without one. */
static enum status ask_number(struct database *db, int sql, int64_t *out)
{
	enum status st = database_step(db, sql);
	if (st == ST_OK)
		*out = database_i64(db, sql, 0);
	database_reset(db, sql);
	return st;
}

static enum status find_blob(struct database *db, const uint8_t blob_id[16], int64_t *number)
{
	database_bind_bytes(db, SQL_BLOB_NUMBER, 1, blob_id, 16);
	return ask_number(db, SQL_BLOB_NUMBER, number);
}

static void bind_place(struct database *db, int sql, int first, struct catalog_place at)
{
	database_bind_i64(db, sql, first, at.segment);
	database_bind_i64(db, sql, first + 1, at.offset);
	database_bind_i64(db, sql, first + 2, at.length);
}

static enum status add_blob(struct applying *a, struct catalog_change *change)
{
	const struct catalog_blob *blob = change->blob;
	int64_t added = 0;
	database_bind_bytes(a->db, SQL_ADD_BLOB, 1, blob->blob_id, sizeof blob->blob_id);
	database_bind_i64(a->db, SQL_ADD_BLOB, 2, a->store);
	database_bind_i64(a->db, SQL_ADD_BLOB, 3, blob->collection);
	if (blob->has_address)
		database_bind_bytes(a->db, SQL_ADD_BLOB, 4, blob->address, sizeof blob->address);
	database_bind_i64(a->db, SQL_ADD_BLOB, 5, (int64_t)blob->bytes);
	bind_place(a->db, SQL_ADD_BLOB, 6, blob->at);
	enum status st = database_do(a->db, SQL_ADD_BLOB, &added);
	change->is_void = added == 0;
	return st;
}

/* OK: an earlier image has this id or, still alive then, this key. */
static enum status find_first(struct database *db, const struct catalog_image *image, int64_t *number)
{
	database_bind_bytes(db, SQL_IMAGE_STATE, 1, image->id, sizeof image->id);
	enum status st = ask_number(db, SQL_IMAGE_STATE, number);
	if (st != ST_NOT_FOUND || !image->has_idempotency)
		return st;
	database_bind_bytes(db, SQL_FIRST_OF_KEY, 1, image->idempotency, sizeof image->idempotency);
	database_bind_i64(db, SQL_FIRST_OF_KEY, 2, image->received_at);
	return ask_number(db, SQL_FIRST_OF_KEY, number);
}

static void bind_image(struct database *db, const struct catalog_image *image, int64_t blob)
{
	enum { S = SQL_ADD_IMAGE };
	database_bind_bytes(db, S, 1, image->id, sizeof image->id);
	database_bind_i64(db, S, 2, image->collection);
	database_bind_text(db, S, 3, image->format);
	database_bind_i64(db, S, 4, (int64_t)image->bytes);
	database_bind_i64(db, S, 5, image->width);
	database_bind_i64(db, S, 6, image->height);
	database_bind_i64(db, S, 7, image->received_at);
	database_bind_i64(db, S, 8, image->expires_at);
	database_bind_i64(db, S, 9, image->epoch);
	database_bind_text(db, S, 10, image->source);
	if (image->has_uploader)
		database_bind_bytes(db, S, 11, image->uploader, sizeof image->uploader);
	if (image->has_idempotency)
		database_bind_bytes(db, S, 12, image->idempotency, sizeof image->idempotency);
	database_bind_i64(db, S, 13, blob);
	bind_place(db, S, 14, image->record_at);
}

static enum status add_job(struct applying *a, const struct catalog_image *image, int64_t number)
{
	database_bind_i64(a->db, SQL_ADD_JOB, 1, number);
	database_bind_i64(a->db, SQL_ADD_JOB, 2, image->collection);
	database_bind_i64(a->db, SQL_ADD_JOB, 3, a->now_ms);
	return database_do(a->db, SQL_ADD_JOB, NULL);
}

/* On a rebuild the image that came with the blob may be destroyed: then a later one tells its address. */
static enum status give_address(struct database *db, int64_t blob, const struct catalog_image *image)
{
	if (!image->has_address)
		return ST_OK;
	database_bind_i64(db, SQL_GIVE_ADDRESS, 1, blob);
	database_bind_bytes(db, SQL_GIVE_ADDRESS, 2, image->address, sizeof image->address);
	return database_do(db, SQL_GIVE_ADDRESS, NULL);
}

static enum status add_image(struct applying *a, struct catalog_change *change)
{
	const struct catalog_image *image = change->image;
	int64_t blob = 0, added = 0;
	change->is_void = true;
	enum status st = find_first(a->db, image, &change->image_number);
	if (st != ST_NOT_FOUND)
		return st;
	st = find_blob(a->db, image->blob_id, &blob);
	if (st != ST_OK)
		return st == ST_NOT_FOUND ? ST_OK : st;
	bind_image(a->db, image, blob);
	st = database_do(a->db, SQL_ADD_IMAGE, &added);
	if (st != ST_OK || added == 0)
		return st;
	change->is_void = false;
	change->image_number = database_last_number(a->db);
	st = give_address(a->db, blob, image);
	if (st != ST_OK)
		return st;
	return add_job(a, image, change->image_number);
}

/* OK: the image is there, `*is_open` while it waits for its first RESULT. */
static enum status find_open(
	struct database *db, const uint8_t id[CATALOG_ID], int64_t *number, bool *is_open)
{
	database_bind_bytes(db, SQL_IMAGE_STATE, 1, id, CATALOG_ID);
	enum status st = database_step(db, SQL_IMAGE_STATE);
	if (st == ST_OK) {
		*number = database_i64(db, SQL_IMAGE_STATE, 0);
		*is_open = database_i64(db, SQL_IMAGE_STATE, 1) == 0;
	}
	database_reset(db, SQL_IMAGE_STATE);
	return st;
}

static void bind_result(struct database *db, const struct catalog_result *result, int64_t number)
{
	enum { S = SQL_FINISH_IMAGE };
	database_bind_i64(db, S, 1, number);
	database_bind_text(db, S, 2, result->is_good ? "ready" : "failed");
	database_bind_i64(db, S, 3, result->ready_at);
	if (!result->is_good)
		database_bind_text(db, S, 4, result->reason);
	bind_place(db, S, 7, result->at);
	if (!result->is_good)
		return; /* what could not be decoded has no description */
	database_bind_i64(db, S, 5, result->width);
	database_bind_i64(db, S, 6, result->height);
	catalog_bind_meta(db, S, 10, &result->meta);
}

static enum status add_rendition(
	struct database *db, int64_t image, const struct catalog_rendition *r, int64_t blob)
{
	enum { S = SQL_ADD_RENDITION };
	database_bind_i64(db, S, 1, image);
	database_bind_text(db, S, 2, r->name);
	database_bind_text(db, S, 3, r->format);
	database_bind_i64(db, S, 4, r->width);
	database_bind_i64(db, S, 5, r->height);
	database_bind_i64(db, S, 6, (int64_t)r->bytes);
	database_bind_i64(db, S, 7, blob);
	return database_do(db, S, NULL);
}

static enum status write_result(struct database *db, const struct catalog_result *result, int64_t number,
	const int64_t blobs[RENDITIONS_MAX])
{
	bind_result(db, result, number);
	enum status st = database_do(db, SQL_FINISH_IMAGE, NULL);
	for (size_t i = 0; st == ST_OK && i < result->rendition_count; i++)
		st = add_rendition(db, number, &result->renditions[i], blobs[i]);
	if (st != ST_OK)
		return st;
	database_bind_i64(db, SQL_REMOVE_JOB, 1, number);
	return database_do(db, SQL_REMOVE_JOB, NULL);
}

/* The first RESULT counts; one whose renditions were lost is void, so that they are made again. */
static enum status add_result(struct applying *a, struct catalog_change *change)
{
	const struct catalog_result *result = change->result;
	int64_t blobs[RENDITIONS_MAX];
	bool is_open = false;
	must(result->rendition_count <= RENDITIONS_MAX);
	change->is_void = true;
	enum status st = find_open(a->db, result->id, &change->image_number, &is_open);
	for (size_t i = 0; st == ST_OK && i < result->rendition_count; i++)
		st = find_blob(a->db, result->renditions[i].blob_id, &blobs[i]);
	if (st == ST_NOT_FOUND || (st == ST_OK && !is_open))
		return ST_OK;
	if (st == ST_OK)
		st = write_result(a->db, result, change->image_number, blobs);
	change->is_void = st != ST_OK;
	return st;
}

static enum status erase_image(struct applying *a, struct catalog_change *change)
{
	bool is_open;
	change->is_void = true;
	enum status st = find_open(a->db, change->erased_id, &change->image_number, &is_open);
	if (st != ST_OK)
		return st == ST_NOT_FOUND ? ST_OK : st;
	database_bind_i64(a->db, SQL_REMOVE_IMAGE, 1, change->image_number);
	change->is_void = false;
	return database_do(a->db, SQL_REMOVE_IMAGE, NULL);
}

static enum status apply_change(struct applying *a, struct catalog_change *change)
{
	change->image_number = 0;
	switch (change->kind) {
	case CATALOG_ADD_BLOB: return add_blob(a, change);
	case CATALOG_ADD_IMAGE: return add_image(a, change);
	case CATALOG_ADD_RESULT: return add_result(a, change);
	case CATALOG_ERASE_IMAGE: return erase_image(a, change);
	}
	must(change->kind <= CATALOG_ERASE_IMAGE);
	return ST_INVALID;
}

static enum status read_position(struct database *db, int store, struct catalog_position *out)
{
	*out = (struct catalog_position){ 0 };
	database_bind_i64(db, SQL_APPLIED, 1, store);
	enum status st = database_step(db, SQL_APPLIED);
	if (st == ST_OK) {
		out->segment = (uint32_t)database_i64(db, SQL_APPLIED, 0);
		out->offset = (uint32_t)database_i64(db, SQL_APPLIED, 1);
		out->sequence = (uint64_t)database_i64(db, SQL_APPLIED, 2);
	}
	database_reset(db, SQL_APPLIED);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status write_position(struct database *db, int store, struct catalog_position end)
{
	database_bind_i64(db, SQL_PUT_APPLIED, 1, store);
	database_bind_i64(db, SQL_PUT_APPLIED, 2, end.segment);
	database_bind_i64(db, SQL_PUT_APPLIED, 3, end.offset);
	database_bind_i64(db, SQL_PUT_APPLIED, 4, (int64_t)end.sequence);
	enum status st = database_do(db, SQL_PUT_APPLIED, NULL);
	if (st != ST_OK)
		return st;
	database_bind_i64(db, SQL_NOTE_SEGMENT, 1, store);
	database_bind_i64(db, SQL_NOTE_SEGMENT, 2, end.segment);
	return database_do(db, SQL_NOTE_SEGMENT, NULL);
}

static void skip(struct catalog_change *changes)
{
	for (struct catalog_change *change = changes; change; change = change->next) {
		change->is_void = true;
		change->image_number = 0;
	}
}

static enum status apply(struct applying *a, struct catalog_position end, struct catalog_change *changes)
{
	struct catalog_position before;
	enum status st = read_position(a->db, a->store, &before);
	if (st != ST_OK)
		return st;
	if (end.sequence <= before.sequence) {
		skip(changes);
		return ST_OK;
	}
	for (struct catalog_change *change = changes; st == ST_OK && change; change = change->next)
		st = apply_change(a, change);
	return st == ST_OK ? write_position(a->db, a->store, end) : st;
}

enum status catalog_apply(struct catalog *c, int store, struct catalog_position end,
	struct catalog_change *changes, int64_t now_ms)
{
	struct applying a = { .db = c->writer, .store = store, .now_ms = now_ms };
	must(store >= CATALOG_ORIGINALS && store <= CATALOG_PROCESSED);
	enum status st = catalog_begin(c);
	return st == ST_OK ? catalog_end(c, apply(&a, end, changes)) : st;
}

enum status catalog_applied(struct catalog *c, int store, struct catalog_position *out)
{
	struct database *db = NULL;
	enum status st = catalog_reader_acquire(c, false, &db);
	if (st != ST_OK)
		return st;
	st = read_position(db, store, out);
	catalog_reader_release(c, db);
	return st;
}
