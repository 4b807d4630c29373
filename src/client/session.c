/* session.c - options, server, key, CA; and what failed in words. */
#include "poison.h"

#include "session.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "log.h"
#include "memory.h"

enum { CONNECT_MS = 10000, TOTAL_MS = 300000, KEY_FILE_MAX = 256, COMMON_OPTIONS = 5, OPTIONS_MAX = 32 };
#define JSON_REPLY_MAX MIB(16)

static bool set_text(char *out, size_t size, const char *value)
{
	int n = snprintf(out, size, "%s", value);
	return n >= 0 && (size_t)n < size;
}

static int complain_usage(const char *usage, const char *what, const char *word)
{
	(void)fprintf(stderr, "darkroom: %s%s\n%s`--help` lists the options\n", what, word, usage);
	return EXIT_USAGE;
}

static const struct option_row *find_option(const struct option_row *options, const char *word)
{
	for (; options->name; options++)
		if (strcmp(options->name, word) == 0)
			return options;
	return NULL;
}

/* -1: go on. */
static int read_words(
	const struct option_row *options, int argc, char **argv, const char *usage, struct words *words)
{
	bool only_words = false;
	words->count = 0;
	for (int i = 1; i < argc; i++) {
		const struct option_row *o = only_words ? NULL : find_option(options, argv[i]);
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (o && o->flag) {
			*o->flag = true;
		} else if (o) {
			if (i + 1 == argc)
				return complain_usage(usage, "a value must follow ", argv[i]);
			*o->value = argv[++i];
		} else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
			return complain_usage(usage, "there is no option ", argv[i]);
		} else if (words->count == WORDS_MAX) {
			return complain_usage(usage, "too many arguments: give a directory instead", "");
		} else {
			words->list[words->count++] = argv[i];
		}
	}
	return -1;
}

/* The key lies in a file or in the environment, never in an argument. */
static enum status read_key(const char *path, char out[KEY_MAX])
{
	struct buf text;
	const char *given = getenv("DARKROOM_KEY");
	if (!path && given)
		return set_text(out, KEY_MAX, given) ? ST_OK : ST_TOO_BIG;
	if (!path)
		path = getenv("DARKROOM_KEY_FILE");
	if (!path)
		return ST_NOT_FOUND;
	buf_init(&text, KEY_FILE_MAX);
	enum status st = file_load(AT_FDCWD, path, &text);
	struct span key = buf_span(&text);
	while (key.len > 0 && (key.data[key.len - 1] == '\n' || key.data[key.len - 1] == '\r'))
		key.len--;
	if (st == ST_OK)
		st = span_to_text(key, out, KEY_MAX);
	buf_wipe(&text);
	return st;
}

static void find_ca(struct session *s, const struct config *config, const char *given)
{
	char local[CONFIG_TEXT_MAX];
	const char *ca = given ? given : getenv("DARKROOM_CA");
	int fd = -1;
	s->ca_path[0] = '\0';
	if (!ca && set_text(local, sizeof local, config->data)) {
		int n = snprintf(local, sizeof local, "%s/tls/ca.pem", config->data);
		if (n > 0 && (size_t)n < sizeof local && file_open(AT_FDCWD, local, FILE_READ, &fd) == ST_OK)
			ca = local;
		file_close(&fd);
	}
	if (ca && !set_text(s->ca_path, sizeof s->ca_path, ca))
		s->ca_path[0] = '\0';
}

static bool find_url(struct session *s, const struct config *config, const char *given)
{
	const char *url = given ? given : getenv("DARKROOM_URL");
	int n = url ? snprintf(s->url, sizeof s->url, "%s", url)
		    : snprintf(s->url, sizeof s->url, "https://%s", config->listen);
	size_t len = strnlen(s->url, sizeof s->url);
	while (len > 0 && s->url[len - 1] == '/')
		s->url[--len] = '\0';
	return n > 0 && (size_t)n < sizeof s->url && strncmp(s->url, "https://", 8) == 0;
}

static enum status open_fetcher(struct session *s)
{
	struct fetcher_options options = {
		.ca_path = s->ca_path[0] ? s->ca_path : NULL, .connect_ms = CONNECT_MS, .total_ms = TOTAL_MS
	};
	return fetcher_new(&options, &s->fetcher);
}

static int connect_session(
	struct session *s, const struct config *config, const char *url, const char *ca, const char *key_file)
{
	char key[KEY_MAX];
	if (!find_url(s, config, url)) {
		(void)fprintf(stderr,
			"darkroom: the server's address must be https://host:port (--url or DARKROOM_URL)\n");
		return EXIT_USAGE;
	}
	find_ca(s, config, ca);
	if (read_key(key_file, key) != ST_OK) {
		(void)fprintf(
			stderr, "darkroom: no API key: set DARKROOM_KEY, or name a file with --key-file\n");
		return EXIT_USAGE;
	}
	(void)snprintf(s->authorization, sizeof s->authorization, "Authorization: Bearer %s", key);
	memory_wipe(key, sizeof key);
	if (open_fetcher(s) != ST_OK) {
		(void)fprintf(stderr, "darkroom: there is no memory\n");
		return EXIT_LOCAL_IO;
	}
	return -1;
}

