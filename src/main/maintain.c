/* maintain.c - verify and rebuild, on a stopped data directory. */
#include "poison.h"

#include <stdio.h>

#include "app.h"
#include "commands.h"
#include "log.h"

static void say(void *context, const char *line)
{
	(void)context;
	(void)printf("%s\n", line);
}

/* Opens the directory for `use`; says why not and gives NULL. */
static struct app *open_or_say(const struct config *config, enum app_use use)
{
	struct app *app = NULL;
	struct buf why;
	buf_init(&why, 4096);
	/* The last line says what came of it; what the opening logs on its way is for who asks. */
	if (config->origin[CONFIG_SETTING_log_level] == CONFIG_FROM_DEFAULT)
		log_configure(LOG_WARN, LOG_FORMAT_TEXT);
	if (app_open(config, use, &app, &why) != ST_OK)
		(void)fprintf(stderr, "darkroom: %s\n", buf_text(&why));
	buf_fini(&why);
	return app;
}

int command_verify(const struct config *config, int argc, char **argv)
{
	struct commit_verify_report r = { 0 };
	char why[256] = "";
	int code = command_no_words(argc, argv,
		"usage: darkroom verify --data DIR   reads and checks everything; changes nothing\n");
	if (code >= 0)
		return code;
	struct app *app = open_or_say(config, APP_VERIFY);
	if (!app)
		return EXIT_SERVER;
	enum status st = commit_verify(app_commit(app), say, NULL, &r);
	enum status rows = catalog_verify(app_catalog(app), why);
	if (rows != ST_OK)
		(void)printf("catalog.db: %s\n", why);
	(void)printf(
		"%llu batches, %llu records, %llu images, %llu blobs, %llu bytes read; %llu damaged, %llu "
		"dangling, %llu orphaned\n",
		(unsigned long long)r.batches, (unsigned long long)r.records, (unsigned long long)r.images,
		(unsigned long long)r.blobs, (unsigned long long)r.bytes, (unsigned long long)r.damaged,
		(unsigned long long)r.dangling, (unsigned long long)r.orphans);
	app_close(app);
	return st == ST_OK && rows == ST_OK ? EXIT_DONE : EXIT_SOME_FAILED;
}

int command_rebuild(const struct config *config, int argc, char **argv)
{
	int code = command_no_words(
		argc, argv, "usage: darkroom rebuild --data DIR   makes catalog.db anew from the segments\n");
	if (code >= 0)
		return code;
	struct app *app = open_or_say(config, APP_REBUILD);
	if (!app)
		return EXIT_SERVER;
	struct catalog_stats stats = { 0 };
	enum status st = catalog_stats(app_catalog(app), NULL, 0, 0, &stats);
	if (st == ST_OK)
		(void)printf("the catalog was made anew: %lld images\n", (long long)stats.images);
	app_close(app);
	return st == ST_OK ? EXIT_DONE : EXIT_SERVER;
}
