#include "poison.h"

#include "json.h"

#include <cJSON.h>

#include "base/json_check.h"
#include "limits.h"
#include "memory.h"

static pthread_once_t hooked = PTHREAD_ONCE_INIT;

/* cJSON's memory goes through the seam as well. */
static void hook(void)
{
	cJSON_Hooks hooks = { memory_alloc, memory_free };
	cJSON_InitHooks(&hooks);
}

static const cJSON *raw(const struct json *v)
{
	return (const cJSON *)v;
}

static const struct json *wrapped(const cJSON *v)
{
	return (const struct json *)v;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* The members are sorted rather than compared each with each: a hostile object may have 100,000. */
static const cJSON *duplicate_in(const cJSON *object, enum status *st)
{
	const cJSON *found = NULL;
	size_t count = (size_t)cJSON_GetArraySize(object);
	const cJSON **members = memory_alloc_array(count, sizeof(const cJSON *));
	if (!members) {
		*st = ST_FULL;
		return NULL;
	}
	const cJSON *member = object->child;
	for (size_t i = 0; i < count; i++, member = member->next) {
		members[i] = member;
	}
	qsort(members, count, sizeof(const cJSON *), compare_keys);
	for (size_t i = 1; i < count && !found; i++) {
		found = compare_keys(&members[i - 1], &members[i]) == 0 ? members[i] : NULL;
	}
	memory_free(members);
	return found;
}

/* Recursion is bounded by JSON_DEPTH_MAX, which was checked before the value was made. */
static const cJSON *duplicate_below(const cJSON *v, enum status *st)
{
	const cJSON *found = NULL;
	if (cJSON_IsObject(v) && v->child) {
		found = duplicate_in(v, st);
	}
	for (const cJSON *child = v->child; child && !found && !*st; child = child->next) {
		found = duplicate_below(child, st);
	}
	return found;
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* The line of the `nth` (from 1) `"key"` that a colon follows; 0 if there are fewer. */
static unsigned line_of_nth(struct span text, const char *key, unsigned nth)
{
	struct span wanted = span_of(key);
	unsigned line = 1;
	for (size_t i = 0; i < text.len; i++) {
		line += text.data[i] == '\n';
		size_t after = i + wanted.len + 2;
		if (text.data[i] != '"' || !span_equal(span_slice(text, i + 1, wanted.len), wanted) ||
			after > text.len || text.data[after - 1] != '"') {
			continue;
		}
		while (after < text.len && is_blank(text.data[after])) {
			after++;
		}
		if (after < text.len && text.data[after] == ':' && --nth == 0) {
			return line;
		}
	}
	return 0;
}

unsigned json_line_of(struct span text, const char *key)
{
	return line_of_nth(text, key, 1);
}

/* A duplicate written with escapes is named by the first line that shows its key, or else by the last. */
static unsigned line_of_duplicate(struct span text, const char *key)
{
	unsigned line = line_of_nth(text, key, 2);
	line = line > 0 ? line : line_of_nth(text, key, 1);
	return line > 0 ? line : 1;
}

static enum status refuse_duplicates(struct span text, const cJSON *value, unsigned *line)
{
	enum status st = ST_OK;
	const cJSON *duplicate = duplicate_below(value, &st);
	if (duplicate) {
		*line = line_of_duplicate(text, duplicate->string);
		st = ST_INVALID;
	}
	return st;
}

enum status json_parse(struct span text, struct json **out, unsigned *line)
{
	unsigned ignored;
	unsigned *at = line ? line : &ignored;
	*out = NULL;
	*at = 0;
	if (text.len > JSON_INPUT_MAX) {
		return ST_TOO_BIG;
	}
	(void)pthread_once(&hooked, hook);
	enum status st = json_check(text, at);
	if (st) {
		return st;
	}
	/* The text is JSON, so what cJSON can still lack is memory. */
	cJSON *value = cJSON_ParseWithLength((const char *)text.data, text.len);
	if (!value) {
		return ST_FULL;
	}
	st = refuse_duplicates(text, value, at);
	if (st) {
		cJSON_Delete(value);
		return st;
	}
	*out = (struct json *)value;
	return ST_OK;
}

void json_free(struct json *value)
{
	cJSON_Delete((cJSON *)value);
}

bool json_is_object(const struct json *v)
{
	return cJSON_IsObject(raw(v));
}

bool json_is_array(const struct json *v)
{
	return cJSON_IsArray(raw(v));
}

bool json_is_null(const struct json *v)
{
	return cJSON_IsNull(raw(v));
}

size_t json_count(const struct json *v)
{
	size_t count = 0;
	for (const struct json *at = json_first(v); at; at = json_next(at)) {
		count++;
	}
	return count;
}

const struct json *json_first(const struct json *v)
{
	return v ? wrapped(raw(v)->child) : NULL;
}

const struct json *json_next(const struct json *member)
{
	return wrapped(raw(member)->next);
}

const struct json *json_at(const struct json *v, size_t index)
{
	const struct json *at = json_first(v);
	for (; at && index > 0; index--) {
		at = json_next(at);
	}
	return at;
}

const char *json_key(const struct json *member)
{
	return raw(member)->string;
}

const struct json *json_get(const struct json *object, const char *key)
{
	return json_is_object(object) ? wrapped(cJSON_GetObjectItemCaseSensitive(raw(object), key)) : NULL;
}

/* cJSON holds numbers as doubles: past 2^53 two whole numbers are one, so none is given out. */
#define WHOLE_MAX 9007199254740991.0

enum status json_text(const struct json *v, struct span *out)
{
	if (!cJSON_IsString(raw(v))) {
		return ST_INVALID;
	}
	*out = span_of(raw(v)->valuestring);
	return ST_OK;
}

enum status json_i64(const struct json *v, int64_t *out)
{
	double value = 0;
	if (json_real(v, &value) || value < -WHOLE_MAX || value > WHOLE_MAX) {
		return ST_INVALID;
	}
	int64_t whole = (int64_t)value;
	if ((double)whole < value || (double)whole > value) {
		return ST_INVALID;
	}
	*out = whole;
	return ST_OK;
}

enum status json_real(const struct json *v, double *out)
{
	if (!cJSON_IsNumber(raw(v)) || !__builtin_isfinite(raw(v)->valuedouble)) {
		return ST_INVALID;
	}
	*out = raw(v)->valuedouble;
	return ST_OK;
}

enum status json_bool(const struct json *v, bool *out)
{
	if (!cJSON_IsBool(raw(v))) {
		return ST_INVALID;
	}
	*out = cJSON_IsTrue(raw(v));
	return ST_OK;
}

static const struct json *present(const struct json *object, const char *key)
{
	const struct json *v = json_get(object, key);
	return v && !json_is_null(v) ? v : NULL;
}

enum status json_get_text(const struct json *object, const char *key, struct span *out)
{
	const struct json *v = present(object, key);
	return v ? json_text(v, out) : ST_NOT_FOUND;
}

enum status json_get_i64(const struct json *object, const char *key, int64_t *out)
{
	const struct json *v = present(object, key);
	return v ? json_i64(v, out) : ST_NOT_FOUND;
}

enum status json_get_real(const struct json *object, const char *key, double *out)
{
	const struct json *v = present(object, key);
	return v ? json_real(v, out) : ST_NOT_FOUND;
}

enum status json_get_bool(const struct json *object, const char *key, bool *out)
{
	const struct json *v = present(object, key);
	return v ? json_bool(v, out) : ST_NOT_FOUND;
}
