/* control_private.h - the one connection and its statements, within the module. */
#ifndef DARKROOM_CONTROL_PRIVATE_H
#define DARKROOM_CONTROL_PRIVATE_H

#include "control.h"

#include "database.h"
#include "lock.h"

enum {
#define SQL(name, text) SQL_##name,
#include "sql.def"
#undef SQL
	SQL_COUNT
};

struct control {
	struct lock lock;    /* "control.db" */
	struct database *db; /* guarded by lock */
};

/* Takes the lock and begins; on failure neither. */
enum status control_begin(struct control *c) MUST_CHECK;
/* Ends the transaction and gives the lock back. */
enum status control_end(struct control *c, enum status st) MUST_CHECK;

/* Runs a statement that must change a row, else NOT_FOUND. */
enum status control_change(struct database *db, int sql) MUST_CHECK;
/* OK and the number in the first row. */
enum status control_ask(struct database *db, int sql, int64_t *out) MUST_CHECK;

#endif
