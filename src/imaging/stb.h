/* stb.h - the only way to stb's headers: one configuration for their code and its callers; internal.
 *
 * stb_image decodes what the header declares before it looks whether data follow, so its memory
 * comes from a quota that imaging_stb_quota() sets in front of each call.  Only GIF and BMP are compiled in,
 * and of GIF only the single-image call is ever used: the call for all frames reads out of bounds.
 */
#ifndef DARKROOM_IMAGING_STB_H
#define DARKROOM_IMAGING_STB_H

#include <stdbool.h>
#include <stddef.h>

/* At most `bytes` may be held at once from now on, on this thread. */
void imaging_stb_quota(size_t bytes);
/* True if the quota or the memory was spent since. */
bool imaging_stb_is_spent(void);

#define STBI_ONLY_GIF
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_MAX_DIMENSIONS 65535

#include <stb_image.h>
#include <stb_image_resize2.h>

/* Runs a prepared job.  False: no memory. */
bool imaging_stb_resize(STBIR_RESIZE *job);

#endif
