/* seccomp.h - the system calls that are left to a confined process; internal to sandbox. */
#ifndef DARKROOM_SANDBOX_SECCOMP_H
#define DARKROOM_SANDBOX_SECCOMP_H

#include "status.h"

bool seccomp_is_there(void);

/* Needs no-new-privileges.  IO: the kernel refused. */
enum status seccomp_confine(void) MUST_CHECK;

#endif
