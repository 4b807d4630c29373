#include "poison.h"

#include "imaging.h"

#include <math.h>

#include "num.h"
#include "reader.h"
#include "text.h"

/* The message, little-endian:
 *
 *   u32 magic  u16 version  u8 format  u8 orientation  u8 flags (1 alpha, 2 GPS)  u8 red green blue
 *   u32 width height iso  u64 taken_at_ms (two's complement)
 *   f64 exposure_s aperture focal_mm brightness sharpness gps_latitude gps_longitude (bits of the double)
 *   text camera lens blurhash (u8 length, then that many bytes)
 *   u8 count, then for each rendition: u8 index in imaging_renditions, u32 width height length, bytes
 *
 * A message is valid if and only if every field is in the range that check_meta() and check_rendition()
 * state, each rendition is there at most once and is a JPEG of the size it claims, and nothing follows.
 * The writer is a process that has just decoded outside bytes, so the reader believes none of it. */
enum { WIRE_MAGIC = 0x52495244, WIRE_VERSION = 1, FLAG_ALPHA = 1, FLAG_GPS = 2 };
#define TAKEN_AT_MAX INT64_C(253402300799999) /* the last ms of year 9999 */

static void put_double(struct buf *b, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	buf_put_u64(b, bits);
}

static void put_text(struct buf *b, const char *text)
{
	struct span s = span_of(text);
	buf_put_byte(b, (uint8_t)s.len);
	buf_put_span(b, s);
}

static void put_meta(const struct image_meta *m, struct buf *out)
{
	buf_put_byte(out, (uint8_t)m->format);
	buf_put_byte(out, m->orientation);
	buf_put_byte(out, (uint8_t)((m->has_alpha ? FLAG_ALPHA : 0) | (m->has_gps ? FLAG_GPS : 0)));
	buf_put(out, m->colour, sizeof m->colour);
	buf_put_u32(out, m->width);
	buf_put_u32(out, m->height);
	buf_put_u32(out, m->iso);
	buf_put_u64(out, (uint64_t)m->taken_at_ms);
	put_double(out, m->exposure_s);
	put_double(out, m->aperture);
	put_double(out, m->focal_mm);
	put_double(out, m->brightness);
	put_double(out, m->sharpness);
	put_double(out, m->gps_latitude);
	put_double(out, m->gps_longitude);
	put_text(out, m->camera);
	put_text(out, m->lens);
	put_text(out, m->blurhash);
}

/* The index of the specification with this name; RENDITIONS_MAX when there is none. */
static unsigned index_of(const char *name)
{
	for (unsigned i = 0; imaging_renditions[i].name; i++) {
		if (span_equal_text(span_of(name), imaging_renditions[i].name)) {
			return i;
		}
	}
	return RENDITIONS_MAX;
}

enum status imaging_result_write(const struct image_result *r, struct buf *out)
{
	buf_put_u32(out, WIRE_MAGIC);
	buf_put_u16(out, WIRE_VERSION);
	put_meta(&r->meta, out);
	buf_put_byte(out, (uint8_t)r->rendition_count);
	for (size_t i = 0; i < r->rendition_count; i++) {
		const struct image_rendition *one = &r->renditions[i];
		buf_put_byte(out, (uint8_t)index_of(one->name));
		buf_put_u32(out, one->width);
		buf_put_u32(out, one->height);
		buf_put_u32(out, (uint32_t)one->bytes.len);
		buf_put_span(out, buf_span(&one->bytes));
	}
	return buf_status(out);
}

