#include "poison.h"

#include "clock.h"

#include "base/clock_private.h"
#include "check.h"
#include "limits.h"
#include "thread.h"

#define START INT64_C(1800000000000)
#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

/* A world whose time is what the test says. */
struct world {
	int64_t wall_ms;
	int64_t boot_us;
	bool is_synchronised;
};

static int64_t world_wall(void *context)
{
	return ((struct world *)context)->wall_ms;
}

static int64_t world_boot(void *context)
{
	return ((struct world *)context)->boot_us;
}

static bool world_is_synchronised(void *context)
{
	return ((struct world *)context)->is_synchronised;
}

static struct clock *make(struct world *w, int64_t high_water_ms, uint32_t scale, int64_t origin_ms)
{
	struct clock *c = NULL;
	struct clock_options options = { high_water_ms, scale, origin_ms };
	struct clock_source source = { world_wall, world_boot, world_is_synchronised, w };
	CHECK_EQ(clock_new_from(&options, &source, &c), ST_OK);
	return c;
}

static void pass(struct world *w, int64_t real_ms, int64_t wall_ms)
{
	w->boot_us += real_ms * 1000;
	w->wall_ms += wall_ms;
}

TEST(starts_at_the_larger_of_wall_and_high_water)
{
	struct world w = { START, 5, true };
	struct clock *c = make(&w, START - 1, 1, 0);
	CHECK_EQ(clock_now_ms(c), START);
	clock_free(c);
	c = make(&w, START + 7, 1, 0);
	CHECK_EQ(clock_now_ms(c), START + 7);
	CHECK_EQ(clock_skew_ms(c), -7);
	CHECK(!clock_is_held(c));
	CHECK_EQ(clock_high_water_ms(c), START + 7);
	clock_free(c);
}

TEST(follows_boot_time_and_not_the_wall)
{
	struct world w = { START, 0, true };
	struct clock *c = make(&w, 0, 1, 0);
	pass(&w, 1500, 0);
	CHECK_EQ(clock_now_ms(c), START + 1500);
	w.wall_ms += 10 * DAY;
	CHECK_EQ(clock_now_ms(c), START + 1500);
	clock_free(c);
}

TEST(slews_by_at_most_500_ppm_and_never_past)
{
	struct world w = { START, 0, true };
	struct clock *c = make(&w, 0, 1, 0);
	w.wall_ms += 1000;
	clock_tick(c);
	CHECK_EQ(clock_skew_ms(c), 1000);
	pass(&w, 1000000, 1000000);
	CHECK_EQ(clock_now_ms(c), START + 1000000 + 500);
	clock_tick(c);
	CHECK_EQ(clock_skew_ms(c), 500);
	pass(&w, 100 * DAY, 100 * DAY);
	CHECK_EQ(clock_now_ms(c), w.wall_ms);
	clock_free(c);
}

TEST(slews_backwards_without_running_backwards)
{
	struct world w = { START, 0, true };
	struct clock *c = make(&w, 0, 1, 0);
	int64_t before = clock_now_ms(c);
	w.wall_ms -= 2000;
	for (int i = 0; i < 5000; i++) {
		clock_tick(c);
		pass(&w, 1000, 1000);
		int64_t now = clock_now_ms(c);
		CHECK(now >= before + 999 && now <= before + 1000);
		before = now;
	}
	CHECK_EQ(clock_now_ms(c), w.wall_ms);
	clock_free(c);
}

TEST(holds_past_an_hour_either_way)
{
	for (int sign = -1; sign <= 1; sign += 2) {
		struct world w = { START, 0, true };
		struct clock *c = make(&w, 0, 1, 0);
		w.wall_ms = START + sign * HOUR;
		clock_tick(c);
		CHECK(!clock_is_held(c));
		clock_free(c);
		w.wall_ms = START;
		c = make(&w, 0, 1, 0);
		w.wall_ms = START + sign * (HOUR + 1);
		CHECK(!clock_is_held(c));
		clock_tick(c);
		CHECK(clock_is_held(c));
		CHECK_EQ(clock_skew_ms(c), sign * (HOUR + 1));
		pass(&w, DAY, DAY);
		CHECK_EQ(clock_now_ms(c), START + DAY);
		w.wall_ms = START + DAY;
		clock_tick(c);
		CHECK(!clock_is_held(c));
		clock_free(c);
	}
}

TEST(a_wall_behind_the_high_water_holds_from_the_start)
{
	struct world w = { START, 0, true };
	struct clock *c = make(&w, START + 2 * HOUR, 1, 0);
	CHECK(clock_is_held(c));
	CHECK_EQ(clock_now_ms(c), START + 2 * HOUR);
	clock_free(c);
}

