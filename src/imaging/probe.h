/* probe.h - one prober per format; internal to imaging.
 *
 * Each is called after its magic was seen, fills width, height and is_progressive, and checks
 * everything its header says about itself.  imaging_probe() applies the limits afterwards.
 */
#ifndef DARKROOM_IMAGING_PROBE_H
#define DARKROOM_IMAGING_PROBE_H

#include "imaging.h"

enum status imaging_probe_jpeg(struct span head, struct image_probe *out) MUST_CHECK;
enum status imaging_probe_png(struct span head, struct image_probe *out) MUST_CHECK;
enum status imaging_probe_webp(struct span head, struct image_probe *out) MUST_CHECK;
enum status imaging_probe_gif(struct span head, struct image_probe *out) MUST_CHECK;
enum status imaging_probe_bmp(struct span head, struct image_probe *out) MUST_CHECK;

#endif
