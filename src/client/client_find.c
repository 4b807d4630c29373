/* client_find.c - ls, rm, sql. */
#include "poison.h"

#include "client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "session.h"
#include "table.h"

enum { PATH_BYTES = 4096 };
#define SQL_TEXT_MAX MIB(1)
#define SQL_REPLY_BYTES MIB(16)

static const char rm_usage[] = "usage: darkroom rm [options] ID...\n"
			       "destroys images before their time; nothing brings them back\n";

static const char ls_usage[] = "usage: darkroom ls [options]\n"
			       "lists images, the newest first; an option given narrows the list\n";

static void put_filter(struct buf *path, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(path, "&%s=", name);
	session_put_encoded(path, span_of(value));
}

static void put_member(struct table *t, const struct json *object, const char *key)
{
	struct span text;
	int64_t number;
	char digits[32];
	if (json_get_text(object, key, &text) == ST_OK) {
		table_put(t, text);
	} else if (json_get_i64(object, key, &number) == ST_OK) {
		(void)snprintf(digits, sizeof digits, "%" PRId64, number);
		table_put(t, span_of(digits));
	} else {
		table_put(t, SPAN_LIT("-"));
	}
}

static const char *const ls_columns[] = { "id", "collection", "state", "format", "width", "height", "bytes",
	"received_at", "expires_at" };
enum { LS_COLUMNS = sizeof ls_columns / sizeof *ls_columns };

static void print_json(const struct json *value)
{
	struct buf text;
	buf_init(&text, SQL_REPLY_BYTES);
	json_put_value(&text, value);
	(void)printf("%s\n", buf_text(&text));
	buf_fini(&text);
}

static void put_page(struct table *t, const struct json *page)
{
	const struct json *images = json_get(page, "images");
	for (size_t i = 0; i < json_count(images); i++)
		for (size_t c = 0; c < LS_COLUMNS; c++)
			put_member(t, json_at(images, i), ls_columns[c]);
}

/* Follows cursors while `is_all`; in JSON each page is one line. */
static int list_pages(struct session *s, const char *filters, bool is_all, struct table *t)
{
	char cursor[64] = "";
	int code = EXIT_DONE;
	bool has_next = true;
	while (code == EXIT_DONE && has_next) {
		char path[PATH_BYTES];
		struct json *page = NULL;
		struct span next;
		(void)snprintf(
			path, sizeof path, "/v1/images?%s%s%s", filters, cursor[0] ? "&cursor=" : "", cursor);
		code = session_json(s, "GET", path, span_make(NULL, 0), &page);
		if (code != EXIT_DONE)
			break;
		if (s->as_json)
			print_json(page);
		else
			put_page(t, page);
		has_next = json_get_text(page, "next_cursor", &next) == ST_OK &&
			   span_to_text(next, cursor, sizeof cursor) == ST_OK;
		if (has_next && !is_all && !s->as_json)
			(void)fprintf(stderr, "darkroom: only the newest are shown; --all shows every one\n");
		has_next = has_next && is_all;
		json_free(page);
	}
	return code;
}

int client_ls(const struct config *config, int argc, char **argv)
{
	const char *collection = NULL, *state = NULL, *format = NULL, *camera = NULL, *from = NULL,
		   *to = NULL, *limit = NULL;
	bool is_all = false;
	const struct option_row options[] = {
		{ "--collection", &collection, NULL, "NAME only images of this collection" },
		{ "--state", &state, NULL, "STATE received, ready or failed" },
		{ "--format", &format, NULL, "FORMAT jpeg, png, webp, gif or bmp" },
		{ "--camera", &camera, NULL, "TEXT the camera's name holds this, in either case" },
		{ "--from", &from, NULL,
			"TIME received at this time or later: 2026-01-31T12:00:00Z, or a date" },
		{ "--to", &to, NULL, "TIME received before this time" },
		{ "--limit", &limit, NULL, "N so many at most; default: 100" },
		{ "--all", NULL, &is_all, "all, however many" },
		{ NULL, NULL, NULL, NULL },
	};
	struct session s;
	static struct words words;
	struct buf filters;
	int code = session_open(&s, config, &(struct command_line){ argc, argv, ls_usage, options }, &words);
	if (code >= 0)
		return code;
	if (words.count != 0) {
		(void)fprintf(stderr, "%s", ls_usage);
		session_close(&s);
		return EXIT_USAGE;
	}
	buf_init(&filters, PATH_BYTES - 128);
	buf_printf(&filters, "limit=%s", limit ? limit : is_all ? "500" : "100");
	put_filter(&filters, "collection", collection);
	put_filter(&filters, "state", state);
	put_filter(&filters, "format", format);
	put_filter(&filters, "camera", camera);
	put_filter(&filters, "from", from);
	put_filter(&filters, "to", to);
	struct table *t = table_new(LS_COLUMNS);
	for (size_t i = 0; t && i < LS_COLUMNS; i++)
		table_put(t, span_of(ls_columns[i]));
	code = t && buf_ok(&filters) ? list_pages(&s, buf_text(&filters), is_all, t) : EXIT_USAGE;
	if (code == EXIT_DONE && !s.as_json)
		table_print(t);
	table_free(t);
	buf_fini(&filters);
	session_close(&s);
	return code;
}

