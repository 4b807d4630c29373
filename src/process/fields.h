/* fields.h - splits what is known of a picture into plain columns and what is sealed (fields.def). */
#ifndef DARKROOM_PROCESS_FIELDS_H
#define DARKROOM_PROCESS_FIELDS_H

#include "catalog.h"
#include "imaging.h"

/* Copies the PLAIN fields; nothing else of `meta` gets into `out`. */
void fields_plain(const struct image_meta *meta, struct catalog_meta *out);

/* Appends the SEALED fields as one JSON object. */
void fields_sealed(const struct image_meta *meta, struct buf *out);

#endif
