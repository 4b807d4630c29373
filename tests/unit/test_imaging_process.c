#include "check.h"

#include <errno.h>
#include <math.h>

#include "fault.h"
#include "imaging.h"
#include "imaging/pixels.h"
#include "imaging_photos.h"

static const uint8_t red[3] = { 200, 30, 30 }, green[3] = { 30, 160, 60 }, blue[3] = { 40, 60, 200 },
		     yellow[3] = { 230, 200, 40 }, white[3] = { 255, 255, 255 };

/* Decodes a rendition again with the module's own decoder; the colours it must give are known from
 * elsewhere. */
static bool open_rendition(const struct image_rendition *r, struct pixels *out)
{
	struct source source = { .bytes = buf_span(&r->bytes), .useful_side = IMAGE_SIDE_MAX };
	struct decoded decoded;
	if (imaging_probe(source.bytes, &source.probe) || imaging_decode_jpeg(&source, &decoded)) {
		return false;
	}
	*out = decoded.pixels;
	return true;
}

/* x and y are parts of the whole: 0.25 is the middle of the left half. */
static bool is_colour(const struct pixels *p, double x, double y, const uint8_t want[3], int tolerance)
{
	size_t column = (size_t)(x * p->width), row = (size_t)(y * p->height);
	const uint8_t *rgb = p->data + (row * p->width + column) * 3;
	bool is_near = true;
	for (int c = 0; c < 3; c++) {
		is_near = is_near && abs(rgb[c] - want[c]) <= tolerance;
	}
	if (!is_near) {
		fprintf(stderr, "  at %.2f %.2f: %d %d %d\n", x, y, rgb[0], rgb[1], rgb[2]);
	}
	return is_near;
}

static bool are_quadrants(const struct pixels *p, const uint8_t *a, const uint8_t *b, const uint8_t *c,
	const uint8_t *d, double edge, int tolerance)
{
	return is_colour(p, edge, edge, a, tolerance) && is_colour(p, 1 - edge, edge, b, tolerance) &&
	       is_colour(p, edge, 1 - edge, c, tolerance) && is_colour(p, 1 - edge, 1 - edge, d, tolerance);
}

static bool has_text(struct span bytes, const char *text)
{
	return bytes.len > 0 && memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
}

/* What every good result promises, whatever the image. */
static void check_result(const char *name, const struct image_result *r)
{
	bool is_sound = r->rendition_count == 2 && strlen(r->meta.blurhash) == BLURHASH_LEN &&
			r->meta.brightness >= 0 && r->meta.brightness <= 1 && r->meta.sharpness >= 0 &&
			r->meta.sharpness <= 1;
	for (size_t i = 0; i < r->rendition_count; i++) {
		const struct image_rendition *one = &r->renditions[i];
		struct span bytes = buf_span(&one->bytes);
		struct image_probe probe;
		is_sound = is_sound && imaging_probe(bytes, &probe) == ST_OK &&
			   probe.format == IMAGE_FORMAT_JPEG && probe.width == one->width &&
			   probe.height == one->height;
		is_sound = is_sound && !has_text(bytes, "Exif") && !has_text(bytes, "Example Works") &&
			   !has_text(bytes, "ICC_PROFILE");
	}
	if (!is_sound) {
		CHECK_FAILED("%s: the result breaks a promise", name);
	}
}

static enum status process_file(const char *name, struct image_result *out, char why[128])
{
	struct span image = photos_load(name);
	enum status st = imaging_process(image, out, why);
	photos_free(image);
	return st;
}

struct expected {
	const char *name;
	uint32_t width, height;
	bool has_alpha;
	const uint8_t *colours[4];
	int tolerance;
};

#define ALL_FOUR \
	{ \
		red, green, blue, yellow \
	}
#define LEFT_ONLY \
	{ \
		red, white, blue, white \
	}

static const uint8_t dark[3] = { 50, 50, 50 }, light[3] = { 200, 200, 200 }, black[3] = { 0, 0, 0 },
		     grey[3] = { 100, 100, 100 };
