/* sample.c - paints a landscape and writes a camera's Exif beside it (CIPA DC-008). */
#include "poison.h"

#include "imaging_sample.h"

#include <math.h>
#include <stdio.h>

#include "pixels.h"

enum { QUALITY = 90, EXIF_MAX = 2048 };

/* xorshift32: the same seed gives the same picture. */
static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static uint8_t clamp(double v)
{
	return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

struct scene {
	double horizon, sun_x, sun_y, hue, hills;
	uint32_t random;
};

static struct scene make_scene(uint32_t seed)
{
	struct scene s = { .random = seed * 2654435761u + 1 };
	s.horizon = 0.45 + next_random(&s.random) % 20 / 100.0;
	s.sun_x = 0.15 + next_random(&s.random) % 70 / 100.0;
	s.sun_y = 0.08 + next_random(&s.random) % 25 / 100.0;
	s.hue = next_random(&s.random) % 100 / 100.0;
	s.hills = 2 + next_random(&s.random) % 5;
	return s;
}

/* One pixel at (x, y), both 0 to 1. */
static void paint(struct scene *s, double x, double y, uint8_t rgb[3])
{
	double ridge = s->horizon + 0.06 * sin(x * s->hills * 6.28 + s->hue * 6) + 0.015 * sin(x * 61);
	double grain = (double)(next_random(&s->random) & 15) - 8;
	double dx = x - s->sun_x, dy = (y - s->sun_y) * 0.75, glow = exp(-(dx * dx + dy * dy) * 40);
	if (y < ridge) {
		double t = y / ridge;
		rgb[0] = clamp(90 + 120 * t * s->hue + 160 * glow + grain);
		rgb[1] = clamp(140 + 60 * t + 120 * glow + grain);
		rgb[2] = clamp(225 - 60 * t * s->hue + 20 * glow + grain);
	} else {
		double t = (y - ridge) / (1 - ridge), stripe = 12 * sin(x * 90 + t * 240);
		rgb[0] = clamp(60 + 70 * s->hue + 30 * t + stripe + grain * 2);
		rgb[1] = clamp(110 - 40 * t + stripe + grain * 2);
		rgb[2] = clamp(50 + 30 * t + grain * 2);
	}
}

static enum status paint_all(const struct imaging_sample_options *o, struct pixels *out)
{
	struct scene s = make_scene(o->seed);
	enum status st = imaging_pixels_new(o->width, o->height, out);
	for (uint32_t y = 0; st == ST_OK && y < o->height; y++)
		for (uint32_t x = 0; x < o->width; x++)
			paint(&s, (double)x / o->width, (double)y / o->height,
				out->data + ((size_t)y * o->width + x) * 3);
	return st;
}

/* --- Exif: a little-endian TIFF of three directories, values that do not fit an entry behind them --- */

enum { TYPE_ASCII = 2, TYPE_SHORT = 3, TYPE_LONG = 4, TYPE_RATIONAL = 5 };

struct tiff {
	struct buf entries, values;
	uint32_t base, count, entry_count;
};

/* `base`: where this directory begins; `count`: how many entries it will have. */
static void directory_begin(struct tiff *t, uint32_t base, uint32_t count)
{
	*t = (struct tiff){ .base = base, .count = count };
	buf_init(&t->entries, EXIF_MAX);
	buf_init(&t->values, EXIF_MAX);
	buf_put_u16(&t->entries, (uint16_t)count);
}

static uint32_t directory_end_offset(const struct tiff *t)
{
	return t->base + 2 + t->count * 12 + 4 + (uint32_t)t->values.len;
}

static void put_entry(struct tiff *t, uint16_t tag, uint16_t type, uint32_t count, struct span value)
{
	t->entry_count++;
	buf_put_u16(&t->entries, tag);
	buf_put_u16(&t->entries, type);
	buf_put_u32(&t->entries, count);
	if (value.len <= 4) {
		buf_put_span(&t->entries, value);
		for (size_t i = value.len; i < 4; i++)
			buf_put_byte(&t->entries, 0);
		return;
	}
	buf_put_u32(&t->entries, directory_end_offset(t));
	buf_put_span(&t->values, value);
	if (value.len & 1)
		buf_put_byte(&t->values, 0);
}

static void put_text(struct tiff *t, uint16_t tag, const char *text)
{
	struct span s = span_of(text);
	put_entry(t, tag, TYPE_ASCII, (uint32_t)s.len + 1, span_make(text, s.len + 1));
}

static void put_rationals(struct tiff *t, uint16_t tag, const uint32_t *pairs, uint32_t count)
{
	struct buf bytes;
	buf_init(&bytes, 64);
	for (uint32_t i = 0; i < count * 2; i++)
		buf_put_u32(&bytes, pairs[i]);
	put_entry(t, tag, TYPE_RATIONAL, count, buf_span(&bytes));
	buf_fini(&bytes);
}

static void put_number(struct tiff *t, uint16_t tag, uint16_t type, uint32_t value)
{
	uint8_t bytes[4] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
		(uint8_t)(value >> 24) };
	put_entry(t, tag, type, 1, span_make(bytes, type == TYPE_SHORT ? 2 : 4));
}

