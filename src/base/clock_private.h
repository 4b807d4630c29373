/* clock_private.h - where a clock reads time, so that tests can say what time it is. */
#ifndef DARKROOM_CLOCK_PRIVATE_H
#define DARKROOM_CLOCK_PRIVATE_H

#include "clock.h"

struct clock_source {
	int64_t (*wall_ms)(void *context);
	int64_t (*boot_us)(void *context); /* CLOCK_BOOTTIME: runs on while the machine sleeps, never back */
	bool (*is_synchronised)(void *context); /* does the kernel vouch for wall time; NULL: it does */
	void *context;
};

/* clock_new() with another source of time. */
enum status clock_new_from(const struct clock_options *options, const struct clock_source *source,
	struct clock **out) MUST_CHECK;

#endif
