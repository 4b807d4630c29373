/* imaging_sample.h - pictures as from a camera, made from a number; for the demonstration.
 *
 * Each is a JPEG with skies, ground, a sun and noise, and with the Exif that a camera
 * writes: make, model, lens, exposure, time, and a position when `has_gps`.
 */
#ifndef DARKROOM_IMAGING_SAMPLE_H
#define DARKROOM_IMAGING_SAMPLE_H

#include "buf.h"

struct imaging_sample_options {
	uint32_t seed, width, height;
	bool has_gps;
};

/* Appends the JPEG.  FULL: no memory, or over out->max. */
enum status imaging_sample(const struct imaging_sample_options *options, struct buf *out) MUST_CHECK;

#endif