static void directory_write(struct tiff *t, struct buf *out)
{
	buf_put_span(out, buf_span(&t->entries));
	buf_put_u32(out, 0);
	buf_put_span(out, buf_span(&t->values));
	if (!buf_ok(&t->entries) || !buf_ok(&t->values) || t->entry_count != t->count)
		out->is_failed = true;
	buf_fini(&t->entries);
	buf_fini(&t->values);
}

static void write_photo_directory(const struct imaging_sample_options *o, uint32_t base, struct buf *out)
{
	const uint32_t exposure[] = { 1, 60 + o->seed % 8 * 60 }, aperture[] = { 18 + o->seed % 10, 10 },
		       focal[] = { 35, 1 };
	char when[32];
	struct tiff t;
	(void)snprintf(when, sizeof when, "2026:06:%02u %02u:%02u:00", o->seed % 28 + 1, o->seed % 12 + 8,
		o->seed % 60);
	directory_begin(&t, base, 6);
	put_rationals(&t, 0x829A, exposure, 1);
	put_rationals(&t, 0x829D, aperture, 1);
	put_number(&t, 0x8827, TYPE_SHORT, 100u << o->seed % 4);
	put_text(&t, 0x9003, when);
	put_rationals(&t, 0x920A, focal, 1);
	put_text(&t, 0xA434, o->seed % 2 ? "Obscura 35mm F1.8" : "Obscura 24-70mm F2.8");
	directory_write(&t, out);
}

static void write_gps_directory(const struct imaging_sample_options *o, uint32_t base, struct buf *out)
{
	const uint32_t latitude[] = { 47, 1, 22, 1, o->seed % 60, 1 },
		       longitude[] = { 8, 1, 32, 1, o->seed % 60, 1 };
	struct tiff t;
	directory_begin(&t, base, 4);
	put_text(&t, 1, "N");
	put_rationals(&t, 2, latitude, 3);
	put_text(&t, 3, "E");
	put_rationals(&t, 4, longitude, 3);
	directory_write(&t, out);
}

/* Main directory, then the photograph's, then the position's. */
static void write_exif(const struct imaging_sample_options *o, struct buf *out)
{
	static const char make[] = "Obscura", model[] = "Pinhole II";
	const uint32_t count = o->has_gps ? 4 : 3, head = 8;
	const uint32_t photo = head + 2 + count * 12 + 4 + sizeof make + sizeof model + 1;
	struct buf photo_bytes;
	struct tiff t;
	buf_init(&photo_bytes, EXIF_MAX);
	write_photo_directory(o, photo, &photo_bytes);
	buf_put_text(out, "II*");
	buf_put_byte(out, 0);
	buf_put_u32(out, head);
	directory_begin(&t, head, count);
	put_text(&t, 0x010F, make);
	put_text(&t, 0x0110, model);
	put_number(&t, 0x8769, TYPE_LONG, photo);
	if (o->has_gps)
		put_number(&t, 0x8825, TYPE_LONG, photo + (uint32_t)photo_bytes.len);
	directory_write(&t, out);
	buf_put_span(out, buf_span(&photo_bytes));
	if (o->has_gps)
		write_gps_directory(o, photo + (uint32_t)photo_bytes.len, out);
	buf_fini(&photo_bytes);
}

/* The Exif segment goes right behind the start-of-image marker. */
static void join(struct span jpeg, struct span exif, struct buf *out)
{
	size_t len = exif.len + 8;
	buf_put(out, jpeg.data, 2);
	buf_put_byte(out, 0xFF);
	buf_put_byte(out, 0xE1);
	buf_put_byte(out, (uint8_t)(len >> 8));
	buf_put_byte(out, (uint8_t)len);
	buf_put(out, "Exif\0", 6);
	buf_put_span(out, exif);
	buf_put_span(out, span_slice(jpeg, 2, jpeg.len));
}

enum status imaging_sample(const struct imaging_sample_options *options, struct buf *out)
{
	struct pixels pixels = { NULL, 0, 0 };
	struct buf jpeg, exif;
	buf_init(&jpeg, out->max);
	buf_init(&exif, EXIF_MAX);
	enum status st = paint_all(options, &pixels);
	if (st == ST_OK)
		st = imaging_encode_jpeg(&pixels, QUALITY, &jpeg);
	write_exif(options, &exif);
	if (st == ST_OK && !buf_ok(&exif))
		st = ST_FULL;
	if (st == ST_OK)
		join(buf_span(&jpeg), buf_span(&exif), out);
	imaging_pixels_fini(&pixels);
	buf_fini(&jpeg);
	buf_fini(&exif);
	return st == ST_OK && !buf_ok(out) ? ST_FULL : st;
}
