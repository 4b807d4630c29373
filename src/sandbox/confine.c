#include "poison.h"

#include "sandbox.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "landlock.h"
#include "sanitized.h"
#include "seccomp.h"
#include "spawn.h"

/* Kernels before 5.9 lack close_range; there our own rule, every descriptor is close-on-exec, is the first
 * guard and this loop the second. */
static void close_the_rest(void)
{
	enum { OLD_KERNEL_MAX = 4096 };
	if (syscall(SYS_close_range, CHILD_FD_COUNT, ~0U, 0) == 0) {
		return;
	}
	for (int fd = CHILD_FD_COUNT; fd < OLD_KERNEL_MAX; fd++) {
		(void)close(fd);
	}
}

/* No descriptor beyond those handed over can be made.  Landlock needs one for a moment, so this comes after
 * it. */
static enum status forbid_descriptors(void)
{
	const struct rlimit limit = { CHILD_FD_COUNT, CHILD_FD_COUNT };
	return setrlimit(RLIMIT_NOFILE, &limit) ? ST_IO : ST_OK;
}

static enum status unblock_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) ? ST_IO : ST_OK;
}

static enum status forbid_privileges(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ? ST_IO : ST_OK;
}

enum status sandbox_confine(void)
{
	/* malloc asks for randomness and its first pages on first use; whatever else that needs is asked
	 * while it may be. */
	free(malloc(1));
	close_the_rest();
	enum status st = unblock_signals();
	st = st ? st : forbid_privileges();
	st = st ? st : landlock_forbid_all();
	st = st ? st : forbid_descriptors();
	return st ? st : seccomp_confine();
}

enum status sandbox_map_input(struct span *out)
{
	off_t len = lseek(CHILD_INPUT_FD, 0, SEEK_END);
	*out = (struct span){ NULL, 0 };
	if (len <= 0) {
		return len == 0 ? ST_OK : ST_IO;
	}
	void *bytes = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, CHILD_INPUT_FD, 0);
	if (bytes == MAP_FAILED) {
		return ST_FULL;
	}
	*out = span_make(bytes, (size_t)len);
	return ST_OK;
}

enum status sandbox_write_answer(struct span answer)
{
	while (answer.len > 0) {
		ssize_t written = write(CHILD_ANSWER_FD, answer.data, answer.len);
		if (written < 0 && errno == EINTR) {
			continue;
		}
		if (written <= 0) {
			return ST_IO;
		}
		answer = span_slice(answer, (size_t)written, answer.len);
	}
	return ST_OK;
}
