/* commit_compare.c - whether a row of the catalog says what its record says, field by field. */
#include "poison.h"

#include "inside.h"

#include <string.h>

#define SAME(a, b) (memcmp((a), (b), sizeof(a)) == 0)

/* The fields in which an IMAGE and its row may never differ; the first that does, by its column. */
const char *commit_compare_image(const struct catalog_image *row, const struct catalog_image *record)
{
	const struct {
		const char *column;
		bool is_same;
	} fields[] = {
		{ "collection", row->collection == record->collection },
		{ "epoch", row->epoch == record->epoch },
		{ "format", strcmp(row->format, record->format) == 0 },
		{ "bytes", row->bytes == record->bytes },
		{ "received_at", row->received_at == record->received_at },
		{ "expires_at", row->expires_at == record->expires_at },
		{ "source", strcmp(row->source, record->source) == 0 },
		{ "uploader", row->has_uploader == record->has_uploader && SAME(row->uploader, record->uploader) },
		{ "idempotency", row->has_idempotency == record->has_idempotency &&
					 SAME(row->idempotency, record->idempotency) },
		{ "blob", SAME(row->blob_id, record->blob_id) },
		{ "address", row->has_address && SAME(row->address, record->address) },
		/* A good RESULT turns the picture upright. */
		{ "width and height", row->state == CATALOG_READY || (row->width == record->width &&
									     row->height == record->height) },
		{ "state", (row->state == CATALOG_RECEIVED) == (row->ready_at < 0) },
	};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (!fields[i].is_same)
			return fields[i].column;
	return NULL;
}

static const char *compare_meta(const struct catalog_meta *row, const struct catalog_meta *record)
{
	const struct {
		const char *column;
		bool is_same;
	} fields[] = {
		{ "camera", strcmp(row->camera, record->camera) == 0 },
		{ "lens", strcmp(row->lens, record->lens) == 0 },
		{ "colour", strcmp(row->colour, record->colour) == 0 },
		{ "blurhash", strcmp(row->blurhash, record->blurhash) == 0 },
		{ "exposure_s", row->exposure_s == record->exposure_s },
		{ "aperture", row->aperture == record->aperture },
		{ "focal_mm", row->focal_mm == record->focal_mm },
		{ "brightness", row->brightness == record->brightness },
		{ "sharpness", row->sharpness == record->sharpness },
		{ "iso", row->iso == record->iso },
		{ "taken_at", row->taken_at == record->taken_at },
		{ "has_gps", row->has_gps == record->has_gps },
	};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (!fields[i].is_same)
			return fields[i].column;
	return NULL;
}

static const char *compare_rendition(
	const struct catalog_rendition *row, const struct catalog_rendition *record)
{
	bool is_same = strcmp(row->format, record->format) == 0 && row->width == record->width &&
		       row->height == record->height && row->bytes == record->bytes &&
		       SAME(row->blob_id, record->blob_id);
	return is_same ? NULL : "rendition";
}

/* Rows come by name, a RESULT's as they were made. */
static const char *compare_renditions(
	const struct catalog_rendition *rows, size_t count, const struct catalog_result *record)
{
	if (count != record->rendition_count)
		return "renditions";
	for (size_t i = 0; i < count; i++) {
		const char *differs = "renditions";
		for (size_t k = 0; k < count && differs; k++)
			if (strcmp(rows[i].name, record->renditions[k].name) == 0)
				differs = compare_rendition(&rows[i], &record->renditions[k]);
		if (differs)
			return "rendition";
	}
	return NULL;
}

const char *commit_compare_result(const struct catalog_image *row, const struct catalog_rendition *rows,
	size_t count, const struct catalog_result *record)
{
	if (row->state != (record->is_good ? CATALOG_READY : CATALOG_FAILED))
		return "state";
	if (row->ready_at != record->ready_at)
		return "ready_at";
	if (!record->is_good)
		return strcmp(row->reason, record->reason) == 0 ? NULL : "reason";
	if (row->width != record->width || row->height != record->height)
		return "width and height";
	const char *differs = compare_meta(&row->meta, &record->meta);
	return differs ? differs : compare_renditions(rows, count, record);
}
