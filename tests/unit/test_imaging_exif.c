#include "check.h"

#include <math.h>

#include "imaging.h"
#include "imaging_photos.h"

static void read_file(const char *name, struct image_meta *meta)
{
	struct span image = photos_load(name);
	imaging_read_exif(image, meta);
	photos_free(image);
}

TEST(a_camera_says_what_it_did)
{
	struct image_meta m;
	read_file("camera.jpg", &m);
	CHECK_STR(m.camera, "Example Works One"); /* the maker is not said twice */
	CHECK_STR(m.lens, "EW 24-70mm f/2.8");
	CHECK_EQ(m.orientation, 1);
	CHECK(fabs(m.exposure_s - 0.004) < 1e-9);
	CHECK(fabs(m.aperture - 2.8) < 1e-9);
	CHECK(fabs(m.focal_mm - 50) < 1e-9);
	CHECK_EQ(m.iso, 400);
	CHECK_EQ(m.taken_at_ms, INT64_C(1777631696000)); /* 2026-05-01T12:34:56+02:00 */
	REQUIRE(m.has_gps);
	CHECK(fabs(m.gps_latitude - -33.8568) < 1e-5);
	CHECK(fabs(m.gps_longitude - 151.2153) < 1e-5);
}

TEST(a_time_without_offset_is_read_as_utc)
{
	struct image_meta m;
	read_file("no-offset.jpg", &m); /* big-endian, too */
	CHECK_EQ(m.taken_at_ms, INT64_C(1777638896000));
	CHECK(m.has_gps && m.gps_longitude < 0);
	read_file("unset-clock.jpg", &m);
	CHECK_EQ(m.taken_at_ms, -1);
	CHECK(!m.has_gps);
}

TEST(exif_is_found_in_png_and_webp)
{
	struct image_meta m;
	read_file("exif.png", &m);
	CHECK_EQ(m.orientation, 6);
	CHECK(m.has_gps && fabs(m.gps_latitude - 48.5) < 1e-9 && fabs(m.gps_longitude - 9.25) < 1e-9);
	read_file("exif.webp", &m);
	CHECK_EQ(m.orientation, 8);
	CHECK(m.has_gps && fabs(m.gps_latitude - 1.5) < 1e-9);
}

static bool is_empty(const struct image_meta *m)
{
	return m->orientation == 1 && m->camera[0] == '\0' && m->lens[0] == '\0' && !m->has_gps &&
	       m->taken_at_ms == -1 && m->exposure_s == 0 && m->aperture == 0 && m->focal_mm == 0 &&
	       m->iso == 0;
}

TEST(without_exif_everything_is_absent)
{
	static const char *const names[] = { "plain.jpg", "rgb8.png", "lossy.webp", "first-frame.gif",
		"rgb24.bmp", "no-height.jpg" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct image_meta m;
		memset(&m, 0xaa, sizeof m);
		read_file(names[i], &m);
		CHECK(is_empty(&m));
	}
}

/* Puts a TIFF structure into the smallest JPEG that the probe takes. */
static void read_tiff(const void *tiff, size_t len, struct image_meta *m)
{
	static const char frame[] = "\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0";
	uint8_t *image = malloc(len + 64), *to = image;
	memcpy(to, "\xff\xd8\xff\xe1", 4);
	to[4] = (uint8_t)((len + 8) >> 8);
	to[5] = (uint8_t)(len + 8);
	memcpy(to + 6, "Exif\0\0", 6);
	memcpy(to + 12, tiff, len);
	memcpy(to + 12 + len, frame, sizeof frame - 1);
	imaging_read_exif(span_make(image, 12 + len + sizeof frame - 1), m);
	free(image);
}

#define READ_TIFF(literal, m) read_tiff((literal), sizeof(literal) - 1, (m))

TEST(names_are_cleaned_and_cut)
{
	struct image_meta m;
	READ_TIFF("II*\0\x08\0\0\0\1\0\x10\1\2\0\4\0\0\0A\n\xc3\0\0\0\0\0", &m);
	CHECK_STR(m.camera, "A??");
	/* Make and Model of 80 letters each, one text for both. */
	char tiff[200] = "II*\0\x08\0\0\0\2\0\x0f\1\2\0\x50\0\0\0\x26\0\0\0\x10\1\2\0\x50\0\0\0\x26\0\0\0";
	memset(tiff + 0x26, 'x', 0x50);
	read_tiff(tiff, sizeof tiff, &m);
	CHECK_EQ(strlen(m.camera), sizeof m.camera - 1);
}