TEST(a_leap_while_down_is_hidden_from_but_not_acted_on)
{
	struct world w = { START + 8 * DAY, 0, false };
	struct clock *c = make(&w, START, 1, 0);
	CHECK_EQ(clock_now_ms(c), START + 8 * DAY);
	CHECK(clock_is_held(c));
	CHECK_EQ(clock_high_water_ms(c), START);
	pass(&w, 5000, 5000);
	clock_tick(c);
	CHECK(clock_is_held(c));
	CHECK_EQ(clock_high_water_ms(c), START);
	w.is_synchronised = true;
	clock_tick(c);
	CHECK(!clock_is_held(c));
	CHECK_EQ(clock_high_water_ms(c), START + 8 * DAY + 5000);
	clock_free(c);
	w = (struct world){ START + 8 * DAY, 0, false };
	c = make(&w, START, 1, 0);
	clock_confirm(c);
	CHECK(!clock_is_held(c));
	CHECK_EQ(clock_high_water_ms(c), START + 8 * DAY);
	clock_free(c);
}

TEST(a_short_time_down_is_believed)
{
	struct world w = { START + HOUR - 1000, 0, false };
	struct clock *c = make(&w, START, 1, 0);
	CHECK(!clock_is_held(c));
	clock_free(c);
}

TEST(confirming_a_wall_ahead_jumps_to_it)
{
	struct world w = { START, 0, true };
	struct clock *c = make(&w, 0, 1, 0);
	w.wall_ms += 3 * DAY;
	clock_tick(c);
	CHECK(clock_is_held(c));
	clock_confirm(c);
	CHECK(!clock_is_held(c));
	CHECK_EQ(clock_now_ms(c), START + 3 * DAY);
	CHECK_EQ(clock_skew_ms(c), 0);
	w.wall_ms += 2 * HOUR;
	clock_tick(c);
	CHECK(clock_is_held(c));
	clock_free(c);
}

TEST(confirming_a_wall_behind_brings_nothing_back)
{
	struct world w = { START, 0, true };
	struct clock *c = make(&w, 0, 1, 0);
	w.wall_ms -= 3 * HOUR;
	clock_tick(c);
	CHECK(clock_is_held(c));
	clock_confirm(c);
	CHECK(!clock_is_held(c));
	CHECK_EQ(clock_now_ms(c), START);
	pass(&w, 1000, 1000);
	clock_tick(c);
	CHECK(!clock_is_held(c));
	w.wall_ms -= HOUR + 2000;
	clock_tick(c);
	CHECK(clock_is_held(c));
	w.wall_ms = START;
	clock_tick(c);
	CHECK(!clock_is_held(c));
	/* What was vouched for has been met: the old leap is a leap again. */
	w.wall_ms -= 3 * HOUR;
	clock_tick(c);
	CHECK(clock_is_held(c));
	clock_free(c);
}

TEST(a_scale_runs_from_its_origin)
{
	struct world w = { START + 10, 0, true };
	struct clock *c = make(&w, 0, 100, START);
	CHECK_EQ(clock_now_ms(c), START + 1000);
	pass(&w, 50, 50);
	CHECK_EQ(clock_now_ms(c), START + 6000);
	w.wall_ms += 10 * DAY;
	clock_tick(c);
	CHECK(!clock_is_held(c));
	CHECK_EQ(clock_now_ms(c), START + 6000);
	CHECK_EQ(clock_scale(c), 100);
	CHECK_EQ(clock_real_ms_until(c, START + 6000), 0);
	CHECK_EQ(clock_real_ms_until(c, START + 6001), 1);
	CHECK_EQ(clock_real_ms_until(c, START + 6101), 2);
	CHECK_EQ(clock_real_ms_until(c, START), 0);
	clock_free(c);
	w = (struct world){ START, 0, true };
	c = make(&w, START + 77777, 100, START);
	CHECK_EQ(clock_now_ms(c), START + 77777);
	clock_free(c);
	c = make(&w, 0, 100, START + 5);
	CHECK_EQ(clock_now_ms(c), START + 5);
	clock_free(c);
}

TEST(a_scale_has_bounds)
{
	struct clock *c = NULL;
	struct clock_options options = { 0, 0, 0 };
	CHECK_EQ(clock_new(&options, &c), ST_INVALID);
	options.scale = CLOCK_SCALE_MAX + 1;
	CHECK_EQ(clock_new(&options, &c), ST_INVALID);
	CHECK(c == NULL);
	options.scale = 1;
	CHECK_EQ(clock_new(&options, &c), ST_OK);
	int64_t apart = clock_now_ms(c) - clock_wall_ms();
	CHECK(apart > -10000 && apart < 10000);
	clock_free(c);
	clock_free(NULL);
}

