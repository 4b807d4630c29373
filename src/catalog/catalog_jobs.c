/* catalog_jobs.c - work on images: claimed under a lease, failed, due. */
#include "poison.h"

#include "catalog_private.h"

/* The image of the next job due; NOT_FOUND. */
static enum status next_job(struct database *db, int64_t now_ms, int64_t *image)
{
	database_bind_i64(db, SQL_NEXT_JOB, 1, now_ms);
	enum status st = database_step(db, SQL_NEXT_JOB);
	if (st == ST_OK)
		*image = database_i64(db, SQL_NEXT_JOB, 0);
	database_reset(db, SQL_NEXT_JOB);
	return st;
}

static enum status claim(struct database *db, int64_t now_ms, int64_t lease_until_ms, struct catalog_job *out)
{
	enum status st = next_job(db, now_ms, &out->image_number);
	if (st != ST_OK)
		return st;
	database_bind_i64(db, SQL_CLAIM_JOB, 1, out->image_number);
	database_bind_i64(db, SQL_CLAIM_JOB, 2, lease_until_ms);
	st = database_do(db, SQL_CLAIM_JOB, NULL);
	if (st != ST_OK)
		return st;
	database_bind_i64(db, SQL_FIND_NUMBER, 1, out->image_number);
	st = database_step(db, SQL_FIND_NUMBER);
	if (st == ST_OK)
		st = catalog_row_image(db, SQL_FIND_NUMBER, &out->image);
	else if (st == ST_NOT_FOUND)
		st = ST_CORRUPT; /* a job without an image */
	database_reset(db, SQL_FIND_NUMBER);
	out->attempts = out->image.attempts;
	return st;
}

enum status catalog_claim_job(
	struct catalog *c, int64_t now_ms, int64_t lease_until_ms, struct catalog_job *out)
{
	enum status st = catalog_begin(c);
	return st == ST_OK ? catalog_end(c, claim(c->writer, now_ms, lease_until_ms, out)) : st;
}

enum status catalog_release_jobs(struct catalog *c)
{
	enum status st = catalog_begin(c);
	return st == ST_OK ? catalog_end(c, database_do(c->writer, SQL_RELEASE_JOBS, NULL)) : st;
}

enum status catalog_fail_job(
	struct catalog *c, int64_t image_number, const char *reason, int64_t next_at_ms, bool is_dead)
{
	enum status st = catalog_begin(c);
	if (st != ST_OK)
		return st;
	database_bind_i64(c->writer, SQL_FAIL_JOB, 1, image_number);
	database_bind_text(c->writer, SQL_FAIL_JOB, 2, is_dead ? "dead" : "queued");
	database_bind_text(c->writer, SQL_FAIL_JOB, 3, reason);
	database_bind_i64(c->writer, SQL_FAIL_JOB, 4, next_at_ms);
	return catalog_end(c, database_do(c->writer, SQL_FAIL_JOB, NULL));
}

enum status catalog_put_off_job(struct catalog *c, int64_t image_number, int64_t next_at_ms)
{
	enum status st = catalog_begin(c);
	if (st != ST_OK)
		return st;
	database_bind_i64(c->writer, SQL_PUT_OFF_JOB, 1, image_number);
	database_bind_i64(c->writer, SQL_PUT_OFF_JOB, 2, next_at_ms);
	return catalog_end(c, database_do(c->writer, SQL_PUT_OFF_JOB, NULL));
}

enum status catalog_next_job_at(struct catalog *c, int64_t *out)
{
	struct database *db = NULL;
	enum status st = catalog_reader_acquire(c, true, &db);
	if (st != ST_OK)
		return st;
	*out = -1;
	st = database_step(db, SQL_NEXT_JOB_AT);
	if (st == ST_OK)
		*out = database_i64(db, SQL_NEXT_JOB_AT, 0);
	database_reset(db, SQL_NEXT_JOB_AT);
	catalog_reader_release(c, db);
	return st == ST_NOT_FOUND ? ST_OK : st;
}
