/* test_client.c - the exit codes of client commands that get no answer from a server. */
#include "client.h"

#include "check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NOWHERE "/nonexistent/darkroom"
enum { WORDS = 8, TEXT_MAX = 8192 };

struct command {
	const char *name;
	int (*run)(const struct config *config, int argc, char **argv);
};
static const struct command commands[] = {
	{ "put", client_put },
	{ "get", client_get },
	{ "ls", client_ls },
	{ "rm", client_rm },
	{ "sql", client_sql },
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* A command line, and how it must end. */
struct line {
	const char *words[WORDS]; /* words[0] is the command's name */
	int code;
	const char *said; /* on standard output or error */
};

/* A port of the loopback that is taken and that nobody listens on, and the settings that lead there. */
static int closed_fd = -1;
static struct config config;

static bool load_config(void)
{
	static char program[] = "darkroom", data_flag[] = "--data", data[] = NOWHERE;
	char listen_flag[64];
	char *argv[] = { program, listen_flag, data_flag, data, NULL };
	int argc = 4;
	struct buf why;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	closed_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (closed_fd < 0 || bind(closed_fd, (struct sockaddr *)&at, sizeof at) != 0 ||
		getsockname(closed_fd, (struct sockaddr *)&at, &len) != 0)
		return false;
	(void)snprintf(listen_flag, sizeof listen_flag, "--listen=127.0.0.1:%d", ntohs(at.sin_port));
	buf_init(&why, 4096);
	config_init(&config);
	bool is_good = config_load_flags(&config, &argc, argv, &why) == ST_OK && argc == 1 &&
		       config_check(&config, &why) == ST_OK;
	buf_fini(&why);
	return is_good;
}

/* What the user would have in the environment: a key, and nothing about the server. */
static void set_environment(void)
{
	CHECK_EQ(setenv("DARKROOM_KEY", "dk_abcdefghijkl_0123456789012345678901234567890123456789012", 1), 0);
	CHECK_EQ(unsetenv("DARKROOM_URL"), 0);
	CHECK_EQ(unsetenv("DARKROOM_CA"), 0);
	CHECK_EQ(unsetenv("DARKROOM_KEY_FILE"), 0);
}

/* Standard output and error go to one file while a command runs. */
struct capture {
	int to, out, error;
};

static bool begin_capture(struct capture *c)
{
	(void)fflush(stdout);
	(void)fflush(stderr);
	c->to = memfd_create("said", MFD_CLOEXEC);
	c->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	c->error = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return c->to >= 0 && c->out >= 0 && c->error >= 0 && dup2(c->to, STDOUT_FILENO) >= 0 &&
	       dup2(c->to, STDERR_FILENO) >= 0;
}

static void end_capture(struct capture *c, char text[TEXT_MAX])
{
	(void)fflush(stdout);
	(void)fflush(stderr);
	(void)dup2(c->out, STDOUT_FILENO);
	(void)dup2(c->error, STDERR_FILENO);
	ssize_t n = pread(c->to, text, TEXT_MAX - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	(void)close(c->to);
	(void)close(c->out);
	(void)close(c->error);
}

static int run(const struct line *line, char text[TEXT_MAX])
{
	char *argv[WORDS + 1] = { NULL };
	struct capture capture;
	int argc = 0, code = -1;
	for (; argc < WORDS && line->words[argc]; argc++)
		argv[argc] = strdup(line->words[argc]);
	bool is_good = begin_capture(&capture);
	for (size_t i = 0; is_good && i < COMMANDS; i++)
		if (strcmp(commands[i].name, line->words[0]) == 0)
			code = commands[i].run(&config, argc, argv);
	end_capture(&capture, text);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return code;
}

static void check_line(const struct line *line)
{
	char text[TEXT_MAX];
	int code = run(line, text);
	if (code != line->code || !strstr(text, line->said))
		CHECK_FAILED("%s %s: exit code %d, not %d; \"%s\" is to be in: %s", line->words[0],
			line->words[1] ? line->words[1] : "", code, line->code, line->said, text);
}

static void check_lines(const struct line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_line(&lines[i]);
}
#define CHECK_LINES(lines) check_lines(lines, sizeof(lines) / sizeof *(lines))

TEST(words_that_are_missing_or_too_many_are_told)
{
	static const struct line lines[] = {
		{ { "put" }, EXIT_USAGE, "usage: darkroom put" },
		{ { "get" }, EXIT_USAGE, "usage: darkroom get" },
		{ { "rm" }, EXIT_USAGE, "usage: darkroom rm" },
		{ { "sql" }, EXIT_USAGE, "usage: darkroom sql" },
		{ { "get", ID, ID }, EXIT_USAGE, "usage: darkroom get" },
		{ { "ls", "photos" }, EXIT_USAGE, "usage: darkroom ls" },
		{ { "sql", "SELECT", "1" }, EXIT_USAGE, "usage: darkroom sql" },
	};
	CHECK_LINES(lines);
}

TEST(options_that_are_none_are_told)
{
	static const struct line lines[] = {
		{ { "put", "--nonesuch", "a.jpg" }, EXIT_USAGE, "there is no option --nonesuch" },
		{ { "get", ID, "--nonesuch" }, EXIT_USAGE, "there is no option --nonesuch" },
		{ { "ls", "--nonesuch" }, EXIT_USAGE, "there is no option --nonesuch" },
		{ { "rm", "-f", ID }, EXIT_USAGE, "there is no option -f" },
		{ { "sql", "--nonesuch", "SELECT 1" }, EXIT_USAGE, "there is no option --nonesuch" },
		{ { "put", "--collection" }, EXIT_USAGE, "a value must follow --collection" },
		{ { "ls", "--limit" }, EXIT_USAGE, "a value must follow --limit" },
		{ { "put", "--parallel", "0", "a.jpg" }, EXIT_USAGE, "usage: darkroom put" },
		{ { "put", "--parallel", "65", "a.jpg" }, EXIT_USAGE, "usage: darkroom put" },
		{ { "put", "--parallel", "two", "a.jpg" }, EXIT_USAGE, "usage: darkroom put" },
		{ { "get", "-o", "-", ID }, EXIT_USAGE, "a download goes to a file" },
	};
	CHECK_LINES(lines);
}

TEST(help_is_an_answer)
{
	static const struct line lines[] = {
		{ { "put", "--help" }, EXIT_DONE, "--collection NAME" },
		{ { "get", "--help" }, EXIT_DONE, "--rendition NAME" },
		{ { "ls", "--help" }, EXIT_DONE, "--limit N" },
		{ { "rm", "--help" }, EXIT_DONE, "--key-file FILE" },
		{ { "sql", "--help" }, EXIT_DONE, "--csv" },
	};
	CHECK_LINES(lines);
}

TEST(a_server_that_nobody_reaches_is_told)
{
	static const struct line lines[] = {
		{ { "get", ID }, EXIT_UNREACHABLE, "darkroom: /v1/images/" ID ": " },
		{ { "get", "--info", ID }, EXIT_UNREACHABLE, "darkroom: /v1/images/" ID ": " },
		{ { "ls" }, EXIT_UNREACHABLE, "darkroom: /v1/images?limit=100: " },
		{ { "ls", "--all", "--collection", "a b" }, EXIT_UNREACHABLE, "limit=500&collection=a%20b" },
		{ { "ls", "--json" }, EXIT_UNREACHABLE, "darkroom: /v1/images" },
		{ { "rm", ID }, EXIT_UNREACHABLE, "darkroom: /v1/images/" ID ": " },
		{ { "rm", ID, ID }, EXIT_SOME_FAILED, "darkroom: /v1/images/" ID ": " },
		{ { "sql", "SELECT 1" }, EXIT_UNREACHABLE, "darkroom: /v1/sql: " },
		{ { "sql", "--csv", "SELECT 1" }, EXIT_UNREACHABLE, "darkroom: /v1/sql: " },
	};
	CHECK_LINES(lines);
}

TEST(a_download_that_failed_leaves_nothing_behind)
{
	char dir[] = "/tmp/test-client-XXXXXX", path[64], part[80];
	REQUIRE(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/picture.jpg", dir);
	(void)snprintf(part, sizeof part, "%s.part", path);
	const struct line whole = { { "get", "-o", path, ID }, EXIT_UNREACHABLE, "/original: " };
	const struct line thumb = { { "get", "--rendition", "thumb", "--output", path, ID }, EXIT_UNREACHABLE,
		"/renditions/thumb: " };
	check_line(&whole);
	check_line(&thumb);
	CHECK(access(path, F_OK) != 0);
	CHECK(access(part, F_OK) != 0);
	CHECK_EQ(rmdir(dir), 0);
}

TEST(files_that_cannot_be_read_or_written_are_told)
{
	static const struct line lines[] = {
		{ { "put", NOWHERE "/a.jpg" }, EXIT_NO_INPUT, NOWHERE "/a.jpg cannot be read" },
		{ { "put", NOWHERE "/a.jpg", NOWHERE "/b.jpg" }, EXIT_SOME_FAILED, NOWHERE "/b.jpg" },
		{ { "get", "-o", NOWHERE "/a.jpg", ID }, EXIT_LOCAL_IO, "cannot be written" },
	};
	CHECK_LINES(lines);
}

TEST(the_server_is_named_by_an_https_url)
{
	static const struct line lines[] = {
		{ { "ls", "--url", "http://127.0.0.1:1" }, EXIT_USAGE, "must be https://" },
		{ { "ls", "--url", "127.0.0.1:1" }, EXIT_USAGE, "must be https://" },
	};
	static const struct line plain = { { "rm", ID }, EXIT_USAGE, "must be https://" };
	CHECK_LINES(lines);
	CHECK_EQ(setenv("DARKROOM_URL", "http://127.0.0.1:1", 1), 0);
	check_line(&plain);
	set_environment();
}

TEST(without_a_key_nobody_is_called)
{
	static const struct line lines[] = {
		{ { "put", "a.jpg" }, EXIT_USAGE, "no API key" },
		{ { "get", "--info", ID }, EXIT_USAGE, "no API key" },
		{ { "ls" }, EXIT_USAGE, "no API key" },
		{ { "rm", ID }, EXIT_USAGE, "no API key" },
		{ { "sql", "SELECT 1" }, EXIT_USAGE, "no API key" },
		{ { "ls", "--key-file", NOWHERE }, EXIT_USAGE, "no API key" },
	};
	CHECK_EQ(unsetenv("DARKROOM_KEY"), 0);
	CHECK_LINES(lines);
	set_environment();
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(words_that_are_missing_or_too_many_are_told),
		CHECK_TEST(options_that_are_none_are_told),
		CHECK_TEST(help_is_an_answer),
		CHECK_TEST(a_server_that_nobody_reaches_is_told),
		CHECK_TEST(a_download_that_failed_leaves_nothing_behind),
		CHECK_TEST(files_that_cannot_be_read_or_written_are_told),
		CHECK_TEST(the_server_is_named_by_an_https_url),
		CHECK_TEST(without_a_key_nobody_is_called),
	};
	set_environment();
	if (!load_config())
		return 1;
	int code = check_run(tests, sizeof tests / sizeof *tests);
	(void)close(closed_fd);
	return code;
}
