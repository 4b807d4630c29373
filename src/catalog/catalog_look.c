/* catalog_look.c - reading images, pages of them, and counts. */
#include "poison.h"

#include <string.h>

#include "catalog_private.h"
#include "limits.h"
#include "memory.h"
#include "must.h"
#include "num.h"

/* Steps once, reads the row, resets and gives the reader back. */
static enum status finish_one(struct catalog *c, struct database *db, int sql, struct catalog_image *out)
{
	enum status st = database_step(db, sql);
	if (st == ST_OK)
		st = catalog_row_image(db, sql, out);
	database_reset(db, sql);
	catalog_reader_release(c, db);
	return st;
}

enum status catalog_find_image(struct catalog *c, const uint8_t id[CATALOG_ID], struct catalog_image *out)
{
	struct database *db = NULL;
	enum status st = catalog_reader_acquire(c, true, &db);
	if (st != ST_OK)
		return st;
	database_bind_bytes(db, SQL_FIND_IMAGE, 1, id, CATALOG_ID);
	return finish_one(c, db, SQL_FIND_IMAGE, out);
}

enum status catalog_find_idempotency(struct catalog *c, const uint8_t hash[16], struct catalog_image *out)
{
	struct database *db = NULL;
	enum status st = catalog_reader_acquire(c, true, &db);
	if (st != ST_OK)
		return st;
	database_bind_bytes(db, SQL_FIND_KEY, 1, hash, 16);
	return finish_one(c, db, SQL_FIND_KEY, out);
}

enum status catalog_find_content(struct catalog *c, uint32_t collection, const uint8_t address[32],
	int64_t now_ms, struct catalog_image *out)
{
	struct database *db = NULL;
	if (!contents_may_have(c->contents, address))
		return ST_NOT_FOUND;
	enum status st = catalog_reader_acquire(c, true, &db);
	if (st != ST_OK)
		return st;
	database_bind_bytes(db, SQL_FIND_CONTENT, 1, address, 32);
	database_bind_i64(db, SQL_FIND_CONTENT, 2, collection);
	database_bind_i64(db, SQL_FIND_CONTENT, 3, now_ms);
	return finish_one(c, db, SQL_FIND_CONTENT, out);
}

enum status catalog_find_blob(
	struct catalog *c, const uint8_t blob_id[16], struct catalog_blob *out, int *store)
{
	enum { S = SQL_FIND_BLOB };
	struct database *db = NULL;
	enum status st = catalog_reader_acquire(c, true, &db);
	if (st != ST_OK)
		return st;
	memset(out, 0, sizeof *out);
	database_bind_bytes(db, S, 1, blob_id, 16);
	st = database_step(db, S);
	if (st == ST_OK) {
		memcpy(out->blob_id, blob_id, 16);
		*store = (int)database_i64(db, S, 0);
		out->collection = (uint32_t)database_i64(db, S, 1);
		out->has_address = database_copy_bytes(db, S, 2, out->address, sizeof out->address);
		out->bytes = (uint64_t)database_i64(db, S, 3);
		out->at = (struct catalog_place){ (uint32_t)database_i64(db, S, 4),
			(uint32_t)database_i64(db, S, 5), (uint32_t)database_i64(db, S, 6) };
	}
	database_reset(db, S);
	catalog_reader_release(c, db);
	return st;
}

static enum status read_rendition(struct database *db, struct catalog_rendition *out)
{
	enum { S = SQL_RENDITIONS };
	memset(out, 0, sizeof *out);
	database_copy_text(db, S, 0, out->name, sizeof out->name);
	database_copy_text(db, S, 1, out->format, sizeof out->format);
	out->width = (uint32_t)database_i64(db, S, 2);
	out->height = (uint32_t)database_i64(db, S, 3);
	out->bytes = (uint64_t)database_i64(db, S, 4);
	out->blob_at = (struct catalog_place){ (uint32_t)database_i64(db, S, 6),
		(uint32_t)database_i64(db, S, 7), (uint32_t)database_i64(db, S, 8) };
	return database_copy_bytes(db, S, 5, out->blob_id, sizeof out->blob_id) ? ST_OK : ST_CORRUPT;
}

