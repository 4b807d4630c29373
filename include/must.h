/* must.h - assertions that stay: for what only our own code can cause.
 *
 * must(cond) is compiled into every build.  A false one prints the condition,
 * file and line on stderr and aborts: the process's recovery is its restart.
 * If a request, an image, a disk or a peer can make it false, it is no must.
 */
#ifndef DARKROOM_MUST_H
#define DARKROOM_MUST_H

#define must(cond) ((cond) ? (void)0 : must_fail(#cond, __FILE__, __LINE__))

_Noreturn void must_fail(const char *condition, const char *file, int line);

/* The world broke a promise that we cannot repair while running (a sync failed after a write): logs `event`
 * with the present errno at level error and ends the process at once with exit code 70, answering nobody.
 * The next start replays what was synced. */
_Noreturn void must_end(const char *event);

#endif