/* "  --limit N        so many at most": the word in capitals stands in the first column. */
static void print_option(const struct option_row *o)
{
	char left[64];
	size_t word = o->value ? span_find(span_of(o->sentence), ' ') : 0;
	(void)snprintf(left, sizeof left, "%s%s%.*s", o->name, o->value ? " " : "", (int)word, o->sentence);
	(void)printf("  %-18s %s\n", left, o->sentence + word + (o->value ? 1 : 0));
}

static void print_help(const char *usage, const struct option_row *own, const struct option_row *common)
{
	(void)printf("%s", usage);
	if (own && own->name)
		(void)printf("\noptions:\n");
	for (; own && own->name; own++)
		print_option(own);
	(void)printf("\noptions of every client command:\n");
	for (size_t i = 0; i < COMMON_OPTIONS; i++)
		print_option(&common[i]);
}

int session_open(
	struct session *s, const struct config *config, const struct command_line *line, struct words *words)
{
	const char *url = NULL, *ca = NULL, *key_file = NULL;
	const struct option_row *options = line->options;
	bool is_help = false;
	struct option_row all[OPTIONS_MAX] = {
		{ "--url", &url, NULL,
			"URL the server, https://HOST:PORT (or DARKROOM_URL; default: the setting listen)" },
		{ "--ca", &ca, NULL, "FILE its CA, PEM (or DARKROOM_CA; default: the data directory's)" },
		{ "--key-file", &key_file, NULL,
			"FILE holds the API key (or DARKROOM_KEY_FILE; the key itself: DARKROOM_KEY)" },
		{ "--json", NULL, &s->as_json, "print JSON for programs" },
		{ "--help", NULL, &is_help, "print this" },
	};
	*s = (struct session){ .fetcher = NULL };
	for (size_t i = COMMON_OPTIONS; options && options->name && i + 1 < OPTIONS_MAX; i++)
		all[i] = *options++;
	int code = read_words(all, line->argc, line->argv, line->usage, words);
	if (code < 0 && is_help) {
		print_help(line->usage, line->options, all);
		code = EXIT_DONE;
	}
	return code >= 0 ? code : connect_session(s, config, url, ca, key_file);
}

void session_close(struct session *s)
{
	fetcher_free(s->fetcher);
	s->fetcher = NULL;
	memory_wipe(s->authorization, sizeof s->authorization);
}

enum status session_copy(const struct session *from, struct session *out)
{
	*out = *from;
	out->fetcher = NULL;
	return open_fetcher(out);
}

bool session_url(const struct session *s, const char *path, char out[URL_MAX])
{
	int n = snprintf(out, URL_MAX, "%s%s", s->url, path);
	return n > 0 && n < URL_MAX;
}

void session_put_encoded(struct buf *out, struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];
		bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				(c != '\0' && strchr("-._~", c));
		if (is_plain)
			buf_put_byte(out, c);
		else
			buf_printf(out, "%%%02X", (unsigned)c);
	}
}

static int code_of_http(int http_status)
{
	if (http_status == 401 || http_status == 403)
		return EXIT_NOT_ALLOWED;
	if (http_status == 404 || http_status == 410)
		return EXIT_NO_INPUT;
	return http_status >= 500 ? EXIT_SERVER : EXIT_REFUSED;
}

int session_complain(const char *what, enum status st, const struct fetcher_reply *reply)
{
	struct json *problem = NULL;
	struct span detail = SPAN_LIT("no reason was given");
	if (st != ST_OK) {
		(void)fprintf(
			stderr, "darkroom: %s: %s\n", what, reply->error[0] ? reply->error : status_text(st));
		return st == ST_TOO_BIG ? EXIT_LOCAL_IO : EXIT_UNREACHABLE;
	}
	if (json_parse(buf_span(&reply->body), &problem, NULL) == ST_OK &&
		json_get_text(problem, "detail", &detail) != ST_OK)
		detail = SPAN_LIT("no reason was given");
	(void)fprintf(stderr, "darkroom: %s: %d: %.*s\n", what, reply->http_status, (int)detail.len,
		(const char *)detail.data);
	json_free(problem);
	return code_of_http(reply->http_status);
}

int session_json(struct session *s, const char *method, const char *path, struct span body, struct json **out)
{
	char url[URL_MAX];
	struct fetcher_reply reply;
	const char *headers[] = { s->authorization, "Accept: application/json",
		"Content-Type: application/json", "Expect:", NULL };
	struct fetcher_request request = {
		.method = method, .url = url, .headers = headers, .body = body, .body_fd = -1, .reply_fd = -1
	};
	if (!session_url(s, path, url)) {
		(void)fprintf(stderr, "darkroom: the address is too long\n");
		return EXIT_USAGE;
	}
	enum status st = fetcher_send(s->fetcher, &request, JSON_REPLY_MAX, &reply);
	int code = EXIT_DONE;
	if (st != ST_OK || reply.http_status >= 400)
		code = session_complain(path, st, &reply);
	else if (buf_span(&reply.body).len > 0 && json_parse(buf_span(&reply.body), out, NULL) != ST_OK)
		code = EXIT_SERVER;
	fetcher_reply_fini(&reply);
	return code;
}
