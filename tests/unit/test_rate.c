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

TEST(more_keys_than_buckets_forget_only_the_idlest)
{
	struct rate *r = new_rate(1);
	char key[16];
	CHECK_EQ(take(r, "busy", 100000, 100), 10);
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(key, sizeof key, "k%d", i);
		CHECK_EQ(take(r, key, 100000, 1), 1);
		CHECK_EQ(take(r, "busy", 100001, 1), 0);
	}
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
		CHECK_TEST(more_keys_than_buckets_forget_only_the_idlest),
		CHECK_TEST(an_end_of_nothing_is_fine),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
