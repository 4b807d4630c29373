/* catalog_counts.h - the kept counts of what a transaction adds, summed here and written once.
 *
 * A row that comes changes its segment's, its collection's and its day's count.  A
 * batch adds many rows to few of these, and a statement for each would cost more
 * than the row: so the applier sums, and writes the sums before its transaction ends.
 * What leaves is counted down by triggers (schema.sql), so sums must be written
 * before any statement that deletes or finishes a row.
 */
#ifndef DARKROOM_CATALOG_COUNTS_H
#define DARKROOM_CATALOG_COUNTS_H

#include "catalog_row.h"
#include "database.h"

enum { COUNTS_MAX = 16 }; /* of each kind; a transaction that needs more writes in between */

struct counts {
	struct database *db;
	struct count_segment {
		int store;
		uint32_t number;
		int64_t rows;
	} segments[COUNTS_MAX];
	struct count_tally {
		uint32_t collection;
		int64_t images, bytes, blob_bytes, jobs;
	} tallies[COUNTS_MAX];
	struct count_day {
		int64_t day;
		uint32_t collection;
		char format[8];
		int64_t images, bytes;
	} days[COUNTS_MAX];
	size_t segment_count, tally_count, day_count;
};

enum status counts_add_blob(struct counts *c, int store, const struct catalog_blob *blob) MUST_CHECK;
/* The image and its job. */
enum status counts_add_image(struct counts *c, const struct catalog_image *image) MUST_CHECK;
/* Writes what was summed, and begins anew. */
enum status counts_write(struct counts *c) MUST_CHECK;

#endif
