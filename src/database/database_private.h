/* database_private.h - the connection and its statements, within the module. */
#ifndef DARKROOM_DATABASE_PRIVATE_H
#define DARKROOM_DATABASE_PRIVATE_H

#include "database.h"

#include <sqlite3.h>

struct database {
	sqlite3 *handle;
	sqlite3_stmt *begin, *commit, *rollback;
	const struct database_statement *table; /* lent, constant */
	sqlite3_stmt **statements;
	size_t statement_count;
	int64_t deadline_ms; /* 0: none */
	int bind_failure;    /* of the statement being bound; said by its next step */
};

#define SCRIPT(name, text) extern const char database_sql_##name[];
#include "sql.def"
#undef SCRIPT

/* Maps SQLite's answer, and logs it with `what` unless it is OK, a row, the end or a lost race. */
enum status database_status(struct database *db, int rc, const char *what) MUST_CHECK;

sqlite3_stmt *database_at(struct database *db, int sql);

/* Lets fault.h fail SQLite's writes; nothing in a release. */
void database_install_faults(void);

#endif
