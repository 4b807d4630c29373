/* main.c - commands and their arguments. */
#include "poison.h"

#include <netdb.h>
#include <nss.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "digest.h"
#include "log.h"
#include "memory.h"
#include "process_child.h"
#include "thread.h"

struct command {
	const char *name;
	int (*run)(const struct config *config, int argc, char **argv);
	const char *sentence;
};

static const struct command commands[] = {
	{ "serve", command_serve, "run the server (makes the data directory the first time)" },
	{ "demo", command_demo, "run it in a temporary directory with pictures that expire while you watch" },
	{ "put", client_put, "upload files or a folder" },
	{ "get", client_get, "download an image, a rendition, or its record" },
	{ "ls", client_ls, "find images" },
	{ "rm", client_rm, "erase images before their time" },
	{ "sql", client_sql, "query the published views" },
	{ "collection", command_collection, "create, list, change, remove collections" },
	{ "key", command_key, "create, list, revoke API keys" },
	{ "receipt", command_receipt, "list receipts of destroyed keys, verify them" },
	{ "clock", command_clock, "show trusted time; confirm it after a leap" },
	{ "reload", command_reload, "load the certificate again without a restart" },
	{ "verify", command_verify, "read and check everything in a stopped data directory" },
	{ "rebuild", command_rebuild, "make the catalog anew from the segments" },
	{ "doctor", command_doctor, "check disk, permissions, clock, kernel, limits; say what to do" },
	{ "routes", command_routes, "print the API's routes" },
	{ "config", command_config, "print all settings with default, unit and meaning" },
	{ "version", command_version, "print the version; --verbose: of every component" },
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static int usage(FILE *to, int code)
{
	(void)fprintf(to, "usage: darkroom COMMAND [arguments]\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		(void)fprintf(to, "  %-11s %s\n", commands[i].name, commands[i].sentence);
	(void)fprintf(to,
		"\nSettings are flags (--listen HOST:PORT), variables (DARKROOM_LISTEN) or lines of a file "
		"(--config FILE);\n"
		"`darkroom config --explain` lists them.  `darkroom help COMMAND` says more.\n");
	return code;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

int command_no_words(int argc, char **argv, const char *usage_text)
{
	if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
		(void)printf("%s", usage_text);
		return EXIT_DONE;
	}
	if (argc < 2)
		return -1;
	(void)fprintf(stderr, "darkroom: \"%s\" is not understood\n%s", argv[1], usage_text);
	return EXIT_USAGE;
}

static void take_out(int *argc, char **argv, int at, int count)
{
	for (int i = at; i + count < *argc; i++)
		argv[i] = argv[i + count];
	*argc -= count;
}

bool command_take_flag(int *argc, char **argv, const char *flag)
{
	for (int i = 1; i < *argc; i++)
		if (strcmp(argv[i], flag) == 0) {
			take_out(argc, argv, i, 1);
			return true;
		}
	return false;
}

const char *command_take_value(int *argc, char **argv, const char *flag)
{
	for (int i = 1; i + 1 < *argc; i++)
		if (strcmp(argv[i], flag) == 0) {
			const char *value = argv[i + 1];
			take_out(argc, argv, i, 2);
			return value;
		}
	return NULL;
}

/* File, then environment, then flags: each wins over the one before. */
static enum status load_config(struct config *config, int *argc, char **argv, struct buf *why)
{
	const char *path = command_take_value(argc, argv, "--config");
	config_init(config);
	if (!path)
		path = getenv("DARKROOM_CONFIG");
	enum status st = path ? config_load_file(config, path, why) : ST_OK;
	if (st == ST_OK)
		st = config_load_environment(config, environ, why);
	if (st == ST_OK)
		st = config_load_flags(config, argc, argv, why);
	return st == ST_OK ? config_check(config, why) : st;
}

static void configure_log(const struct config *config)
{
	static const char *const levels[] = { "debug", "info", "warn", "error" };
	enum log_level least = LOG_INFO;
	for (int i = LOG_DEBUG; i <= LOG_ERROR; i++)
		if (strcmp(config->log_level, levels[i]) == 0)
			least = (enum log_level)i;
	log_configure(least, strcmp(config->log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
}

static int run(const struct command *command, int argc, char **argv)
{
	static struct config config;
	struct buf why;
	buf_init(&why, 4096);
	enum status st = load_config(&config, &argc, argv, &why);
	if (st != ST_OK) {
		(void)fprintf(stderr, "darkroom: %s\n", buf_text(&why));
		buf_fini(&why);
		return EXIT_USAGE;
	}
	buf_fini(&why);
	configure_log(&config);
	return command->run(&config, argc, argv);
}

int main(int argc, char **argv)
{
	static char help_flag[] = "--help";
	/* A static binary must not load the host's name service modules: files and dns are built in. */
	(void)__nss_configure_lookup("hosts", "files dns");
	if (argc == 2 && strcmp(argv[1], "child-image") == 0)
		return process_child_main();
	if (argc < 2)
		return usage(stderr, EXIT_USAGE);
	bool is_help = strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0;
	if (is_help && argc == 2)
		return usage(stdout, EXIT_DONE);
	if (is_help) { /* help COMMAND is COMMAND --help */
		argv[1] = argv[2];
		argv[2] = help_flag;
		argc = 3;
	}
	if (strcmp(argv[1], "--version") == 0)
		argv[1] = "version";
	const struct command *command = find_command(argv[1]);
	if (!command) {
		(void)fprintf(stderr, "darkroom: there is no command \"%s\"\n", argv[1]);
		return usage(stderr, EXIT_USAGE);
	}
	thread_set_name("main");
	if (digest_init() != ST_OK) {
		(void)fprintf(stderr, "darkroom: the cryptographic library lacks an algorithm\n");
		return EXIT_SERVER;
	}
	return run(command, argc - 1, argv + 1);
}
