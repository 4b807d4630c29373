/* openapi.c - the route table as OpenAPI 3.1 and as text. */
#include "poison.h"

#include "http.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "openapi_schemas.h"
#include "route.h"

static const char *const permission_words[PERM_COUNT] = { [PERM_UNSET] = "unset",
#define X(name, sentence) [PERM_##name] = sentence,
	PERMISSION_TABLE(X)
#undef X
};

void http_routes_text(struct buf *out)
{
	buf_printf(out, "%-7s %-36s %-36s %s\n", "METHOD", "PATH", "NEEDS THE RIGHT TO", "WHAT IT DOES");
	for (const struct route *r = route_table; r->method; r++)
		buf_printf(out, "%-7s %-36s %-36s %s\n", r->method, r->path, permission_words[r->permission],
			r->sentence);
}

/* Schemas have names; anything with a slash is a media type and stands for bytes. */
static void put_content(struct json_writer *w, const char *schema)
{
	char reference[128];
	bool is_media = strchr(schema, '/') != NULL;
	json_begin_object(w, "content");
	json_begin_object(w, is_media ? schema : "application/json");
	json_begin_object(w, "schema");
	if (is_media) {
		json_put_text(w, "type", SPAN_LIT("string"));
		if (strncmp(schema, "text/", 5) != 0)
			json_put_text(w, "format", SPAN_LIT("binary"));
	} else {
		(void)snprintf(reference, sizeof reference, "#/components/schemas/%s", schema);
		json_put_text(w, "$ref", span_of(reference));
	}
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
}

static void put_parameter(
	struct json_writer *w, const char *name, const char *in, const char *type, const char *sentence)
{
	json_begin_object(w, NULL);
	json_put_text(w, "name", span_of(name));
	json_put_text(w, "in", span_of(in));
	json_put_bool(w, "required", strcmp(in, "path") == 0);
	if (sentence)
		json_put_text(w, "description", span_of(sentence));
	json_begin_object(w, "schema");
	json_put_text(w, "type", span_of(type));
	json_end_object(w);
	json_end_object(w);
}

static void put_path_parameters(struct json_writer *w, const char *path)
{
	struct span rest = span_of(path);
	for (size_t open; (open = span_find(rest, '{')) < rest.len;) {
		char name[32];
		rest = span_slice(rest, open + 1, rest.len);
		if (span_to_text(span_slice(rest, 0, span_find(rest, '}')), name, sizeof name) == ST_OK)
			put_parameter(w, name, "path", "string", NULL);
	}
}

static void put_parameters(struct json_writer *w, const struct route *r)
{
	json_begin_array(w, "parameters");
	put_path_parameters(w, r->path);
	for (const struct route_parameter *p = r->parameters; p && p->name; p++)
		put_parameter(w, p->name, "query", p->type, p->sentence);
	if (strcmp(r->method, "POST") == 0 && strcmp(r->path, "/v1/images") == 0) {
		put_parameter(w, "Idempotency-Key", "header", "string",
			"a retry with the same key gets the first answer");
		put_parameter(w, "Repr-Digest", "header", "string", "sha-256=:base64: of the body, checked");
	}
	json_end_array(w);
}

static void put_response(struct json_writer *w, int status, const char *description, const char *schema)
{
	char key[8];
	(void)snprintf(key, sizeof key, "%d", status);
	json_begin_object(w, key);
	json_put_text(w, "description", span_of(description));
	if (schema)
		put_content(w, schema);
	json_end_object(w);
}

static void put_responses(struct json_writer *w, const struct route *r)
{
	json_begin_object(w, "responses");
	put_response(w, r->success, r->sentence, r->reply_schema);
	json_begin_object(w, "default");
	json_put_text(w, "description", SPAN_LIT("a problem (RFC 9457)"));
	json_begin_object(w, "content");
	json_begin_object(w, "application/problem+json");
	json_begin_object(w, "schema");
	json_put_text(w, "$ref", SPAN_LIT("#/components/schemas/Problem"));
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
}

static void put_operation(struct json_writer *w, const struct route *r)
{
	char method[8];
	size_t i = 0;
	for (; r->method[i] && i + 1 < sizeof method; i++)
		method[i] = (char)(r->method[i] | 0x20);
	method[i] = '\0';
	json_begin_object(w, method);
	json_put_text(w, "summary", span_of(r->sentence));
	put_parameters(w, r);
	if (r->request_schema) {
		json_begin_object(w, "requestBody");
		json_put_bool(w, "required", true);
		put_content(w, r->request_schema);
		json_end_object(w);
	}
	put_responses(w, r);
	if (r->permission == PERM_PUBLIC) {
		json_begin_array(w, "security");
		json_end_array(w);
	} else {
		json_put_text(w, "x-permission", span_of(permission_words[r->permission]));
	}
	json_end_object(w);
}

/* Rows of one path stand together or apart; each path is one member either way. */
static bool is_first_of_path(const struct route *r)
{
	for (const struct route *earlier = route_table; earlier < r; earlier++)
		if (strcmp(earlier->path, r->path) == 0)
			return false;
	return true;
}

static void put_paths(struct json_writer *w)
{
	json_begin_object(w, "paths");
	for (const struct route *r = route_table; r->method; r++) {
		if (!is_first_of_path(r))
			continue;
		json_begin_object(w, r->path);
		for (const struct route *same = r; same->method; same++)
			if (strcmp(same->path, r->path) == 0)
				put_operation(w, same);
		json_end_object(w);
	}
	json_end_object(w);
}

enum status http_openapi(struct buf *out)
{
	struct json_writer w = json_writer_of(out);
	json_begin_object(&w, NULL);
	json_put_text(&w, "openapi", SPAN_LIT("3.1.0"));
	json_begin_object(&w, "info");
	json_put_text(&w, "title", SPAN_LIT("Darkroom"));
	json_put_text(&w, "version", SPAN_LIT("1"));
	json_put_text(&w, "description",
		SPAN_LIT("Images in, renditions and metadata out, everything gone at its second."));
	json_end_object(&w);
	put_paths(&w);
	json_begin_object(&w, "components");
	json_put_raw(&w, "securitySchemes", SPAN_LIT("{\"key\":{\"type\":\"http\",\"scheme\":\"bearer\"}}"));
	json_put_raw(&w, "schemas", SPAN_LIT(OPENAPI_SCHEMAS));
	json_end_object(&w);
	json_put_raw(&w, "security", SPAN_LIT("[{\"key\":[]}]"));
	json_end_object(&w);
	return buf_status(out);
}
