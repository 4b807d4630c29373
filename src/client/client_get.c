/* client_get.c - get: an image's record, original or rendition. */
#include "poison.h"

#include "client.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "session.h"

static const char usage[] =
	"usage: darkroom get [options] ID\n"
	"downloads an image as it was uploaded, or a rendition of it, or prints its record\n";

static int print_info(struct session *s, const char *id)
{
	char path[256];
	struct json *record = NULL;
	struct buf text;
	(void)snprintf(path, sizeof path, "/v1/images/%.200s", id);
	int code = session_json(s, "GET", path, span_make(NULL, 0), &record);
	if (code != EXIT_DONE)
		return code;
	buf_init(&text, MIB(1));
	json_put_value(&text, record);
	(void)printf("%s\n", buf_text(&text));
	buf_fini(&text);
	json_free(record);
	return EXIT_DONE;
}

/* With the ending that belongs to what the server says it is sending; gives an exit code. */
static int default_name(struct session *s, const char *id, const char *rendition, char out[256])
{
	char path[256];
	struct json *record = NULL;
	struct span format = SPAN_LIT("jpeg");
	(void)snprintf(path, sizeof path, "/v1/images/%.200s", id);
	int code = rendition ? EXIT_DONE : session_json(s, "GET", path, span_make(NULL, 0), &record);
	if (code != EXIT_DONE)
		return code;
	if (record && json_get_text(record, "format", &format) != ST_OK)
		format = SPAN_LIT("bin");
	(void)snprintf(out, 256, "%.64s%s%.32s.%.*s", id, rendition ? "-" : "", rendition ? rendition : "",
		span_equal_text(format, "jpeg") ? 3 : (int)format.len,
		span_equal_text(format, "jpeg") ? "jpg" : (const char *)format.data);
	json_free(record);
	return EXIT_DONE;
}

static int download(struct session *s, const char *id, const char *rendition, int fd)
{
	char path[512], url[URL_MAX];
	struct fetcher_reply reply;
	const char *headers[] = { s->authorization, NULL };
	struct fetcher_request request = {
		.method = "GET", .url = url, .headers = headers, .body_fd = -1, .reply_fd = fd
	};
	(void)snprintf(path, sizeof path, "/v1/images/%.200s/%s%.64s", id,
		rendition ? "renditions/" : "original", rendition ? rendition : "");
	if (!session_url(s, path, url))
		return EXIT_USAGE;
	enum status st = fetcher_send(s->fetcher, &request, IMAGE_BYTES_CEILING, &reply);
	int code = st != ST_OK || reply.http_status >= 400 ? session_complain(path, st, &reply) : EXIT_DONE;
	fetcher_reply_fini(&reply);
	return code;
}

/* A download that failed leaves no part behind under the final name. */
static int get_to_file(struct session *s, const char *id, const char *rendition, const char *output)
{
	char name[256], part[512];
	int fd = -1;
	int code = output ? EXIT_DONE : default_name(s, id, rendition, name);
	if (code != EXIT_DONE)
		return code;
	if (!output)
		output = name;
	int n = snprintf(part, sizeof part, "%s.part", output);
	if (n < 0 || (size_t)n >= sizeof part)
		return EXIT_USAGE;
	enum status st = file_open(AT_FDCWD, part, FILE_WRITE | FILE_CREATE_OR_OPEN | FILE_TRUNCATE, &fd);
	if (st != ST_OK) {
		(void)fprintf(stderr, "darkroom: %s cannot be written: %s\n", part, status_text(st));
		return EXIT_LOCAL_IO;
	}
	code = download(s, id, rendition, fd);
	file_close(&fd);
	if (code == EXIT_DONE && file_rename(AT_FDCWD, part, output) != ST_OK)
		code = EXIT_LOCAL_IO;
	if (code == EXIT_DONE && !s->as_json)
		(void)printf("%s\n", output);
	if (code != EXIT_DONE && file_unlink(AT_FDCWD, part) != ST_OK)
		(void)fprintf(stderr, "darkroom: %s is left behind\n", part);
	return code;
}

int client_get(const struct config *config, int argc, char **argv)
{
	const char *rendition = NULL, *output = NULL;
	bool is_info = false;
	const struct option_row options[] = {
		{ "--rendition", &rendition, NULL, "NAME thumb or preview in place of the original" },
		{ "--output", &output, NULL,
			"FILE where to; default: ID.jpg (or .png ...) in this directory" },
		{ "-o", &output, NULL, "FILE the same as --output" },
		{ "--info", NULL, &is_info, "print the record, no bytes" },
		{ NULL, NULL, NULL, NULL },
	};
	struct session s;
	static struct words words;
	int code = session_open(&s, config, &(struct command_line){ argc, argv, usage, options }, &words);
	if (code >= 0)
		return code;
	if (output && strcmp(output, "-") == 0) {
		(void)fprintf(
			stderr, "darkroom: a download goes to a file: it is written whole or not at all\n");
		code = EXIT_USAGE;
	} else if (words.count != 1) {
		(void)fprintf(stderr, "%s", usage);
		code = EXIT_USAGE;
	} else {
		code = is_info ? print_info(&s, words.list[0])
			       : get_to_file(&s, words.list[0], rendition, output);
	}
	session_close(&s);
	return code;
}
