/* test_app.c - a data directory's life: made, served, locked, opened again, verified, rebuilt.
 *
 * A process opens one data directory in its life, so each step of a test is a process of its own.
 */
#include "app.h"

#include "clock.h"
#include "digest.h"
#include "fetcher.h"
#include "imaging_sample.h"
#include "log.h"
#include "must.h"

#include "check.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 60 * 1000 };

/* A directory that is there, and the data directory in it, which is not yet.  Shared by a test's steps. */
struct scene {
	char dir[64];
	struct config config;
	struct app_welcome welcome;
	char key[ACCESS_KEY_TEXT + 1]; /* the first one */
	enum app_use use;              /* of the next open_once() */
	int64_t images;                /* that it must find */
	int ready[2], stop[2];         /* pipes of serve_until_told() */
};

/* Of this process. */
static struct app *app;
static struct buf why;

static struct scene *begin(void)
{
	static char program[] = "test", listen_flag[] = "--listen=127.0.0.1:0";
	static char threads[] = "--http-threads=8", workers[] = "--workers=0";
	char data[CONFIG_TEXT_MAX], *argv[] = { program, listen_flag, threads, workers, data, NULL };
	int argc = 5;
	struct scene *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(s != MAP_FAILED);
	*s = (struct scene){ .dir = "/tmp/test-app-XXXXXX" };
	must(mkdtemp(s->dir));
	must(snprintf(data, sizeof data, "--data=%s/data", s->dir) < (int)sizeof data);
	buf_clear(&why);
	config_init(&s->config);
	CHECK_EQ(config_load_flags(&s->config, &argc, argv, &why), ST_OK);
	CHECK_EQ(config_check(&s->config, &why), ST_OK);
	CHECK_EQ(argc, 1);
	return s;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void end(struct scene *s)
{
	must(nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
	must(munmap(s, sizeof *s) == 0);
}

/* Runs `step` in another process, whose failures are ours. */
static pid_t begin_process(struct scene *s, void (*step)(struct scene *))
{
	(void)fflush(stdout);
	(void)fflush(stderr);
	pid_t child = fork();
	must(child >= 0);
	if (child > 0)
		return child;
	atomic_store(&check_failures, 0);
	step(s);
	buf_fini(&why);
	exit(atomic_load(&check_failures) == 0 ? 0 : 1);
}

static void end_process(pid_t child)
{
	int status = -1;
	must(waitpid(child, &status, 0) == child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		CHECK_FAILED("the process of this step ended with status %d", status);
}

static void in_process(struct scene *s, void (*step)(struct scene *))
{
	end_process(begin_process(s, step));
}

static enum status open_app(struct scene *s, enum app_use use)
{
	return app_open(&s->config, use, NULL, &app, &why);
}

/* Opens and serves; false after a failed check. */
static bool serve(struct scene *s)
{
	enum status st = open_app(s, APP_SERVE);
	if (st == ST_OK)
		st = app_serve(app, &s->welcome, &why);
	if (st != ST_OK)
		CHECK_FAILED("%s: %s", status_name(st), buf_text(&why));
	return st == ST_OK;
}

static bool has_file(const struct scene *s, const char *name)
{
	char path[CONFIG_TEXT_MAX + 64];
	(void)snprintf(path, sizeof path, "%s/%s", s->config.data, name);
	return access(path, F_OK) == 0;
}

/* One whole sentence for people: on one line, with the part that says what it is about. */
static void check_sentence(const char *part)
{
	const char *text = buf_text(&why);
	if (strlen(text) < 20 || strchr(text, '\n') || !strstr(text, part))
		CHECK_FAILED("\"%s\" is no sentence that says \"%s\"", text, part);
}

/* --- requests, as a client makes them --- */

struct call {
	const char *method, *path, *key, *ca_path;
	struct span body;
	uint64_t reply_max;
};

/* End the reply with fetcher_reply_fini(). */
static enum status call(const struct scene *s, const struct call *c, struct fetcher_reply *reply)
{
	char url[256], authorization[128];
	const char *headers[] = { authorization, NULL };
	const struct fetcher_options options = {
		.ca_path = c->ca_path, .connect_ms = WAIT_MS, .total_ms = WAIT_MS
	};
	const struct fetcher_request request = { .method = c->method,
		.url = url,
		.headers = headers,
		.body = c->body,
		.body_fd = -1,
		.reply_fd = -1 };
	struct fetcher *f = NULL;
	(void)snprintf(url, sizeof url, "https://127.0.0.1:%d%s", s->welcome.port, c->path);
	(void)snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", c->key);
	CHECK_EQ(fetcher_new(&options, &f), ST_OK);
	enum status st = fetcher_send(f, &request, c->reply_max, reply);
	fetcher_free(f);
	return st;
}

static int get_code(const struct scene *s, const char *path, const char *key)
{
	const struct call c = {
		.method = "GET", .path = path, .key = key, .ca_path = s->welcome.ca_path, .reply_max = MIB(1)
	};
	struct fetcher_reply reply;
	CHECK_EQ(call(s, &c, &reply), ST_OK);
	int code = reply.http_status;
	fetcher_reply_fini(&reply);
	return code;
}

static void upload(const struct scene *s, const char *key)
{
	const struct imaging_sample_options picture = { .seed = 1, .width = 64, .height = 48 };
	struct buf jpeg;
	struct fetcher_reply reply;
	buf_init(&jpeg, MIB(1));
	CHECK_EQ(imaging_sample(&picture, &jpeg), ST_OK);
	const struct call c = { .method = "POST",
		.path = "/v1/images?name=a.jpg",
		.key = key,
		.ca_path = s->welcome.ca_path,
		.body = buf_span(&jpeg),
		.reply_max = MIB(1) };
	CHECK_EQ(call(s, &c, &reply), ST_OK);
	CHECK_EQ(reply.http_status, 201);
	fetcher_reply_fini(&reply);
	buf_fini(&jpeg);
}

static int64_t count_images(void)
{
	struct catalog_stats stats = { .images = -1 };
	int64_t now = clock_now_ms(app_admin(app)->clock);
	CHECK_EQ(catalog_stats(app_catalog(app), NULL, 0, now, &stats), ST_OK);
	return stats.images;
}

/* --- steps --- */

static void open_missing(struct scene *s)
{
	CHECK_EQ(open_app(s, s->use), ST_NOT_FOUND);
	CHECK(!app);
	check_sentence("there is no data directory");
	check_sentence(s->config.data);
	check_sentence("darkroom serve --data");
}

static void open_elses(struct scene *s)
{
	CHECK_EQ(open_app(s, APP_SERVE), ST_INVALID);
	CHECK(!app);
	check_sentence("is not empty and is no data directory");
}

static void open_busy(struct scene *s)
{
	CHECK_EQ(open_app(s, s->use), ST_BUSY);
	CHECK(!app);
	check_sentence("another process has the data directory");
}

static void open_as_other_node(struct scene *s)
{
	s->config.node = 7;
	CHECK_EQ(open_app(s, APP_SERVE), ST_MISMATCH);
	CHECK(!app);
	check_sentence("this data directory was made with node 0");
}

static void open_once(struct scene *s)
{
	struct keyring_report keys;
	enum status st = open_app(s, s->use);
	if (st != ST_OK) {
		CHECK_FAILED("use %d: %s: %s", (int)s->use, status_name(st), buf_text(&why));
		return;
	}
	CHECK((app_commit(app) != NULL) == (s->use != APP_ADMINISTER));
	CHECK_EQ(keyring_check(app_keyring(app), &keys), ST_OK);
	CHECK(keys.live > 0);
	CHECK_EQ(keys.disagree, 0);
	CHECK_EQ(count_images(), s->images);
	app_close(app);
}

static void serve_until_told(struct scene *s)
{
	char told;
	REQUIRE(serve(s));
	CHECK_EQ(write(s->ready[1], "r", 1), 1);
	(void)close(s->stop[1]);
	CHECK_EQ(read(s->stop[0], &told, 1), 0);
	app_close(app);
}

static void serve_first(struct scene *s)
{
	REQUIRE(serve(s));
	CHECK(s->welcome.is_new);
	CHECK_EQ(strlen(s->welcome.admin_key), ACCESS_KEY_TEXT);
	CHECK(s->welcome.port > 0);
	memcpy(s->key, s->welcome.admin_key, sizeof s->key);
	CHECK_EQ(get_code(s, "/v1/me", s->key), 200);
	upload(s, s->key);
	app_close(app);
}

static void serve_again(struct scene *s)
{
	REQUIRE(serve(s));
	CHECK(!s->welcome.is_new);
	CHECK_STR(s->welcome.admin_key, "");
	CHECK(s->welcome.port > 0);
	CHECK_EQ(get_code(s, "/v1/me", s->key), 200);
	CHECK_EQ(count_images(), 1);
	app_close(app);
}

static void serve_and_ask(struct scene *s)
{
	struct fetcher_reply reply;
	REQUIRE(serve(s));
	CHECK_EQ(get_code(s, "/healthz", ""), 200);
	CHECK_EQ(get_code(s, "/v1/images", s->welcome.admin_key), 200);
	CHECK_EQ(get_code(s, "/v1/images", "nobody"), 401);
	CHECK_EQ(get_code(s, "/v1/nonesuch", s->welcome.admin_key), 404);
	struct call c = { .method = "GET",
		.path = "/openapi.json",
		.key = "",
		.ca_path = s->welcome.ca_path,
		.reply_max = 1000 };
	CHECK_EQ(call(s, &c, &reply), ST_TOO_BIG);
	CHECK(strlen(reply.error) > 10);
	fetcher_reply_fini(&reply);
	c.ca_path = NULL; /* the system's, none of which made this certificate */
	c.reply_max = MIB(1);
	CHECK_EQ(call(s, &c, &reply), ST_IO);
	CHECK(strlen(reply.error) > 10);
	CHECK_EQ(reply.http_status, 0);
	fetcher_reply_fini(&reply);
	app_close(app);
}

/* --- tests --- */

TEST(a_directory_that_is_missing_is_told_and_not_made)
{
	static const enum app_use uses[] = { APP_ADMINISTER, APP_VERIFY, APP_REBUILD };
	struct scene *s = begin();
	for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
		s->use = uses[i];
		in_process(s, open_missing);
	}
	CHECK(access(s->config.data, F_OK) != 0);
	end(s);
}

TEST(a_directory_of_somebody_else_is_left_alone)
{
	char letter[CONFIG_TEXT_MAX + 64];
	struct scene *s = begin();
	(void)snprintf(letter, sizeof letter, "%s/letter.txt", s->config.data);
	must(mkdir(s->config.data, 0700) == 0);
	FILE *file = fopen(letter, "w");
	must(file && fclose(file) == 0);
	in_process(s, open_elses);
	CHECK(!has_file(s, "CURRENT"));
	CHECK(!has_file(s, "root.key"));
	CHECK(has_file(s, "letter.txt"));
	end(s);
}

TEST(while_it_is_served_no_other_process_gets_in)
{
	static const char *const names[] = { "CURRENT", "root.key", "keyring.a", "keyring.b", "control.db",
		"catalog.db", "originals", "processed", "tls/ca.pem", "admin.sock" };
	char told;
	struct scene *s = begin();
	must(pipe2(s->ready, O_CLOEXEC) == 0 && pipe2(s->stop, O_CLOEXEC) == 0);
	pid_t server = begin_process(s, serve_until_told);
	(void)close(s->ready[1]);
	CHECK_EQ(read(s->ready[0], &told, 1), 1);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!has_file(s, names[i]))
			CHECK_FAILED("%s is missing", names[i]);
	for (int use = APP_SERVE; use <= APP_VERIFY; use++) {
		s->use = (enum app_use)use;
		in_process(s, open_busy);
	}
	(void)close(s->stop[1]);
	end_process(server);
	(void)close(s->ready[0]);
	(void)close(s->stop[0]);
	end(s);
}

TEST(what_is_served_answers_those_who_know_its_ca_and_its_key)
{
	struct scene *s = begin();
	in_process(s, serve_and_ask);
	end(s);
}

TEST(a_later_start_is_not_new_and_knows_its_first_key)
{
	struct scene *s = begin();
	in_process(s, serve_first);
	in_process(s, serve_again);
	end(s);
}

TEST(every_use_finds_what_was_kept)
{
	static const enum app_use uses[] = { APP_VERIFY, APP_REBUILD, APP_ADMINISTER };
	struct scene *s = begin();
	in_process(s, serve_first);
	s->images = 1;
	for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
		s->use = uses[i];
		in_process(s, open_once);
	}
	end(s);
}

TEST(what_was_fixed_when_it_was_made_cannot_change)
{
	struct scene *s = begin();
	s->use = APP_SERVE;
	in_process(s, open_once);
	in_process(s, open_as_other_node);
	s->use = APP_VERIFY; /* which takes what is fixed */
	in_process(s, open_once);
	end(s);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_directory_that_is_missing_is_told_and_not_made),
		CHECK_TEST(a_directory_of_somebody_else_is_left_alone),
		CHECK_TEST(while_it_is_served_no_other_process_gets_in),
		CHECK_TEST(what_is_served_answers_those_who_know_its_ca_and_its_key),
		CHECK_TEST(a_later_start_is_not_new_and_knows_its_first_key),
		CHECK_TEST(every_use_finds_what_was_kept),
		CHECK_TEST(what_was_fixed_when_it_was_made_cannot_change),
	};
	log_configure(LOG_ERROR, LOG_FORMAT_TEXT);
	must(digest_init() == ST_OK);
	buf_init(&why, 4096);
	int code = check_run(tests, sizeof tests / sizeof *tests);
	buf_fini(&why);
	return code;
}
