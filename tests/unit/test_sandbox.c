/* The test program is its own child: sandbox_run() starts it again with a command that main() finds in
 * `deeds`. */
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "sandbox.h"
#include "sandbox/landlock.h"
#include "sandbox/sanitized.h"

/* --- what children do, confined
 * ------------------------------------------------------------------------------ */

enum { EXIT_GOOD = 0, EXIT_REFUSED = 10, EXIT_ESCAPED = 11, EXIT_WRONG = 12 };

static int did(long result)
{
	return result < 0 ? EXIT_REFUSED : EXIT_ESCAPED;
}

static int deed_echo(void)
{
	struct span input;
	return sandbox_map_input(&input) || sandbox_write_answer(input) ? EXIT_WRONG : EXIT_GOOD;
}

static int deed_open(void)
{
	return did(open("/etc/passwd", O_RDONLY));
}
static int deed_create(void)
{
	return did(open("/tmp/darkroom-escaped", O_WRONLY | O_CREAT, 0600));
}
static int deed_stat(void)
{
	struct stat st;
	return did(stat("/etc", &st));
}
static int deed_socket(void)
{
	return did(socket(AF_INET, SOCK_STREAM, 0));
}
static int deed_socketpair(void)
{
	int both[2];
	return did(socketpair(AF_UNIX, SOCK_STREAM, 0, both));
}
static int deed_fork(void)
{
	return did(fork());
}
static int deed_ptrace(void)
{
	return did(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}
static int deed_kill_parent(void)
{
	return did(kill((pid_t)syscall(SYS_getppid), SIGTERM));
}
static int deed_dup(void)
{
	return did(dup(3));
}
static int deed_memfd(void)
{
	return did(memfd_create("more", 0));
}
static int deed_setrlimit(void)
{
	const struct rlimit r = { 1, 1 };
	return did(setrlimit(RLIMIT_CPU, &r));
}
static int deed_write_input(void)
{
	return did(write(3, "x", 1));
}

static int deed_exec(void)
{
	char *none[] = { NULL };
	return did(execve("/bin/true", none, none));
}

static int deed_run_memory(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return page == MAP_FAILED ? EXIT_REFUSED : EXIT_ESCAPED;
}

static int deed_loop(void)
{
	volatile unsigned turns = 1;
	while (turns > 0) {
		turns |= 1;
	}
	return EXIT_WRONG;
}

static int deed_crash(void)
{
	volatile int *nowhere = NULL;
	return *nowhere;
}

static int deed_allocate(void)
{
	for (int i = 0; i < 64; i++) {
		uint8_t *block = malloc((size_t)32 << 20);
		if (!block) {
			return SANDBOX_EXIT_NO_MEMORY;
		}
		memset(block, 1, (size_t)32 << 20);
	}
	return EXIT_ESCAPED;
}

static int deed_flood(void)
{
	static const uint8_t block[65536];
	for (;;) {
		if (sandbox_write_answer(span_make(block, sizeof block))) {
			return EXIT_REFUSED;
		}
	}
}

/* Before it confines itself: what it was given. */
static int deed_look_around(int argc, char **argv)
{
	extern char **environ;
	struct rlimit core;
	bool is_bare = argc == 2 && strcmp(argv[0], "darkroom") == 0 && environ[0] == NULL;
	for (int fd = 5; fd < 1024; fd++) {
		is_bare = is_bare && fcntl(fd, F_GETFD) < 0;
	}
	char byte;
	is_bare = is_bare && read(0, &byte, 1) == 0 && write(1, "x", 1) < 0;
	is_bare = is_bare && getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0;
	is_bare = is_bare && ftruncate(3, 0) < 0 && write(3, "x", 1) < 0;
	return is_bare ? EXIT_GOOD : EXIT_WRONG;
}

/* Before it confines itself: Landlock without seccomp in front of it. */
static int deed_landlock(void)
{
	bool is_ready = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && landlock_forbid_all() == ST_OK;
	bool is_refused = open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES;
	bool is_scoped = landlock_abi() < 6 || (kill(getppid(), 0) < 0 && errno == EPERM);
	return is_ready && is_refused && is_scoped ? EXIT_GOOD : EXIT_WRONG;
}

static const struct deed {
	const char *command;
	int (*run)(void);
} deeds[] = {
	{ "echo", deed_echo },
	{ "open", deed_open },
	{ "create", deed_create },
	{ "stat", deed_stat },
	{ "socket", deed_socket },
	{ "socketpair", deed_socketpair },
	{ "fork", deed_fork },
	{ "ptrace", deed_ptrace },
	{ "kill", deed_kill_parent },
	{ "dup", deed_dup },
	{ "memfd", deed_memfd },
	{ "setrlimit", deed_setrlimit },
	{ "write-input", deed_write_input },
	{ "exec", deed_exec },
	{ "run-memory", deed_run_memory },
	{ "loop", deed_loop },
	{ "crash", deed_crash },
	{ "allocate", deed_allocate },
	{ "flood", deed_flood },
};

static void be_child(int argc, char **argv)
{
	if (strcmp(argv[1], "look-around") == 0) {
		_exit(deed_look_around(argc, argv));
	}
	if (strcmp(argv[1], "landlock") == 0) {
		_exit(deed_landlock());
	}
	for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
		if (strcmp(argv[1], deeds[i].command) == 0) {
			_exit(sandbox_confine() ? EXIT_WRONG : deeds[i].run());
		}
	}
}

