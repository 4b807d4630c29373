/* budget.h - the big memory of bodies and pixels, counted and refused.
 *
 * Bodies and pixels are the only big memory.  Each is taken from a budget
 * first; when it is spent the caller answers FULL (503) and nothing grows.
 */
#ifndef DARKROOM_BUDGET_H
#define DARKROOM_BUDGET_H

#include <stdint.h>

#include "lock.h"
#include "status.h"

struct budget {
	struct lock lock;
	uint64_t total;
	uint64_t used;
};

void budget_init(struct budget *b, const char *lock_name, uint64_t total);
enum status budget_acquire(struct budget *b, uint64_t bytes) MUST_CHECK; /* FULL */
void budget_release(struct budget *b, uint64_t bytes);
uint64_t budget_used(struct budget *b);
void budget_fini(struct budget *b);

#endif
