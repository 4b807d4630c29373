/* serve.h - one run of the server, for serve and for demo. */
#ifndef DARKROOM_MAIN_SERVE_H
#define DARKROOM_MAIN_SERVE_H

#include "app.h"

/* Called once the port is open. */
typedef void (*serve_started)(const struct config *config, struct app_welcome *welcome, void *context);

/* The address to speak to: "host:port" of the listen setting, with the port that was really opened. */
void serve_address(const struct config *config, const struct app_welcome *welcome, char out[CONFIG_TEXT_MAX]);

/* Serves until SIGINT or SIGTERM; SIGHUP loads the certificate again.  Gives the exit code. */
int serve_run(const struct config *config, serve_started started, void *context);

#endif