/* --- what the parent sees
 * ------------------------------------------------------------------------------------- */

static const struct sandbox_limits usual = {
	.memory_bytes = 256u << 20, .cpu_s = 20, .wall_ms = 20000, .answer_bytes = 1u << 20
};

struct seen {
	enum status status;
	struct sandbox_outcome outcome;
	struct buf answer;
};

static struct seen run_with(const char *command, struct span input, struct sandbox_limits limits, int stop_fd)
{
	struct seen seen = { .status = ST_IO };
	struct sandbox *sandbox = NULL;
	int image_fd = -1;
	buf_init(&seen.answer, 4u << 20);
	if (sandbox_open(&sandbox) == ST_OK && file_sealed("image", input, &image_fd) == ST_OK) {
		const struct sandbox_job job = {
			.command = command, .image_fd = image_fd, .stop_fd = stop_fd, .limits = limits
		};
		seen.status = sandbox_run(sandbox, &job, &seen.answer, &seen.outcome);
	}
	file_close(&image_fd);
	sandbox_close(sandbox);
	return seen;
}

static struct seen run(const char *command)
{
	struct seen seen = run_with(command, SPAN_LIT("an image"), usual, -1);
	buf_fini(&seen.answer);
	return seen;
}

/* The kernel ended it at the call.  A sanitizer's build lets a few calls fail softly instead. */
static bool is_stopped(const struct seen *seen)
{
	bool is_killed = seen->outcome.end == SANDBOX_CRASHED && seen->outcome.signal == SIGSYS;
	bool is_refused = seen->outcome.end == SANDBOX_EXITED && seen->outcome.exit_code == EXIT_REFUSED;
	return seen->status == ST_OK && (is_killed || (SANDBOX_IS_SANITIZED && is_refused));
}

TEST(an_image_goes_in_and_an_answer_comes_out)
{
	struct seen seen = run_with("echo", SPAN_LIT("an image"), usual, -1);
	CHECK_EQ(seen.status, ST_OK);
	CHECK_EQ(seen.outcome.end, SANDBOX_EXITED);
	CHECK_EQ(seen.outcome.exit_code, EXIT_GOOD);
	CHECK(span_equal(buf_span(&seen.answer), SPAN_LIT("an image")));
	buf_fini(&seen.answer);
	seen = run_with("echo", (struct span){ NULL, 0 }, usual, -1);
	CHECK_EQ(seen.outcome.exit_code, EXIT_GOOD);
	CHECK_EQ(seen.answer.len, 0);
	buf_fini(&seen.answer);
}

TEST(a_child_is_given_five_descriptors_and_nothing_else)
{
	int forgotten = open("/dev/null", O_RDONLY); /* not close-on-exec, as a library might */
	setenv("DARKROOM_SECRET", "must not be seen", 1);
	struct seen seen = run("look-around");
	CHECK_EQ(seen.status, ST_OK);
	CHECK_EQ(seen.outcome.exit_code, EXIT_GOOD);
	close(forgotten);
}

TEST(a_confined_child_reaches_nothing)
{
	static const char *const commands[] = { "open", "create", "stat", "socket", "socketpair", "fork",
		"ptrace", "kill", "dup", "memfd", "setrlimit", "write-input", "exec", "run-memory" };
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		struct seen seen = run(commands[i]);
		if (!is_stopped(&seen)) {
			CHECK_FAILED("%s: %s, end %d, exit code %d, signal %d", commands[i],
				status_name(seen.status), (int)seen.outcome.end, seen.outcome.exit_code,
				seen.outcome.signal);
		}
	}
	CHECK(access("/tmp/darkroom-escaped", F_OK) != 0);
}

TEST(landlock_refuses_by_itself)
{
	if (sandbox_probe().landlock_abi == 0) {
		fprintf(stderr, "this kernel has no Landlock\n");
		return;
	}
	struct seen seen = run("landlock");
	CHECK_EQ(seen.status, ST_OK);
	CHECK_EQ(seen.outcome.exit_code, EXIT_GOOD);
}

