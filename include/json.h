/* json.h - JSON in through cJSON within limits, JSON out through a writer.
 *
 * Input: at most JSON_INPUT_MAX bytes, depth 64 (JSON_DEPTH_MAX), no duplicate
 * keys in one object, valid UTF-8, nothing after the value.  The only door to
 * cJSON's parser; values are looked at through these calls.
 * Source: RFC 8259.
 */
#ifndef DARKROOM_JSON_H
#define DARKROOM_JSON_H

#include "buf.h"

struct json; /* a parsed value; opaque (a cJSON) */

/* Gives *out; end with json_free().  INVALID: not JSON, with *line (may be NULL) where.
 * TOO_BIG: past JSON_INPUT_MAX.  FULL: no memory. */
enum status json_parse(struct span text, struct json **out, unsigned *line) MUST_CHECK;
/* The same after line and block comments and trailing commas were blanked (configuration files). */
enum status json_parse_commented(struct span text, struct json **out, unsigned *line) MUST_CHECK;
void json_free(struct json *value);

bool json_is_object(const struct json *v);
bool json_is_array(const struct json *v);
bool json_is_null(const struct json *v);
size_t json_count(const struct json *v);                        /* members or elements */
const struct json *json_at(const struct json *v, size_t index); /* NULL past the end */
/* The same one after the other, for loops: json_at() counts from the front.  NULL at the end. */
const struct json *json_first(const struct json *v);
const struct json *json_next(const struct json *member);
const char *json_key(const struct json *member);                         /* of a value inside an object */
const struct json *json_get(const struct json *object, const char *key); /* NULL when absent */

/* NOT_FOUND: absent or null.  INVALID: another type (or not a whole number within 2^53, where a double is
 * exact). */
enum status json_get_text(const struct json *object, const char *key, struct span *out) MUST_CHECK;
enum status json_get_i64(const struct json *object, const char *key, int64_t *out) MUST_CHECK;
enum status json_get_real(const struct json *object, const char *key, double *out) MUST_CHECK;
enum status json_get_bool(const struct json *object, const char *key, bool *out) MUST_CHECK;
/* The value itself as one of these. */
enum status json_text(const struct json *v, struct span *out) MUST_CHECK;
enum status json_i64(const struct json *v, int64_t *out) MUST_CHECK;
enum status json_real(const struct json *v, double *out) MUST_CHECK;
enum status json_bool(const struct json *v, bool *out) MUST_CHECK;

/* The line (from 1) in `text` where the first `"key"` token stands; 0 if nowhere. */
unsigned json_line_of(struct span text, const char *key);

/* Writer: appends to a buf, puts commas itself.  `key` is NULL inside arrays and at the top. */
struct json_writer {
	struct buf *out;
	unsigned depth;
	bool needs_comma;
};

struct json_writer json_writer_of(struct buf *out);
void json_begin_object(struct json_writer *w, const char *key);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *key);
void json_end_array(struct json_writer *w);
void json_put_text(struct json_writer *w, const char *key, struct span text);
void json_put_i64(struct json_writer *w, const char *key, int64_t value);
void json_put_real(
	struct json_writer *w, const char *key, double value); /* shortest that reads back; NaN as null */
void json_put_bool(struct json_writer *w, const char *key, bool value);
void json_put_null(struct json_writer *w, const char *key);
void json_put_time(struct json_writer *w, const char *key, int64_t ms); /* RFC 3339 */
/* Already JSON: appended as it is. */
void json_put_raw(struct json_writer *w, const char *key, struct span json);

/* Appends a parsed value as JSON again, without spaces. */
void json_put_value(struct buf *out, const struct json *value);

#endif
