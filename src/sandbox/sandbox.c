#include "poison.h"

#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "clock.h"
#include "file.h"
#include "landlock.h"
#include "log.h"
#include "memory.h"
#include "must.h"
#include "num.h"
#include "sanitized.h"
#include "seccomp.h"
#include "spawn.h"

enum { POLL_WITHOUT_PIDFD_MS = 10 };

struct sandbox {
	int executable_fd;
	int null_fd; /* an empty sealed memfd: reads end at once, writes are refused, no /dev is needed */
};

/* Out of the way of the numbers that the child's descriptors get. */
static enum status move_up(int *fd)
{
	int moved = fcntl(*fd, F_DUPFD_CLOEXEC, CHILD_FD_COUNT);
	file_close(fd);
	*fd = moved;
	return moved < 0 ? ST_FULL : ST_OK;
}

/* /proc may be missing in an empty container; then the path that the kernel started us by is as good, at
 * start. */
static enum status open_executable(int *out)
{
	const char *path = (const char *)getauxval(AT_EXECFN); /* NOLINT: the kernel passes it as a number */
	*out = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (*out < 0 && path) {
		*out = open(path, O_PATH | O_CLOEXEC);
	}
	if (*out < 0) {
		log_event(LOG_ERROR, "sandbox.executable.unopened", LOG_ERRNO());
		return ST_IO;
	}
	return move_up(out);
}

enum status sandbox_open(struct sandbox **out)
{
	struct sandbox *s = memory_alloc(sizeof *s);
	*out = NULL;
	if (!s) {
		return ST_FULL;
	}
	*s = (struct sandbox){ -1, -1 };
	enum status st = open_executable(&s->executable_fd);
	st = st ? st : file_sealed("null", (struct span){ NULL, 0 }, &s->null_fd);
	st = st ? st : move_up(&s->null_fd);
	if (st) {
		sandbox_close(s);
		return st;
	}
	*out = s;
	return ST_OK;
}

void sandbox_close(struct sandbox *s)
{
	if (s) {
		file_close(&s->executable_fd);
		file_close(&s->null_fd);
		memory_free(s);
	}
}

static enum status open_answer(int *out)
{
	*out = memfd_create("answer", MFD_CLOEXEC);
	return *out < 0 ? ST_FULL : move_up(out);
}

/* False: not yet.  Without a pidfd (before Linux 5.3) it is asked again and again. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

enum wait_end { WAIT_ENDED, WAIT_STOPPED, WAIT_TIMED_OUT };

static enum wait_end wait_for(pid_t pid, int pidfd, int stop_fd, int64_t deadline_ms)
{
	struct pollfd polled[] = { { .fd = pidfd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };
	for (;;) {
		if (has_ended(pid)) {
			return WAIT_ENDED;
		}
		int64_t left_ms = deadline_ms - clock_monotonic_ms();
		if (left_ms <= 0) {
			return WAIT_TIMED_OUT;
		}
		int64_t wait_ms = pidfd >= 0 ? left_ms : POLL_WITHOUT_PIDFD_MS;
		(void)poll(polled, 2, (int)num_min((uint64_t)wait_ms, INT32_MAX));
		if (polled[1].revents & POLLIN) {
			return WAIT_STOPPED;
		}
	}
}

static int reap(pid_t pid)
{
	int status = 0;
	while (waitpid(pid, &status, 0) < 0) {
		must(errno == EINTR);
	}
	return status;
}

static void judge(int status, enum wait_end waited, struct sandbox_outcome *out)
{
	if (WIFEXITED(status)) {
		out->exit_code = WEXITSTATUS(status);
		out->end = out->exit_code == SANDBOX_EXIT_NO_MEMORY ? SANDBOX_OUT_OF_MEMORY : SANDBOX_EXITED;
		return;
	}
	out->signal = WTERMSIG(status);
	bool is_late = waited == WAIT_TIMED_OUT || out->signal == SIGXCPU;
	out->end = is_late ? SANDBOX_TIMED_OUT : SANDBOX_CRASHED;
}

/* Waits, kills if it must, reaps always.  GONE: it was told to stop.  TOO_BIG: the kernel stopped the
 * answer. */
static enum status attend(pid_t pid, const struct sandbox_job *job, struct sandbox_outcome *out)
{
	int64_t start_ms = clock_monotonic_ms();
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	enum wait_end waited = wait_for(pid, pidfd, job->stop_fd, start_ms + job->limits.wall_ms);
	if (waited != WAIT_ENDED) {
		(void)kill(pid, SIGKILL); /* not reaped yet, so the number is still its own */
	}
	judge(reap(pid), waited, out);
	file_close(&pidfd);
	out->wall_ms = clock_monotonic_ms() - start_ms;
	if (waited == WAIT_STOPPED) {
		return ST_GONE;
	}
	return out->signal == SIGXFSZ ? ST_TOO_BIG : ST_OK;
}

static enum status read_answer(int fd, uint64_t answer_bytes, struct buf *answer)
{
	uint64_t size = 0;
	enum status st = file_size(fd, &size);
	if (st || size == 0) {
		return st;
	}
	if (size > answer_bytes) {
		return ST_TOO_BIG;
	}
	uint8_t *to = buf_extend(answer, size);
	return to ? file_read_at(fd, to, size, 0) : ST_TOO_BIG;
}

enum status sandbox_run(
	struct sandbox *s, const struct sandbox_job *job, struct buf *answer, struct sandbox_outcome *outcome)
{
	int answer_fd = -1, input_fd = fcntl(job->image_fd, F_DUPFD_CLOEXEC, CHILD_FD_COUNT), stderr_fd = -1;
	pid_t pid = -1;
	*outcome = (struct sandbox_outcome){ .end = SANDBOX_EXITED };
	enum status st = input_fd < 0 ? ST_FULL : open_answer(&answer_fd);
	if (!st && SANDBOX_IS_SANITIZED) {
		stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, CHILD_FD_COUNT);
	}
	if (st) {
		goto out;
	}
	struct spawn spawn = { .command = job->command,
		.executable_fd = s->executable_fd,
		.null_fd = s->null_fd,
		.input_fd = input_fd,
		.answer_fd = answer_fd,
		.stderr_fd = stderr_fd >= 0 ? stderr_fd : s->null_fd,
		.limits = job->limits };
	st = spawn_child(&spawn, &pid);
	st = st ? st : attend(pid, job, outcome);
	st = st ? st : read_answer(answer_fd, job->limits.answer_bytes, answer);
out:
	file_close(&stderr_fd);
	file_close(&input_fd);
	file_close(&answer_fd);
	return st;
}

struct sandbox_features sandbox_probe(void)
{
	char *none[] = { NULL };
	(void)syscall(SYS_execveat, -1, "", none, none, AT_EMPTY_PATH);
	bool has_execveat = errno != ENOSYS;
	return (struct sandbox_features){ landlock_abi(), seccomp_is_there(), has_execveat };
}
