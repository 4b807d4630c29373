/* image_json.h - an image's record as the API shows it. */
#ifndef DARKROOM_HTTP_IMAGE_JSON_H
#define DARKROOM_HTTP_IMAGE_JSON_H

#include "json.h"
#include "request.h"

/* Puts one object.  With `is_whole`: renditions and, for who may read the original, what is sealed.
 * Not OK: the parts could not be read. */
enum status image_json_put(struct request *rq, struct json_writer *w, const char *key,
	const struct catalog_image *image, bool is_whole) MUST_CHECK;

const char *image_state_text(enum catalog_state state);

#endif
