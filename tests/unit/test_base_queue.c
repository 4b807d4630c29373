#include "poison.h"

#include "queue.h"

#include "check.h"
#include "lock.h"
#include "thread.h"

static void *item(size_t n)
{
	return (void *)(uintptr_t)n;
}

static size_t number(void *p)
{
	return (size_t)(uintptr_t)p;
}

TEST(first_in_is_first_out_around_the_ring)
{
	struct queue *q = NULL;
	void *out = NULL;
	CHECK_EQ(queue_new("test.queue", 3, &q), ST_OK);
	REQUIRE(q);
	size_t in = 0;
	for (size_t expected = 0; expected < 20; expected++) {
		while (queue_offer(q, item(in)) == ST_OK) {
			in++;
		}
		CHECK_EQ(queue_len(q), 3);
		CHECK_EQ(queue_take(q, 0, &out), ST_OK);
		CHECK_EQ(number(out), expected);
	}
	queue_free(q);
	queue_free(NULL);
}

TEST(full_empty_and_stopped_are_said)
{
	struct queue *q = NULL;
	void *out = item(9);
	CHECK_EQ(queue_new("test.queue", 1, &q), ST_OK);
	REQUIRE(q);
	CHECK_EQ(queue_take(q, 0, &out), ST_TIMEOUT);
	CHECK(out == NULL);
	CHECK_EQ(queue_take(q, 1, &out), ST_TIMEOUT);
	CHECK_EQ(queue_offer(q, item(1)), ST_OK);
	CHECK_EQ(queue_offer(q, item(2)), ST_FULL);
	queue_stop(q);
	CHECK_EQ(queue_offer(q, item(3)), ST_STOPPED);
	CHECK_EQ(queue_put(q, item(3)), ST_STOPPED);
	CHECK_EQ(queue_take(q, -1, &out), ST_OK);
	CHECK_EQ(number(out), 1);
	CHECK_EQ(queue_take(q, -1, &out), ST_STOPPED);
	queue_free(q);
}

struct load {
	struct queue *queue;
	atomic_size_t sum;
	atomic_size_t taken;
};

enum { PUTTERS = 3, TAKERS = 3, EACH = 5000 };

static void put_all(void *argument)
{
	struct load *load = argument;
	for (size_t i = 1; i <= EACH; i++) {
		CHECK_EQ(queue_put(load->queue, item(i)), ST_OK);
	}
}

static void take_all(void *argument)
{
	struct load *load = argument;
	void *out = NULL;
	while (queue_take(load->queue, -1, &out) == ST_OK) {
		(void)atomic_fetch_add(&load->sum, number(out));
		(void)atomic_fetch_add(&load->taken, 1);
	}
}

TEST(nothing_is_lost_between_threads)
{
	struct load load = { 0 };
	struct thread putters[PUTTERS], takers[TAKERS];
	CHECK_EQ(queue_new("test.queue", 4, &load.queue), ST_OK);
	REQUIRE(load.queue);
	for (size_t i = 0; i < TAKERS; i++) {
		CHECK_EQ(thread_start(&takers[i], "taker", take_all, &load), ST_OK);
	}
	for (size_t i = 0; i < PUTTERS; i++) {
		CHECK_EQ(thread_start(&putters[i], "putter", put_all, &load), ST_OK);
	}
	for (size_t i = 0; i < PUTTERS; i++) {
		thread_join(&putters[i]);
	}
	queue_stop(load.queue);
	for (size_t i = 0; i < TAKERS; i++) {
		thread_join(&takers[i]);
	}
	CHECK_EQ(atomic_load(&load.taken), PUTTERS * EACH);
	CHECK_EQ(atomic_load(&load.sum), (size_t)PUTTERS * EACH * (EACH + 1) / 2);
	CHECK_EQ(queue_len(load.queue), 0);
	queue_free(load.queue);
}

static void put_one(void *argument)
{
	struct load *load = argument;
	CHECK_EQ(queue_put(load->queue, item(2)), ST_STOPPED);
}

TEST(stopping_frees_who_waits)
{
	struct load load = { 0 };
	struct thread putter;
	CHECK_EQ(queue_new("test.queue", 1, &load.queue), ST_OK);
	REQUIRE(load.queue);
	CHECK_EQ(queue_offer(load.queue, item(1)), ST_OK);
	CHECK_EQ(thread_start(&putter, "putter", put_one, &load), ST_OK);
	queue_stop(load.queue);
	thread_join(&putter);
	CHECK_EQ(queue_len(load.queue), 1);
	queue_free(load.queue);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(first_in_is_first_out_around_the_ring),
		CHECK_TEST(full_empty_and_stopped_are_said),
		CHECK_TEST(nothing_is_lost_between_threads),
		CHECK_TEST(stopping_frees_who_waits),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
