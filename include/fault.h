/* fault.h - the seam by which tests make the n-th call of a kind fail.
 *
 * Compiled to nothing unless DARKROOM_FAULTS is defined (debug, asan and tsan
 * builds).  file, memory, random and clock ask fault_hit() before the real
 * call; armed, it answers true at the n-th call, once or for ever.
 */
#ifndef DARKROOM_FAULT_H
#define DARKROOM_FAULT_H

#include <stdbool.h>

enum fault {
	FAULT_OPEN,
	FAULT_WRITE,
	FAULT_SYNC,
	FAULT_READ,
	FAULT_ALLOCATE_SPACE,
	FAULT_TRUNCATE,
	FAULT_RENAME,
	FAULT_UNLINK,
	FAULT_MEMORY,
	FAULT_RANDOM,
	FAULT_SHORT_WRITE, /* not an error: the call writes about half of what it was given */
	FAULT_COUNT
};

#ifdef DARKROOM_FAULTS
/* The `nth` call (from 1) of `kind` from now on fails with errno `error`, and all after it if
 * `is_forever`. */
void fault_arm(enum fault kind, unsigned nth, int error, bool is_forever);
void fault_disarm(void);
/* Whether an armed fault has fired since it was armed. */
bool fault_has_fired(void);
/* Sets errno and answers true if this call is to fail. */
bool fault_hit(enum fault kind);
#else
static inline bool fault_hit(enum fault kind)
{
	(void)kind;
	return false;
}
#endif

#endif