static const uint8_t grey_red[3] = { 81, 81, 81 }, grey_green[3] = { 110, 110, 110 },
		     grey_blue[3] = { 70, 70, 70 }, grey_yellow[3] = { 191, 191, 191 };

static const struct expected good[] = {
	{ "plain.jpg", 320, 240, false, ALL_FOUR, 8 },
	{ "progressive.jpg", 320, 240, false, ALL_FOUR, 8 },
	{ "full-colour.jpg", 320, 240, false, ALL_FOUR, 8 },
	{ "cmyk.jpg", 320, 240, false, ALL_FOUR, 10 },
	{ "grey.jpg", 320, 240, false, { grey_red, grey_green, grey_blue, grey_yellow }, 6 },
	{ "stray-bytes.jpg", 320, 240, false, ALL_FOUR, 8 },
	{ "trailing.jpg", 320, 240, false, ALL_FOUR, 8 },
	{ "no-end.jpg", 320, 240, false, ALL_FOUR, 8 },
	{ "no-end-progressive.jpg", 320, 240, false, ALL_FOUR, 8 },
	{ "stray-segments.jpg", 320, 240, false, ALL_FOUR, 8 },
	{ "stray-behind-scan.jpg", 320, 240, false, ALL_FOUR, 8 },
	{ "odd-adobe.jpg", 320, 240, false, ALL_FOUR, 8 },
	{ "odd-profile.jpg", 320, 240, false, ALL_FOUR, 8 },
	{ "wide.jpg", 6600, 500, false, ALL_FOUR, 8 },
	{ "rgb8.png", 160, 120, false, ALL_FOUR, 8 },
	{ "rgb16.png", 160, 120, false, ALL_FOUR, 8 },
	{ "rgb-interlaced.png", 160, 120, false, ALL_FOUR, 8 },
	{ "palette4.png", 160, 120, false, ALL_FOUR, 8 },
	{ "palette2-clear.png", 160, 120, true, LEFT_ONLY, 8 },
	{ "rgba8.png", 160, 120, true, LEFT_ONLY, 8 },
	{ "rgba16.png", 160, 120, true, LEFT_ONLY, 8 },
	{ "rgba-interlaced.png", 160, 120, true, LEFT_ONLY, 8 },
	{ "grey1.png", 160, 120, false, { black, white, black, white }, 4 },
	{ "grey16.png", 160, 120, false, { dark, light, dark, light }, 4 },
	{ "grey-alpha8.png", 160, 120, true, { grey, white, grey, white }, 4 },
	{ "text-bomb.png", 160, 120, false, ALL_FOUR, 8 },
	{ "lossy.webp", 320, 240, false, ALL_FOUR, 12 },
	{ "lossless.webp", 320, 240, false, ALL_FOUR, 8 },
	{ "large.webp", 3600, 400, false, ALL_FOUR, 12 },
	{ "clear.webp", 320, 240, true, LEFT_ONLY, 12 },
	{ "clear-lossless.webp", 320, 240, true, LEFT_ONLY, 8 },
	{ "animated.webp", 320, 240, false, ALL_FOUR, 8 },
	{ "first-frame.gif", 320, 240, false, ALL_FOUR, 8 },
	{ "rgb24.bmp", 320, 240, false, ALL_FOUR, 8 },
	{ "palette.bmp", 320, 240, false, ALL_FOUR, 12 },
	{ "from-top.bmp", 320, 240, false, ALL_FOUR, 8 },
};

