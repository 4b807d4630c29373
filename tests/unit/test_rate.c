/* test_rate.c - the token bucket of a key. */
#include "http/rate.h"

#include "check.h"

static struct rate *new_rate(int64_t per_s)
{
	struct rate *r = NULL;
	CHECK_EQ(rate_new(per_s, &r), ST_OK);
	return r;
}

/* How many of `tries` requests at that moment are let through. */
static int take(struct rate *r, const char *key, int64_t now_ms, int tries)
{
	int taken = 0;
	for (int i = 0; i < tries; i++)
		taken += rate_take(r, key, now_ms);
	return taken;
}

TEST(ten_seconds_worth_may_come_at_once)
{
	struct rate *r = new_rate(5);
	CHECK_EQ(take(r, "a", 1000, 100), 50);
	CHECK_EQ(take(r, "a", 1000, 100), 0);
	rate_free(r);
}

TEST(tokens_come_back_with_time)
{
	struct rate *r = new_rate(5);
	CHECK_EQ(take(r, "a", 0, 100), 50);
	CHECK_EQ(take(r, "a", 199, 100), 0);
	CHECK_EQ(take(r, "a", 200, 100), 1);
	CHECK_EQ(take(r, "a", 1200, 100), 5);
	CHECK_EQ(take(r, "a", 1000000, 100), 50);
	rate_free(r);
}

TEST(keys_do_not_take_from_each_other)
{
	struct rate *r = new_rate(1);
	CHECK_EQ(take(r, "a", 1000, 100), 10);
	CHECK_EQ(take(r, "b", 1000, 100), 10);
	CHECK_EQ(take(r, "a", 1000, 100), 0);
	rate_free(r);
}

TEST(zero_is_no_limit)
{
	struct rate *r = new_rate(0);
	CHECK_EQ(take(r, "a", 0, 100000), 100000);
	rate_free(r);
}

TEST(time_that_runs_back_gives_and_takes_nothing)
{
	struct rate *r = new_rate(1);
	CHECK_EQ(take(r, "a", 1000, 9), 9);
	CHECK_EQ(take(r, "a", 500, 100), 1);
	CHECK_EQ(take(r, "a", 1999, 100), 0);
	CHECK_EQ(take(r, "a", 2000, 100), 1);
	rate_free(r);
}

enum { BUCKETS = 1024 };

/* How many requests keys number `first` to `last` get through, `each` tried by every one. */
static int take_all(struct rate *r, int first, int last, int64_t now_ms, int each)
{
	char key[16];
	int taken = 0;
	for (int i = first; i <= last; i++) {
		(void)snprintf(key, sizeof key, "k%d", i);
		taken += take(r, key, now_ms, each);
	}
	return taken;
}

TEST(an_idle_key_makes_room_and_a_busy_one_is_not_forgotten)
{
	struct rate *r = new_rate(1);
	CHECK_EQ(take_all(r, 1, BUCKETS - 1, 1000, 1), BUCKETS - 1);
	CHECK_EQ(take(r, "busy", 10900, 100), 10);
	/* Idle for ten seconds: whoever comes new has a whole bucket. */
	CHECK_EQ(take_all(r, 5001, 5000 + BUCKETS - 1, 11000, 10), 10 * (BUCKETS - 1));
	CHECK_EQ(take(r, "busy", 11000, 100), 0);
	rate_free(r);
}

TEST(coming_under_more_keys_than_buckets_gains_nothing)
{
	struct rate *r = new_rate(1);
	int taken = take_all(r, 1, 3000, 1000, 10);
	taken += take_all(r, 1, 3000, 1000, 10);
	CHECK_EQ(taken, 10 * BUCKETS);
	/* A second later there is one more for each bucket, whoever asks. */
	CHECK_EQ(take_all(r, 1, 3000, 2000, 10), BUCKETS);
	CHECK_EQ(take_all(r, 1, BUCKETS, 12000, 10), 10 * BUCKETS);
	rate_free(r);
}

TEST(an_end_of_nothing_is_fine)
{
	rate_free(NULL);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(ten_seconds_worth_may_come_at_once),
		CHECK_TEST(tokens_come_back_with_time),
		CHECK_TEST(keys_do_not_take_from_each_other),
		CHECK_TEST(zero_is_no_limit),
		CHECK_TEST(time_that_runs_back_gives_and_takes_nothing),
		CHECK_TEST(an_idle_key_makes_room_and_a_busy_one_is_not_forgotten),
		CHECK_TEST(coming_under_more_keys_than_buckets_gains_nothing),
		CHECK_TEST(an_end_of_nothing_is_fine),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
