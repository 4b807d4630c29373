#include "poison.h"

#include "exif.h"

#include "bytes.h"

enum { ENTRY_LEN = 12 };

static uint16_t get16(const struct exif *e, struct span s, size_t at)
{
	return e->is_big_endian ? bytes_big16(s, at) : bytes_little16(s, at);
}

static uint32_t get32(const struct exif *e, struct span s, size_t at)
{
	return e->is_big_endian ? bytes_big32(s, at) : bytes_little32(s, at);
}

bool imaging_exif_open(struct span tiff, struct exif *out)
{
	*out = (struct exif){ .tiff = tiff, .is_big_endian = bytes_are(tiff, 0, "MM\0*") };
	return bytes_has(tiff, 0, 8) && (out->is_big_endian || bytes_are(tiff, 0, "II*\0"));
}

uint32_t imaging_exif_first(const struct exif *e)
{
	return get32(e, e->tiff, 4);
}

static size_t size_of_type(uint16_t type)
{
	static const uint8_t sizes[] = { 0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8 };
	return type < sizeof sizes ? sizes[type] : 0;
}

/* Values of four bytes and less are in the entry itself, others where it points. */
static bool read_entry(const struct exif *e, size_t at, struct exif_value *out)
{
	size_t size;
	out->tag = get16(e, e->tiff, at);
	out->type = get16(e, e->tiff, at + 2);
	out->count = get32(e, e->tiff, at + 4);
	if (!num_mul(size_of_type(out->type), out->count, &size) || size == 0) {
		return false;
	}
	size_t from = size <= 4 ? at + 8 : get32(e, e->tiff, at + 8);
	if (!bytes_has(e->tiff, from, size)) {
		return false;
	}
	out->bytes = span_slice(e->tiff, from, size);
	return true;
}

bool imaging_exif_find(const struct exif *e, uint32_t directory, uint16_t tag, struct exif_value *out)
{
	enum { TIFF_HEAD_LEN = 8 };
	if (directory < TIFF_HEAD_LEN) {
		return false; /* 0 stands for a directory that is not there */
	}
	uint32_t count = get16(e, e->tiff, directory);
	for (uint32_t i = 0; i < count && i < EXIF_ENTRIES_MAX; i++) {
		size_t at = (size_t)directory + 2 + (size_t)i * ENTRY_LEN;
		if (!bytes_has(e->tiff, at, ENTRY_LEN)) {
			return false;
		}
		if (get16(e, e->tiff, at) == tag) {
			return read_entry(e, at, out);
		}
	}
	return false;
}

bool imaging_exif_number(const struct exif *e, const struct exif_value *v, uint32_t index, uint32_t *out)
{
	*out = 0;
	if (index >= v->count || (v->type != EXIF_SHORT && v->type != EXIF_LONG)) {
		return false;
	}
	*out = v->type == EXIF_SHORT ? get16(e, v->bytes, (size_t)index * 2)
				     : get32(e, v->bytes, (size_t)index * 4);
	return true;
}

bool imaging_exif_rational(const struct exif *e, const struct exif_value *v, uint32_t index, double *out)
{
	*out = 0;
	if (index >= v->count || v->type != EXIF_RATIONAL) {
		return false;
	}
	uint32_t above = get32(e, v->bytes, (size_t)index * 8),
		 below = get32(e, v->bytes, (size_t)index * 8 + 4);
	if (below == 0) {
		return false;
	}
	*out = (double)above / below;
	return true;
}