TEST(a_child_that_hangs_is_killed_in_time)
{
	struct sandbox_limits limits = usual;
	limits.wall_ms = 100;
	struct seen seen = run_with("loop", SPAN_LIT("x"), limits, -1);
	CHECK_EQ(seen.status, ST_OK);
	CHECK_EQ(seen.outcome.end, SANDBOX_TIMED_OUT);
	CHECK_EQ(seen.outcome.signal, SIGKILL);
	CHECK(seen.outcome.wall_ms >= 100 && seen.outcome.wall_ms < 10000);
	buf_fini(&seen.answer);
}

TEST(a_child_that_burns_is_stopped_by_its_cpu_limit)
{
	struct sandbox_limits limits = usual;
	limits.cpu_s = 1;
	struct seen seen = run_with("loop", SPAN_LIT("x"), limits, -1);
	CHECK_EQ(seen.outcome.end, SANDBOX_TIMED_OUT);
	CHECK_EQ(seen.outcome.signal, SIGXCPU);
	buf_fini(&seen.answer);
}

TEST(a_stop_is_obeyed_at_once)
{
	int stop_fd = eventfd(1, EFD_CLOEXEC); /* readable already */
	struct seen seen = run_with("loop", SPAN_LIT("x"), usual, stop_fd);
	CHECK_EQ(seen.status, ST_GONE);
	CHECK(seen.outcome.wall_ms < 10000);
	buf_fini(&seen.answer);
	close(stop_fd);
}

TEST(a_crash_is_told_apart)
{
	struct seen seen = run("crash");
	CHECK_EQ(seen.status, ST_OK);
	if (SANDBOX_IS_SANITIZED) {
		CHECK(seen.outcome.end == SANDBOX_CRASHED || seen.outcome.exit_code != EXIT_GOOD);
	} else {
		CHECK_EQ(seen.outcome.end, SANDBOX_CRASHED);
		CHECK_EQ(seen.outcome.signal, SIGSEGV);
	}
}

/* Two GiB are asked for and 256 MiB allowed.  A sanitizer's build cannot have the limit (sanitized.h). */
TEST(memory_is_bounded)
{
	if (SANDBOX_IS_SANITIZED) {
		return;
	}
	struct seen seen = run("allocate");
	CHECK_EQ(seen.status, ST_OK);
	CHECK_EQ(seen.outcome.end, SANDBOX_OUT_OF_MEMORY);
	CHECK_EQ(seen.outcome.exit_code, SANDBOX_EXIT_NO_MEMORY);
}

TEST(an_answer_over_its_bound_is_no_answer)
{
	struct seen seen = run_with("flood", SPAN_LIT("x"), usual, -1);
	CHECK_EQ(seen.status, ST_TOO_BIG);
	CHECK_EQ(seen.answer.len, 0);
	buf_fini(&seen.answer);
	struct sandbox_limits limits = usual;
	limits.answer_bytes = 8;
	seen = run_with("echo", SPAN_LIT("12345678"), limits, -1);
	CHECK_EQ(seen.status, ST_OK);
	CHECK_EQ(seen.answer.len, 8);
	buf_fini(&seen.answer);
	seen = run_with("echo", SPAN_LIT("123456789"), limits, -1);
	CHECK_EQ(seen.status, ST_TOO_BIG);
	buf_fini(&seen.answer);
}

TEST(no_child_is_left_behind)
{
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

TEST(the_kernel_is_asked_what_it_has)
{
	struct sandbox_features features = sandbox_probe();
	CHECK(features.has_seccomp); /* without it nothing above could pass */
	CHECK(features.landlock_abi >= 0);
}

int main(int argc, char **argv)
{
	static const struct check_test tests[] = {
		CHECK_TEST(an_image_goes_in_and_an_answer_comes_out),
		CHECK_TEST(a_child_is_given_five_descriptors_and_nothing_else),
		CHECK_TEST(a_confined_child_reaches_nothing),
		CHECK_TEST(landlock_refuses_by_itself),
		CHECK_TEST(a_child_that_hangs_is_killed_in_time),
		CHECK_TEST(a_child_that_burns_is_stopped_by_its_cpu_limit),
		CHECK_TEST(a_stop_is_obeyed_at_once),
		CHECK_TEST(a_crash_is_told_apart),
		CHECK_TEST(memory_is_bounded),
		CHECK_TEST(an_answer_over_its_bound_is_no_answer),
		CHECK_TEST(no_child_is_left_behind),
		CHECK_TEST(the_kernel_is_asked_what_it_has),
	};
	if (argc > 1) {
		be_child(argc, argv);
	}
	return check_run(tests, sizeof tests / sizeof *tests);
}
