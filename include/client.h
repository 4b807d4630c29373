/* client.h - the API from the other side: put, get, list, remove, query over HTTPS.
 *
 * Where the server is: --url, or DARKROOM_URL; the key: DARKROOM_KEY or --key-file (never an argument:
 * arguments can be seen by others); the CA: --ca or DARKROOM_CA.  Missing ones are taken from a data
 * directory on this machine (--data): its CA and its address.
 *
 * Exit codes: 0 done, 1 some of several failed, 64 usage, 65 the server refuses the input (4xx), 66 no
 * such file or image (404, 410), 69 unreachable, 70 the server failed (5xx), 74 local input or output, 77
 * not allowed (401, 403). */
#ifndef DARKROOM_CLIENT_H
#define DARKROOM_CLIENT_H

#include "config.h"
#include "status.h"

enum {
	EXIT_DONE = 0,
	EXIT_SOME_FAILED = 1,
	EXIT_USAGE = 64,
	EXIT_REFUSED = 65,
	EXIT_NO_INPUT = 66,
	EXIT_UNREACHABLE = 69,
	EXIT_SERVER = 70,
	EXIT_LOCAL_IO = 74,
	EXIT_NOT_ALLOWED = 77
};

/* Each runs one command with its arguments (argv[0] is the command's word) and gives the exit code. */
int client_put(const struct config *config, int argc, char **argv);
int client_get(const struct config *config, int argc, char **argv);
int client_ls(const struct config *config, int argc, char **argv);
int client_rm(const struct config *config, int argc, char **argv);
int client_sql(const struct config *config, int argc, char **argv);

#endif