TEST(lies_in_the_structure_end_the_reading)
{
	struct image_meta m;
	READ_TIFF("II*\0\xff\xff\xff\xff", &m); /* directory outside */
	CHECK(is_empty(&m));
	READ_TIFF("II*\0\0\0\0\0\x12\1\3\0\1\0\0\0\6\0\0\0", &m); /* directory in the head */
	CHECK(is_empty(&m));
	READ_TIFF("II*\0\x08\0\0\0\xff\xff\x12\1\3\0\1\0\0\0\6\0\0\0", &m); /* 65535 entries, one there */
	CHECK_EQ(m.orientation, 6);
	READ_TIFF("II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\x09\0\0\0", &m); /* orientation 9 */
	CHECK_EQ(m.orientation, 1);
	READ_TIFF("II*\0\x08\0\0\0\1\0\x12\1\3\0\xff\xff\xff\xff\x08\0\0\0",
		&m); /* four thousand million numbers */
	CHECK_EQ(m.orientation, 1);
	READ_TIFF("II*\0\x08\0\0\0\1\0\x12\1\x0d\0\1\0\0\0\6\0\0\0", &m); /* unknown type */
	CHECK_EQ(m.orientation, 1);
	READ_TIFF("II*\0\x08\0\0\0\1\0\x10\1\2\0\x10\0\0\0\xfe\xff\xff\xff", &m); /* text outside */
	CHECK(is_empty(&m));
	READ_TIFF("II*\0\x08\0\0\0\1\0\x69\x87\4\0\1\0\0\0\x08\0\0\0",
		&m); /* the Exif directory is the first one */
	CHECK(is_empty(&m));
	/* Exposure 1/0 in a directory at 0x1a. */
	READ_TIFF("II*\0\x08\0\0\0\1\0\x69\x87\4\0\1\0\0\0\x1a\0\0\0\0\0\0\0"
		  "\1\0\x9a\x82\5\0\1\0\0\0\x2c\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0",
		&m);
	CHECK(m.exposure_s == 0);
}

/* Every prefix, and every byte set to every extreme: an answer each time, and under a sanitizer no word. */
TEST(damage_anywhere_is_survived)
{
	struct span whole = photos_load("exif.png");
	for (size_t at = 0; at < whole.len && at < 600; at++) {
		uint8_t *copy = malloc(whole.len);
		struct image_meta m;
		REQUIRE(copy);
		memcpy(copy, whole.data, whole.len);
		static const uint8_t extremes[] = { 0x00, 0x7f, 0x80, 0xff };
		for (size_t i = 0; i < sizeof extremes; i++) {
			copy[at] = extremes[i];
			imaging_read_exif(span_make(copy, whole.len), &m);
			CHECK(m.orientation >= 1 && m.orientation <= 8 && strlen(m.camera) < sizeof m.camera);
			CHECK(!m.has_gps || (fabs(m.gps_latitude) <= 90 && fabs(m.gps_longitude) <= 180));
			CHECK(isfinite(m.exposure_s) && isfinite(m.aperture) && isfinite(m.focal_mm));
		}
		free(copy);
		uint8_t *cut = malloc(at + 1);
		REQUIRE(cut);
		memcpy(cut, whole.data, at);
		imaging_read_exif(span_make(cut, at), &m);
		CHECK(m.orientation >= 1 && m.orientation <= 8);
		free(cut);
	}
	photos_free(whole);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_camera_says_what_it_did),
		CHECK_TEST(a_time_without_offset_is_read_as_utc),
		CHECK_TEST(exif_is_found_in_png_and_webp),
		CHECK_TEST(without_exif_everything_is_absent),
		CHECK_TEST(names_are_cleaned_and_cut),
		CHECK_TEST(lies_in_the_structure_end_the_reading),
		CHECK_TEST(damage_anywhere_is_survived),
	};
	return photos_make() ? check_run(tests, sizeof tests / sizeof *tests) : 1;
}
