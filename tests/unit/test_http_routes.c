/* test_http_routes.c - the route table as text and as OpenAPI tell the same API. */
#include "http.h"

#include "http/route.h"
#include "json.h"

#include "check.h"

static const char *const permissions[PERM_COUNT] = { [PERM_UNSET] = "",
#define X(name, sentence) [PERM_##name] = sentence,
	PERMISSION_TABLE(X)
#undef X
};

static struct span next_line(struct span *rest)
{
	struct span line = span_slice(*rest, 0, span_find(*rest, '\n'));
	*rest = span_slice(*rest, line.len + 1, rest->len);
	return line;
}

static struct span next_word(struct span *rest)
{
	*rest = span_trim(*rest);
	struct span word = span_slice(*rest, 0, span_find(*rest, ' '));
	*rest = span_slice(*rest, word.len, rest->len);
	return word;
}

/* How many lines of the text are this method on this path; *rights is the last one's remainder. */
static unsigned count_lines(struct span text, const char *method, const char *path, struct span *rights)
{
	unsigned count = 0;
	while (text.len > 0) {
		struct span line = next_line(&text), first = next_word(&line), second = next_word(&line);
		if (span_equal_text(first, method) && span_equal_text(second, path)) {
			count++;
			*rights = span_trim(line);
		}
	}
	return count;
}

TEST(the_text_names_each_route_once_with_its_permission)
{
	struct buf text;
	size_t versioned = 0, lines = 0, routes = 0;
	buf_init(&text, 65536);
	http_routes_text(&text);
	REQUIRE(buf_ok(&text));
	for (const struct route *r = route_table; r->method; r++, routes++) {
		struct span rights = { 0 };
		const char *needed = permissions[r->permission];
		unsigned count = count_lines(buf_span(&text), r->method, r->path, &rights);
		CHECK(r->permission != PERM_UNSET && needed[0] != '\0');
		if (count != 1 || !span_starts_with(rights, needed))
			CHECK_FAILED("%s %s: %u lines, \"%.*s\" for \"%s\"", r->method, r->path, count,
				(int)rights.len, (const char *)rights.data, needed);
		versioned += span_starts_with(span_of(r->path), "/v1/");
	}
	for (struct span rest = buf_span(&text); rest.len > 0; lines++)
		(void)next_line(&rest);
	CHECK_EQ(lines, routes + 1);
	CHECK(versioned >= 20);
	buf_fini(&text);
}

/* "GET" as OpenAPI has it. */
static const struct json *operation_of(const struct json *path, struct span method)
{
	char name[16];
	if (span_to_text(method, name, sizeof name) != ST_OK)
		return NULL;
	for (char *c = name; *c; c++)
		*c = (char)(*c | 0x20);
	return json_get(path, name);
}

static void check_operation(const struct json *paths, struct span method, struct span route)
{
	char path[128];
	struct span sentence;
	CHECK_EQ(span_to_text(route, path, sizeof path), ST_OK);
	const struct json *operation = operation_of(json_get(paths, path), method);
	const struct json *responses = json_get(operation, "responses");
	bool has_default = json_get(json_get(responses, "default"), "content") != NULL;
	if (!operation || json_count(responses) < 2 || !has_default ||
		json_get_text(operation, "summary", &sentence) != ST_OK || sentence.len == 0)
		CHECK_FAILED("%.*s %s is not whole", (int)method.len, (const char *)method.data, path);
}

struct description {
	struct buf text;
	struct json *json;
};

static bool describe(struct description *d)
{
	buf_init(&d->text, MIB(1));
	d->json = NULL;
	return http_openapi(&d->text) == ST_OK && json_parse(buf_span(&d->text), &d->json, NULL) == ST_OK;
}

static void end(struct description *d)
{
	json_free(d->json);
	buf_fini(&d->text);
}

TEST(openapi_has_every_operation_of_the_text_and_no_other)
{
	struct description d;
	struct buf text;
	struct span version;
	size_t expected = 0, found = 0;
	REQUIRE(describe(&d));
	CHECK_EQ(json_get_text(d.json, "openapi", &version), ST_OK);
	CHECK(span_starts_with(version, "3.1."));
	const struct json *paths = json_get(d.json, "paths");
	buf_init(&text, 65536);
	http_routes_text(&text);
	struct span rest = buf_span(&text);
	(void)next_line(&rest); /* the head */
	for (; rest.len > 0; expected++) {
		struct span line = next_line(&rest), method = next_word(&line), path = next_word(&line);
		check_operation(paths, method, path);
	}
	for (const struct json *path = json_first(paths); path; path = json_next(path))
		found += json_count(path);
	CHECK_EQ(found, expected);
	buf_fini(&text);
	end(&d);
}

/* Counts the references below `value`; each must lead to a schema. */
static size_t follow(const struct json *value, const struct json *schemas, unsigned depth)
{
	static const char prefix[] = "#/components/schemas/";
	char name[64];
	struct span reference;
	size_t count = 0;
	for (const struct json *v = depth > 0 ? json_first(value) : NULL; v; v = json_next(v)) {
		count += json_is_object(v) || json_is_array(v) ? follow(v, schemas, depth - 1) : 0;
		if (!json_key(v) || strcmp(json_key(v), "$ref") != 0)
			continue;
		count++;
		CHECK_EQ(json_text(v, &reference), ST_OK);
		CHECK(span_starts_with(reference, prefix));
		reference = span_slice(reference, sizeof prefix - 1, reference.len);
		CHECK_EQ(span_to_text(reference, name, sizeof name), ST_OK);
		if (!json_is_object(json_get(schemas, name)))
			CHECK_FAILED("there is no schema \"%s\"", name);
	}
	return count;
}

TEST(every_reference_leads_to_a_schema)
{
	struct description d;
	REQUIRE(describe(&d));
	const struct json *schemas = json_get(json_get(d.json, "components"), "schemas");
	CHECK(json_count(schemas) > 10);
	CHECK(follow(d.json, schemas, JSON_DEPTH_MAX) > 20);
	end(&d);
}

/* What needs no key says so; everything else names the right it needs. */
TEST(security_is_the_tables)
{
	struct description d;
	REQUIRE(describe(&d));
	const struct json *paths = json_get(d.json, "paths");
	for (const struct route *r = route_table; r->method; r++) {
		struct span right = { 0 };
		const struct json *o = operation_of(json_get(paths, r->path), span_of(r->method));
		const struct json *security = json_get(o, "security");
		enum status st = json_get_text(o, "x-permission", &right);
		bool is_right = r->permission == PERM_PUBLIC
					? security && json_count(security) == 0 && st == ST_NOT_FOUND
					: !security && st == ST_OK &&
						  span_equal_text(right, permissions[r->permission]);
		if (!is_right)
			CHECK_FAILED("%s %s: its right is not the table's", r->method, r->path);
	}
	CHECK_EQ(json_count(json_get(d.json, "security")), 1);
	end(&d);
}

TEST(a_buffer_that_is_too_small_is_told)
{
	struct buf small;
	buf_init(&small, 1000);
	CHECK_EQ(http_openapi(&small), ST_TOO_BIG);
	buf_fini(&small);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(the_text_names_each_route_once_with_its_permission),
		CHECK_TEST(openapi_has_every_operation_of_the_text_and_no_other),
		CHECK_TEST(every_reference_leads_to_a_schema),
		CHECK_TEST(security_is_the_tables),
		CHECK_TEST(a_buffer_that_is_too_small_is_told),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
