/* status.h - what a fallible function says.
 *
 * Our own bugs are must(); everything the world can cause is one of these.
 * The names say what is meant, never which library failed.  Only http turns
 * a status into an HTTP code and a client's text.
 */
#ifndef DARKROOM_STATUS_H
#define DARKROOM_STATUS_H

#include <stdbool.h>

/*     name          text                                          retryable */
/* clang-format off */
#define STATUS_TABLE(X) \
	X(OK,          "done",                                       false) \
	X(INVALID,     "the input is malformed",                     false) \
	X(NOT_FOUND,   "there is no such thing",                     false) \
	X(EXISTS,      "it is there already",                        false) \
	X(MISMATCH,    "it contradicts what was said before",        false) \
	X(GONE,        "it was there and has been destroyed",        false) \
	X(DENIED,      "it is not allowed",                          false) \
	X(TOO_BIG,     "it is over a limit",                         false) \
	X(UNSUPPORTED, "this kind is not supported",                 false) \
	X(BUSY,        "somebody else is using it",                  true)  \
	X(FULL,        "a queue or a budget is full",                true)  \
	X(NO_SPACE,    "the disk is full",                           true)  \
	X(TIMEOUT,     "the deadline passed",                        true)  \
	X(CORRUPT,     "the stored bytes disagree with themselves",  false) \
	X(IO,          "an input or output failed",                  true)  \
	X(STOPPED,     "it is shutting down",                        true)

enum status {
#define X(name, text, retryable) ST_##name,
	STATUS_TABLE(X)
#undef X
	ST_COUNT
};
/* clang-format on */

/* Every function that returns a status carries this: an ignored one is a bug. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* A constant name ("NOT_FOUND") and sentence for `st`; never NULL. */
const char *status_name(enum status st);
const char *status_text(enum status st);

/* True if the same call may succeed later without being changed. */
bool status_is_retryable(enum status st);

/* Maps an errno of a failed system call: ENOSPC and EDQUOT to NO_SPACE, ENOENT
 * to NOT_FOUND, EEXIST to EXISTS, EACCES and EPERM to DENIED, ENOMEM to FULL,
 * EMFILE and ENFILE to FULL, the rest to IO. */
enum status status_of_errno(int error);

#endif
