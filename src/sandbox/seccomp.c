#include "poison.h"

#include "seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "sanitized.h"
#include "spawn.h"

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "the sandbox knows the system calls of x86_64 and aarch64 only"
#endif

/* Argument words are little-endian on both, so the low half of an argument comes first. */
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
/* Unless equal, skip the next `steps`. */
#define UNLESS(value, steps) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (steps))
#define IF_ANY_BIT(bits, steps) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), (steps), 0)
#define MASK(bits) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (bits))
#define IF_ABOVE(value, steps) BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (value), (steps), 0)

#define ALLOW_CALL(name) UNLESS(SYS_##name, 1), ALLOW
#define REFUSE_CALL(name, error) UNLESS(SYS_##name, 1), REFUSE(error)
/* For a file descriptor as first argument. */
#define ALLOW_CALL_ON(name, fd) UNLESS(SYS_##name, 4), LOAD(args[0]), UNLESS((fd), 1), ALLOW, KILL
/* Memory that can be written and then run is what an attacker needs. */
#define ALLOW_UNLESS_EXECUTABLE(name) \
	UNLESS(SYS_##name, 4), LOAD(args[2]), IF_ANY_BIT(PROT_EXEC, 1), ALLOW, KILL

enum { FUTEX_OPERATIONS = 127, FUTEX_WAKE_OPERATION = 1, X32_CALLS = 0x40000000 };

static const struct sock_filter program[] = {
	LOAD(arch),
	UNLESS(OUR_ARCH, 1),
	BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
	KILL,
	LOAD(nr),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1),
	KILL,
	ALLOW_CALL(brk),
	ALLOW_CALL(munmap),
	ALLOW_CALL(mremap),
	ALLOW_CALL(madvise),
	ALLOW_CALL(clock_gettime),
	ALLOW_CALL(getrandom),
	ALLOW_CALL(rt_sigreturn),
	ALLOW_CALL(exit),
	ALLOW_CALL(exit_group),
#if SANDBOX_IS_SANITIZED
	ALLOW_CALL(rt_sigaction),
	ALLOW_CALL(rt_sigprocmask),
	ALLOW_CALL(sigaltstack),
	ALLOW_CALL(gettid),
	ALLOW_CALL(getpid),
	ALLOW_CALL(sched_yield),
	ALLOW_CALL(write),
	REFUSE_CALL(openat, EACCES),
	REFUSE_CALL(readlinkat, EACCES),
	REFUSE_CALL(ioctl, ENOTTY),
	REFUSE_CALL(prctl, EPERM),
#if defined(SYS_readlink)
	REFUSE_CALL(open, EACCES),
	REFUSE_CALL(readlink, EACCES),
#endif
#elif defined(__aarch64__)
	REFUSE_CALL(openat, EACCES), /* libjpeg-turbo looks into /proc/cpuinfo there and does without */
#endif
	ALLOW_UNLESS_EXECUTABLE(mmap),
	ALLOW_UNLESS_EXECUTABLE(mprotect),
	ALLOW_CALL_ON(write, CHILD_ANSWER_FD),
	ALLOW_CALL_ON(lseek, CHILD_INPUT_FD),
	/* Waiting and waking only: the rest of futex has had its holes. */
	UNLESS(SYS_futex, 5),
	LOAD(args[1]),
	MASK(FUTEX_OPERATIONS),
	IF_ABOVE(FUTEX_WAKE_OPERATION, 1),
	ALLOW,
	KILL,
	KILL,
};

bool seccomp_is_there(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

enum status seccomp_confine(void)
{
	struct sock_fprog filter = { .len = sizeof program / sizeof *program,
		.filter = (struct sock_filter *)program };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) ? ST_IO : ST_OK;
}
