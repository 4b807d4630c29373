/* memory_account.h - SQLite's memory, counted for the query that this thread runs. */
#ifndef DARKROOM_MEMORY_ACCOUNT_H
#define DARKROOM_MEMORY_ACCOUNT_H

#include <stdint.h>

/* From now on this thread's SQLite allocations count against `account` and fail above `limit`;
 * both NULL and 0 end the counting.  The account may be carried from step to step. */
void memory_account_begin(int64_t *account, int64_t limit);
void memory_account_end(void);

#endif
