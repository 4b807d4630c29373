/* The metrics are process-wide, so each test uses rows that no other test touches. */
#include "metrics.h"

#include "check.h"

#include <pthread.h>

static bool text_has(struct buf *b, const char *line)
{
	return strstr(buf_text(b), line) != NULL;
}

TEST(a_counter_adds_up)
{
	metrics_add(METRIC_UPLOADS, 2);
	metrics_add(METRIC_UPLOADS, 3);
	CHECK_EQ(metrics_get(METRIC_UPLOADS), 5);
}

TEST(a_gauge_is_what_was_set_last_and_goes_below_zero)
{
	metrics_set(METRIC_CLOCK_SKEW_MS, 70);
	metrics_set(METRIC_CLOCK_SKEW_MS, -1250);
	CHECK_EQ(metrics_get(METRIC_CLOCK_SKEW_MS), -1250);
}

TEST(a_histogram_counts_observations)
{
	metrics_observe_ms(METRIC_APPLY_TIME, 3);
	metrics_observe_ms(METRIC_APPLY_TIME, 70000);
	CHECK_EQ(metrics_get(METRIC_APPLY_TIME), 2);
}

TEST(counters_are_rendered_with_help_and_type)
{
	struct buf text;
	buf_init(&text, 1 << 20);
	metrics_add(METRIC_READS, 7);
	metrics_render(&text);
	REQUIRE(buf_ok(&text));
	CHECK(text_has(&text, "# HELP darkroom_reads_total originals and renditions read\n"
			      "# TYPE darkroom_reads_total counter\ndarkroom_reads_total 7\n"));
	buf_fini(&text);
}

TEST(milliseconds_are_rendered_in_seconds)
{
	struct buf text;
	buf_init(&text, 1 << 20);
	metrics_set(METRIC_PURGE_LAG_MS, 1050);
	metrics_set(METRIC_CLOCK_SKEW_MS, -1250);
	metrics_render(&text);
	CHECK(text_has(&text, "# TYPE darkroom_purge_lag_seconds gauge\ndarkroom_purge_lag_seconds 1.050\n"));
	CHECK(text_has(&text, "\ndarkroom_clock_skew_seconds -1.250\n"));
	buf_fini(&text);
}

TEST(buckets_are_cumulative_with_inclusive_bounds)
{
	struct buf text;
	buf_init(&text, 1 << 20);
	metrics_observe_ms(METRIC_BATCH_TIME, 0);
	metrics_observe_ms(METRIC_BATCH_TIME, 5);
	metrics_observe_ms(METRIC_BATCH_TIME, 6);
	metrics_observe_ms(METRIC_BATCH_TIME, 60001);
	metrics_observe_ms(METRIC_BATCH_TIME, -4);
	metrics_render(&text);
	CHECK(text_has(&text, "darkroom_store_batch_seconds_bucket{le=\"0.001\"} 2\n"));
	CHECK(text_has(&text, "darkroom_store_batch_seconds_bucket{le=\"0.005\"} 3\n"));
	CHECK(text_has(&text, "darkroom_store_batch_seconds_bucket{le=\"0.010\"} 4\n"));
	CHECK(text_has(&text, "darkroom_store_batch_seconds_bucket{le=\"60.000\"} 4\n"));
	CHECK(text_has(&text,
		"darkroom_store_batch_seconds_bucket{le=\"+Inf\"} 5\n"
		"darkroom_store_batch_seconds_sum 60.012\ndarkroom_store_batch_seconds_count 5\n"));
	buf_fini(&text);
}

TEST(every_metric_is_rendered_once)
{
	struct buf text;
	size_t types = 0;
	buf_init(&text, 1 << 20);
	metrics_render(&text);
	for (const char *at = buf_text(&text); (at = strstr(at, "# TYPE ")) != NULL; at++) {
		types++;
	}
	CHECK_EQ(types, METRIC_COUNT);
	buf_fini(&text);
}

static void *add_many(void *unused)
{
	for (int i = 0; i < 10000; i++) {
		metrics_add(METRIC_REQUESTS, 1);
		metrics_observe_ms(METRIC_REQUEST_TIME, i % 100);
	}
	return unused;
}

TEST(nothing_is_lost_between_threads)
{
	pthread_t threads[4];
	for (int i = 0; i < 4; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, add_many, NULL) == 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
	}
	CHECK_EQ(metrics_get(METRIC_REQUESTS), 40000);
	CHECK_EQ(metrics_get(METRIC_REQUEST_TIME), 40000);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_counter_adds_up),
		CHECK_TEST(a_gauge_is_what_was_set_last_and_goes_below_zero),
		CHECK_TEST(a_histogram_counts_observations),
		CHECK_TEST(counters_are_rendered_with_help_and_type),
		CHECK_TEST(milliseconds_are_rendered_in_seconds),
		CHECK_TEST(buckets_are_cumulative_with_inclusive_bounds),
		CHECK_TEST(every_metric_is_rendered_once),
		CHECK_TEST(nothing_is_lost_between_threads),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
