/* retention.c - the timer thread. */
#include "poison.h"

#include "retention.h"

#include <stdatomic.h>

#include "clock.h"
#include "file.h"
#include "lock.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "must.h"
#include "thread.h"

enum { HOUR_MS = 3600 * 1000, MARK_MS = 10 * 1000, WAKE_MIN_MS = 20 };

/* Forgetting rows holds the catalog's writer, which ingest needs: after each round it rests this many times
 * as long as the round took, or only as long once rows have waited for RUSH_MS of trusted time. */
enum { REST_FACTOR = 12, RUSH_FACTOR = 1, REST_MAX_MS = 2000, RUSH_MS = 120 * 1000 };

/* Counting the images walks the rows that wait to be forgotten: while there are any, only so often. */
enum { STATS_BUSY_MS = 10 * 1000 };

/* How long a failing round may last before /readyz says so. */
enum { SICK_ROUNDS = 5 };

struct retention {
	struct retention_options options;
	struct thread thread;
	atomic_bool is_sick, is_held;
	/* owned by the timer thread, times monotonic: */
	int64_t hourly_due_ms, mark_due_ms, house_due_us, stats_due_ms;
	enum status house; /* of the last round */
	bool has_more;     /* rows wait to be forgotten */
	unsigned failed_rounds;
	struct lock lock;                   /* guards is_stopping */
	struct signal stop;
	bool is_stopping;
};

/* Slots are made a day beyond the longest retention, so that ingest never waits for one. */
static enum status prepare_slots(const struct retention_options *o)
{
	int64_t now = clock_now_ms(o->clock);
	uint32_t first = keyring_epoch_of(now);
	uint32_t last = keyring_epoch_of(now + RETENTION_MAX_MS) + KEYRING_BLOCK;
	return keyring_prepare(o->keyring, first, last);
}

static enum status store_mark(const struct retention_options *o)
{
	return control_put_number(o->control, "clock_high_water_ms", clock_high_water_ms(o->clock));
}

enum status retention_prepare(const struct retention_options *options)
{
	uint64_t destroyed = 0;
	enum status st = purge_due(options->purge, &destroyed);
	if (st == ST_OK)
		st = prepare_slots(options);
	/* Under a hold old epochs keep their slots: uploads are refused, reading and `clock confirm` must
	 * work. */
	if (st == ST_BUSY)
		st = ST_OK;
	return st == ST_OK ? store_mark(options) : st;
}

static void publish_stats(struct retention *r)
{
	struct catalog_stats stats;
	const struct retention_options *o = &r->options;
	int64_t now = clock_monotonic_ms();
	if (r->has_more && now < r->stats_due_ms)
		return;
	r->stats_due_ms = now + STATS_BUSY_MS;
	if (catalog_stats(o->catalog, NULL, 0, clock_now_ms(o->clock), &stats) != ST_OK)
		return;
	metrics_set(METRIC_IMAGES, stats.images);
	metrics_set(METRIC_BLOB_BYTES, stats.blob_bytes);
	metrics_set(METRIC_JOBS_QUEUED, stats.jobs_queued);
}

static void publish(struct retention *r)
{
	uint64_t bytes = 0;
	const struct retention_options *o = &r->options;
	atomic_store(&r->is_held, clock_is_held(o->clock));
	metrics_set(METRIC_PURGE_LAG_MS, purge_lag_ms(o->purge));
	metrics_set(METRIC_CLOCK_SKEW_MS, clock_skew_ms(o->clock));
	metrics_set(METRIC_LOCK_CONTENDED, (int64_t)lock_contended_total());
	if (file_free_bytes(o->data_fd, &bytes) == ST_OK)
		metrics_set(METRIC_DISK_FREE_BYTES, (int64_t)bytes);
	publish_stats(r);
}

static bool is_stopping(struct retention *r)
{
	lock_acquire(&r->lock);
	bool answer = r->is_stopping;
	lock_release(&r->lock);
	return answer;
}

/* Somebody removed the data directory under us: what is acknowledged from here on would be lost, so
 * nothing is. */
static void look_for_directory(const struct retention *r)
{
	if (!file_is_linked(r->options.data_fd))
		must_end("retention.directory.gone");
}

