/* thread.h - threads with a name and a stated stack, always joined.
 *
 * Signals are blocked in every thread but main, which sigwait()s.
 */
#ifndef DARKROOM_THREAD_H
#define DARKROOM_THREAD_H

#include <pthread.h>

#include "status.h"

struct thread {
	pthread_t handle;
	bool is_started;
};

/* Runs `entry(argument)` on a thread called `name` (15 characters at most).
 * FULL: the system gave no thread. */
enum status thread_start(
	struct thread *t, const char *name, void (*entry)(void *), void *argument) MUST_CHECK;

/* Waits for its end; nothing if it was never started. */
void thread_join(struct thread *t);

/* This thread's name for logs; "main" or "http" when none was set. */
const char *thread_name(void);
void thread_set_name(const char *name);

#endif
