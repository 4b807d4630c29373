/* session.h - one command's connection to a server, and its options. */
#ifndef DARKROOM_CLIENT_SESSION_H
#define DARKROOM_CLIENT_SESSION_H

#include "client.h"
#include "fetcher.h"
#include "json.h"

enum { URL_MAX = 2048, KEY_MAX = 128, WORDS_MAX = 1024 };

/* One option of a command: "--name value", or "--name" alone when `flag` is given.  The sentence is for
 * --help; of an option with a value it begins with what the value is called. */
struct option_row {
	const char *name;
	const char **value;
	bool *flag;
	const char *sentence;
};

struct session {
	char url[CONFIG_TEXT_MAX]; /* without a closing slash */
	char authorization[KEY_MAX + 32];
	char ca_path[CONFIG_TEXT_MAX];
	bool as_json;
	struct fetcher *fetcher;
};

/* The words of a command line that are no options.  EXIT_USAGE after saying what is wrong. */
struct words {
	const char *list[WORDS_MAX];
	size_t count;
};

/* What a client command was called with, and what it takes besides the common options (NULL: nothing). */
struct command_line {
	int argc;
	char **argv;
	const char *usage; /* how it is called and what it does, without the options */
	const struct option_row *options;
};

/* Sorts the line into options and words, finds server, key and CA, opens the fetcher. Prints its usage for
 * --help.  Gives EXIT_DONE, or the exit code to end with; -1: go on. */
int session_open(
	struct session *s, const struct config *config, const struct command_line *line, struct words *words);
void session_close(struct session *s);

/* Another connection with the same address and key, for a thread of its own. */
enum status session_copy(const struct session *from, struct session *out) MUST_CHECK;

/* One request without a body that answers JSON.  Gives EXIT_DONE and *out (end with json_free()), or the
 * exit code after printing the problem. */
int session_json(
	struct session *s, const char *method, const char *path, struct span body, struct json **out);

/* Prints a problem that a server sent, or why there was no answer; gives the exit code. */
int session_complain(const char *what, enum status st, const struct fetcher_reply *reply);

/* "https://…" + path into `out`; false when too long. */
bool session_url(const struct session *s, const char *path, char out[URL_MAX]);

/* Percent-encodes a query value. */
void session_put_encoded(struct buf *out, struct span value);

#endif