/* A second of trusted time, but never a busy loop. */
static int64_t wake_interval_ms(const struct retention *r)
{
	int64_t ms = TICK_MS / clock_scale(r->options.clock);
	return ms < WAKE_MIN_MS ? WAKE_MIN_MS : ms;
}

/* One round, and when the next may begin. */
static void keep_house(struct retention *r)
{
	int64_t began = clock_monotonic_us();
	bool is_hourly = began / 1000 >= r->hourly_due_ms;
	r->house = purge_housekeeping(r->options.purge, is_hourly, &r->has_more);
	if (is_hourly && r->house == ST_OK)
		r->hourly_due_ms = began / 1000 + HOUR_MS / clock_scale(r->options.clock);
	int64_t now = clock_monotonic_us(), rest = wake_interval_ms(r) * 1000;
	if (r->has_more) {
		bool is_rush = purge_backlog_ms(r->options.purge) > RUSH_MS;
		rest = (now - began) * (is_rush ? RUSH_FACTOR : REST_FACTOR);
	}
	r->house_due_us = now + (rest < REST_MAX_MS * 1000 ? rest : REST_MAX_MS * 1000);
}

/* Keys before all else; each later step is tried even when an earlier one failed. */
static void wake(struct retention *r)
{
	uint64_t destroyed = 0;
	int64_t now = clock_monotonic_ms();
	bool is_mark = now >= r->mark_due_ms;
	clock_tick(r->options.clock);
	enum status keys = purge_due(r->options.purge, &destroyed);
	enum status slots = prepare_slots(&r->options);
	enum status mark = is_mark ? store_mark(&r->options) : ST_OK;
	if (is_mark && mark == ST_OK)
		r->mark_due_ms = now + MARK_MS;
	bool is_good = keys == ST_OK && slots == ST_OK && mark == ST_OK &&
		       (r->house == ST_OK || r->house == ST_BUSY);
	r->failed_rounds = is_good ? 0 : r->failed_rounds + 1;
	atomic_store(&r->is_sick, r->failed_rounds >= SICK_ROUNDS);
	publish(r);
}

static void wait_until(struct retention *r, int64_t at_ms)
{
	lock_acquire(&r->lock);
	while (!r->is_stopping && signal_wait_until(&r->stop, &r->lock, at_ms))
		continue;
	lock_release(&r->lock);
}

/* Between two wakes there is room for rounds of housekeeping, each of them short, so that keys never wait for
 * rows. */
static void keep_time(void *argument)
{
	struct retention *r = argument;
	int64_t wake_due_ms = 0;
	while (!is_stopping(r)) {
		int64_t now = clock_monotonic_ms();
		if (now >= wake_due_ms) {
			wake_due_ms = now + wake_interval_ms(r);
			look_for_directory(r);
			wake(r);
		}
		if (clock_monotonic_us() >= r->house_due_us)
			keep_house(r);
		int64_t house_due_ms = (r->house_due_us + 999) / 1000;
		wait_until(r, house_due_ms < wake_due_ms ? house_due_ms : wake_due_ms);
	}
	if (store_mark(&r->options) != ST_OK)
		log_event(LOG_WARN, "retention.mark.not_stored");
}

enum status retention_start(const struct retention_options *options, struct retention **out)
{
	struct retention *r = memory_alloc(sizeof *r);
	if (!r)
		return ST_FULL;
	r->options = *options;
	r->hourly_due_ms = clock_monotonic_ms() + HOUR_MS / clock_scale(options->clock);
	lock_init(&r->lock, "retention.stop");
	signal_init(&r->stop);
	enum status st = thread_start(&r->thread, "retention", keep_time, r);
	if (st != ST_OK) {
		retention_stop(r);
		return st;
	}
	*out = r;
	return ST_OK;
}

bool retention_is_healthy(struct retention *r, const char **why)
{
	if (atomic_load(&r->is_held)) {
		*why = "the clock is not trusted: key destruction is held until `darkroom clock confirm`";
		return false;
	}
	*why = "purging has failed several times in a row: see the log";
	return !atomic_load(&r->is_sick);
}

void retention_stop(struct retention *r)
{
	if (!r)
		return;
	lock_acquire(&r->lock);
	r->is_stopping = true;
	lock_release(&r->lock);
	signal_wake_all(&r->stop);
	thread_join(&r->thread);
	signal_fini(&r->stop);
	lock_fini(&r->lock);
	memory_free(r);
}
