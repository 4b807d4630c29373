/* administer.c - collection, key, receipt, clock, reload: through the socket of a running server, or on a
 * stopped directory. */
#include "poison.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "commands.h"
#include "file.h"
#include "json.h"
#include "log.h"
#include "text.h"

enum { REQUEST_MAX = 65536 };
#define REPLY_MAX MIB(4)

/* A running server is asked; without one the directory is opened and the very same command runs here. */
static enum status execute(
	const struct config *config, struct span request, struct buf *reply, struct buf *why)
{
	char path[CONFIG_TEXT_MAX];
	struct app *app = NULL;
	int n = snprintf(path, sizeof path, "%s/admin.sock", config->data);
	if (n < 0 || (size_t)n >= sizeof path)
		return ST_TOO_BIG;
	enum status st = admin_call(path, request, reply);
	if (st == ST_DENIED)
		buf_printf(why, "%s may only be used by the user who runs the server", path);
	if (st != ST_NOT_FOUND)
		return st;
	log_configure(LOG_WARN, LOG_FORMAT_TEXT);
	st = app_open(config, APP_ADMINISTER, NULL, &app, why);
	if (st == ST_OK)
		admin_execute(app_admin(app), request, reply);
	app_close(app);
	return st;
}

/* Runs a request; gives the parsed reply, or says what is wrong and gives the exit code. */
static int ask(const struct config *config, struct buf *request, struct json **out)
{
	struct buf reply, why;
	bool is_good = false;
	struct span error = SPAN_LIT("the server's answer is not understood");
	int code = EXIT_DONE;
	buf_init(&reply, REPLY_MAX);
	buf_init(&why, 4096);
	enum status st = buf_ok(request) ? execute(config, buf_span(request), &reply, &why) : ST_TOO_BIG;
	if (st != ST_OK) {
		(void)fprintf(
			stderr, "darkroom: %s\n", buf_span(&why).len ? buf_text(&why) : status_text(st));
		code = EXIT_UNREACHABLE;
	} else if (json_parse(buf_span(&reply), out, NULL) != ST_OK ||
		   json_get_bool(*out, "ok", &is_good) != ST_OK || !is_good) {
		if (*out && json_get_text(*out, "error", &error) != ST_OK)
			error = SPAN_LIT("no reason was given");
		(void)fprintf(stderr, "darkroom: %.*s\n", (int)error.len, (const char *)error.data);
		code = EXIT_REFUSED;
	}
	buf_wipe(&reply);
	buf_fini(&why);
	return code;
}

static void print_json(const struct json *value)
{
	struct buf text;
	buf_init(&text, REPLY_MAX);
	json_put_value(&text, value);
	(void)printf("%s\n", buf_text(&text));
	buf_wipe(&text);
}

static void print_member(const struct json *object, const char *key, const char *before)
{
	struct span text;
	if (json_get_text(object, key, &text) == ST_OK)
		(void)printf("%s%.*s", before, (int)text.len, (const char *)text.data);
}

static void begin(struct buf *request, struct json_writer *w, const char *command)
{
	buf_init(request, REQUEST_MAX);
	*w = json_writer_of(request);
	json_begin_object(w, NULL);
	json_put_text(w, "command", span_of(command));
}

static void put_list(struct json_writer *w, const char *key, const char *comma_list)
{
	struct span rest = span_of(comma_list);
	json_begin_array(w, key);
	while (rest.len > 0) {
		size_t comma = span_find(rest, ',');
		json_put_text(w, NULL, span_trim(span_slice(rest, 0, comma)));
		rest = span_slice(rest, comma + 1, rest.len);
	}
	json_end_array(w);
}

/* A duration option; EXIT_USAGE after saying so, or -1. */
static int put_duration(struct json_writer *w, const char *key, const char *flag, const char *text)
{
	int64_t ms;
	if (!text)
		return -1;
	if (text_parse_duration(span_of(text), &ms) != ST_OK) {
		(void)fprintf(stderr, "darkroom: %s takes a duration such as 90s, 15m, 24h or 7d\n", flag);
		return EXIT_USAGE;
	}
	json_put_i64(w, key, ms);
	return -1;
}

static int finish(
	const struct config *config, struct buf *request, struct json_writer *w, struct json **reply)
{
	json_end_object(w);
	int code = ask(config, request, reply);
	buf_wipe(request);
	return code;
}

/* What the command takes: for who asks it is the answer, for everybody else an error. */
static int tell_usage(int argc, char **argv, const char *usage)
{
	bool is_asked = command_take_flag(&argc, argv, "--help");
	(void)fprintf(is_asked ? stdout : stderr, "%s", usage);
	return is_asked ? EXIT_DONE : EXIT_USAGE;
}

/* --- key --- */

static const char key_usage[] =
	"usage: darkroom key create --principal NAME --role ROLE [--collections A,B] [--valid 90d] [--json]\n"
	"       darkroom key list [--json]\n"
	"       darkroom key revoke PREFIX\n"
	"roles: uploader, reader, analyst, engineer, auditor, admin\n";

