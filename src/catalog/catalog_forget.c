/* catalog_forget.c - rows leave, and what they left behind: unused blobs, dead bodies, empty segments. */
#include "poison.h"

#include "catalog_private.h"
#include "limits.h"
#include "must.h"
#include "text.h"

/* Blobs that one round may take: an image's own and its renditions' each. */
enum { UNUSED_PER_ROUND = PURGE_ROWS_BATCH * (1 + RENDITIONS_MAX), PIN_TEXT = 16 * 2 + 3 };

/* A JSON array of upper-case hex, as SQLite's hex() writes it. */
static void put_pins(struct buf *out, const uint8_t (*pins)[16], size_t count)
{
	buf_put_byte(out, '[');
	for (size_t i = 0; i < count; i++) {
		buf_put_text(out, i > 0 ? ",\"" : "\"");
		for (size_t k = 0; k < sizeof *pins; k++)
			buf_printf(out, "%02X", pins[i][k]);
		buf_put_byte(out, '"');
	}
	buf_put_byte(out, ']');
}

static enum status forget_unused(struct database *db, const char *pins, int64_t *forgotten)
{
	database_bind_text(db, SQL_FORGET_UNUSED, 1, pins);
	database_bind_i64(db, SQL_FORGET_UNUSED, 2, UNUSED_PER_ROUND);
	return database_do(db, SQL_FORGET_UNUSED, forgotten);
}

static enum status forget(
	struct database *db, uint32_t last, uint32_t limit, const char *pins, int64_t *forgotten)
{
	int64_t blobs;
	database_bind_i64(db, SQL_FORGET, 1, last);
	database_bind_i64(db, SQL_FORGET, 2, limit);
	enum status st = database_do(db, SQL_FORGET, forgotten);
	return st == ST_OK ? forget_unused(db, pins, &blobs) : st;
}

enum status catalog_forget(struct catalog *c, uint32_t last, uint32_t limit, const uint8_t (*pins)[16],
	size_t pin_count, uint64_t *forgotten)
{
	struct buf text;
	int64_t count = 0;
	*forgotten = 0;
	buf_init(&text, (pin_count + 1) * PIN_TEXT);
	put_pins(&text, pins, pin_count);
	enum status st = buf_ok(&text) ? catalog_begin(c) : ST_FULL;
	if (st == ST_OK)
		st = catalog_end(c, forget(c->writer, last, limit, buf_text(&text), &count));
	if (st == ST_OK)
		*forgotten = (uint64_t)count;
	buf_fini(&text);
	return st;
}

enum status catalog_forget_unused(
	struct catalog *c, const uint8_t (*pins)[16], size_t pin_count, uint64_t *forgotten)
{
	struct buf text;
	int64_t count = 0;
	*forgotten = 0;
	buf_init(&text, (pin_count + 1) * PIN_TEXT);
	put_pins(&text, pins, pin_count);
	enum status st = buf_ok(&text) ? catalog_begin(c) : ST_FULL;
	if (st == ST_OK)
		st = catalog_end(c, forget_unused(c->writer, buf_text(&text), &count));
	if (st == ST_OK)
		*forgotten = (uint64_t)count;
	buf_fini(&text);
	return st;
}