TEST(a_start_that_no_epoch_holds_is_refused)
{
	struct clock *c = NULL;
	struct clock_options options = { INT64_MAX, 1, 0 };
	CHECK_EQ(clock_new(&options, &c), ST_INVALID);
	options.high_water_ms = (int64_t)UINT32_MAX * EPOCH_MS;
	CHECK_EQ(clock_new(&options, &c), ST_INVALID);
	CHECK(c == NULL);
	options = (struct clock_options){ 0, CLOCK_SCALE_MAX, 0 };
	CHECK_EQ(clock_new(&options, &c), ST_INVALID);
	CHECK(c == NULL);
}

TEST(a_manual_clock_stands)
{
	struct clock *c = clock_new_manual(START);
	REQUIRE(c);
	CHECK_EQ(clock_now_ms(c), START);
	clock_tick(c);
	clock_set(c, START + 5);
	CHECK_EQ(clock_now_ms(c), START + 5);
	CHECK_EQ(clock_real_ms_until(c, START + 9), 4);
	clock_set(c, START);
	CHECK_EQ(clock_now_ms(c), START + 5);
	clock_set_held(c, true);
	CHECK(clock_is_held(c));
	clock_confirm(c);
	CHECK(!clock_is_held(c));
	clock_free(c);
}

TEST(monotonic_time_is_one_clock_in_two_units)
{
	int64_t ms = clock_monotonic_ms();
	int64_t us = clock_monotonic_us();
	CHECK(us / 1000 >= ms);
	CHECK(clock_monotonic_ms() >= us / 1000);
}

/* Each thread reads while another ticks and time leaps about: no reader ever sees less than it or one
 * before it saw. */
struct race {
	struct clock *clock;
	_Atomic int64_t seen;
};

static void race_read(void *argument)
{
	struct race *race = argument;
	for (int i = 0; i < 20000; i++) {
		int64_t seen = atomic_load(&race->seen);
		int64_t now = clock_now_ms(race->clock);
		CHECK(now >= seen);
		while (now > seen && !atomic_compare_exchange_weak(&race->seen, &seen, now)) {
		}
	}
}

static void race_change(void *argument)
{
	struct race *race = argument;
	for (int i = 0; i < 5000; i++) {
		clock_tick(race->clock);
		if (i % 50 == 0) {
			clock_confirm(race->clock);
		}
	}
}

static int64_t leaping_wall(void *context)
{
	static _Atomic unsigned calls;
	(void)context;
	return clock_wall_ms() + (atomic_fetch_add(&calls, 1) % 7) * 1000;
}

static int64_t true_boot(void *context)
{
	(void)context;
	return clock_monotonic_us();
}

TEST(never_runs_backwards_across_threads)
{
	struct race race = { 0 };
	struct clock_source source = { leaping_wall, true_boot, NULL, NULL };
	struct clock_options options = { 0, 1, 0 };
	struct thread threads[4];
	CHECK_EQ(clock_new_from(&options, &source, &race.clock), ST_OK);
	REQUIRE(race.clock);
	for (size_t i = 0; i < 4; i++) {
		CHECK_EQ(thread_start(&threads[i], "race", i < 3 ? race_read : race_change, &race), ST_OK);
	}
	for (size_t i = 0; i < 4; i++) {
		thread_join(&threads[i]);
	}
	CHECK(atomic_load(&race.seen) > 0);
	clock_free(race.clock);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(starts_at_the_larger_of_wall_and_high_water),
		CHECK_TEST(follows_boot_time_and_not_the_wall),
		CHECK_TEST(slews_by_at_most_500_ppm_and_never_past),
		CHECK_TEST(slews_backwards_without_running_backwards),
		CHECK_TEST(holds_past_an_hour_either_way),
		CHECK_TEST(a_wall_behind_the_high_water_holds_from_the_start),
		CHECK_TEST(a_leap_while_down_is_hidden_from_but_not_acted_on),
		CHECK_TEST(a_short_time_down_is_believed),
		CHECK_TEST(confirming_a_wall_ahead_jumps_to_it),
		CHECK_TEST(confirming_a_wall_behind_brings_nothing_back),
		CHECK_TEST(a_scale_runs_from_its_origin),
		CHECK_TEST(a_scale_has_bounds),
		CHECK_TEST(a_start_that_no_epoch_holds_is_refused),
		CHECK_TEST(a_manual_clock_stands),
		CHECK_TEST(monotonic_time_is_one_clock_in_two_units),
		CHECK_TEST(never_runs_backwards_across_threads),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
