#include "poison.h"

#include "fault.h"

#ifdef DARKROOM_FAULTS

#include <errno.h>
#include <stdatomic.h>

#include "must.h"

/* One fault is armed at a time.  `left` counts down to the call that fails; negative values are past it. */
static atomic_int armed_kind = -1;
static atomic_long left;
static atomic_int armed_error;
static atomic_bool is_for_ever;
static atomic_bool has_fired;

void fault_arm(enum fault kind, unsigned nth, int error, bool is_forever)
{
	must(kind < FAULT_COUNT);
	must(nth > 0);
	fault_disarm();
	atomic_store(&left, (long)nth);
	atomic_store(&armed_error, error);
	atomic_store(&is_for_ever, is_forever);
	atomic_store(&has_fired, false);
	atomic_store(&armed_kind, (int)kind);
}

void fault_disarm(void)
{
	atomic_store(&armed_kind, -1);
}

bool fault_has_fired(void)
{
	return atomic_load(&has_fired);
}

bool fault_hit(enum fault kind)
{
	if (atomic_load(&armed_kind) != (int)kind) {
		return false;
	}
	long before = atomic_fetch_sub(&left, 1);
	if (before > 1 || (before < 1 && !atomic_load(&is_for_ever))) {
		return false;
	}
	atomic_store(&has_fired, true);
	errno = atomic_load(&armed_error);
	return true;
}

#endif
