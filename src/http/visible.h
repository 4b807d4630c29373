/* visible.h - what this caller may know of: one rule for every handler.
 *
 * What lies in a collection that the caller does not reach does not exist for
 * them (404), and neither does a forged id.  A destroyed image of a collection
 * that they reach is 410.
 */
#ifndef DARKROOM_HTTP_VISIBLE_H
#define DARKROOM_HTTP_VISIBLE_H

#include "request.h"

/* The image that the path's {id} names.  NOT_FOUND, GONE with why set. */
enum status visible_image(struct request *rq, struct catalog_image *out) MUST_CHECK;

/* The number of the collection called `name`.  INVALID with why set: a filter on what is not there. */
enum status visible_collection(struct request *rq, struct span name, uint32_t *out) MUST_CHECK;

#endif
