#include "poison.h"

#include "lock.h"

#include <errno.h>
#include <stdatomic.h>

#include "must.h"

static atomic_ullong contended;
static _Thread_local unsigned held_count;

void lock_init(struct lock *l, const char *name)
{
	l->name = name;
	must(pthread_mutex_init(&l->mutex, NULL) == 0);
}

void lock_fini(struct lock *l)
{
	must(pthread_mutex_destroy(&l->mutex) == 0);
}

void lock_acquire(struct lock *l)
{
	must(held_count == 0);
	int error = pthread_mutex_trylock(&l->mutex);
	if (error == EBUSY) {
		(void)atomic_fetch_add_explicit(&contended, 1, memory_order_relaxed);
		error = pthread_mutex_lock(&l->mutex);
	}
	must(error == 0);
	held_count = 1;
}

void lock_release(struct lock *l)
{
	must(held_count == 1);
	held_count = 0;
	must(pthread_mutex_unlock(&l->mutex) == 0);
}

void signal_init(struct signal *s)
{
	pthread_condattr_t attributes;
	must(pthread_condattr_init(&attributes) == 0);
	must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&s->cond, &attributes) == 0);
	must(pthread_condattr_destroy(&attributes) == 0);
}

void signal_fini(struct signal *s)
{
	must(pthread_cond_destroy(&s->cond) == 0);
}

void signal_wake_one(struct signal *s)
{
	must(pthread_cond_signal(&s->cond) == 0);
}

void signal_wake_all(struct signal *s)
{
	must(pthread_cond_broadcast(&s->cond) == 0);
}

void signal_wait(struct signal *s, struct lock *l)
{
	must(held_count == 1);
	must(pthread_cond_wait(&s->cond, &l->mutex) == 0);
}

bool signal_wait_until(struct signal *s, struct lock *l, int64_t deadline_ms)
{
	int64_t at_ms = deadline_ms > 0 ? deadline_ms : 0;
	struct timespec at = { (time_t)(at_ms / 1000), (long)(at_ms % 1000 * 1000000) };
	must(held_count == 1);
	int error = pthread_cond_timedwait(&s->cond, &l->mutex, &at);
	must(error == 0 || error == ETIMEDOUT);
	return error == 0;
}

uint64_t lock_contended_total(void)
{
	return atomic_load_explicit(&contended, memory_order_relaxed);
}
