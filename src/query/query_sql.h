/* query_sql.h - the statement texts that the query module itself runs. */
#ifndef DARKROOM_QUERY_SQL_H
#define DARKROOM_QUERY_SQL_H

/* The published views as schema.sql made them. */
#define QUERY_LIST_VIEWS \
	"SELECT name, sql FROM main.sqlite_schema WHERE type = 'view' AND name GLOB 'v1_*' ORDER BY name"

/* What a statement must not name unless the authorizer lets it: tables, and table-valued functions by
 * module. */
#define QUERY_LIST_EXISTING \
	"SELECT name FROM main.sqlite_schema WHERE type IN ('table', 'index') UNION ALL SELECT name FROM " \
	"pragma_module_list"

/* Inner view (prefix, name, body), then the outer one over it (name, prefix, name); identifiers are ours. */
#define QUERY_MAKE_VIEWS \
	"CREATE TEMP VIEW \"%s%s\" AS %s;\n" \
	"CREATE TEMP VIEW \"%s\" AS SELECT * FROM temp.\"%s%s\";"

#define QUERY_CLOSE_DOWN \
	"PRAGMA query_only = 1; PRAGMA cell_size_check = 1; PRAGMA mmap_size = 0; PRAGMA cache_size = -4096;"

/* A view's columns: name, declared type. */
#define QUERY_VIEW_COLUMNS "SELECT name, type FROM pragma_table_info(?1) ORDER BY cid"

#endif
