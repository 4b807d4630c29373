/* catalog_functions.h - the SQL functions that the published views call.
 *
 * darkroom_now() is trusted time in ms, darkroom_time(ms) RFC 3339 text (NULL
 * for NULL), darkroom_id(blob) an image id as text.  Innocuous, so that views
 * use them with trusted_schema off.
 */
#ifndef DARKROOM_CATALOG_FUNCTIONS_H
#define DARKROOM_CATALOG_FUNCTIONS_H

#include "status.h"

struct sqlite3;
struct clock;

/* Registers all of them on one connection; `clock` is borrowed for its life.  FULL: no memory. */
enum status catalog_register_functions(struct sqlite3 *db, struct clock *clock) MUST_CHECK;

#endif