static void check_expected(const struct expected *e)
{
	struct image_result result;
	char why[128];
	enum status st = process_file(e->name, &result, why);
	if (st) {
		CHECK_FAILED("%s: %s, %s", e->name, status_name(st), why);
		return;
	}
	check_result(e->name, &result);
	struct pixels thumb = { NULL, 0, 0 };
	bool is_right = result.meta.width == e->width && result.meta.height == e->height &&
			result.meta.has_alpha == e->has_alpha &&
			open_rendition(&result.renditions[0], &thumb) &&
			are_quadrants(&thumb, e->colours[0], e->colours[1], e->colours[2], e->colours[3],
				0.25, e->tolerance);
	if (!is_right) {
		CHECK_FAILED("%s: %u x %u, alpha %d", e->name, result.meta.width, result.meta.height,
			result.meta.has_alpha);
	}
	imaging_pixels_fini(&thumb);
	imaging_result_fini(&result);
}

TEST(every_kind_is_decoded_with_its_colours)
{
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		check_expected(&good[i]);
	}
}

TEST(every_orientation_stands_upright)
{
	for (int o = 1; o <= 8; o++) {
		char name[32], why[128];
		struct image_result result;
		snprintf(name, sizeof name, "orientation-%d.jpg", o);
		CHECK_EQ(process_file(name, &result, why), ST_OK);
		CHECK_EQ(result.meta.orientation, o);
		CHECK_EQ(result.meta.width, 600);
		CHECK_EQ(result.meta.height, 400);
		check_result(name, &result);
		for (size_t i = 0; i < result.rendition_count; i++) {
			struct pixels p = { NULL, 0, 0 };
			REQUIRE(open_rendition(&result.renditions[i], &p));
			if (!are_quadrants(&p, red, green, blue, yellow, 0.06, 20)) {
				CHECK_FAILED(
					"%s: %s does not stand upright", name, result.renditions[i].name);
			}
			imaging_pixels_fini(&p);
		}
		imaging_result_fini(&result);
	}
}

TEST(renditions_have_their_sizes_and_are_never_enlarged)
{
	struct image_result result;
	char why[128];
	CHECK_EQ(process_file("large.jpg", &result, why), ST_OK);
	CHECK_STR(result.renditions[0].name, "thumb");
	CHECK_EQ(result.renditions[0].width, 320);
	CHECK_EQ(result.renditions[0].height, 207);
	CHECK_STR(result.renditions[1].name, "preview");
	CHECK_EQ(result.renditions[1].width, 1600);
	CHECK_EQ(result.renditions[1].height, 1035);
	CHECK(result.renditions[1].bytes.len > result.renditions[0].bytes.len);
	CHECK_STR(result.meta.camera, "Example Works One");
	imaging_result_fini(&result);
	CHECK_EQ(process_file("one-pixel.jpg", &result, why), ST_OK);
	CHECK_EQ(result.renditions[0].width, 1);
	CHECK_EQ(result.renditions[1].height, 1);
	CHECK_EQ(strlen(result.meta.blurhash), BLURHASH_LEN);
	imaging_result_fini(&result);
	CHECK_EQ(process_file("wide.jpg", &result, why), ST_OK);
	CHECK_EQ(result.renditions[1].width, 1600);
	CHECK_EQ(result.renditions[1].height, 121);
	CHECK_EQ(result.renditions[0].height, 24);
	imaging_result_fini(&result);
}

TEST(a_frame_smaller_than_its_screen_lies_on_white)
{
	struct image_result result;
	struct pixels p = { NULL, 0, 0 };
	char why[128];
	CHECK_EQ(process_file("small-frame.gif", &result, why), ST_OK);
	CHECK(result.meta.has_alpha);
	REQUIRE(open_rendition(&result.renditions[0], &p));
	CHECK(is_colour(&p, 0.5, 0.5, white, 2));
	imaging_pixels_fini(&p);
	imaging_result_fini(&result);
	CHECK_EQ(process_file("giant-screen.gif", &result, why), ST_OK);
	imaging_result_fini(&result);
	CHECK_EQ(process_file("flat-bomb.png", &result, why), ST_OK);
	CHECK_EQ(result.meta.width, 5000);
	imaging_result_fini(&result);
}

