/* access_json.c - keys and collections, from and to JSON. */
#include "poison.h"

#include "access_json.h"

#include "imaging.h"
#include "memory.h"

enum { COLLECTIONS_NAMED_MAX = 64 };

struct name_list {
	char text[COLLECTIONS_NAMED_MAX][COLLECTION_NAME_MAX + 1];
	const char *list[COLLECTIONS_NAMED_MAX + 1];
};

static void put_time_or_null(struct json_writer *w, const char *key, int64_t ms)
{
	if (ms < 0)
		json_put_null(w, key);
	else
		json_put_time(w, key, ms);
}

void access_json_put_key(struct json_writer *w, const struct control_key *k)
{
	json_begin_object(w, NULL);
	json_put_text(w, "prefix", span_of(k->prefix));
	json_put_text(w, "principal", span_of(k->principal));
	json_put_text(w, "role", span_of(k->role));
	json_put_bool(w, "all_collections", k->is_for_all_collections);
	json_begin_array(w, "collection_numbers");
	for (size_t i = 0; i < k->collection_count; i++)
		json_put_i64(w, NULL, k->collections[i]);
	json_end_array(w);
	json_put_time(w, "created_at", k->created_at);
	put_time_or_null(w, "expires_at", k->expires_at);
	put_time_or_null(w, "revoked_at", k->revoked_at);
	put_time_or_null(w, "last_used_at", k->last_used_at);
	json_end_object(w);
}

void access_json_put_collection(struct json_writer *w, const char *key, const struct control_collection *row)
{
	json_begin_object(w, key);
	json_put_i64(w, "number", row->number);
	json_put_text(w, "name", span_of(row->name));
	json_put_i64(w, "retention_s", row->retention_ms / 1000);
	json_begin_array(w, "formats");
	for (int f = IMAGE_FORMAT_NONE + 1; f < IMAGE_FORMAT_COUNT; f++)
		if (row->formats & UINT32_C(1) << f)
			json_put_text(w, NULL, span_of(imaging_format_text((enum image_format)f)));
	json_end_array(w);
	json_put_time(w, "created_at", row->created_at);
	json_put_bool(w, "removed", row->is_removed);
	json_end_object(w);
}

enum status access_json_read_formats(const struct json *array, uint32_t *out)
{
	*out = 0;
	if (!array)
		return ST_OK;
	if (!json_is_array(array))
		return ST_INVALID;
	for (size_t i = 0; i < json_count(array); i++) {
		struct span name;
		if (json_text(json_at(array, i), &name) != ST_OK)
			return ST_INVALID;
		enum image_format f = imaging_format_of(name);
		if (f == IMAGE_FORMAT_NONE)
			return ST_INVALID;
		*out |= UINT32_C(1) << f;
	}
	return ST_OK;
}

static enum status read_names(const struct json *array, struct name_list *out)
{
	size_t count = json_count(array);
	if (!json_is_array(array) || count > COLLECTIONS_NAMED_MAX)
		return ST_INVALID;
	for (size_t i = 0; i < count; i++) {
		struct span name;
		if (json_text(json_at(array, i), &name) != ST_OK ||
			span_to_text(name, out->text[i], sizeof out->text[i]) != ST_OK)
			return ST_INVALID;
		out->list[i] = out->text[i];
	}
	out->list[count] = NULL;
	return ST_OK;
}

static enum status make_named(
	struct access *a, const struct access_new_key *in, struct json_writer *w, const char **why)
{
	char key[ACCESS_KEY_TEXT + 1];
	enum status st = access_make_key(a, in, key);
	if (st == ST_INVALID)
		*why = "the role is one of uploader, reader, analyst, engineer, auditor, admin; a "
			"principal's name is 1 to 63 "
		       "bytes of UTF-8 without control characters";
	if (st == ST_NOT_FOUND)
		*why = "there is no collection of that name";
	if (st == ST_OK) {
		json_put_text(w, "key", span_of(key));
		json_put_text(w, "principal", span_of(in->principal));
		json_put_text(w, "role", span_of(in->role));
	}
	memory_wipe(key, sizeof key);
	return st;
}

enum status access_json_make_key(
	struct access *a, const struct json *request, struct json_writer *w, const char **why)
{
	struct span principal, role;
	char principal_text[PRINCIPAL_NAME_MAX + 1], role_text[16];
	struct name_list *names = NULL;
	struct access_new_key in = { .principal = principal_text, .role = role_text };
	const struct json *collections = json_get(request, "collections");
	*why = "a key needs \"principal\" and \"role\"";
	if (json_get_text(request, "principal", &principal) != ST_OK ||
		json_get_text(request, "role", &role) != ST_OK ||
		span_to_text(principal, principal_text, sizeof principal_text) != ST_OK ||
		span_to_text(role, role_text, sizeof role_text) != ST_OK)
		return ST_INVALID;
	*why = "\"valid_ms\" is how long the key is good, in ms";
	if (json_get_i64(request, "valid_ms", &in.valid_ms) == ST_INVALID || in.valid_ms < 0)
		return ST_INVALID;
	enum status st = ST_OK;
	if (collections) {
		*why = "\"collections\" is a list of at most 64 names";
		names = memory_alloc(sizeof *names);
		st = names ? read_names(collections, names) : ST_FULL;
		in.collections = names ? names->list : NULL;
	}
	if (st == ST_OK) {
		*why = NULL;
		st = make_named(a, &in, w, why);
	}
	memory_free(names);
	return st;
}

/* "retention_s" for people, "retention_ms" for programs.  NOT_FOUND: neither. */
static enum status read_retention(const struct json *request, int64_t *out)
{
	int64_t seconds = 0;
	enum status st = json_get_i64(request, "retention_ms", out);
	if (st != ST_NOT_FOUND)
		return st;
	st = json_get_i64(request, "retention_s", &seconds);
	if (st == ST_OK && (seconds < 0 || seconds > INT64_MAX / 1000))
		return ST_INVALID;
	if (st == ST_OK)
		*out = seconds * 1000;
	return st;
}

enum status access_json_make_collection(
	struct access *a, const struct json *request, struct control_collection *out, const char **why)
{
	struct access_new_collection in = { .retention_ms = 0 };
	*why = "a collection needs \"name\"; \"retention_s\" and \"formats\" are optional";
	enum status st = read_retention(request, &in.retention_ms);
	if (st == ST_OK && in.retention_ms <= 0)
		st = ST_INVALID;
	if (json_get_text(request, "name", &in.name) != ST_OK || st == ST_INVALID ||
		access_json_read_formats(json_get(request, "formats"), &in.formats) != ST_OK)
		return ST_INVALID;
	*why = NULL;
	return access_make_collection(a, &in, out, why);
}

enum status access_json_change_collection(
	struct access *a, const struct json *request, const struct control_collection *row, const char **why)
{
	int64_t retention_ms = row->retention_ms;
	uint32_t formats = 0;
	*why = "\"retention_s\" is a number, \"formats\" a list of formats";
	if (read_retention(request, &retention_ms) == ST_INVALID ||
		access_json_read_formats(json_get(request, "formats"), &formats) != ST_OK)
		return ST_INVALID;
	*why = NULL;
	return access_change_collection(a, row->number, retention_ms, formats ? formats : row->formats, why);
}
