/* access_json.h - keys and collections as JSON, for the API and the administration socket alike. */
#ifndef DARKROOM_ACCESS_JSON_H
#define DARKROOM_ACCESS_JSON_H

#include "access.h"
#include "json.h"

void access_json_put_key(struct json_writer *w, const struct control_key *key);
void access_json_put_collection(struct json_writer *w, const char *key, const struct control_collection *row);

/* A list of format names to their bits; NULL gives 0 (all).  INVALID: not such a list. */
enum status access_json_read_formats(const struct json *array, uint32_t *out) MUST_CHECK;

/* Makes a key from {"principal", "role", "collections"?, "valid_ms"?} and puts {"key", "principal",
 * "role"} members. Not OK: *why is a constant sentence or NULL. */
enum status access_json_make_key(
	struct access *a, const struct json *request, struct json_writer *w, const char **why) MUST_CHECK;

/* Makes a collection from {"name", "retention_ms"?, "retention_s"?, "formats"?}. */
enum status access_json_make_collection(struct access *a, const struct json *request,
	struct control_collection *out, const char **why) MUST_CHECK;

/* Changes retention and formats of `row` as the request says; what it leaves out stays. */
enum status access_json_change_collection(struct access *a, const struct json *request,
	const struct control_collection *row, const char **why) MUST_CHECK;

#endif