TEST(a_picture_is_described)
{
	struct image_result flat, busy;
	char why[128];
	REQUIRE(process_file("one-pixel.jpg", &flat, why) == ST_OK);
	CHECK(abs(flat.meta.colour[0] - red[0]) <= 6 && abs(flat.meta.colour[1] - red[1]) <= 6);
	CHECK(fabs(flat.meta.brightness - (0.299 * 200 + 0.587 * 30 + 0.114 * 30) / 255) < 0.02);
	CHECK(flat.meta.sharpness == 0);
	REQUIRE(process_file("camera.jpg", &busy, why) == ST_OK);
	CHECK(busy.meta.sharpness > 0.05);
	imaging_result_fini(&flat);
	imaging_result_fini(&busy);
}

/* The first character tells the terms, 4x3; the third to sixth the mean colour. */
TEST(a_blurhash_is_as_the_definition_says)
{
	uint8_t data[2 * 2 * 3] = { 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0 };
	const struct pixels flat = { data, 2, 2 };
	char hash[BLURHASH_LEN + 1];
	imaging_blurhash(&flat, hash);
	CHECK_EQ(hash[0], 'L'); /* (4 - 1) + (3 - 1) * 9 = 21 */
	CHECK_EQ(strlen(hash), BLURHASH_LEN);
	/* 0xff0000 = 29 * 83^3 + 18 * 83^2 + 70 * 83 + 45, which are T, I, : and j. */
	CHECK_BYTES(hash + 2, "TI:j", 4);
}

struct refused {
	const char *name;
	enum status status;
	const char *why;
};
static const struct refused bad[] = {
	{ "arithmetic.jpg", ST_INVALID, "not supported" },
	{ "twelve-bits.jpg", ST_INVALID, "not supported" },
	{ "no-height.jpg", ST_INVALID, "header" },
	{ "no-pixels.jpg", ST_INVALID, "JPEG" },
	{ "cut-scan.jpg", ST_INVALID, "too early" },
	{ "early-end.jpg", ST_INVALID, "damaged" },
	{ "no-last-scan.jpg", ST_INVALID, "too early" },
	{ "no-colour-scans.jpg", ST_INVALID, "JPEG" },
	{ "scans-70.jpg", ST_TOO_BIG, "scans" },
	{ "giant.png", ST_TOO_BIG, "pixels" },
	{ "empty-giant.png", ST_INVALID, "PNG" },
	{ "over-limit.gif", ST_TOO_BIG, "pixels" },
};

TEST(what_cannot_be_decoded_is_refused_in_words)
{
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct image_result result;
		char why[128];
		enum status st = process_file(bad[i].name, &result, why);
		if (st != bad[i].status || !strstr(why, bad[i].why)) {
			CHECK_FAILED("%s: %s, \"%s\"", bad[i].name, status_name(st), why);
		}
		CHECK_EQ(result.rendition_count, 0);
		imaging_result_fini(&result);
	}
	struct image_result result;
	char why[128];
	CHECK_EQ(process_file("scans-60.jpg", &result, why), ST_OK);
	imaging_result_fini(&result);
	CHECK_EQ(imaging_process((struct span){ NULL, 0 }, &result, why), ST_INVALID);
}

static const char *const small_files[] = { "plain.jpg", "progressive.jpg", "cmyk.jpg", "unset-clock.jpg",
	"scans-60.jpg", "rgb8.png", "rgba-interlaced.png", "palette2-clear.png", "grey16.png", "exif.png",
	"lossy.webp", "clear.webp", "clear-lossless.webp", "animated.webp", "exif.webp", "first-frame.gif",
	"small-frame.gif", "palette.bmp" };
enum { SMALL_COUNT = sizeof small_files / sizeof *small_files };

static struct span copy_of(struct span image, size_t len)
{
	uint8_t *copy = malloc(len);
	if (copy) {
		memcpy(copy, image.data, len);
	}
	return span_make(copy, copy ? len : 0);
}

