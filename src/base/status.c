#include "poison.h"

#include "status.h"

#include <errno.h>

struct row {
	const char *name;
	const char *text;
	bool is_retryable;
};

static const struct row rows[ST_COUNT] = {
#define X(name, text, retryable) { #name, text, retryable },
	STATUS_TABLE(X)
#undef X
};

/* A value from outside the enum is a bug of ours, but naming it must not be what kills a process. */
static const struct row *row_of(enum status st)
{
	static const struct row unknown = { "UNKNOWN", "an unknown status", false };
	return (unsigned)st < ST_COUNT ? &rows[st] : &unknown;
}

const char *status_name(enum status st)
{
	return row_of(st)->name;
}

const char *status_text(enum status st)
{
	return row_of(st)->text;
}

bool status_is_retryable(enum status st)
{
	return row_of(st)->is_retryable;
}

enum status status_of_errno(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT: return ST_NO_SPACE;
	case ENOENT: return ST_NOT_FOUND;
	case EEXIST: return ST_EXISTS;
	case EACCES:
	case EPERM: return ST_DENIED;
	case ENOMEM:
	case EMFILE:
	case ENFILE: return ST_FULL;
	default: return ST_IO;
	}
}
