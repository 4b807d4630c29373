/* demo.c - demo: a server in a temporary directory whose pictures expire while you watch. */
#include "poison.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "commands.h"
#include "file.h"
#include "imaging_sample.h"
#include "log.h"
#include "memory.h"
#include "serve.h"

enum { PICTURES_EACH = 4, DEMO_SCALE = 60, REPLY_MAX = 65536, OPEN_DIRS = 16 };
#define PICTURE_MAX MIB(8)

static const char usage[] =
	"usage: darkroom demo [--pictures DIRECTORY] [settings]\n"
	"a server in a temporary directory, two collections of pictures, time sixty times as fast:\n"
	"the first pictures are destroyed after one minute, the last after two;\n"
	"--pictures takes your own instead of painted ones; Ctrl-C ends and removes everything\n";

/* Each keeps its pictures so long that, at DEMO_SCALE, the purge comes after 60 and 110 s of real time. */
static const struct {
	const char *name;
	long retention_ms;
} collections[] = { { "holiday", 3600000 }, { "shop", 6600000 } };
enum { COLLECTIONS = sizeof collections / sizeof *collections };

struct demo {
	char directory[256];
	const char *pictures;
};

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	(void)info;
	(void)kind;
	(void)where;
	return remove(path);
}

static enum status paint_pictures(const char *directory, uint32_t first_seed)
{
	int fd = -1;
	enum status st = file_make_dirs(directory);
	if (st == ST_OK)
		st = file_open_dir(AT_FDCWD, directory, &fd);
	for (uint32_t i = 0; st == ST_OK && i < PICTURES_EACH; i++) {
		struct imaging_sample_options options = {
			.seed = first_seed + i, .width = 2400, .height = 1600, .has_gps = i % 2 == 0
		};
		char name[32];
		struct buf jpeg;
		buf_init(&jpeg, PICTURE_MAX);
		(void)snprintf(name, sizeof name, "DSC_%04u.JPG", first_seed + i);
		st = imaging_sample(&options, &jpeg);
		if (st == ST_OK)
			st = file_replace(fd, name, buf_span(&jpeg), 0600);
		buf_fini(&jpeg);
	}
	file_close(&fd);
	return st;
}

static bool make_collection(const struct config *c, const char *name, long retention_ms)
{
	char socket[CONFIG_TEXT_MAX], request[256];
	struct buf reply;
	int n = snprintf(socket, sizeof socket, "%s/admin.sock", c->data);
	(void)snprintf(request, sizeof request,
		"{\"command\":\"collection.create\",\"name\":\"%s\",\"retention_ms\":%ld}", name,
		retention_ms);
	buf_init(&reply, REPLY_MAX);
	bool is_good = n > 0 && (size_t)n < sizeof socket &&
		       admin_call(socket, span_of(request), &reply) == ST_OK &&
		       strstr(buf_text(&reply), "\"ok\":true") != NULL;
	buf_fini(&reply);
	return is_good;
}

static void upload(const struct config *config, const char *directory, const char *collection)
{
	char command[] = "put", flag[] = "--collection", name[64], path[512], parallel[] = "--parallel",
	     two[] = "2";
	(void)snprintf(name, sizeof name, "%s", collection);
	(void)snprintf(path, sizeof path, "%s", directory);
	char *argv[] = { command, path, flag, name, parallel, two, NULL };
	if (client_put(config, 6, argv) != EXIT_DONE)
		(void)fprintf(stderr, "darkroom: not every picture could be uploaded\n");
}

static void tell(const struct config *c, const char *key)
{
	const char *us = program_invocation_name;
	(void)printf("\nDarkroom demonstrates itself at https://%s, time runs %lld times as fast\n",
		c->listen, (long long)c->time_scale);
	(void)printf("\nin another terminal:\n\n  export DARKROOM_URL=https://%s DARKROOM_CA=%s/tls/ca.pem "
		     "DARKROOM_KEY=%s\n",
		c->listen, c->data, key);
	(void)printf(
		"  %s ls\n"
		"  %s sql \"SELECT collection, state, camera, dominant_colour, expires_at FROM v1_images\"\n"
		"  watch -n 1 %s ls          # each collection empties at its second\n"
		"  %s receipt list --data %s\n\nCtrl-C ends it and removes %s\n",
		us, us, us, us, c->data, c->data);
	(void)fflush(stdout);
}

static void started(const struct config *config, struct app_welcome *welcome, void *context)
{
	struct demo *demo = context;
	struct config local = *config;
	serve_address(config, welcome, local.listen);
	(void)setenv("DARKROOM_KEY", welcome->admin_key, 1);
	for (uint32_t i = 0; i < COLLECTIONS; i++) {
		char directory[300];
		(void)snprintf(directory, sizeof directory, "%s/pictures-%u", demo->directory, i);
		enum status st = demo->pictures ? ST_OK : paint_pictures(directory, 100 * (i + 1));
		if (st == ST_OK && make_collection(&local, collections[i].name, collections[i].retention_ms))
			upload(&local, demo->pictures ? demo->pictures : directory, collections[i].name);
		else
			(void)fprintf(stderr, "darkroom: the collection %s could not be filled\n",
				collections[i].name);
	}
	(void)unsetenv("DARKROOM_KEY");
	tell(&local, welcome->admin_key);
	memory_wipe(welcome->admin_key, sizeof welcome->admin_key);
}

int command_demo(const struct config *config, int argc, char **argv)
{
	struct demo demo = { .pictures = command_take_value(&argc, argv, "--pictures") };
	struct config local = *config;
	const char *temporary = getenv("TMPDIR");
	int code = command_no_words(argc, argv, usage);
	if (code >= 0)
		return code;
	int n = snprintf(demo.directory, sizeof demo.directory, "%s/darkroom-demo-XXXXXX",
		temporary ? temporary : "/tmp");
	if (n < 0 || (size_t)n >= sizeof demo.directory || !mkdtemp(demo.directory)) {
		(void)fprintf(stderr, "darkroom: no temporary directory can be made in %s\n",
			temporary ? temporary : "/tmp");
		return EXIT_LOCAL_IO;
	}
	(void)snprintf(local.data, sizeof local.data, "%s/data", demo.directory);
	if (local.origin[CONFIG_SETTING_time_scale] == CONFIG_FROM_DEFAULT)
		local.time_scale = DEMO_SCALE;
	if (local.origin[CONFIG_SETTING_log_level] == CONFIG_FROM_DEFAULT)
		log_configure(LOG_WARN, LOG_FORMAT_TEXT);
	code = serve_run(&local, started, &demo);
	if (nftw(demo.directory, remove_entry, OPEN_DIRS, FTW_DEPTH | FTW_PHYS))
		(void)fprintf(stderr, "darkroom: %s could not be removed whole\n", demo.directory);
	return code;
}
