#include "poison.h"

#include "clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/timex.h>

#include "base/clock_private.h"
#include "limits.h"
#include "lock.h"
#include "log.h"
#include "memory.h"
#include "must.h"

#define HOLD_US (INT64_C(3600) * 1000 * 1000)
/* Epochs are numbered in 32 bits: a stored time past this is no time of ours, and would wrap. */
#define FIRST_MS_MAX ((int64_t)UINT32_MAX * EPOCH_MS - 2 * KEYRING_SPAN_MS)
enum { SLEW_PPM = 500, MILLION = 1000000 };

/* Trusted time is a line through `anchor`, bent toward wall time until `correction` is used up. */
struct line {
	int64_t boot_us;       /* the anchor: at this boot time ... */
	int64_t trusted_us;    /* ... trusted time was this */
	int64_t correction_us; /* still to be slewed in, either sign; 0 under a hold */
};

/* The line is read by every request, often under the caller's lock, so it takes none: a reader tries again
 * when `version` was odd or has moved.  Release on each field keeps the fields inside the odd time. */
struct shared_line {
	_Atomic uint64_t version;
	_Atomic int64_t boot_us;
	_Atomic int64_t trusted_us;
	_Atomic int64_t correction_us;
};

struct clock {
	struct clock_source source;
	uint32_t scale;
	bool is_manual;
	struct shared_line line;
	_Atomic int64_t latest_us; /* the largest that clock_now_ms() has seen */
	_Atomic bool is_held;
	_Atomic int64_t skew_us;
	struct lock lock; /* clock.anchor: among those who change the line */
	/* guarded by lock: */
	int64_t vouched_us; /* a negative skew an operator has accepted, else 0 */
	bool is_unproven;   /* wall time leapt over an hour while we were down; nobody vouches for it */
	int64_t proven_ms;  /* the mark of before; stays what is stored as long as that is so */
};

static int64_t read_us(clockid_t id)
{
	struct timespec now;
	must(clock_gettime(id, &now) == 0);
	return (int64_t)now.tv_sec * MILLION + now.tv_nsec / 1000;
}