static int key_create(const struct config *config, int argc, char **argv, bool as_json)
{
	const char *principal = command_take_value(&argc, argv, "--principal"),
		   *role = command_take_value(&argc, argv, "--role");
	const char *collections = command_take_value(&argc, argv, "--collections");
	const char *valid = command_take_value(&argc, argv, "--valid");
	struct buf request;
	struct json_writer w;
	struct json *reply = NULL;
	if (!role || argc != 1)
		return tell_usage(argc, argv, key_usage);
	begin(&request, &w, "key.create");
	json_put_text(&w, "principal", span_of(principal ? principal : role));
	json_put_text(&w, "role", span_of(role));
	if (collections)
		put_list(&w, "collections", collections);
	int code = put_duration(&w, "valid_ms", "--valid", valid);
	if (code < 0)
		code = finish(config, &request, &w, &reply);
	else
		buf_fini(&request);
	if (code == EXIT_DONE && as_json) {
		print_json(reply);
	} else if (code == EXIT_DONE) {
		print_member(reply, "key", "");
		(void)printf("\n");
	}
	json_free(reply);
	return code;
}

static void print_key(const struct json *key)
{
	print_member(key, "prefix", "");
	print_member(key, "role", "  ");
	print_member(key, "principal", "  ");
	print_member(key, "created_at", "  made ");
	print_member(key, "expires_at", "  until ");
	print_member(key, "last_used_at", "  used ");
	print_member(key, "revoked_at", "  REVOKED ");
	(void)printf("\n");
}

static int print_list(const struct config *config, const char *command, const char *member, bool as_json,
	void (*print_one)(const struct json *))
{
	struct buf request;
	struct json_writer w;
	struct json *reply = NULL;
	begin(&request, &w, command);
	int code = finish(config, &request, &w, &reply);
	const struct json *list = json_get(reply, member);
	if (code == EXIT_DONE && as_json)
		print_json(reply);
	for (size_t i = 0; code == EXIT_DONE && !as_json && i < json_count(list); i++)
		print_one(json_at(list, i));
	json_free(reply);
	return code;
}

/* One text member, nothing to print. */
static int tell(const struct config *config, const char *command, const char *key, const char *value)
{
	struct buf request;
	struct json_writer w;
	struct json *reply = NULL;
	begin(&request, &w, command);
	if (key)
		json_put_text(&w, key, span_of(value));
	int code = finish(config, &request, &w, &reply);
	json_free(reply);
	return code;
}

int command_key(const struct config *config, int argc, char **argv)
{
	bool as_json = command_take_flag(&argc, argv, "--json");
	if (argc >= 2 && strcmp(argv[1], "create") == 0)
		return key_create(config, argc - 1, argv + 1, as_json);
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return print_list(config, "key.list", "keys", as_json, print_key);
	if (argc == 3 && strcmp(argv[1], "revoke") == 0)
		return tell(config, "key.revoke", "prefix", argv[2]);
	return tell_usage(argc, argv, key_usage);
}

/* --- collection --- */

static const char collection_usage[] =
	"usage: darkroom collection create NAME [--retention 7d] [--formats jpeg,png,webp,gif,bmp] [--json]\n"
	"       darkroom collection change NAME [--retention 7d] [--formats ...]\n"
	"       darkroom collection list [--json]\n"
	"       darkroom collection remove NAME\n";

static int collection_write(
	const struct config *config, const char *command, int argc, char **argv, bool as_json)
{
	const char *formats = command_take_value(&argc, argv, "--formats");
	struct buf request;
	struct json_writer w;
	struct json *reply = NULL;
	if (argc != 2)
		return tell_usage(argc, argv, collection_usage);
	begin(&request, &w, command);
	json_put_text(&w, "name", span_of(argv[1]));
	if (formats)
		put_list(&w, "formats", formats);
	/* --retention is the server's default for new collections, and was read as such; here it is this
	 * one's own. */
	if (config->origin[CONFIG_SETTING_retention] == CONFIG_FROM_FLAG)
		json_put_i64(&w, "retention_ms", config->retention);
	int code = finish(config, &request, &w, &reply);
	if (code == EXIT_DONE && as_json)
		print_json(reply);
	json_free(reply);
	return code;
}

/* In the largest unit that says it exactly; --retention reads it back. */
static void print_retention(int64_t seconds)
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t i = 0;
	while (seconds % units[i].seconds != 0)
		i++;
	(void)printf("  keeps images %lld%c", (long long)(seconds / units[i].seconds), units[i].unit);
}

static void print_collection(const struct json *collection)
{
	int64_t seconds = 0;
	bool is_removed = false;
	const struct json *formats = json_get(collection, "formats");
	print_member(collection, "name", "");
	if (json_get_i64(collection, "retention_s", &seconds) == ST_OK)
		print_retention(seconds);
	for (size_t i = 0; i < json_count(formats); i++) {
		struct span format;
		if (json_text(json_at(formats, i), &format) == ST_OK)
			(void)printf("%s%.*s", i ? "," : "  ", (int)format.len, (const char *)format.data);
	}
	if (json_get_bool(collection, "removed", &is_removed) == ST_OK && is_removed)
		(void)printf("  REMOVED");
	(void)printf("\n");
}

