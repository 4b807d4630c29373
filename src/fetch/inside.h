/* inside.h - what fetch's own files share. */
#ifndef DARKROOM_FETCH_INSIDE_H
#define DARKROOM_FETCH_INSIDE_H

#include "fetch.h"

struct fetch {
	struct fetch_options options;
};

/* ST_OK while the image may be looked at: not due, its epoch's key there. */
enum status fetch_judge(struct fetch *f, const struct catalog_image *image) MUST_CHECK;

#endif