enum status catalog_count_epochs(
	struct catalog *c, uint32_t last, struct catalog_epoch_count *out, size_t max, size_t *count)
{
	struct database *db = NULL;
	enum status st = catalog_reader_acquire(c, false, &db);
	if (st != ST_OK)
		return st;
	*count = 0;
	database_bind_i64(db, SQL_COUNT_EPOCHS, 1, last);
	database_bind_i64(db, SQL_COUNT_EPOCHS, 2, (int64_t)max);
	while (*count < max && (st = database_step(db, SQL_COUNT_EPOCHS)) == ST_OK) {
		out[*count].epoch = (uint32_t)database_i64(db, SQL_COUNT_EPOCHS, 0);
		out[*count].images = (uint64_t)database_i64(db, SQL_COUNT_EPOCHS, 1);
		++*count;
	}
	database_reset(db, SQL_COUNT_EPOCHS);
	catalog_reader_release(c, db);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status catalog_dead_bodies(struct catalog *c, struct catalog_dead *out, size_t max, size_t *count)
{
	struct database *db = NULL;
	enum status st = catalog_reader_acquire(c, true, &db);
	if (st != ST_OK)
		return st;
	*count = 0;
	database_bind_i64(db, SQL_DEAD_BODIES, 1, (int64_t)max);
	while (*count < max && (st = database_step(db, SQL_DEAD_BODIES)) == ST_OK) {
		struct catalog_dead *dead = &out[(*count)++];
		dead->store = (int)database_i64(db, SQL_DEAD_BODIES, 0);
		dead->at.segment = (uint32_t)database_i64(db, SQL_DEAD_BODIES, 1);
		dead->at.offset = (uint32_t)database_i64(db, SQL_DEAD_BODIES, 2);
		dead->at.length = (uint32_t)database_i64(db, SQL_DEAD_BODIES, 3);
	}
	database_reset(db, SQL_DEAD_BODIES);
	catalog_reader_release(c, db);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status catalog_body_punched(struct catalog *c, int store, struct catalog_place at)
{
	enum status st = catalog_begin(c);
	if (st != ST_OK)
		return st;
	database_bind_i64(c->writer, SQL_BODY_PUNCHED, 1, store);
	database_bind_i64(c->writer, SQL_BODY_PUNCHED, 2, at.segment);
	database_bind_i64(c->writer, SQL_BODY_PUNCHED, 3, at.offset);
	return catalog_end(c, database_do(c->writer, SQL_BODY_PUNCHED, NULL));
}

enum status catalog_empty_segments(
	struct catalog *c, int store, uint32_t below, uint32_t *out, size_t max, size_t *count)
{
	struct database *db = NULL;
	enum status st = catalog_reader_acquire(c, true, &db);
	if (st != ST_OK)
		return st;
	*count = 0;
	database_bind_i64(db, SQL_EMPTY_SEGMENTS, 1, store);
	database_bind_i64(db, SQL_EMPTY_SEGMENTS, 2, below);
	database_bind_i64(db, SQL_EMPTY_SEGMENTS, 3, (int64_t)max);
	while (*count < max && (st = database_step(db, SQL_EMPTY_SEGMENTS)) == ST_OK)
		out[(*count)++] = (uint32_t)database_i64(db, SQL_EMPTY_SEGMENTS, 0);
	database_reset(db, SQL_EMPTY_SEGMENTS);
	catalog_reader_release(c, db);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status drop_segment(struct database *db, int store, uint32_t segment)
{
	database_bind_i64(db, SQL_DROP_SEGMENT, 1, store);
	database_bind_i64(db, SQL_DROP_SEGMENT, 2, segment);
	enum status st = database_do(db, SQL_DROP_SEGMENT, NULL);
	if (st != ST_OK)
		return st;
	database_bind_i64(db, SQL_DROP_BODIES, 1, store);
	database_bind_i64(db, SQL_DROP_BODIES, 2, segment);
	return database_do(db, SQL_DROP_BODIES, NULL);
}

enum status catalog_segment_dropped(struct catalog *c, int store, uint32_t segment)
{
	enum status st = catalog_begin(c);
	return st == ST_OK ? catalog_end(c, drop_segment(c->writer, store, segment)) : st;
}

enum status catalog_segment_is_used(struct catalog *c, int store, uint32_t segment, bool *out)
{
	struct database *db = NULL;
	enum status st = catalog_reader_acquire(c, true, &db);
	if (st != ST_OK)
		return st;
	*out = false;
	database_bind_i64(db, SQL_SEGMENT_ROWS, 1, store);
	database_bind_i64(db, SQL_SEGMENT_ROWS, 2, segment);
	st = database_step(db, SQL_SEGMENT_ROWS);
	if (st == ST_OK)
		*out = database_i64(db, SQL_SEGMENT_ROWS, 0) > 0;
	database_reset(db, SQL_SEGMENT_ROWS);
	catalog_reader_release(c, db);
	return st == ST_NOT_FOUND ? ST_OK : st;
}
