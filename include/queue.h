/* queue.h - a bounded first-in first-out queue of pointers between threads.
 *
 * The queue never owns what passes through it.  It is the "bell" too: ids are
 * passed as uint64_t in the pointer's place by the typed helpers.
 */
#ifndef DARKROOM_QUEUE_H
#define DARKROOM_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct queue; /* opaque */

enum status queue_new(const char *lock_name, size_t capacity, struct queue **out) MUST_CHECK;

/* FULL at once when there is no room; STOPPED after queue_stop(). */
enum status queue_offer(struct queue *q, void *item) MUST_CHECK;
/* Waits for room.  STOPPED after queue_stop(). */
enum status queue_put(struct queue *q, void *item) MUST_CHECK;
/* Waits at most `wait_ms` (-1: for ever).  TIMEOUT, or STOPPED when stopped and empty. */
enum status queue_take(struct queue *q, int64_t wait_ms, void **out) MUST_CHECK;

/* After this nothing goes in; what is inside can still be taken. */
void queue_stop(struct queue *q);
size_t queue_len(struct queue *q);
void queue_free(struct queue *q); /* NULL is fine; nobody may be waiting */

#endif