int command_collection(const struct config *config, int argc, char **argv)
{
	bool as_json = command_take_flag(&argc, argv, "--json");
	if (argc >= 2 && strcmp(argv[1], "create") == 0)
		return collection_write(config, "collection.create", argc - 1, argv + 1, as_json);
	if (argc >= 2 && strcmp(argv[1], "change") == 0)
		return collection_write(config, "collection.change", argc - 1, argv + 1, as_json);
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return print_list(config, "collection.list", "collections", as_json, print_collection);
	if (argc == 3 && strcmp(argv[1], "remove") == 0)
		return tell(config, "collection.remove", "name", argv[2]);
	return tell_usage(argc, argv, collection_usage);
}

/* --- receipts --- */

static const char receipt_usage[] =
	"usage: darkroom receipt list [--after NUMBER]          receipts as a JSON array\n"
	"       darkroom receipt key                            the public key, PEM\n"
	"       darkroom receipt verify RECEIPTS.json KEY.pem   checks signatures and chain; needs no data "
	"directory\n";

static int receipt_list(const struct config *config, const char *after)
{
	struct buf request, text;
	struct json_writer w;
	struct json *reply = NULL;
	uint64_t number = 0;
	if (after && span_to_u64(span_of(after), INT64_MAX, &number) != ST_OK) {
		(void)fprintf(stderr, "darkroom: --after takes the number of a receipt\n");
		return EXIT_USAGE;
	}
	begin(&request, &w, "receipt.list");
	json_put_i64(&w, "after", (int64_t)number);
	int code = finish(config, &request, &w, &reply);
	if (code == EXIT_DONE) {
		buf_init(&text, REPLY_MAX);
		json_put_value(&text, json_get(reply, "receipts"));
		(void)printf("%s\n", buf_text(&text));
		buf_fini(&text);
	}
	json_free(reply);
	return code;
}

static int receipt_key(const struct config *config)
{
	struct buf request;
	struct json_writer w;
	struct json *reply = NULL;
	begin(&request, &w, "receipt.key");
	int code = finish(config, &request, &w, &reply);
	if (code == EXIT_DONE)
		print_member(reply, "public_key", "");
	json_free(reply);
	return code;
}

static int receipt_verify(const char *receipts_path, const char *key_path)
{
	struct buf receipts, key;
	uint64_t bad = 0;
	buf_init(&receipts, REPLY_MAX);
	buf_init(&key, REQUEST_MAX);
	enum status st = file_load(AT_FDCWD, receipts_path, &receipts);
	if (st == ST_OK)
		st = file_load(AT_FDCWD, key_path, &key);
	int code = st == ST_OK ? EXIT_DONE : EXIT_NO_INPUT;
	if (st != ST_OK)
		(void)fprintf(stderr, "darkroom: a file cannot be read: %s\n", status_text(st));
	else if ((st = purge_verify_receipts(buf_span(&receipts), buf_span(&key), &bad)) == ST_OK)
		(void)printf("every signature and the whole chain are good\n");
	else
		code = EXIT_REFUSED;
	if (code == EXIT_REFUSED)
		(void)fprintf(stderr, "darkroom: receipt %llu is not good: %s\n", (unsigned long long)bad,
			status_text(st));
	buf_fini(&receipts);
	buf_fini(&key);
	return code;
}

int command_receipt(const struct config *config, int argc, char **argv)
{
	const char *after = command_take_value(&argc, argv, "--after");
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return receipt_list(config, after);
	if (argc == 2 && strcmp(argv[1], "key") == 0)
		return receipt_key(config);
	if (argc == 4 && strcmp(argv[1], "verify") == 0)
		return receipt_verify(argv[2], argv[3]);
	return tell_usage(argc, argv, receipt_usage);
}

/* --- clock, reload --- */

int command_clock(const struct config *config, int argc, char **argv)
{
	static const char usage[] =
		"usage: darkroom clock [status]    shows trusted time, wall time, and whether time is held\n"
		"       darkroom clock confirm     after a leap: wall time is right, go by it\n";
	bool is_confirm = argc == 2 && strcmp(argv[1], "confirm") == 0;
	struct buf request;
	struct json_writer w;
	struct json *reply = NULL;
	if (argc > 2 || (argc == 2 && !is_confirm && strcmp(argv[1], "status") != 0))
		return tell_usage(argc, argv, usage);
	begin(&request, &w, is_confirm ? "clock.confirm" : "clock.status");
	int code = finish(config, &request, &w, &reply);
	if (code == EXIT_DONE)
		print_json(reply);
	json_free(reply);
	return code;
}

int command_reload(const struct config *config, int argc, char **argv)
{
	int code = command_no_words(argc, argv,
		"usage: darkroom reload [--data DIR]   loads the certificate of the running server again\n");
	return code >= 0 ? code : tell(config, "server.reload", NULL, NULL);
}
