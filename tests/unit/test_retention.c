/* test_retention.c - what stands before the port opens, and the timer thread under a clock of ours. */
#include "retention.h"

#include "commit_fixture.h"

#include <sched.h>

/* The timer thread wakes once at its start; a machine that is busy gives it this long. */
enum { PATIENCE_MS = 60 * 1000 };

struct scene {
	struct world w;
	struct control *control;
	struct purge *purge;
	struct retention_options options;
};

static void begin(struct scene *s)
{
	char path[300];
	world_begin(&s->w);
	(void)snprintf(path, sizeof path, "%s/control.db", s->w.dir);
	must(control_open(path, &s->control) == ST_OK);
	struct purge_options purge = { .keyring = s->w.keyring,
		.catalog = s->w.catalog,
		.commit = s->w.commit,
		.control = s->control,
		.clock = s->w.clock };
	must(purge_new(&purge, &s->purge) == ST_OK);
	s->options = (struct retention_options){ .purge = s->purge,
		.keyring = s->w.keyring,
		.catalog = s->w.catalog,
		.commit = s->w.commit,
		.control = s->control,
		.clock = s->w.clock,
		.data_fd = s->w.dir_fd };
}

static void end(struct scene *s)
{
	purge_free(s->purge);
	control_close(s->control);
	world_end(&s->w);
}

static enum epoch_state state_of(struct scene *s, uint32_t epoch)
{
	return keyring_epoch_state(s->w.keyring, epoch);
}

/* The last epoch that an image which comes in now may need. */
static uint32_t last_needed(struct scene *s)
{
	return keyring_epoch_of(clock_now_ms(s->w.clock) + RETENTION_MAX_MS);
}

static int64_t stored_mark(struct scene *s)
{
	int64_t mark = -1;
	CHECK_EQ(control_get_number(s->control, "clock_high_water_ms", &mark), ST_OK);
	return mark;
}

TEST(what_is_due_is_destroyed_and_slots_stand_ahead_before_the_port_opens)
{
	struct scene s;
	int64_t mark = 0;
	begin(&s);
	struct catalog_image soon = put_image(&s.w, 1, 5000, 60000),
			     later = put_image(&s.w, 2, 5000, 4 * (int64_t)HOUR);
	clock_set(s.w.clock, keyring_epoch_due_ms(soon.epoch));
	CHECK_EQ(state_of(&s, soon.epoch), EPOCH_LIVE);
	CHECK_EQ(state_of(&s, last_needed(&s)), EPOCH_ABSENT);
	CHECK_EQ(control_get_number(s.control, "clock_high_water_ms", &mark), ST_NOT_FOUND);
	CHECK_EQ(retention_prepare(&s.options), ST_OK);
	CHECK_EQ(state_of(&s, soon.epoch), EPOCH_DESTROYED);
	CHECK_EQ(state_of(&s, later.epoch), EPOCH_LIVE);
	CHECK_EQ(state_of(&s, last_needed(&s)), EPOCH_LIVE);
	CHECK_EQ(state_of(&s, last_needed(&s) / 2 + soon.epoch / 2), EPOCH_LIVE);
	CHECK_EQ(read_back(&s.w, &soon, 1), ST_GONE);
	CHECK_EQ(read_back(&s.w, &later, 2), ST_OK);
	CHECK_EQ(stored_mark(&s), clock_now_ms(s.w.clock));
	end(&s);
}

TEST(under_a_hold_the_start_destroys_nothing)
{
	struct scene s;
	begin(&s);
	struct catalog_image soon = put_image(&s.w, 1, 5000, 60000);
	clock_set(s.w.clock, keyring_epoch_due_ms(soon.epoch));
	clock_set_held(s.w.clock, true);
	CHECK_EQ(retention_prepare(&s.options), ST_OK);
	CHECK_EQ(state_of(&s, soon.epoch), EPOCH_LIVE);
	CHECK_EQ(state_of(&s, last_needed(&s)), EPOCH_LIVE);
	clock_set_held(s.w.clock, false);
	CHECK_EQ(retention_prepare(&s.options), ST_OK);
	CHECK_EQ(state_of(&s, soon.epoch), EPOCH_DESTROYED);
	end(&s);
}

static bool is_destroyed(struct scene *s, uint32_t epoch)
{
	int64_t until = clock_monotonic_ms() + PATIENCE_MS;
	while (state_of(s, epoch) != EPOCH_DESTROYED && clock_monotonic_ms() < until)
		(void)sched_yield();
	return state_of(s, epoch) == EPOCH_DESTROYED;
}

TEST(the_thread_destroys_what_is_due_and_is_healthy)
{
	struct scene s;
	struct retention *r = NULL;
	const char *why = "";
	begin(&s);
	struct catalog_image soon = put_image(&s.w, 1, 5000, 60000);
	CHECK_EQ(retention_prepare(&s.options), ST_OK);
	clock_set(s.w.clock, keyring_epoch_due_ms(soon.epoch));
	CHECK_EQ(retention_start(&s.options, &r), ST_OK);
	CHECK(is_destroyed(&s, soon.epoch));
	CHECK(retention_is_healthy(r, &why));
	retention_stop(r);
	CHECK_EQ(stored_mark(&s), clock_now_ms(s.w.clock));
	end(&s);
}

static bool becomes_unhealthy(struct retention *r, const char **why)
{
	int64_t until = clock_monotonic_ms() + PATIENCE_MS;
	while (retention_is_healthy(r, why) && clock_monotonic_ms() < until)
		(void)sched_yield();
	return !retention_is_healthy(r, why);
}

TEST(under_a_hold_the_thread_says_so_and_keeps_the_keys)
{
	struct scene s;
	struct retention *r = NULL;
	const char *why = "";
	begin(&s);
	struct catalog_image soon = put_image(&s.w, 1, 5000, 60000);
	CHECK_EQ(retention_prepare(&s.options), ST_OK);
	clock_set(s.w.clock, keyring_epoch_due_ms(soon.epoch));
	clock_set_held(s.w.clock, true);
	CHECK_EQ(retention_start(&s.options, &r), ST_OK);
	CHECK(becomes_unhealthy(r, &why));
	CHECK(strstr(why, "darkroom clock confirm") != NULL);
	CHECK_EQ(state_of(&s, soon.epoch), EPOCH_LIVE);
	retention_stop(r);
	CHECK_EQ(state_of(&s, soon.epoch), EPOCH_LIVE);
	end(&s);
}

/* Whether it woke once or never: the last thing it does is to store the mark. */
TEST(it_stops_at_once_and_leaves_the_mark)
{
	struct scene s;
	begin(&s);
	retention_stop(NULL);
	for (int i = 1; i <= 3; i++) {
		struct retention *r = NULL;
		clock_set(s.w.clock, NOW + i);
		CHECK_EQ(retention_start(&s.options, &r), ST_OK);
		retention_stop(r);
		CHECK_EQ(stored_mark(&s), NOW + i);
	}
	end(&s);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(what_is_due_is_destroyed_and_slots_stand_ahead_before_the_port_opens),
		CHECK_TEST(under_a_hold_the_start_destroys_nothing),
		CHECK_TEST(the_thread_destroys_what_is_due_and_is_healthy),
		CHECK_TEST(under_a_hold_the_thread_says_so_and_keeps_the_keys),
		CHECK_TEST(it_stops_at_once_and_leaves_the_mark),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