int client_rm(const struct config *config, int argc, char **argv)
{
	struct session s;
	static struct words words;
	int code = session_open(&s, config, &(struct command_line){ argc, argv, rm_usage, NULL }, &words);
	if (code >= 0)
		return code;
	code = words.count ? EXIT_DONE : EXIT_USAGE;
	if (words.count == 0)
		(void)fprintf(stderr, "%s", rm_usage);
	for (size_t i = 0; i < words.count; i++) {
		char path[256];
		struct json *reply = NULL;
		(void)snprintf(path, sizeof path, "/v1/images/%.200s", words.list[i]);
		int one = session_json(&s, "DELETE", path, span_make(NULL, 0), &reply);
		json_free(reply);
		if (one == EXIT_DONE && !s.as_json)
			(void)printf("%s erased\n", words.list[i]);
		if (one != EXIT_DONE)
			code = words.count == 1 ? one : EXIT_SOME_FAILED;
	}
	session_close(&s);
	return code;
}

/* --- sql --- */

static void put_cell(struct table *t, const struct json *value)
{
	struct span text;
	struct buf number;
	if (json_text(value, &text) == ST_OK) {
		table_put(t, text);
		return;
	}
	buf_init(&number, 64);
	if (!json_is_null(value))
		json_put_value(&number, value);
	table_put(t, buf_span(&number));
	buf_fini(&number);
}

static int print_rows(const struct json *reply)
{
	const struct json *columns = json_get(reply, "columns"), *rows = json_get(reply, "rows");
	struct table *t = json_count(columns) ? table_new(json_count(columns)) : NULL;
	if (!t)
		return EXIT_SERVER;
	for (size_t i = 0; i < json_count(columns); i++)
		put_member(t, json_at(columns, i), "name");
	for (size_t r = 0; r < json_count(rows); r++)
		for (size_t i = 0; i < json_count(columns); i++)
			put_cell(t, json_at(json_at(rows, r), i));
	table_print(t);
	(void)printf("(%zu row%s)\n", json_count(rows), json_count(rows) == 1 ? "" : "s");
	table_free(t);
	return EXIT_DONE;
}

static int print_csv(struct session *s, struct span body)
{
	char url[URL_MAX];
	struct fetcher_reply reply;
	const char *headers[] = { s->authorization, "Accept: text/csv", "Content-Type: application/json",
		"Expect:", NULL };
	struct fetcher_request request = {
		.method = "POST", .url = url, .headers = headers, .body = body, .body_fd = -1, .reply_fd = -1
	};
	if (!session_url(s, "/v1/sql", url))
		return EXIT_USAGE;
	enum status st = fetcher_send(s->fetcher, &request, SQL_REPLY_BYTES, &reply);
	int code =
		st != ST_OK || reply.http_status >= 400 ? session_complain("/v1/sql", st, &reply) : EXIT_DONE;
	if (code == EXIT_DONE)
		(void)fwrite(reply.body.data, 1, reply.body.len, stdout);
	fetcher_reply_fini(&reply);
	return code;
}

int client_sql(const struct config *config, int argc, char **argv)
{
	static const char usage[] = "usage: darkroom sql [options] \"SELECT ... FROM v1_images ...\"\n"
				    "one read-only statement over the published views\n";
	bool as_csv = false;
	const struct option_row options[] = { { "--csv", NULL, &as_csv, "print CSV" },
		{ NULL, NULL, NULL, NULL } };
	struct session s;
	static struct words words;
	struct buf body;
	struct json *reply = NULL;
	int code = session_open(&s, config, &(struct command_line){ argc, argv, usage, options }, &words);
	if (code >= 0)
		return code;
	if (words.count != 1) {
		(void)fprintf(stderr, "%s", usage);
		session_close(&s);
		return EXIT_USAGE;
	}
	buf_init(&body, SQL_TEXT_MAX);
	struct json_writer w = json_writer_of(&body);
	json_begin_object(&w, NULL);
	json_put_text(&w, "sql", span_of(words.list[0]));
	json_end_object(&w);
	code = as_csv ? print_csv(&s, buf_span(&body))
		      : session_json(&s, "POST", "/v1/sql", buf_span(&body), &reply);
	if (code == EXIT_DONE && reply && s.as_json)
		print_json(reply);
	else if (code == EXIT_DONE && reply)
		code = print_rows(reply);
	json_free(reply);
	buf_fini(&body);
	session_close(&s);
	return code;
}
