/* catalog_row.c - a row of image as a struct, and back. */
#include "poison.h"

#include <string.h>

#include "catalog_private.h"

/* The order of IMAGE_COLUMNS in sql.def. */
enum {
	NUMBER,
	ID,
	COLLECTION,
	EPOCH,
	WIDTH,
	HEIGHT,
	STATE,
	FORMAT,
	SOURCE,
	REASON,
	BYTES,
	RECEIVED_AT,
	EXPIRES_AT,
	READY_AT,
	UPLOADER,
	IDEMPOTENCY,
	BLOB_ID,
	BLOB_NUMBER,
	BLOB_SEGMENT,
	BLOB_OFFSET,
	BLOB_LENGTH,
	SEGMENT,
	OFFSET,
	LENGTH,
	RESULT_SEGMENT,
	RESULT_OFFSET,
	RESULT_LENGTH,
	CAMERA,
	LENS,
	COLOUR,
	BLURHASH,
	EXPOSURE_S,
	APERTURE,
	FOCAL_MM,
	BRIGHTNESS,
	SHARPNESS,
	ISO,
	TAKEN_AT,
	HAS_GPS,
	ATTEMPTS,
	JOB_STATE,
	ADDRESS
};

static uint32_t number(struct database *db, int sql, int column)
{
	return (uint32_t)database_i64(db, sql, column);
}

static struct catalog_place place(struct database *db, int sql, int first)
{
	return (struct catalog_place){ number(db, sql, first), number(db, sql, first + 1),
		number(db, sql, first + 2) };
}

static int64_t time_or_none(struct database *db, int sql, int column)
{
	return database_is_null(db, sql, column) ? -1 : database_i64(db, sql, column);
}

static enum catalog_state state_of(struct span word)
{
	if (span_equal_text(word, "ready"))
		return CATALOG_READY;
	return span_equal_text(word, "failed") ? CATALOG_FAILED : CATALOG_RECEIVED;
}

static void read_meta(struct database *db, int sql, struct catalog_meta *out)
{
	database_copy_text(db, sql, CAMERA, out->camera, sizeof out->camera);
	database_copy_text(db, sql, LENS, out->lens, sizeof out->lens);
	database_copy_text(db, sql, COLOUR, out->colour, sizeof out->colour);
	database_copy_text(db, sql, BLURHASH, out->blurhash, sizeof out->blurhash);
	out->exposure_s = database_real(db, sql, EXPOSURE_S);
	out->aperture = database_real(db, sql, APERTURE);
	out->focal_mm = database_real(db, sql, FOCAL_MM);
	out->brightness = database_real(db, sql, BRIGHTNESS);
	out->sharpness = database_real(db, sql, SHARPNESS);
	out->iso = number(db, sql, ISO);
	out->taken_at = time_or_none(db, sql, TAKEN_AT);
	out->has_gps = database_i64(db, sql, HAS_GPS) != 0;
}

static void read_numbers(struct database *db, int sql, struct catalog_image *out)
{
	out->number = database_i64(db, sql, NUMBER);
	out->collection = number(db, sql, COLLECTION);
	out->epoch = number(db, sql, EPOCH);
	out->width = number(db, sql, WIDTH);
	out->height = number(db, sql, HEIGHT);
	out->bytes = (uint64_t)database_i64(db, sql, BYTES);
	out->received_at = database_i64(db, sql, RECEIVED_AT);
	out->expires_at = database_i64(db, sql, EXPIRES_AT);
	out->ready_at = time_or_none(db, sql, READY_AT);
	out->blob_number = database_i64(db, sql, BLOB_NUMBER);
	out->blob_at = place(db, sql, BLOB_SEGMENT);
	out->record_at = place(db, sql, SEGMENT);
	out->result_at = place(db, sql, RESULT_SEGMENT);
	out->attempts = number(db, sql, ATTEMPTS);
	out->is_job_dead = span_equal_text(database_bytes(db, sql, JOB_STATE), "dead");
}

enum status catalog_row_image(struct database *db, int sql, struct catalog_image *out)
{
	memset(out, 0, sizeof *out);
	read_numbers(db, sql, out);
	read_meta(db, sql, &out->meta);
	out->state = state_of(database_bytes(db, sql, STATE));
	database_copy_text(db, sql, FORMAT, out->format, sizeof out->format);
	database_copy_text(db, sql, SOURCE, out->source, sizeof out->source);
	database_copy_text(db, sql, REASON, out->reason, sizeof out->reason);
	out->has_uploader = database_copy_bytes(db, sql, UPLOADER, out->uploader, sizeof out->uploader);
	out->has_idempotency =
		database_copy_bytes(db, sql, IDEMPOTENCY, out->idempotency, sizeof out->idempotency);
	out->has_address = database_copy_bytes(db, sql, ADDRESS, out->address, sizeof out->address);
	if (!database_copy_bytes(db, sql, ID, out->id, sizeof out->id))
		return ST_CORRUPT;
	return database_copy_bytes(db, sql, BLOB_ID, out->blob_id, sizeof out->blob_id) ? ST_OK : ST_CORRUPT;
}

enum status catalog_row_images(
	struct database *db, int sql, struct catalog_image *out, size_t max, size_t *count)
{
	enum status st = ST_OK;
	*count = 0;
	while (*count < max && (st = database_step(db, sql)) == ST_OK) {
		st = catalog_row_image(db, sql, &out[*count]);
		if (st != ST_OK)
			break;
		++*count;
	}
	database_reset(db, sql);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

static const char *text_or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static void bind_real_or_null(struct database *db, int sql, int index, double value)
{
	if (value > 0)
		database_bind_real(db, sql, index, value);
	else
		database_bind_null(db, sql, index);
}

void catalog_bind_meta(struct database *db, int sql, int first, const struct catalog_meta *meta)
{
	database_bind_text(db, sql, first, text_or_null(meta->camera));
	database_bind_text(db, sql, first + 1, text_or_null(meta->lens));
	database_bind_text(db, sql, first + 2, text_or_null(meta->colour));
	database_bind_text(db, sql, first + 3, text_or_null(meta->blurhash));
	bind_real_or_null(db, sql, first + 4, meta->exposure_s);
	bind_real_or_null(db, sql, first + 5, meta->aperture);
	bind_real_or_null(db, sql, first + 6, meta->focal_mm);
	if (meta->iso > 0)
		database_bind_i64(db, sql, first + 7, meta->iso);
	if (meta->taken_at >= 0)
		database_bind_i64(db, sql, first + 8, meta->taken_at);
	database_bind_i64(db, sql, first + 9, meta->has_gps);
	database_bind_real(db, sql, first + 10, meta->brightness);
	database_bind_real(db, sql, first + 11, meta->sharpness);
}

void catalog_put_numbers(struct buf *out, const uint32_t *numbers, size_t count)
{
	buf_put_byte(out, '[');
	for (size_t i = 0; i < count; i++)
		buf_printf(out, "%s%lu", i > 0 ? "," : "", (unsigned long)numbers[i]);
	buf_put_byte(out, ']');
}
