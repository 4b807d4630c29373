/* lock.h - mutexes named for what they guard, and waiting for a change.
 *
 * No function takes a lock while it holds one: lock_acquire() counts per
 * thread and must()s that the count is zero.  Waiting is by condition with an
 * absolute CLOCK_MONOTONIC deadline.  Contended acquisitions are counted
 * (lock_contended_total), so that metrics can show them.
 */
#ifndef DARKROOM_LOCK_H
#define DARKROOM_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct lock {
	pthread_mutex_t mutex;
	const char *name;
};
struct signal {
	pthread_cond_t cond;
};

/* `name` is borrowed for the lock's life: "store.inbox". */
void lock_init(struct lock *l, const char *name);
void lock_fini(struct lock *l);
void lock_acquire(struct lock *l);
void lock_release(struct lock *l);

void signal_init(struct signal *s);
void signal_fini(struct signal *s);
void signal_wake_one(struct signal *s);
void signal_wake_all(struct signal *s);

/* Waits under `l` until woken (also without cause). */
void signal_wait(struct signal *s, struct lock *l);

/* The same until `deadline_ms` of clock_monotonic_ms(); false when it passed. */
bool signal_wait_until(struct signal *s, struct lock *l, int64_t deadline_ms);

uint64_t lock_contended_total(void);

#endif
