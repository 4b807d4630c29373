/* json_check.h - is this text JSON, strictly?  Asked before cJSON sees it.
 *
 * cJSON forgives what RFC 8259 does not (raw control bytes, invalid UTF-8,
 * "01", a NUL inside a string) and cannot say on which line it stopped.
 */
#ifndef DARKROOM_JSON_CHECK_H
#define DARKROOM_JSON_CHECK_H

#include "span.h"

/* INVALID, with *line (from 1) of the first wrong byte. */
enum status json_check(struct span text, unsigned *line) MUST_CHECK;

#endif
