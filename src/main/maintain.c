/* maintain.c - verify and rebuild, on a stopped data directory. */
#include "poison.h"

#include <stdio.h>
#include <unistd.h>

#include "app.h"
#include "clock.h"
#include "commands.h"
#include "log.h"

enum { REWRITE_MS = 100, LINE_MS = 1000 };

/* On a terminal one line that is rewritten; elsewhere, and only if asked for, a line now and then. */
struct progress {
	struct commit_progress to;
	const char *what;
	bool is_terminal, is_asked, is_begun;
	int64_t every_ms, next_ms;
	uint64_t done, images; /* as last shown */
};

static void put_count(struct buf *b, uint64_t n)
{
	if (n >= 1000) {
		put_count(b, n / 1000);
		buf_printf(b, ",%03u", (unsigned)(n % 1000));
	} else {
		buf_printf(b, "%u", (unsigned)n);
	}
}

/* "3.2 of 12.0 GB", in the unit that suits the whole. */
static void put_part(struct buf *b, uint64_t done, uint64_t total)
{
	static const char *const units[] = { "kB", "MB", "GB", "TB" };
	double unit = 1000;
	size_t i = 0;
	for (; i < 3 && (double)total >= unit * 1000; i++)
		unit *= 1000;
	buf_printf(b, "%.1f of %.1f %s", (double)done / unit, (double)total / unit, units[i]);
}

static void show(void *context, uint64_t done, uint64_t total, uint64_t images)
{
	struct progress *p = context;
	struct buf line;
	int64_t now = clock_monotonic_ms();
	bool is_whole = done == total, is_new = done != p->done || images != p->images;
	/* What is over before it was shown needs no showing; on a terminal nothing is left half way. */
	if ((is_whole && (!p->is_begun || !is_new)) || (now < p->next_ms && !(is_whole && p->is_terminal)))
		return;
	p->next_ms = now + p->every_ms;
	p->is_begun = true;
	p->done = done;
	p->images = images;
	buf_init(&line, 256);
	put_part(&line, done, total);
	if (images > 0) {
		buf_put_text(&line, ", ");
		put_count(&line, images);
		buf_put_text(&line, " images");
	}
	(void)fprintf(stderr, p->is_terminal ? "\r%s: %s " : "%s: %s\n", p->what, buf_text(&line));
	buf_fini(&line);
}

/* Shows nothing before delay_ms are over. */
static void begin_progress(struct progress *p, const char *what, bool is_asked, int64_t delay_ms)
{
	bool is_terminal = isatty(STDERR_FILENO);
	*p = (struct progress){
		.to = { show, p },
		.what = what,
		.is_terminal = is_terminal,
		.is_asked = is_asked,
		.every_ms = is_terminal ? REWRITE_MS : LINE_MS,
		.next_ms = clock_monotonic_ms() + delay_ms,
	};
}

/* NULL when nobody would see it. */
static const struct commit_progress *listener_of(const struct progress *p)
{
	return p->is_asked || p->is_terminal ? &p->to : NULL;
}

static void end_progress(const struct progress *p)
{
	if (p->is_begun && p->is_terminal)
		(void)fprintf(stderr, "\n");
}

static void say(void *context, const char *line)
{
	(void)context;
	(void)printf("%s\n", line);
}

/* Opens the directory for `use`; says why not and gives NULL. */
static struct app *open_or_say(const struct config *config, enum app_use use, const struct progress *progress)
{
	struct app *app = NULL;
	struct buf why;
	buf_init(&why, 4096);
	/* The last line says what came of it; what the opening logs on its way is for who asks. */
	if (config->origin[CONFIG_SETTING_log_level] == CONFIG_FROM_DEFAULT)
		log_configure(LOG_WARN, LOG_FORMAT_TEXT);
	enum status st = app_open(config, use, listener_of(progress), &app, &why);
	end_progress(progress);
	if (st != ST_OK)
		(void)fprintf(stderr, "darkroom: %s\n", buf_text(&why));
	buf_fini(&why);
	return app;
}

int command_verify(const struct config *config, int argc, char **argv)
{
	struct commit_verify_report r = { 0 };
	char why[256] = "";
	struct progress progress;
	bool is_asked = command_take_flag(&argc, argv, "--progress");
	int code = command_no_words(argc, argv,
		"usage: darkroom verify --data DIR [--progress]   reads and checks everything\n"
		"--progress: tell on stderr how far it is, also where that is no terminal\n");
	if (code >= 0)
		return code;
	begin_progress(&progress, "replay", is_asked, LINE_MS);
	struct app *app = open_or_say(config, APP_VERIFY, &progress);
	if (!app)
		return EXIT_SERVER;
	begin_progress(&progress, "verify", is_asked, 0);
	enum status st = commit_verify(app_commit(app), say, NULL, listener_of(&progress), &r);
	end_progress(&progress);
	enum status rows = catalog_verify(app_catalog(app), why);
	if (rows != ST_OK)
		(void)printf("catalog.db: %s\n", why);
	uint64_t torn = keyring_torn_slots(app_keyring(app));
	if (torn > 0)
		(void)printf("keyring: %llu places were whole in one mirror only, and were copied from it\n",
			(unsigned long long)torn);
	(void)printf(
		"%llu batches, %llu records, %llu images, %llu blobs, %llu bytes read; %llu damaged, %llu "
		"dangling, %llu orphaned\n",
		(unsigned long long)r.batches, (unsigned long long)r.records, (unsigned long long)r.images,
		(unsigned long long)r.blobs, (unsigned long long)r.bytes, (unsigned long long)r.damaged,
		(unsigned long long)r.dangling, (unsigned long long)r.orphans);
	app_close(app);
	return st == ST_OK && rows == ST_OK && torn == 0 ? EXIT_DONE : EXIT_SOME_FAILED;
}

int command_rebuild(const struct config *config, int argc, char **argv)
{
	struct progress progress;
	bool is_asked = command_take_flag(&argc, argv, "--progress");
	int code = command_no_words(argc, argv,
		"usage: darkroom rebuild --data DIR [--progress]   makes catalog.db anew from the segments\n"
		"--progress: tell on stderr how far it is, also where that is no terminal\n");
	if (code >= 0)
		return code;
	begin_progress(&progress, "rebuild", is_asked, 0);
	struct app *app = open_or_say(config, APP_REBUILD, &progress);
	if (!app)
		return EXIT_SERVER;
	struct catalog_stats stats = { 0 };
	enum status st = catalog_stats(app_catalog(app), NULL, 0, 0, &stats);
	if (st == ST_OK)
		(void)printf("the catalog was made anew: %lld images\n", (long long)stats.images);
	app_close(app);
	return st == ST_OK ? EXIT_DONE : EXIT_SERVER;
}
