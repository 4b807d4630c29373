/* serve.c - serve: starts, greets, waits for a signal, stops. */
#include "poison.h"

#include "serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "commands.h"
#include "log.h"
#include "memory.h"

static const char usage[] = "usage: darkroom serve [settings]\n"
			    "makes ./data the first time and prints where it listens and the first API key;\n"
			    "`darkroom config --explain` lists the settings\n";

void serve_address(const struct config *config, const struct app_welcome *welcome, char out[CONFIG_TEXT_MAX])
{
	struct span listen = span_of(config->listen);
	size_t colon = listen.len;
	while (colon > 0 && listen.data[colon - 1] != ':')
		colon--;
	(void)snprintf(out, CONFIG_TEXT_MAX, "%.*s%d", (int)colon, config->listen, welcome->port);
}

/* At most 20 lines, each of which works when it is pasted where the server was started. */
static void greet(const struct config *config, struct app_welcome *w)
{
	char address[CONFIG_TEXT_MAX];
	serve_address(config, w, address);
	(void)printf("Darkroom serves https://%s (data in %s)\n", address, config->data);
	if (w->ca_path[0])
		(void)printf("its certificate is signed by the local CA %s\n", w->ca_path);
	if (w->is_new) {
		(void)printf(
			"\nthe first API key (role admin), shown this once:\n\n  export DARKROOM_KEY=%s\n",
			w->admin_key);
		(void)printf("\nupload a picture, and look at it:\n\n"
			     "  curl --cacert %s -H \"Authorization: Bearer $DARKROOM_KEY\" --data-binary "
			     "@photo.jpg "
			     "\"https://%s/v1/images?wait=processed\"\n",
			w->ca_path[0] ? w->ca_path : "CA.pem", address);
		(void)printf("\nmore keys: %s key create --data %s --principal NAME --role uploader\n",
			program_invocation_name, config->data);
	}
	(void)fflush(stdout);
	memory_wipe(w->admin_key, sizeof w->admin_key);
}

static void wait_for_end(struct app *app, const sigset_t *signals)
{
	for (;;) {
		int number = 0;
		if (sigwait(signals, &number))
			continue;
		if (number == SIGHUP) {
			app_reload(app);
			continue;
		}
		log_event(LOG_INFO, "main.signal.received", LOG_I64("signal", number));
		return;
	}
}

int serve_run(const struct config *config, serve_started started, void *context)
{
	struct app *app = NULL;
	struct app_welcome welcome;
	struct buf why;
	sigset_t signals;
	int code = EXIT_DONE;
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	memory_forbid_dumps();
	buf_init(&why, 4096);
	enum status st = app_open(config, APP_SERVE, NULL, &app, &why);
	if (st == ST_OK)
		st = app_serve(app, &welcome, &why);
	if (st == ST_OK) {
		started(config, &welcome, context);
		wait_for_end(app, &signals);
	} else {
		(void)fprintf(stderr, "darkroom: %s\n", buf_text(&why));
		code = st == ST_INVALID || st == ST_MISMATCH ? EXIT_USAGE : EXIT_SERVER;
	}
	app_close(app);
	buf_fini(&why);
	return code;
}

static void greet_on_start(const struct config *config, struct app_welcome *welcome, void *context)
{
	(void)context;
	greet(config, welcome);
}

int command_serve(const struct config *config, int argc, char **argv)
{
	int code = command_no_words(argc, argv, usage);
	if (code < 0 && config->service_links > 0)
		log_event(LOG_INFO, "config.service_links.ignored",
			LOG_U64("variables", config->service_links));
	return code >= 0 ? code : serve_run(config, greet_on_start, NULL);
}
