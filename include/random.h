/* random.h - bytes nobody can guess, from getrandom(2). */
#ifndef DARKROOM_RANDOM_H
#define DARKROOM_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* Fills `out`.  IO: the kernel gave none; use nothing of it. */
enum status random_bytes(void *out, size_t len) MUST_CHECK;

/* A number below `limit` (> 0) for jitter and sampling, not for keys; never fails. */
uint32_t random_below(uint32_t limit);

#endif
