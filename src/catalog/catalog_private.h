/* catalog_private.h - the catalog's connections and statements, within the module.
 *
 * Invariants, true whenever `write` is not held:
 *   I1  The writer has no open transaction and no unfinished statement.
 *   I2  At most readers_max readers exist; each is either in `idle` or with one caller.
 *   I3  images and jobs are what the last transaction left in tally.
 *   I4  next_number is larger than every image's number, also than those that left in this run: a worker
 *       may still hold one.
 *   I5  A reader in `idle` has no unfinished statement, so that no read transaction outlives a call: a
 *       forgotten one would hold back every checkpoint.
 */
#ifndef DARKROOM_CATALOG_PRIVATE_H
#define DARKROOM_CATALOG_PRIVATE_H

#include "catalog.h"

#include <stdatomic.h>

#include "catalog_contents.h"
#include "database.h"
#include "lock.h"

enum {
#define SQL(name, text) SQL_##name,
#include "sql.def"
#undef SQL
	SQL_COUNT
};

struct catalog {
	char *path;
	struct clock *clock;
	uint32_t readers_max;
	_Atomic int64_t images, jobs;
	struct contents *contents; /* of every blob with an address */

	struct lock write;       /* "catalog.write" */
	struct database *writer; /* guarded by write, as is the next */
	int64_t next_number;

	struct lock readers; /* "catalog.readers" */
	struct signal returned;
	struct database **idle; /* guarded by readers, as are the next two; room for readers_max */
	uint32_t idle_count, reader_count;
};

/* The schema that schema.sql holds; made from it by the build. */
extern const char catalog_schema_sql[];

/* Opens a connection with functions and statements. */
enum status catalog_connect(struct catalog *c, enum database_kind kind, struct database **out) MUST_CHECK;

/* A reader for one call.  BUSY: none came back in time.  With is_hasty its statements end with TIMEOUT after
 * CATALOG_READ_MS_MAX. */
enum status catalog_reader_acquire(struct catalog *c, bool is_hasty, struct database **out) MUST_CHECK;
void catalog_reader_release(struct catalog *c, struct database *db);
void catalog_readers_close(struct catalog *c);

/* Takes `write` and begins; on failure neither. */
enum status catalog_begin(struct catalog *c) MUST_CHECK;
/* Ends the transaction, refreshes the load, gives `write` back. */
enum status catalog_end(struct catalog *c, enum status st) MUST_CHECK;

/* Reads the columns of IMAGE_COLUMNS from the present row.  CORRUPT: a length that the schema forbids. */
enum status catalog_row_image(struct database *db, int sql, struct catalog_image *out) MUST_CHECK;
/* Steps and reads up to `max` images; the statement is reset. */
enum status catalog_row_images(
	struct database *db, int sql, struct catalog_image *out, size_t max, size_t *count) MUST_CHECK;
void catalog_bind_meta(struct database *db, int sql, int first, const struct catalog_meta *meta);

/* Numbers and ids as a JSON array, for lists that a statement takes. */
void catalog_put_numbers(struct buf *out, const uint32_t *numbers, size_t count);

#endif
