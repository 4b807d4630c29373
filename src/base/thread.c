#include "poison.h"

#include "thread.h"

#include <signal.h>
#include <sys/types.h>

#include "log.h"
#include "memory.h"
#include "must.h"

/* Enough for SQLite's and mbedTLS's deepest calls with the sanitizers' larger frames; pages never touched
 * cost nothing. */
enum { STACK_BYTES = 2 << 20, NAME_MAX_BYTES = 16 };

static _Thread_local char own_name[NAME_MAX_BYTES];

struct start {
	void (*entry)(void *);
	void *argument;
	char name[NAME_MAX_BYTES];
};

const char *thread_name(void)
{
	if (own_name[0] != '\0') {
		return own_name;
	}
	return gettid() == getpid() ? "main" : "http";
}

void thread_set_name(const char *name)
{
	(void)snprintf(own_name, sizeof own_name, "%s", name);
	must(pthread_setname_np(pthread_self(), own_name) == 0);
}

static void *run(void *argument)
{
	struct start start = *(struct start *)argument;
	memory_free(argument);
	thread_set_name(start.name);
	start.entry(start.argument);
	return NULL;
}

/* All but the signals that a fault of the thread itself raises: blocked, those would hang or kill
 * without a trace. */
static void block_signals(sigset_t *before)
{
	static const int own_faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP };
	sigset_t all;
	must(sigfillset(&all) == 0);
	for (size_t i = 0; i < sizeof own_faults / sizeof *own_faults; i++) {
		must(sigdelset(&all, own_faults[i]) == 0);
	}
	must(pthread_sigmask(SIG_SETMASK, &all, before) == 0);
}

/* A thread inherits its creator's mask, so there is no moment at which it would take a signal. */
static int create(pthread_t *handle, struct start *start)
{
	pthread_attr_t attributes;
	sigset_t before;
	must(pthread_attr_init(&attributes) == 0);
	must(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
	block_signals(&before);
	int error = pthread_create(handle, &attributes, run, start);
	must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	must(pthread_attr_destroy(&attributes) == 0);
	return error;
}

enum status thread_start(struct thread *t, const char *name, void (*entry)(void *), void *argument)
{
	t->is_started = false;
	struct start *start = memory_alloc(sizeof *start);
	if (!start) {
		return ST_FULL;
	}
	*start = (struct start){ .entry = entry, .argument = argument };
	(void)snprintf(start->name, sizeof start->name, "%s", name);
	int error = create(&t->handle, start);
	if (error != 0) {
		memory_free(start);
		log_event(LOG_ERROR, "thread.start.failed", LOG_TEXT("name", name), LOG_I64("error", error));
		return ST_FULL;
	}
	t->is_started = true;
	return ST_OK;
}

void thread_join(struct thread *t)
{
	if (t->is_started) {
		must(pthread_join(t->handle, NULL) == 0);
		t->is_started = false;
	}
}
