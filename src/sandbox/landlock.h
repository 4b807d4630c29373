/* landlock.h - forbids every path, TCP port and outside process to this process for good; internal to
 * sandbox. */
#ifndef DARKROOM_SANDBOX_LANDLOCK_H
#define DARKROOM_SANDBOX_LANDLOCK_H

#include "status.h"

/* The kernel's version of it; 0 when it has none. */
int landlock_abi(void);

/* OK also where the kernel has none: seccomp stands alone then.  IO: it has it and refused. */
enum status landlock_forbid_all(void) MUST_CHECK;

#endif
