/* catalog_contents.h - which contents may be in the catalog: a filter that says "no" for sure.
 *
 * Most uploads bring new bytes.  To find that out from the index costs a reader, a
 * transaction and three pages each; a Bloom filter over the content addresses says
 * so at once.  An address is the output of an HMAC, so its own bits serve as the hashes.
 *
 * One filter is full some day and bits cannot be taken out; so there is a chain, each
 * link twice the one before, and a link goes when the youngest image in it must have
 * expired: each image, a duplicate too, adds its address anew.
 *
 * Blocked filters: Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom
 * Filters", 2007.  Chains: Almeida et al., "Scalable Bloom Filters", 2007.
 *
 * Threads: any.
 */
#ifndef DARKROOM_CATALOG_CONTENTS_H
#define DARKROOM_CATALOG_CONTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct contents; /* opaque */

/* Room for `expected` addresses and more before the second link. */
enum status contents_new(uint64_t expected, struct contents **out) MUST_CHECK;
void contents_free(struct contents *c); /* NULL is fine */

/* Never fails: without memory for a further link everything may be there from then on. */
void contents_add(struct contents *c, const uint8_t address[32], int64_t received_at);
bool contents_may_have(struct contents *c, const uint8_t address[32]);

#endif
