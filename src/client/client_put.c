/* client_put.c - put: files and folders, several at once, with retries that cannot store twice. */
#include "poison.h"

#include "client.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "lock.h"
#include "memory.h"
#include "num.h"
#include "random.h"
#include "session.h"
#include "thread.h"

enum {
	FILES_MAX = 100000,
	PARALLEL_MAX = 64,
	TRIES = 6,
	PATH_BYTES = 4096,
	WAIT_MS_MAX = 8000,
	FIRST_WAIT_MS = 250
};

static const char usage[] =
	"usage: darkroom put [options] FILE|DIRECTORY...\n"
	"uploads images; a directory's files, not those of its subdirectories; tries again what failed on "
	"the way\n";

struct put {
	struct session *session;
	const char *collection;
	bool must_wait;
	char **paths;
	size_t path_count;
	atomic_size_t next;
	struct lock lock; /* guards what follows, and standard output */
	size_t done, failed;
	int last_code;
};

static bool is_directory(const char *path)
{
	struct stat info;
	return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static enum status add_path(struct put *p, const char *directory, const char *name)
{
	size_t size = strlen(name) + (directory ? strlen(directory) + 1 : 0) + 1;
	if (p->path_count == FILES_MAX)
		return ST_TOO_BIG;
	char *path = memory_alloc(size);
	if (!path)
		return ST_FULL;
	(void)snprintf(path, size, "%s%s%s", directory ? directory : "", directory ? "/" : "", name);
	if (directory && is_directory(path)) {
		memory_free(path);
		return ST_OK;
	}
	p->paths[p->path_count++] = path;
	return ST_OK;
}

static enum status add_directory(struct put *p, const char *directory)
{
	int fd = -1;
	char **names = NULL;
	size_t count = 0;
	enum status st = file_open_dir(AT_FDCWD, directory, &fd);
	if (st == ST_OK)
		st = file_list(fd, FILES_MAX, &names, &count);
	for (size_t i = 0; st == ST_OK && i < count; i++)
		if (names[i][0] != '.')
			st = add_path(p, directory, names[i]);
	memory_free(names);
	file_close(&fd);
	return st;
}

static enum status collect(struct put *p, const struct words *words)
{
	enum status st = ST_OK;
	p->paths = memory_alloc_array(FILES_MAX, sizeof *p->paths);
	if (!p->paths)
		return ST_FULL;
	for (size_t i = 0; st == ST_OK && i < words->count; i++)
		st = is_directory(words->list[i]) ? add_directory(p, words->list[i])
						  : add_path(p, NULL, words->list[i]);
	return st;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static bool make_url(const struct put *p, const char *path, char out[URL_MAX])
{
	struct buf query;
	buf_init(&query, URL_MAX - 1);
	buf_put_text(&query, "/v1/images?name=");
	session_put_encoded(&query, span_of(base_name(path)));
	if (p->collection) {
		buf_put_text(&query, "&collection=");
		session_put_encoded(&query, span_of(p->collection));
	}
	if (p->must_wait)
		buf_put_text(&query, "&wait=processed");
	bool is_good = buf_ok(&query) && session_url(p->session, buf_text(&query), out);
	buf_fini(&query);
	return is_good;
}

static bool is_worth_retrying(enum status st, const struct fetcher_reply *reply)
{
	if (st == ST_IO || st == ST_TIMEOUT)
		return true;
	return st == ST_OK &&
	       (reply->http_status == 429 || reply->http_status == 503 || reply->http_status == 507);
}

/* The server's wish, or a wait that doubles; with jitter, so that many do not come back together. */
static void wait_before(unsigned attempt, const struct fetcher_reply *reply)
{
	int64_t ms = (int64_t)FIRST_WAIT_MS << attempt;
	if (reply->retry_after_s > 0)
		ms = reply->retry_after_s * 1000;
	if (ms > WAIT_MS_MAX)
		ms = WAIT_MS_MAX;
	clock_sleep_ms(ms + random_below((uint32_t)ms / 4 + 1));
}

static void print_receipt(const char *path, struct span body)
{
	struct json *receipt = NULL;
	struct span id = SPAN_LIT("?"), expires = SPAN_LIT("?");
	if (json_parse(body, &receipt, NULL) == ST_OK &&
		(json_get_text(receipt, "id", &id) != ST_OK ||
			json_get_text(receipt, "expires_at", &expires) != ST_OK))
		expires = SPAN_LIT("?");
	(void)printf("%.*s  until %.*s  %s\n", (int)id.len, (const char *)id.data, (int)expires.len,
		(const char *)expires.data, path);
	json_free(receipt);
}

/* Says what became of one file; gives its exit code. */
static int report(
	struct put *p, struct session *s, const char *path, enum status st, struct fetcher_reply *reply)
{
	int code = EXIT_DONE;
	lock_acquire(&p->lock);
	if (st != ST_OK || reply->http_status >= 400)
		code = session_complain(path, st, reply);
	else if (s->as_json)
		(void)printf("%s\n", buf_text(&reply->body));
	else
		print_receipt(path, buf_span(&reply->body));
	lock_release(&p->lock);
	return code;
}

static int send_with_retries(
	struct put *p, struct session *s, const char *path, const struct fetcher_request *request)
{
	for (unsigned attempt = 0;; attempt++) {
		struct fetcher_reply reply;
		int code = EXIT_DONE;
		enum status st = fetcher_send(s->fetcher, request, MIB(1), &reply);
		bool again = attempt + 1 < TRIES && is_worth_retrying(st, &reply);
		if (again && attempt == 0)
			(void)fprintf(stderr, "darkroom: %s: not taken yet, trying again\n", path);
		if (again)
			wait_before(attempt, &reply);
		else
			code = report(p, s, path, st, &reply);
		fetcher_reply_fini(&reply);
		if (!again)
			return code;
	}
}

/* One file under one Idempotency-Key: however often it is sent, it is stored once. */
static int send_file(struct put *p, struct session *s, const char *path, int fd, uint64_t size)
{
	char url[URL_MAX], key[64];
	uint8_t random[16];
	if (!make_url(p, path, url) || random_bytes(random, sizeof random) != ST_OK)
		return EXIT_LOCAL_IO;
	(void)snprintf(key, sizeof key, "Idempotency-Key: %016llx%016llx",
		(unsigned long long)num_get_u64(random), (unsigned long long)num_get_u64(random + 8));
	const char *headers[] = { s->authorization, key, "Content-Type: application/octet-stream", NULL };
	struct fetcher_request request = { .method = "POST",
		.url = url,
		.headers = headers,
		.body_fd = fd,
		.body_len = size,
		.reply_fd = -1 };
	return send_with_retries(p, s, path, &request);
}

static int put_one(struct put *p, struct session *s, const char *path)
{
	int fd = -1, code = EXIT_NO_INPUT;
	uint64_t size = 0;
	enum status st = file_open(AT_FDCWD, path, FILE_READ, &fd);
	if (st == ST_OK)
		st = file_size(fd, &size);
	if (st == ST_OK)
		code = send_file(p, s, path, fd, size);
	else
		(void)fprintf(stderr, "darkroom: %s cannot be read: %s\n", path, status_text(st));
	file_close(&fd);
	return code;
}

static void count(struct put *p, int code)
{
	lock_acquire(&p->lock);
	p->done++;
	if (code != EXIT_DONE) {
		p->failed++;
		p->last_code = code;
	}
	if (p->path_count > 1 && !p->session->as_json && isatty(STDERR_FILENO))
		(void)fprintf(stderr, "\r%zu of %zu, %zu failed ", p->done, p->path_count, p->failed);
	lock_release(&p->lock);
}

static void put_many(void *argument)
{
	struct put *p = argument;
	struct session s;
	if (session_copy(p->session, &s) != ST_OK)
		return;
	for (size_t i; (i = atomic_fetch_add(&p->next, 1)) < p->path_count;)
		count(p, put_one(p, &s, p->paths[i]));
	session_close(&s);
}

static int run_threads(struct put *p, uint64_t parallel)
{
	struct thread threads[PARALLEL_MAX] = { { .is_started = false } };
	uint64_t started = 0;
	while (started < parallel && thread_start(&threads[started], "put", put_many, p) == ST_OK)
		started++;
	for (uint64_t i = 0; i < started; i++)
		thread_join(&threads[i]);
	if (p->path_count > 1 && !p->session->as_json && isatty(STDERR_FILENO))
		(void)fprintf(stderr, "\n");
	if (p->done < p->path_count)
		return EXIT_LOCAL_IO;
	if (p->failed == 0)
		return EXIT_DONE;
	return p->path_count == 1 ? p->last_code : EXIT_SOME_FAILED;
}

static void put_fini(struct put *p)
{
	for (size_t i = 0; p->paths && i < p->path_count; i++)
		memory_free(p->paths[i]);
	memory_free(p->paths);
	lock_fini(&p->lock);
}

int client_put(const struct config *config, int argc, char **argv)
{
	const char *collection = NULL, *parallel_text = "1";
	bool must_wait = false;
	const struct option_row options[] = {
		{ "--collection", &collection, NULL,
			"NAME the collection to put them into; default: default" },
		{ "--parallel", &parallel_text, NULL, "N so many uploads at once, 1 to 64; default: 1" },
		{ "--wait", NULL, &must_wait, "wait until the renditions are there" },
		{ NULL, NULL, NULL, NULL },
	};
	struct session s;
	static struct words words;
	uint64_t parallel = 0;
	int code = session_open(&s, config, &(struct command_line){ argc, argv, usage, options }, &words);
	if (code >= 0)
		return code;
	struct put p = { .session = &s, .collection = collection, .must_wait = must_wait };
	lock_init(&p.lock, "client.put");
	if (words.count == 0 || span_to_u64(span_of(parallel_text), PARALLEL_MAX, &parallel) != ST_OK ||
		parallel == 0) {
		(void)fprintf(stderr, "%s", usage);
		code = EXIT_USAGE;
	} else if (collect(&p, &words) != ST_OK) {
		(void)fprintf(stderr, "darkroom: the files cannot be listed\n");
		code = EXIT_NO_INPUT;
	} else {
		code = run_threads(&p, parallel);
	}
	put_fini(&p);
	session_close(&s);
	return code;
}
