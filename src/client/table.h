/* table.h - rows for people: columns as wide as what is in them. */
#ifndef DARKROOM_CLIENT_TABLE_H
#define DARKROOM_CLIENT_TABLE_H

#include "span.h"

enum { TABLE_COLUMNS_MAX = 100 };
struct table; /* opaque */

struct table *table_new(size_t columns); /* NULL without memory */
/* Adds the next cell; rows fill from left to right.  Control characters become '?'. */
void table_put(struct table *t, struct span text);
/* Prints all rows on standard output; the first one is the head. */
void table_print(const struct table *t);
void table_free(struct table *t);

#endif