static double get_double(struct reader *r)
{
	uint64_t bits = reader_u64(r);
	double value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

static bool get_text(struct reader *r, char *out, size_t size)
{
	struct span s = reader_bytes(r, reader_u8(r));
	return text_is_clean_utf8(s) && span_to_text(s, out, size) == ST_OK;
}

static bool get_meta(struct reader *r, struct image_meta *m)
{
	uint8_t format = reader_u8(r), flags;
	m->format = format < IMAGE_FORMAT_COUNT ? (enum image_format)format : IMAGE_FORMAT_NONE;
	m->orientation = reader_u8(r);
	flags = reader_u8(r);
	m->has_alpha = flags & FLAG_ALPHA;
	m->has_gps = flags & FLAG_GPS;
	reader_copy(r, m->colour, sizeof m->colour);
	m->width = reader_u32(r);
	m->height = reader_u32(r);
	m->iso = reader_u32(r);
	m->taken_at_ms = (int64_t)reader_u64(r);
	m->exposure_s = get_double(r);
	m->aperture = get_double(r);
	m->focal_mm = get_double(r);
	m->brightness = get_double(r);
	m->sharpness = get_double(r);
	m->gps_latitude = get_double(r);
	m->gps_longitude = get_double(r);
	return flags <= (FLAG_ALPHA | FLAG_GPS) && get_text(r, m->camera, sizeof m->camera) &&
	       get_text(r, m->lens, sizeof m->lens) && get_text(r, m->blurhash, sizeof m->blurhash);
}

/* False for a NaN too. */
static bool is_within(double value, double min, double max)
{
	return value >= min && value <= max;
}

static bool check_meta(const struct image_meta *m)
{
	const double rational_max = UINT32_MAX;
	double latitude_max = m->has_gps ? 90 : 0, longitude_max = m->has_gps ? 180 : 0;
	return m->format != IMAGE_FORMAT_NONE && m->orientation >= 1 && m->orientation <= 8 &&
	       m->width >= 1 && m->width <= IMAGE_SIDE_MAX && m->height >= 1 && m->height <= IMAGE_SIDE_MAX &&
	       m->taken_at_ms >= -1 && m->taken_at_ms <= TAKEN_AT_MAX &&
	       is_within(m->exposure_s, 0, rational_max) && is_within(m->aperture, 0, rational_max) &&
	       is_within(m->focal_mm, 0, rational_max) && is_within(m->brightness, 0, 1) &&
	       is_within(m->sharpness, 0, 1) && is_within(m->gps_latitude, -latitude_max, latitude_max) &&
	       is_within(m->gps_longitude, -longitude_max, longitude_max);
}

static bool check_rendition(
	const struct image_rendition_spec *spec, uint32_t width, uint32_t height, struct span bytes)
{
	struct image_probe probe;
	return num_max(width, height) <= spec->longest_side && bytes.len <= RENDITION_BYTES_MAX &&
	       imaging_probe(bytes, &probe) == ST_OK && probe.format == IMAGE_FORMAT_JPEG &&
	       probe.width == width && probe.height == height;
}

static enum status get_rendition(struct reader *r, uint32_t *seen, struct image_rendition *out)
{
	unsigned index = reader_u8(r);
	out->width = reader_u32(r);
	out->height = reader_u32(r);
	struct span bytes = reader_bytes(r, reader_u32(r));
	if (index >= RENDITIONS_MAX || *seen >> index & 1) {
		return ST_INVALID;
	}
	*seen |= 1u << index;
	for (unsigned i = 0; i <= index; i++) {
		if (!imaging_renditions[i].name) {
			return ST_INVALID;
		}
	}
	const struct image_rendition_spec *spec = &imaging_renditions[index];
	if (!reader_ok(r) || !check_rendition(spec, out->width, out->height, bytes)) {
		return ST_INVALID;
	}
	out->name = spec->name;
	out->format = IMAGE_FORMAT_JPEG;
	buf_init(&out->bytes, RENDITION_BYTES_MAX);
	buf_put_span(&out->bytes, bytes);
	return buf_ok(&out->bytes) ? ST_OK : ST_FULL;
}

static enum status get_renditions(struct reader *r, struct image_result *out)
{
	uint32_t seen = 0;
	size_t count = reader_u8(r);
	if (count > RENDITIONS_MAX) {
		return ST_INVALID;
	}
	out->rendition_count = count;
	for (size_t i = 0; i < count; i++) {
		enum status st = get_rendition(r, &seen, &out->renditions[i]);
		if (st) {
			return st;
		}
	}
	return reader_at_end(r) ? ST_OK : ST_INVALID;
}

enum status imaging_result_read(struct span message, struct image_result *out)
{
	struct reader r = reader_of(message);
	*out = (struct image_result){ .rendition_count = 0 };
	bool is_known = reader_u32(&r) == WIRE_MAGIC && reader_u16(&r) == WIRE_VERSION;
	enum status st = is_known && get_meta(&r, &out->meta) && reader_ok(&r) && check_meta(&out->meta)
				 ? ST_OK
				 : ST_INVALID;
	st = st ? st : get_renditions(&r, out);
	if (st) {
		imaging_result_fini(out);
	}
	return st;
}
