#include "poison.h"

#include "metrics.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "must.h"

enum metric_type { COUNTER, GAUGE, GAUGE_MS, HISTOGRAM };

static const struct metric_row {
	enum metric_type type;
	const char *name, *sentence;
} rows[METRIC_COUNT] = {
#define X(id, type, name, sentence) [METRIC_##id] = { type, name, sentence },
	METRIC_TABLE(X)
#undef X
};

/* Upper bounds in ms.  The objectives (batch 25 ms, image ready 1 s, purge 60 s) are among them. */
static const int64_t bounds_ms[] = { 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000,
	60000 };
enum { BOUND_COUNT = sizeof bounds_ms / sizeof *bounds_ms };

/* A counter or gauge uses `value`; a histogram's `value` is its count of observations. */
static struct metric_cell {
	_Atomic int64_t value, sum_ms;
	_Atomic int64_t buckets[BOUND_COUNT + 1]; /* each counts its own range; rendering adds them up */
} cells[METRIC_COUNT];

static struct metric_cell *cell_of(enum metric m)
{
	must((unsigned)m < METRIC_COUNT);
	return &cells[m];
}

void metrics_add(enum metric m, uint64_t n)
{
	struct metric_cell *cell = cell_of(m);
	must(rows[m].type != HISTOGRAM);
	atomic_fetch_add_explicit(&cell->value, (int64_t)n, memory_order_relaxed);
}

void metrics_set(enum metric m, int64_t value)
{
	struct metric_cell *cell = cell_of(m);
	must(rows[m].type != HISTOGRAM);
	atomic_store_explicit(&cell->value, value, memory_order_relaxed);
}

void metrics_observe_ms(enum metric m, int64_t ms)
{
	struct metric_cell *cell = cell_of(m);
	size_t bucket = 0;
	must(rows[m].type == HISTOGRAM);
	if (ms < 0) {
		ms = 0;
	}
	while (bucket < BOUND_COUNT && ms > bounds_ms[bucket]) {
		bucket++;
	}
	atomic_fetch_add_explicit(&cell->buckets[bucket], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&cell->sum_ms, ms, memory_order_relaxed);
	atomic_fetch_add_explicit(&cell->value, 1, memory_order_relaxed);
}

int64_t metrics_get(enum metric m)
{
	return atomic_load_explicit(&cell_of(m)->value, memory_order_relaxed);
}

/* Writes milliseconds as seconds, exactly: no floating point, no locale. */
static void put_seconds(struct buf *out, int64_t ms)
{
	uint64_t magnitude = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
	buf_printf(out, "%s%" PRIu64 ".%03" PRIu64, ms < 0 ? "-" : "", magnitude / 1000, magnitude % 1000);
}

/* The count is what the buckets add up to, so that they never disagree while others observe. */
static void put_histogram(struct buf *out, const struct metric_row *row, struct metric_cell *cell)
{
	int64_t below = 0;
	for (size_t i = 0; i <= BOUND_COUNT; i++) {
		below += atomic_load_explicit(&cell->buckets[i], memory_order_relaxed);
		buf_printf(out, "%s_bucket{le=\"", row->name);
		if (i < BOUND_COUNT) {
			put_seconds(out, bounds_ms[i]);
		} else {
			buf_put_text(out, "+Inf");
		}
		buf_printf(out, "\"} %" PRId64 "\n", below);
	}
	buf_printf(out, "%s_sum ", row->name);
	put_seconds(out, atomic_load_explicit(&cell->sum_ms, memory_order_relaxed));
	buf_printf(out, "\n%s_count %" PRId64 "\n", row->name, below);
}

static void put_metric(struct buf *out, const struct metric_row *row, struct metric_cell *cell)
{
	static const char *const type_names[] = {
		[COUNTER] = "counter", [GAUGE] = "gauge", [GAUGE_MS] = "gauge", [HISTOGRAM] = "histogram"
	};
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->sentence, row->name,
		type_names[row->type]);
	if (row->type == HISTOGRAM) {
		put_histogram(out, row, cell);
		return;
	}
	buf_printf(out, "%s ", row->name);
	if (row->type == GAUGE_MS) {
		put_seconds(out, atomic_load_explicit(&cell->value, memory_order_relaxed));
	} else {
		buf_printf(out, "%" PRId64, atomic_load_explicit(&cell->value, memory_order_relaxed));
	}
	buf_put_byte(out, '\n');
}

void metrics_render(struct buf *out)
{
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		put_metric(out, &rows[i], &cells[i]);
	}
}
