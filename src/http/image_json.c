/* image_json.c - writes image records. */
#include "poison.h"

#include "image_json.h"

#include <stdio.h>

const char *image_state_text(enum catalog_state state)
{
	static const char *const texts[] = {
		[CATALOG_RECEIVED] = "received", [CATALOG_READY] = "ready", [CATALOG_FAILED] = "failed"
	};
	return texts[state];
}

static void id_text(const struct catalog_image *image, char out[IMAGE_ID_TEXT + 1])
{
	struct image_id id;
	memcpy(id.bytes, image->id, sizeof id.bytes);
	image_id_text(&id, out);
}

/* Absent values are left out rather than shown as zero. */
static void put_real(struct json_writer *w, const char *key, double value)
{
	if (value > 0)
		json_put_real(w, key, value);
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	if (text[0])
		json_put_text(w, key, span_of(text));
}

static void put_meta(struct json_writer *w, const struct catalog_meta *m)
{
	json_begin_object(w, "meta");
	put_text(w, "camera", m->camera);
	put_text(w, "lens", m->lens);
	put_real(w, "exposure_s", m->exposure_s);
	put_real(w, "aperture", m->aperture);
	put_real(w, "focal_mm", m->focal_mm);
	if (m->iso)
		json_put_i64(w, "iso", m->iso);
	if (m->taken_at >= 0)
		json_put_time(w, "taken_at", m->taken_at);
	json_put_bool(w, "has_gps", m->has_gps);
	put_text(w, "dominant_colour", m->colour);
	json_put_real(w, "brightness", m->brightness);
	json_put_real(w, "sharpness", m->sharpness);
	put_text(w, "blurhash", m->blurhash);
	json_end_object(w);
}

static void put_link(struct json_writer *w, const char *name, const char *id, const char *rest)
{
	char path[128];
	(void)snprintf(path, sizeof path, "/v1/images/%s%s", id, rest);
	json_put_text(w, name, span_of(path));
}

static void put_rendition(struct json_writer *w, const struct catalog_rendition *r, const char *id)
{
	char rest[sizeof "/renditions/" + sizeof r->name];
	(void)snprintf(rest, sizeof rest, "/renditions/%.*s", RENDITION_NAME_MAX, r->name);
	json_begin_object(w, NULL);
	json_put_text(w, "name", span_of(r->name));
	json_put_text(w, "format", span_of(r->format));
	json_put_i64(w, "width", r->width);
	json_put_i64(w, "height", r->height);
	json_put_i64(w, "bytes", (int64_t)r->bytes);
	put_link(w, "href", id, rest);
	json_end_object(w);
}

static enum status put_renditions(
	struct request *rq, struct json_writer *w, const struct catalog_image *image, const char *id)
{
	struct catalog_rendition rows[RENDITIONS_MAX];
	size_t count = 0;
	enum status st = catalog_renditions(rq->services->catalog, image->number, rows, &count);
	json_begin_array(w, "renditions");
	for (size_t i = 0; st == ST_OK && i < count; i++)
		put_rendition(w, &rows[i], id);
	json_end_array(w);
	return st;
}

/* What is sealed is shown only to who may read the original anyway. */
static enum status put_private(struct request *rq, struct json_writer *w, const struct catalog_image *image)
{
	struct fetch_private sealed;
	if (!access_may(&rq->caller, PERM_ORIGINAL_READ))
		return ST_OK;
	enum status st = fetch_private(rq->services->fetch, image, &sealed);
	if (st != ST_OK)
		return st;
	json_begin_object(w, "private");
	put_text(w, "file_name", sealed.person.file_name);
	put_text(w, "uploader", sealed.person.uploader);
	if (buf_span(&sealed.private_json).len > 0)
		json_put_raw(w, "sealed_meta", buf_span(&sealed.private_json));
	json_end_object(w);
	fetch_private_fini(&sealed);
	return ST_OK;
}

static void put_row(
	struct json_writer *w, const struct catalog_image *image, const char *id, const char *collection)
{
	json_put_text(w, "id", span_of(id));
	json_put_text(w, "collection", span_of(collection));
	json_put_text(w, "state", span_of(image_state_text(image->state)));
	json_put_text(w, "format", span_of(image->format));
	json_put_i64(w, "width", image->width);
	json_put_i64(w, "height", image->height);
	json_put_i64(w, "bytes", (int64_t)image->bytes);
	json_put_time(w, "received_at", image->received_at);
	json_put_time(w, "expires_at", image->expires_at);
	if (image->ready_at >= 0)
		json_put_time(w, "ready_at", image->ready_at);
	if (image->reason[0])
		json_put_text(w, "reason", span_of(image->reason));
	if (image->state == CATALOG_RECEIVED && image->attempts > 0)
		json_put_i64(w, "attempts", image->attempts);
}

enum status image_json_put(struct request *rq, struct json_writer *w, const char *key,
	const struct catalog_image *image, bool is_whole)
{
	char id[IMAGE_ID_TEXT + 1];
	struct access_collection collection;
	enum status st = access_collection_by_number(rq->services->access, image->collection, &collection);
	if (st != ST_OK)
		return st;
	id_text(image, id);
	json_begin_object(w, key);
	put_row(w, image, id, collection.row.name);
	access_collection_wipe(&collection);
	if (image->state == CATALOG_READY)
		put_meta(w, &image->meta);
	if (is_whole)
		st = put_renditions(rq, w, image, id);
	if (st == ST_OK && is_whole)
		st = put_private(rq, w, image);
	json_begin_object(w, "links");
	put_link(w, "self", id, "");
	put_link(w, "original", id, "/original");
	if (image->state == CATALOG_READY) {
		put_link(w, "thumb", id, "/renditions/thumb");
		put_link(w, "preview", id, "/renditions/preview");
	}
	json_end_object(w);
	json_end_object(w);
	return st;
}
