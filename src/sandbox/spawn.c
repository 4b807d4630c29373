#include "poison.h"

#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "log.h"
#include "must.h"
#include "sanitized.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

enum { EXIT_NOT_STARTED = 127 };

/* What the child tells the parent in their common memory before it becomes another program. */
struct launch {
	const struct spawn *spawn;
	pid_t parent;
	char **arguments, **environment;
	int error;
};

static bool set_limit(int resource, rlim_t soft, rlim_t hard)
{
	const struct rlimit limit = { soft, hard };
	return setrlimit((__rlimit_resource_t)resource, &limit) == 0;
}

static bool set_limits(const struct sandbox_limits *l)
{
	bool is_bounded = SANDBOX_IS_SANITIZED || set_limit(RLIMIT_AS, l->memory_bytes, l->memory_bytes);
	return is_bounded && set_limit(RLIMIT_CORE, 0, 0) &&
	       set_limit(RLIMIT_CPU, l->cpu_s, (rlim_t)l->cpu_s + 1) &&
	       set_limit(RLIMIT_FSIZE, l->answer_bytes, l->answer_bytes);
}

/* All our descriptors are close-on-exec; this is for one that a library forgot.  Kernels before 5.11 lack
 * the call, and there the child closes what is left when it confines itself. */
static bool hand_over(const struct spawn *s)
{
	bool is_done = dup2(s->null_fd, 0) == 0 && dup2(s->null_fd, 1) == 1 && dup2(s->stderr_fd, 2) == 2 &&
		       dup2(s->input_fd, CHILD_INPUT_FD) == CHILD_INPUT_FD &&
		       dup2(s->answer_fd, CHILD_ANSWER_FD) == CHILD_ANSWER_FD;
	(void)syscall(SYS_close_range, CHILD_FD_COUNT, ~0U, CLOSE_RANGE_CLOEXEC);
	return is_done;
}

/* Runs in the parent's memory: only calls that change nothing there but `error`. */
static _Noreturn void become_child(struct launch *launch)
{
	const struct spawn *s = launch->spawn;
	/* Asked first, looked at second: a parent that died in between would never be missed. */
	bool is_ready = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == launch->parent;
	if (is_ready && hand_over(s) && set_limits(&s->limits)) {
		(void)syscall(SYS_execveat, s->executable_fd, "", launch->arguments, launch->environment,
			AT_EMPTY_PATH);
		(void)execve("/proc/self/exe", launch->arguments, launch->environment);
	}
	launch->error = errno != 0 ? errno : ESRCH;
	_exit(EXIT_NOT_STARTED);
}

static pid_t launch_child(struct launch *launch)
{
	pid_t pid = vfork();
	if (pid == 0) {
		become_child(launch);
	}
	return pid;
}

/* No handler of ours may run in the child while it shares our memory.  The child starts with every signal
 * blocked and opens up when it confines itself. */
static pid_t launch_without_signals(struct launch *launch)
{
	sigset_t all, before;
	sigfillset(&all);
	must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	pid_t pid = launch_child(launch);
	int error = errno;
	must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	errno = error;
	return pid;
}

enum status spawn_child(const struct spawn *spawn, pid_t *out)
{
	char program[] = "darkroom", command[32];
	char *arguments[] = { program, command, NULL }, *environment[] = { NULL };
	struct launch launch = {
		.spawn = spawn, .parent = getpid(), .arguments = arguments, .environment = environment
	};
	must(snprintf(command, sizeof command, "%s", spawn->command) < (int)sizeof command);
	*out = launch_without_signals(&launch);
	if (*out > 0 && launch.error == 0) {
		return ST_OK;
	}
	if (*out > 0) {
		while (waitpid(*out, NULL, 0) < 0 && errno == EINTR) {
		}
		errno = launch.error;
	}
	enum status st = errno == EAGAIN || errno == ENOMEM ? ST_FULL : ST_IO;
	log_event(LOG_ERROR, "sandbox.child.unstartable", LOG_ERRNO());
	return st;
}
