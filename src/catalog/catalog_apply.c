/* catalog_apply.c - batches of the logs as one transaction.
 *
 * Everything is decided from the log alone, never from the time of day, so that a
 * replay comes to the same rows: an Idempotency-Key is taken if its first image was
 * alive when the later one was received.
 */
#include "poison.h"

#include <string.h>

#include "catalog_counts.h"
#include "catalog_private.h"
#include "log.h"
#include "must.h"

enum { WAITING_MAX = ENTRY_RECORDS_MAX };

/* A store's log: up to where it was applied, read when its first batch comes. */
struct applied_log {
	bool is_read, is_moved;
	struct catalog_position at;
};

struct applying {
	struct catalog *c;
	struct database *db;
	int64_t now_ms;
	int store; /* of the batch that is being applied */
	struct counts counts;
	struct applied_log logs[CATALOG_STORES]; /* by store number, less one */
	/* BLOBs whose IMAGE or RESULT stands right behind them: they go in with their count of uses right. */
	struct catalog_change *waiting[WAITING_MAX];
	size_t waiting_count;
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

static void bind_place(struct database *db, int sql, int first, struct catalog_place at)
{
	database_bind_i64(db, sql, first, at.segment);
	database_bind_i64(db, sql, first + 1, at.offset);
	database_bind_i64(db, sql, first + 2, at.length);
}

/* --- blobs --- */

static enum status find_blob(struct database *db, const uint8_t blob_id[16], int64_t *number)
{
	database_bind_bytes(db, SQL_BLOB_NUMBER, 1, blob_id, 16);
	return ask_number(db, SQL_BLOB_NUMBER, number);
}

static enum status change_uses(struct applying *a, int64_t number, int by)
{
	database_bind_i64(a->db, SQL_CHANGE_USES, 1, number);
	database_bind_i64(a->db, SQL_CHANGE_USES, 2, by);
	return database_do(a->db, SQL_CHANGE_USES, NULL);
}

/* Void, and without a number: its id is there. */
static enum status insert_blob(struct applying *a, struct catalog_change *change, int uses, int64_t *number)
{
	enum { S = SQL_ADD_BLOB };
	const struct catalog_blob *blob = change->blob;
	int64_t added = 0;
	database_bind_bytes(a->db, S, 1, blob->blob_id, sizeof blob->blob_id);
	database_bind_i64(a->db, S, 2, a->store);
	database_bind_i64(a->db, S, 3, blob->collection);
	if (blob->has_address)
		database_bind_bytes(a->db, S, 4, blob->address, sizeof blob->address);
	database_bind_i64(a->db, S, 5, (int64_t)blob->bytes);
	bind_place(a->db, S, 6, blob->at);
	database_bind_i64(a->db, S, 9, uses);
	enum status st = database_do(a->db, S, &added);
	change->is_void = added == 0;
	if (st != ST_OK || added == 0)
		return st;
	*number = database_last_number(a->db);
	return counts_add_blob(&a->counts, a->store, blob);
}

/* Those that nobody asked for: their image is destroyed, or void. */
static enum status settle_waiting(struct applying *a)
{
	enum status st = ST_OK;
	int64_t number;
	for (size_t i = 0; st == ST_OK && i < a->waiting_count; i++)
		if (a->waiting[i])
			st = insert_blob(a, a->waiting[i], 0, &number);
	a->waiting_count = 0;
	return st;
}

static enum status add_blob(struct applying *a, struct catalog_change *change)
{
	enum status st = a->waiting_count == WAITING_MAX ? settle_waiting(a) : ST_OK;
	if (st == ST_OK)
		a->waiting[a->waiting_count++] = change;
	return st;
}

static struct catalog_change *take_waiting(struct applying *a, const uint8_t blob_id[16])
{
	for (size_t i = 0; i < a->waiting_count; i++) {
		struct catalog_change *change = a->waiting[i];
		if (!change || memcmp(change->blob->blob_id, blob_id, 16) != 0)
			continue;
		a->waiting[i] = NULL;
		return change;
	}
	return NULL;
}

struct used_blob {
	int64_t number;
	bool has_address; /* for sure */
};

/* The blob has one use more.  NOT_FOUND: it is unknown. */
static enum status use_blob(struct applying *a, const uint8_t blob_id[16], struct used_blob *out)
{
	struct catalog_change *change = take_waiting(a, blob_id);
	enum status st = ST_OK;
	*out = (struct used_blob){ 0 };
	if (change) {
		out->has_address = change->blob->has_address;
		st = insert_blob(a, change, 1, &out->number);
		if (st != ST_OK || !change->is_void)
			return st;
		out->has_address = false;
	}
	st = find_blob(a->db, blob_id, &out->number);
	return st == ST_OK ? change_uses(a, out->number, 1) : st;
}

/* --- images --- */

/* OK: an earlier image, still alive then, has this key. */
static enum status find_first_of_key(
	struct database *db, const struct catalog_image *image, int64_t *number)
{
	if (!image->has_idempotency)
		return ST_NOT_FOUND;
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

/* Without effect if its id is there: then *number is of that one. */
static enum status insert_image(struct applying *a, const struct catalog_image *image, int64_t blob,
	bool *is_there, int64_t *number)
{
	int64_t added = 0;
	bind_image(a->db, image, blob);
	database_bind_i64(a->db, SQL_ADD_IMAGE, 17, a->c->next_number);
	enum status st = database_do(a->db, SQL_ADD_IMAGE, &added);
	*is_there = added == 0;
	if (st != ST_OK)
		return st;
	if (added > 0) {
		*number = a->c->next_number++;
		return counts_add_image(&a->counts, image);
	}
	st = change_uses(a, blob, -1);
	if (st != ST_OK)
		return st;
	database_bind_bytes(a->db, SQL_IMAGE_STATE, 1, image->id, sizeof image->id);
	st = ask_number(a->db, SQL_IMAGE_STATE, number);
	return st == ST_NOT_FOUND ? ST_OK : st; /* or the schema refused it */
}

static enum status add_job(struct applying *a, const struct catalog_image *image, int64_t number)
{
	database_bind_i64(a->db, SQL_ADD_JOB, 1, number);
	database_bind_i64(a->db, SQL_ADD_JOB, 2, image->collection);
	database_bind_i64(a->db, SQL_ADD_JOB, 3, a->now_ms);
	return database_do(a->db, SQL_ADD_JOB, NULL);
}

/* On a rebuild the image that came with the blob may be destroyed: then a later one tells its address. */
static enum status give_address(
	struct applying *a, struct used_blob blob, const struct catalog_image *image)
{
	if (!image->has_address || blob.has_address)
		return ST_OK;
	database_bind_i64(a->db, SQL_GIVE_ADDRESS, 1, blob.number);
	database_bind_bytes(a->db, SQL_GIVE_ADDRESS, 2, image->address, sizeof image->address);
	return database_do(a->db, SQL_GIVE_ADDRESS, NULL);
}

static enum status add_image(struct applying *a, struct catalog_change *change)
{
	const struct catalog_image *image = change->image;
	struct used_blob blob;
	bool is_there = false;
	change->is_void = true;
	enum status st = find_first_of_key(a->db, image, &change->image_number);
	if (st != ST_NOT_FOUND)
		return st;
	st = use_blob(a, image->blob_id, &blob);
	if (st != ST_OK)
		return st == ST_NOT_FOUND ? ST_OK : st;
	st = insert_image(a, image, blob.number, &is_there, &change->image_number);
	if (st != ST_OK || is_there)
		return st;
	change->is_void = false;
	st = give_address(a, blob, image);
	return st == ST_OK ? add_job(a, image, change->image_number) : st;
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
	struct applying *a, int64_t image, const struct catalog_rendition *r, int64_t blob)
{
	enum { S = SQL_ADD_RENDITION };
	int64_t added = 0;
	database_bind_i64(a->db, S, 1, image);
	database_bind_text(a->db, S, 2, r->name);
	database_bind_text(a->db, S, 3, r->format);
	database_bind_i64(a->db, S, 4, r->width);
	database_bind_i64(a->db, S, 5, r->height);
	database_bind_i64(a->db, S, 6, (int64_t)r->bytes);
	database_bind_i64(a->db, S, 7, blob);
	enum status st = database_do(a->db, S, &added);
	return st == ST_OK && added == 0 ? change_uses(a, blob, -1) : st;
}

static enum status write_result(struct applying *a, const struct catalog_result *result, int64_t number,
	const struct used_blob blobs[RENDITIONS_MAX])
{
	bind_result(a->db, result, number);
	enum status st = database_do(a->db, SQL_FINISH_IMAGE, NULL);
	for (size_t i = 0; st == ST_OK && i < result->rendition_count; i++)
		st = add_rendition(a, number, &result->renditions[i], blobs[i].number);
	if (st != ST_OK)
		return st;
	database_bind_i64(a->db, SQL_REMOVE_JOB, 1, number);
	return database_do(a->db, SQL_REMOVE_JOB, NULL);
}

/* All of a RESULT's blobs, or none: NOT_FOUND. */
static enum status use_blobs(
	struct applying *a, const struct catalog_result *result, struct used_blob blobs[RENDITIONS_MAX])
{
	size_t used = 0;
	enum status st = ST_OK;
	while (st == ST_OK && used < result->rendition_count) {
		st = use_blob(a, result->renditions[used].blob_id, &blobs[used]);
		used += st == ST_OK;
	}
	if (st != ST_NOT_FOUND)
		return st;
	for (size_t i = 0; i < used; i++) {
		enum status undone = change_uses(a, blobs[i].number, -1);
		if (undone != ST_OK)
			return undone;
	}
	return ST_NOT_FOUND;
}

/* The first RESULT counts; one whose renditions were lost is void, so that they are made again. */
static enum status add_result(struct applying *a, struct catalog_change *change)
{
	const struct catalog_result *result = change->result;
	struct used_blob blobs[RENDITIONS_MAX];
	bool is_open = false;
	must(result->rendition_count <= RENDITIONS_MAX);
	change->is_void = true;
	enum status st = find_open(a->db, result->id, &change->image_number, &is_open);
	if (st == ST_OK && is_open)
		st = use_blobs(a, result, blobs);
	if (st == ST_NOT_FOUND || (st == ST_OK && !is_open))
		return ST_OK;
	if (st == ST_OK)
		st = counts_write(&a->counts); /* triggers go on from there */
	if (st == ST_OK)
		st = write_result(a, result, change->image_number, blobs);
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
	st = counts_write(&a->counts);
	if (st != ST_OK)
		return st;
	database_bind_i64(a->db, SQL_REMOVE_IMAGE, 1, change->image_number);
	change->is_void = false;
	return database_do(a->db, SQL_REMOVE_IMAGE, NULL);
}

static enum status apply_change(struct applying *a, struct catalog_change *change)
{
	enum status st = ST_INVALID;
	change->image_number = 0;
	must(change->kind <= CATALOG_ERASE_IMAGE);
	switch (change->kind) {
	case CATALOG_ADD_BLOB: return add_blob(a, change);
	case CATALOG_ADD_IMAGE: st = add_image(a, change); break;
	case CATALOG_ADD_RESULT: st = add_result(a, change); break;
	case CATALOG_ERASE_IMAGE: st = erase_image(a, change); break;
	}
	return st == ST_OK ? settle_waiting(a) : st;
}

/* --- the log's position --- */

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

static enum status apply_batch(struct applying *a, const struct catalog_batch *batch)
{
	must(batch->store >= CATALOG_ORIGINALS && batch->store <= CATALOG_PROCESSED);
	struct applied_log *log = &a->logs[batch->store - 1];
	enum status st = log->is_read ? ST_OK : read_position(a->db, batch->store, &log->at);
	if (st != ST_OK)
		return st;
	log->is_read = true;
	if (batch->end.sequence <= log->at.sequence) {
		skip(batch->changes);
		return ST_OK;
	}
	log->is_moved = true;
	log->at = batch->end;
	a->store = batch->store;
	for (struct catalog_change *x = batch->changes; st == ST_OK && x; x = x->next)
		st = apply_change(a, x);
	return st == ST_OK ? settle_waiting(a) : st;
}

static enum status apply(struct applying *a, const struct catalog_batch *batches, size_t count)
{
	enum status st = ST_OK;
	for (size_t i = 0; st == ST_OK && i < count; i++)
		st = apply_batch(a, &batches[i]);
	if (st == ST_OK)
		st = counts_write(&a->counts);
	for (int i = 0; st == ST_OK && i < CATALOG_STORES; i++)
		if (a->logs[i].is_moved)
			st = write_position(a->db, i + 1, a->logs[i].at);
	return st;
}

/* Before the transaction, so that no lock is taken in a lock; too early or in vain does no harm. */
static void note_contents(struct catalog *c, const struct catalog_batch *batches, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (const struct catalog_change *x = batches[i].changes; x; x = x->next)
			if (x->kind == CATALOG_ADD_IMAGE && x->image->has_address)
				contents_add(c->contents, x->image->address, x->image->received_at);
}

enum status catalog_apply(
	struct catalog *c, const struct catalog_batch *batches, size_t count, int64_t now_ms)
{
	struct applying a = {
		.c = c, .db = c->writer, .now_ms = now_ms, .counts = { .db = c->writer }
	};
	note_contents(c, batches, count);
	enum status st = catalog_begin(c);
	return st == ST_OK ? catalog_end(c, apply(&a, batches, count)) : st;
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