int64_t clock_monotonic_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t clock_monotonic_ms(void)
{
	return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

void clock_sleep_ms(int64_t ms)
{
	struct timespec left = { (time_t)(ms / 1000), (long)(ms % 1000 * 1000000) };
	while (ms > 0 && nanosleep(&left, &left) != 0 && errno == EINTR) {
	}
}

static int64_t source_wall_ms(void *context)
{
	(void)context;
	return clock_wall_ms();
}

static int64_t source_boot_us(void *context)
{
	(void)context;
	return read_us(CLOCK_BOOTTIME);
}

static bool source_is_synchronised(void *context)
{
	struct timex state = { .modes = 0 };
	(void)context;
	return adjtimex(&state) != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

static struct line load_line(const struct clock *c)
{
	const struct shared_line *shared = &c->line;
	struct line line;
	uint64_t before, after;
	do {
		before = atomic_load_explicit(&shared->version, memory_order_acquire);
		line.boot_us = atomic_load_explicit(&shared->boot_us, memory_order_acquire);
		line.trusted_us = atomic_load_explicit(&shared->trusted_us, memory_order_acquire);
		line.correction_us = atomic_load_explicit(&shared->correction_us, memory_order_acquire);
		after = atomic_load_explicit(&shared->version, memory_order_relaxed);
	} while (before != after || (before & 1) != 0);
	return line;
}

/* Under c->lock, or before the clock is shared. */
static void store_line(struct clock *c, struct line line)
{
	struct shared_line *shared = &c->line;
	uint64_t version = atomic_load_explicit(&shared->version, memory_order_relaxed);
	atomic_store_explicit(&shared->version, version + 1, memory_order_relaxed);
	atomic_store_explicit(&shared->boot_us, line.boot_us, memory_order_release);
	atomic_store_explicit(&shared->trusted_us, line.trusted_us, memory_order_release);
	atomic_store_explicit(&shared->correction_us, line.correction_us, memory_order_release);
	atomic_store_explicit(&shared->version, version + 2, memory_order_release);
}

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
	return value < least ? least : value > most ? most : value;
}

/* The correction is spread over as long as it takes at SLEW_PPM, however seldom the clock is ticked. */
static int64_t line_at(const struct line *line, int64_t boot_us, uint32_t scale)
{
	int64_t elapsed = boot_us > line->boot_us ? boot_us - line->boot_us : 0;
	int64_t most = elapsed / (MILLION / SLEW_PPM);
	return line->trusted_us + elapsed * (int64_t)scale + clamp(line->correction_us, -most, most);
}

static int64_t compute_us(const struct clock *c)
{
	struct line line = load_line(c);
	return c->is_manual ? line.trusted_us
			    : line_at(&line, c->source.boot_us(c->source.context), c->scale);
}

/* A reader may be overtaken between its reading and its answer: the largest answer given is the least of
 * the next. */
static int64_t raise_latest(struct clock *c, int64_t now_us)
{
	int64_t latest = atomic_load(&c->latest_us);
	while (now_us > latest) {
		if (atomic_compare_exchange_weak(&c->latest_us, &latest, now_us)) {
			return now_us;
		}
	}
	return latest;
}

int64_t clock_now_ms(struct clock *c)
{
	return raise_latest(c, compute_us(c)) / 1000;
}

static bool is_followed(int64_t skew_us, int64_t vouched_us)
{
	return skew_us <= HOLD_US && skew_us >= vouched_us - HOLD_US;
}

/* A change of hold is said once, at the change. */
static void set_held(struct clock *c, bool is_held, int64_t skew_us)
{
	if (atomic_exchange(&c->is_held, is_held) != is_held) {
		log_event(is_held ? LOG_ERROR : LOG_WARN, is_held ? "clock.hold.begun" : "clock.hold.ended",
			LOG_I64("skew_ms", skew_us / 1000));
	}
}

/* Takes the present as the new anchor.  Under c->lock, or before the clock is shared. */
static void settle(struct clock *c)
{
	int64_t boot_us = c->source.boot_us(c->source.context);
	int64_t wall_us = c->source.wall_ms(c->source.context) * 1000;
	struct line line = load_line(c);
	line.trusted_us = line_at(&line, boot_us, c->scale);
	line.boot_us = boot_us;
	int64_t skew_us = wall_us - line.trusted_us;
	if (c->is_unproven && c->source.is_synchronised(c->source.context)) {
		c->is_unproven = false;
	}
	bool is_held = c->is_unproven || !is_followed(skew_us, c->vouched_us);
	line.correction_us = is_held ? 0 : skew_us;
	/* As wall time is met again, what was vouched for shrinks with the skew. */
	if (!is_held) {
		c->vouched_us = clamp(skew_us, c->vouched_us, 0);
	}
	store_line(c, line);
	atomic_store(&c->skew_us, skew_us);
	set_held(c, is_held, skew_us);
}

void clock_tick(struct clock *c)
{
	if (c->is_manual || c->scale > 1) {
		return;
	}
	lock_acquire(&c->lock);
	settle(c);
	lock_release(&c->lock);
}

void clock_confirm(struct clock *c)
{
	if (c->is_manual || c->scale > 1) {
		atomic_store(&c->is_held, false);
		return;
	}
	lock_acquire(&c->lock);
	int64_t boot_us = c->source.boot_us(c->source.context);
	int64_t wall_us = c->source.wall_ms(c->source.context) * 1000;
	struct line line = load_line(c);
	int64_t trusted_us = line_at(&line, boot_us, c->scale);
	c->vouched_us = wall_us < trusted_us ? wall_us - trusted_us : 0;
	c->is_unproven = false;
	store_line(c, (struct line){ .boot_us = boot_us,
			      .trusted_us = wall_us > trusted_us ? wall_us : trusted_us });
	settle(c);
	lock_release(&c->lock);
}

/* Time that nobody vouches for leaves no mark: with the clock put right, the next start is right again. */
int64_t clock_high_water_ms(struct clock *c)
{
	lock_acquire(&c->lock);
	int64_t mark_ms = c->is_unproven ? c->proven_ms : 0;
	lock_release(&c->lock);
	return mark_ms > 0 ? mark_ms : clock_now_ms(c);
}

bool clock_is_held(struct clock *c)
{
	return atomic_load(&c->is_held);
}

int64_t clock_skew_ms(struct clock *c)
{
	return atomic_load(&c->skew_us) / 1000;
}

uint32_t clock_scale(const struct clock *c)
{
	return c->scale;
}

int64_t clock_real_ms_until(struct clock *c, int64_t at_ms)
{
	int64_t now_ms = clock_now_ms(c);
	return at_ms > now_ms ? (at_ms - now_ms + c->scale - 1) / c->scale : 0;
}

/* Where trusted time starts: where its scaled run from the origin has come to, or where it was last seen. */
static int64_t first_ms(const struct clock_options *options, int64_t wall_ms)
{
	int64_t at_ms = wall_ms;
	if (options->scale > 1) {
		int64_t origin_ms = options->scale_origin_wall_ms;
		int64_t since_ms = wall_ms > origin_ms ? wall_ms - origin_ms : 0;
		at_ms = origin_ms + since_ms * (int64_t)options->scale;
	}
	return at_ms > options->high_water_ms ? at_ms : options->high_water_ms;
}

static struct clock *make(const struct clock_source *source, uint32_t scale)
{
	struct clock *c = memory_alloc(sizeof *c);
	if (c) {
		c->source = *source;
		c->scale = scale;
		lock_init(&c->lock, "clock.anchor");
	}
	return c;
}

enum status clock_new_from(
	const struct clock_options *options, const struct clock_source *source, struct clock **out)
{
	*out = NULL;
	if (options->scale < 1 || options->scale > CLOCK_SCALE_MAX) {
		return ST_INVALID;
	}
	struct clock *c = make(source, options->scale);
	if (!c) {
		return ST_FULL;
	}
	int64_t wall_ms = source->wall_ms(source->context);
	int64_t at_ms = first_ms(options, wall_ms);
	if (at_ms < 0 || at_ms > FIRST_MS_MAX) {
		clock_free(c);
		return ST_INVALID;
	}
	int64_t boot_us = source->boot_us(source->context);
	c->proven_ms = options->high_water_ms;
	c->is_unproven = source->is_synchronised && options->scale == 1 && options->high_water_ms > 0 &&
			 (wall_ms - options->high_water_ms) * 1000 > HOLD_US;
	store_line(c, (struct line){ .boot_us = boot_us, .trusted_us = at_ms * 1000 });
	clock_tick(c);
	*out = c;
	return ST_OK;
}

enum status clock_new(const struct clock_options *options, struct clock **out)
{
	static const struct clock_source system_time = {
		source_wall_ms, source_boot_us, source_is_synchronised, NULL
	};
	return clock_new_from(options, &system_time, out);
}

void clock_free(struct clock *c)
{
	if (c) {
		lock_fini(&c->lock);
		memory_free(c);
	}
}

struct clock *clock_new_manual(int64_t now_ms)
{
	static const struct clock_source none = { source_wall_ms, source_boot_us, NULL, NULL };
	struct clock *c = make(&none, 1);
	if (c) {
		c->is_manual = true;
		store_line(c, (struct line){ .trusted_us = now_ms * 1000 });
	}
	return c;
}

void clock_set(struct clock *c, int64_t now_ms)
{
	must(c->is_manual);
	lock_acquire(&c->lock);
	store_line(c, (struct line){ .trusted_us = now_ms * 1000 });
	lock_release(&c->lock);
}

void clock_set_held(struct clock *c, bool is_held)
{
	must(c->is_manual);
	atomic_store(&c->is_held, is_held);
}
