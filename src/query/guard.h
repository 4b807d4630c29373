/* guard.h - what one analyst's connection may do.
 *
 * The published views are made again as TEMP views over inner views whose names
 * are random for each connection.  Base tables may be read only from inside an
 * inner view.  A fixed name would not do: SQLite tells the authorizer the name
 * of the innermost view *or common table expression*, so that
 * `WITH v1_images AS (SELECT * FROM image) …` would pass.
 */
#ifndef DARKROOM_QUERY_GUARD_H
#define DARKROOM_QUERY_GUARD_H

#include "buf.h"

struct sqlite3;

enum { GUARD_PREFIX_TEXT = 2 + 32 };

struct guard {
	char prefix[GUARD_PREFIX_TEXT + 1]; /* "p_" and 32 hex digits: begins every inner view's name */
	struct buf existing;                /* names of tables and modules, a line each */
	bool is_denied;                     /* the statement named something that is not published */
};

/* Makes the views, then closes the connection down: authorizer, limits, defensive, query_only.
 * `g` must live as long as the connection. */
enum status guard_install(struct guard *g, struct sqlite3 *db) MUST_CHECK;
/* After the connection is closed; also when installing failed. */
void guard_fini(struct guard *g);

#endif