/* Half a file never passes for a whole one. */
TEST(a_truncated_file_is_refused)
{
	for (size_t i = 0; i < SMALL_COUNT; i++) {
		struct span image = photos_load(small_files[i]);
		for (size_t part = 1; part < 8; part++) {
			struct span cut = copy_of(image, image.len * part / 8);
			struct image_result result;
			char why[128];
			enum status st = imaging_process(cut, &result, why);
			/* An animation's first frame may be whole. */
			bool is_whole = st == ST_OK && (strstr(small_files[i], "animated") ||
							       strstr(small_files[i], "first-frame"));
			if (st != ST_INVALID && !is_whole) {
				CHECK_FAILED("%s cut to %zu/8: %s", small_files[i], part, status_name(st));
			}
			CHECK(st == ST_OK || why[0] != '\0');
			imaging_result_fini(&result);
			photos_free(cut);
		}
		photos_free(image);
	}
}

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Not a fuzzer, but every build runs it: a few bytes changed must end in an answer and, under a sanitizer,
 * silently. */
TEST(a_damaged_file_gets_an_answer)
{
	uint32_t state = 2463534242;
	for (size_t i = 0; i < SMALL_COUNT; i++) {
		struct span image = photos_load(small_files[i]);
		for (int round = 0; round < 40 && image.len > 0; round++) {
			struct span damaged = copy_of(image, image.len);
			for (int change = 0; change < 3; change++) {
				size_t at = next_random(&state) % (round & 1                ? image.len
									  : image.len < 200 ? image.len
											    : 200);
				((uint8_t *)(uintptr_t)damaged.data)[at] = (uint8_t)next_random(&state);
			}
			struct image_result result;
			char why[128];
			enum status st = imaging_process(damaged, &result, why);
			CHECK(st == ST_OK || st == ST_INVALID || st == ST_TOO_BIG || st == ST_FULL);
			if (st == ST_OK) {
				check_result(small_files[i], &result);
			}
			imaging_result_fini(&result);
			photos_free(damaged);
		}
		photos_free(image);
	}
}

#ifdef DARKROOM_FAULTS
/* Makes the n-th allocation fail, for every n until none is left: each time FULL, and nothing leaks or is
 * left half done.  Codecs that bring their own malloc are not reached by the seam. */
TEST(lack_of_memory_anywhere_is_full)
{
	static const char *const names[] = { "unset-clock.jpg", "cmyk.jpg", "rgba8.png",
		"rgba-interlaced.png", "clear.webp", "first-frame.gif", "palette.bmp", "wide.jpg" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct span image = photos_load(names[i]);
		unsigned nth = 1;
		bool has_fired = true;
		for (; has_fired && nth < 1000; nth++) {
			struct image_result result;
			char why[128];
			fault_arm(FAULT_MEMORY, nth, ENOMEM, false);
			enum status st = imaging_process(image, &result, why);
			has_fired = fault_has_fired();
			fault_disarm();
			if (st != (has_fired ? ST_FULL : ST_OK)) {
				CHECK_FAILED(
					"%s, allocation %u: %s, %s", names[i], nth, status_name(st), why);
			}
			imaging_result_fini(&result);
		}
		CHECK(nth > 5 && nth < 1000);
		photos_free(image);
	}
}
#endif

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(every_kind_is_decoded_with_its_colours),
		CHECK_TEST(every_orientation_stands_upright),
		CHECK_TEST(renditions_have_their_sizes_and_are_never_enlarged),
		CHECK_TEST(a_frame_smaller_than_its_screen_lies_on_white),
		CHECK_TEST(a_picture_is_described),
		CHECK_TEST(a_blurhash_is_as_the_definition_says),
		CHECK_TEST(what_cannot_be_decoded_is_refused_in_words),
		CHECK_TEST(a_truncated_file_is_refused),
		CHECK_TEST(a_damaged_file_gets_an_answer),
#ifdef DARKROOM_FAULTS
		CHECK_TEST(lack_of_memory_anywhere_is_full),
#endif
	};
	return photos_make() ? check_run(tests, sizeof tests / sizeof *tests) : 1;
}
