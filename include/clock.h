/* clock.h - real time for waiting, trusted time for promises.
 *
 * Monotonic time (CLOCK_MONOTONIC) measures waits and deadlines of requests.
 * Trusted time alone decides received_at and expires_at.  It starts at the
 * larger of wall time and a stored high-water mark, then follows
 * CLOCK_BOOTTIME, slewed toward wall time by at most 500 ppm.  When wall time
 * leaves it by more than an hour, trusted time does not follow and
 * clock_is_held() says so: key destruction waits, expired images stay hidden.
 * The same while wall time is over an hour past the stored mark at a start and the
 * kernel does not call its clock synchronised: a wrong clock must not purge early.
 * With a time scale above 1 (demo, tests) trusted time starts at the origin
 * and runs scale times faster; no slewing, no hold.
 *
 * Times are INTEGER ms since 1970 UTC.  Threads: any, after clock_new().
 */
#ifndef DARKROOM_CLOCK_H
#define DARKROOM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_wall_ms(void);

/* Sleeps; for poll loops of threads that have nothing better to wait on. */
void clock_sleep_ms(int64_t ms);

struct clock; /* opaque */

struct clock_options {
	int64_t high_water_ms;        /* stored by clock_high_water_ms() of an earlier run; 0: none */
	uint32_t scale;               /* 1 to CLOCK_SCALE_MAX */
	int64_t scale_origin_wall_ms; /* when scale > 1: wall and trusted time coincide here */
};

/* INVALID: a scale outside 1..CLOCK_SCALE_MAX, or a start that no epoch's number holds.  FULL: no memory. */
enum status clock_new(const struct clock_options *options, struct clock **out) MUST_CHECK;

/* Trusted time.  Never runs backwards, not even across threads. */
int64_t clock_now_ms(struct clock *c);

/* Re-reads wall time and adjusts the slew or the hold; the retention thread calls it each second. */
void clock_tick(struct clock *c);

/* What to store durably, at least each 30 s, for the next start. */
int64_t clock_high_water_ms(struct clock *c);

/* True while wall time and trusted time disagree by more than an hour. */
bool clock_is_held(struct clock *c);

/* wall minus trusted, ms, at the last tick. */
int64_t clock_skew_ms(struct clock *c);

/* An operator vouches for wall time: trusted time jumps forward to it if wall is ahead and the hold ends;
 * if wall is behind, trusted time stays (nothing comes back) and the hold ends.  Audited by the caller. */
void clock_confirm(struct clock *c);

uint32_t clock_scale(const struct clock *c);

/* How long to wait in real ms until trusted time is `at_ms`; 0 if it is past. */
int64_t clock_real_ms_until(struct clock *c, int64_t at_ms);

void clock_free(struct clock *c);

/* Tests: a clock that stands still until it is set. */
struct clock *clock_new_manual(int64_t now_ms);
void clock_set(struct clock *c, int64_t now_ms);
void clock_set_held(struct clock *c, bool is_held);

#endif
