/* catalog_counts.c - sums of counts, found by their few keys one after the other. */
#include "poison.h"

#include "catalog_counts.h"

#include <string.h>

#include "catalog_private.h"

enum { DAY_MS = 86400000 };

static enum status write_segment(struct database *db, const struct count_segment *s)
{
	database_bind_i64(db, SQL_COUNT_SEGMENT, 1, s->store);
	database_bind_i64(db, SQL_COUNT_SEGMENT, 2, s->number);
	database_bind_i64(db, SQL_COUNT_SEGMENT, 3, s->rows);
	return database_do(db, SQL_COUNT_SEGMENT, NULL);
}

static enum status write_tally(struct database *db, const struct count_tally *t)
{
	database_bind_i64(db, SQL_COUNT_TALLY, 1, t->collection);
	database_bind_i64(db, SQL_COUNT_TALLY, 2, t->images);
	database_bind_i64(db, SQL_COUNT_TALLY, 3, t->bytes);
	database_bind_i64(db, SQL_COUNT_TALLY, 4, t->blob_bytes);
	database_bind_i64(db, SQL_COUNT_TALLY, 5, t->jobs);
	return database_do(db, SQL_COUNT_TALLY, NULL);
}

static enum status write_day(struct database *db, const struct count_day *d)
{
	database_bind_i64(db, SQL_COUNT_DAY, 1, d->day);
	database_bind_i64(db, SQL_COUNT_DAY, 2, d->collection);
	database_bind_text(db, SQL_COUNT_DAY, 3, d->format);
	database_bind_i64(db, SQL_COUNT_DAY, 4, d->images);
	database_bind_i64(db, SQL_COUNT_DAY, 5, d->bytes);
	return database_do(db, SQL_COUNT_DAY, NULL);
}

enum status counts_write(struct counts *c)
{
	enum status st = ST_OK;
	for (size_t i = 0; st == ST_OK && i < c->segment_count; i++)
		st = write_segment(c->db, &c->segments[i]);
	for (size_t i = 0; st == ST_OK && i < c->tally_count; i++)
		st = write_tally(c->db, &c->tallies[i]);
	for (size_t i = 0; st == ST_OK && i < c->day_count; i++)
		st = write_day(c->db, &c->days[i]);
	c->segment_count = c->tally_count = c->day_count = 0;
	return st;
}

/* Room for one more sum of each kind, so that the finders below always find. */
static enum status make_room(struct counts *c)
{
	bool is_full = c->segment_count == COUNTS_MAX || c->tally_count == COUNTS_MAX ||
		       c->day_count == COUNTS_MAX;
	return is_full ? counts_write(c) : ST_OK;
}

static struct count_segment *find_segment(struct counts *c, int store, uint32_t number)
{
	for (size_t i = 0; i < c->segment_count; i++)
		if (c->segments[i].store == store && c->segments[i].number == number)
			return &c->segments[i];
	struct count_segment *s = &c->segments[c->segment_count++];
	*s = (struct count_segment){ .store = store, .number = number };
	return s;
}

static struct count_tally *find_tally(struct counts *c, uint32_t collection)
{
	for (size_t i = 0; i < c->tally_count; i++)
		if (c->tallies[i].collection == collection)
			return &c->tallies[i];
	struct count_tally *t = &c->tallies[c->tally_count++];
	*t = (struct count_tally){ .collection = collection };
	return t;
}

static struct count_day *find_day(struct counts *c, const struct catalog_image *image)
{
	int64_t day = image->received_at - image->received_at % DAY_MS;
	for (size_t i = 0; i < c->day_count; i++) {
		struct count_day *d = &c->days[i];
		if (d->day == day && d->collection == image->collection &&
			strcmp(d->format, image->format) == 0)
			return d;
	}
	struct count_day *d = &c->days[c->day_count++];
	*d = (struct count_day){ .day = day, .collection = image->collection };
	memcpy(d->format, image->format, sizeof d->format);
	return d;
}

enum status counts_add_blob(struct counts *c, int store, const struct catalog_blob *blob)
{
	enum status st = make_room(c);
	if (st != ST_OK)
		return st;
	find_segment(c, store, blob->at.segment)->rows++;
	find_tally(c, blob->collection)->blob_bytes += (int64_t)blob->bytes;
	return ST_OK;
}

enum status counts_add_image(struct counts *c, const struct catalog_image *image)
{
	enum status st = make_room(c);
	if (st != ST_OK)
		return st;
	find_segment(c, CATALOG_ORIGINALS, image->record_at.segment)->rows++;
	struct count_tally *tally = find_tally(c, image->collection);
	tally->images++;
	tally->jobs++;
	tally->bytes += (int64_t)image->bytes;
	struct count_day *day = find_day(c, image);
	day->images++;
	day->bytes += (int64_t)image->bytes;
	return ST_OK;
}
