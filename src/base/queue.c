#include "poison.h"

#include "queue.h"

#include "clock.h"
#include "lock.h"
#include "memory.h"
#include "must.h"

struct queue {
	struct lock lock;
	/* guarded by lock: */
	struct signal has_item;
	struct signal has_room;
	bool is_stopped;
	size_t first;
	size_t len;
	/* never change: */
	size_t capacity;
	void *items[];
};

enum status queue_new(const char *lock_name, size_t capacity, struct queue **out)
{
	*out = NULL;
	must(capacity > 0);
	must(capacity < SIZE_MAX / sizeof(void *) / 2);
	struct queue *q = memory_alloc(sizeof *q + capacity * sizeof q->items[0]);
	if (!q) {
		return ST_FULL;
	}
	q->capacity = capacity;
	lock_init(&q->lock, lock_name);
	signal_init(&q->has_item);
	signal_init(&q->has_room);
	*out = q;
	return ST_OK;
}

static void push(struct queue *q, void *item)
{
	q->items[(q->first + q->len) % q->capacity] = item;
	q->len++;
	signal_wake_one(&q->has_item);
}

enum status queue_offer(struct queue *q, void *item)
{
	enum status st = ST_OK;
	lock_acquire(&q->lock);
	if (q->is_stopped) {
		st = ST_STOPPED;
	} else if (q->len == q->capacity) {
		st = ST_FULL;
	} else {
		push(q, item);
	}
	lock_release(&q->lock);
	return st;
}

enum status queue_put(struct queue *q, void *item)
{
	enum status st = ST_OK;
	lock_acquire(&q->lock);
	while (!q->is_stopped && q->len == q->capacity) {
		signal_wait(&q->has_room, &q->lock);
	}
	if (q->is_stopped) {
		st = ST_STOPPED;
	} else {
		push(q, item);
	}
	lock_release(&q->lock);
	return st;
}

static void *pop(struct queue *q)
{
	void *item = q->items[q->first];
	q->first = (q->first + 1) % q->capacity;
	q->len--;
	signal_wake_one(&q->has_room);
	return item;
}

/* Waits until there is an item or never will be; false when the deadline passed first. */
static bool wait_for_item(struct queue *q, int64_t wait_ms, int64_t deadline_ms)
{
	while (q->len == 0 && !q->is_stopped) {
		if (wait_ms < 0) {
			signal_wait(&q->has_item, &q->lock);
		} else if (!signal_wait_until(&q->has_item, &q->lock, deadline_ms)) {
			return q->len > 0 || q->is_stopped;
		}
	}
	return true;
}

enum status queue_take(struct queue *q, int64_t wait_ms, void **out)
{
	enum status st = ST_OK;
	int64_t deadline_ms = wait_ms > 0 ? clock_monotonic_ms() + wait_ms : 0;
	*out = NULL;
	lock_acquire(&q->lock);
	if (!wait_for_item(q, wait_ms, deadline_ms)) {
		st = ST_TIMEOUT;
	} else if (q->len == 0) {
		st = ST_STOPPED;
	} else {
		*out = pop(q);
	}
	lock_release(&q->lock);
	return st;
}

void queue_stop(struct queue *q)
{
	lock_acquire(&q->lock);
	q->is_stopped = true;
	signal_wake_all(&q->has_item);
	signal_wake_all(&q->has_room);
	lock_release(&q->lock);
}

size_t queue_len(struct queue *q)
{
	lock_acquire(&q->lock);
	size_t len = q->len;
	lock_release(&q->lock);
	return len;
}

void queue_free(struct queue *q)
{
	if (q) {
		signal_fini(&q->has_room);
		signal_fini(&q->has_item);
		lock_fini(&q->lock);
		memory_free(q);
	}
}