enum status catalog_renditions(
	struct catalog *c, int64_t image_number, struct catalog_rendition out[RENDITIONS_MAX], size_t *count)
{
	struct database *db = NULL;
	enum status st = catalog_reader_acquire(c, true, &db);
	if (st != ST_OK)
		return st;
	*count = 0;
	database_bind_i64(db, SQL_RENDITIONS, 1, image_number);
	database_bind_i64(db, SQL_RENDITIONS, 2, RENDITIONS_MAX);
	while (*count < RENDITIONS_MAX && (st = database_step(db, SQL_RENDITIONS)) == ST_OK) {
		st = read_rendition(db, &out[*count]);
		if (st != ST_OK)
			break;
		++*count;
	}
	database_reset(db, SQL_RENDITIONS);
	catalog_reader_release(c, db);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

static const char *state_name(int state)
{
	static const char *const names[] = {
		[CATALOG_RECEIVED] = "received", [CATALOG_READY] = "ready", [CATALOG_FAILED] = "failed"
	};
	must(state <= CATALOG_FAILED);
	return state < 0 ? NULL : names[state];
}

static void bind_filter(struct database *db, int sql, const struct catalog_filter *f, const char *collections)
{
	bool has_cursor = f->before_received >= 0;
	int64_t to = f->received_to >= 0 ? f->received_to : INT64_MAX;
	/* The index is entered at one upper bound: the cursor's must be in it, or each page would walk all
	 * the ones before. */
	if (has_cursor && f->before_received < to)
		to = f->before_received + 1;
	database_bind_i64(db, sql, 2, f->received_from >= 0 ? f->received_from : INT64_MIN);
	database_bind_i64(db, sql, 3, to);
	database_bind_i64(db, sql, 4, has_cursor ? f->before_received : INT64_MAX);
	database_bind_i64(db, sql, 5, has_cursor ? f->before_number : INT64_MAX);
	database_bind_i64(db, sql, 6, f->now_ms);
	database_bind_text(db, sql, 7, f->format);
	database_bind_text(db, sql, 8, f->camera);
	database_bind_text(db, sql, 9, state_name(f->state));
	database_bind_i64(db, sql, 10, (int64_t)num_min(f->bytes_min, INT64_MAX));
	if (f->bytes_max > 0)
		database_bind_i64(db, sql, 11, (int64_t)num_min(f->bytes_max, INT64_MAX));
	database_bind_i64(db, sql, 12, f->width_min);
	database_bind_i64(db, sql, 13, f->height_min);
	database_bind_text(db, sql, 14, collections);
	database_bind_i64(db, sql, 15, f->limit);
}

static enum status list(struct database *db, const struct catalog_filter *f, const char *collections,
	struct catalog_image *out, size_t *count)
{
	bool is_one = f->collections && f->collection_count == 1;
	int sql = is_one ? SQL_LIST_ONE : SQL_LIST;
	if (is_one)
		database_bind_i64(db, sql, 1, f->collections[0]);
	bind_filter(db, sql, f, is_one ? NULL : collections);
	return catalog_row_images(db, sql, out, f->limit, count);
}

/* The array that json_each() takes; NULL when every collection is meant. */
static const char *collections_text(struct buf *b, const uint32_t *collections, size_t count)
{
	if (!collections)
		return NULL;
	catalog_put_numbers(b, collections, count);
	return buf_text(b);
}

enum status catalog_list(
	struct catalog *c, const struct catalog_filter *f, struct catalog_image **out, size_t *count)
{
	struct database *db = NULL;
	struct catalog_image *images = NULL;
	struct buf text;
	must(f->limit <= PAGE_ROWS_MAX);
	*out = NULL;
	*count = 0;
	buf_init(&text, COLLECTIONS_MAX * 12);
	const char *collections = collections_text(&text, f->collections, f->collection_count);
	enum status st = buf_status(&text);
	if (st != ST_OK)
		goto out;
	st = ST_FULL;
	images = memory_alloc_array(f->limit > 0 ? f->limit : 1, sizeof *images);
	if (!images)
		goto out;
	st = catalog_reader_acquire(c, true, &db);
	if (st != ST_OK)
		goto out;
	st = list(db, f, collections, images, count);
	catalog_reader_release(c, db);
	if (st == ST_OK) {
		*out = images;
		images = NULL;
	}
out:
	memory_free(images);
	buf_fini(&text);
	return st;
}

static enum status read_stats(struct database *db, struct catalog_stats *out)
{
	enum { S = SQL_STATS };
	enum status st = database_step(db, S);
	if (st != ST_OK)
		return st == ST_NOT_FOUND ? ST_CORRUPT : st;
	out->images = database_i64(db, S, 0);
	out->ready = database_i64(db, S, 1);
	out->failed = database_i64(db, S, 2);
	out->received = out->images - out->ready - out->failed;
	out->bytes = database_i64(db, S, 3);
	out->blob_bytes = database_i64(db, S, 4);
	out->jobs_queued = database_i64(db, S, 5);
	out->jobs_dead = database_i64(db, S, 6);
	out->oldest_received_at = database_is_null(db, S, 7) ? -1 : database_i64(db, S, 7);
	out->next_expires_at = database_is_null(db, S, 8) ? -1 : database_i64(db, S, 8);
	return ST_OK;
}

enum status catalog_stats(struct catalog *c, const uint32_t *collections, size_t collection_count,
	int64_t now_ms, struct catalog_stats *out)
{
	struct database *db = NULL;
	struct buf text;
	buf_init(&text, COLLECTIONS_MAX * 12);
	const char *list_text = collections_text(&text, collections, collection_count);
	enum status st = buf_status(&text);
	if (st == ST_OK)
		st = catalog_reader_acquire(c, true, &db);
	if (st == ST_OK) {
		database_bind_text(db, SQL_STATS, 1, list_text);
		database_bind_i64(db, SQL_STATS, 2, now_ms);
		database_bind_i64(db, SQL_STATS, 3, now_ms / EPOCH_MS + 1);
		st = read_stats(db, out);
		database_reset(db, SQL_STATS);
		catalog_reader_release(c, db);
	}
	buf_fini(&text);
	return st;
}

enum status catalog_walk(
	struct catalog *c, int64_t after_number, struct catalog_image *out, size_t max, size_t *count)
{
	struct database *db = NULL;
	enum status st = catalog_reader_acquire(c, false, &db);
	if (st != ST_OK)
		return st;
	database_bind_i64(db, SQL_WALK, 1, after_number);
	database_bind_i64(db, SQL_WALK, 2, (int64_t)num_min(max, INT64_MAX));
	st = catalog_row_images(db, SQL_WALK, out, max, count);
	catalog_reader_release(c, db);
	return st;
}
