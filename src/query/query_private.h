/* query_private.h - what the files of the query module share. */
#ifndef DARKROOM_QUERY_PRIVATE_H
#define DARKROOM_QUERY_PRIVATE_H

#include "query.h"

struct sqlite3;

/* A read-only connection to the catalog with the views' functions, unguarded: for our own statements.
 * *db must be closed in every case. */
enum status query_connect(struct query *q, struct sqlite3 **db) MUST_CHECK;

#endif
