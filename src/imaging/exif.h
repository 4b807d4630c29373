/* exif.h - reads a TIFF structure without trusting one number in it; internal to imaging.
 *
 * Bounded by construction: the first directory, its Exif and its GPS directory, each of at most
 * EXIF_ENTRIES_MAX entries; no chain of directories is followed and nothing recurses.
 */
#ifndef DARKROOM_IMAGING_EXIF_H
#define DARKROOM_IMAGING_EXIF_H

#include "imaging.h"

enum { EXIF_ENTRIES_MAX = 256 };

/* The TIFF part of an image's Exif, behind any "Exif\0\0"; empty when there is none. */
struct span imaging_find_exif(struct span image, enum image_format format);

struct exif {
	struct span tiff;
	bool is_big_endian;
};

enum exif_type { EXIF_BYTE = 1, EXIF_ASCII = 2, EXIF_SHORT = 3, EXIF_LONG = 4, EXIF_RATIONAL = 5 };

/* The value of one entry; its bytes lie wholly inside the structure. */
struct exif_value {
	uint16_t tag, type;
	uint32_t count;
	struct span bytes;
};

/* False: it is no TIFF structure. */
bool imaging_exif_open(struct span tiff, struct exif *out);
uint32_t imaging_exif_first(const struct exif *e);

/* The entry of the directory at `directory` that has `tag`, if it is sound. */
bool imaging_exif_find(const struct exif *e, uint32_t directory, uint16_t tag, struct exif_value *out);

/* 0 and false unless the value holds such a number at `index`. */
bool imaging_exif_number(const struct exif *e, const struct exif_value *v, uint32_t index, uint32_t *out);
bool imaging_exif_rational(const struct exif *e, const struct exif_value *v, uint32_t index, double *out);

#endif
