#include "check.h"

#include "imaging.h"
#include "imaging_photos.h"

struct expected {
	const char *name;
	enum status status;
	enum image_format format;
	uint32_t width, height;
	bool is_progressive;
};

static const struct expected files[] = {
	{ "plain.jpg", ST_OK, IMAGE_FORMAT_JPEG, 320, 240, false },
	{ "progressive.jpg", ST_OK, IMAGE_FORMAT_JPEG, 320, 240, true },
	{ "orientation-6.jpg", ST_OK, IMAGE_FORMAT_JPEG, 400, 600, false }, /* as stored, not as shown */
	{ "cmyk.jpg", ST_OK, IMAGE_FORMAT_JPEG, 320, 240, false },
	{ "grey.jpg", ST_OK, IMAGE_FORMAT_JPEG, 320, 240, false },
	{ "arithmetic.jpg", ST_UNSUPPORTED, IMAGE_FORMAT_JPEG, 0, 0, false },
	{ "lossless.jpg", ST_UNSUPPORTED, IMAGE_FORMAT_JPEG, 0, 0, false },
	{ "twelve-bits.jpg", ST_UNSUPPORTED, IMAGE_FORMAT_JPEG, 0, 0, false },
	{ "no-height.jpg", ST_INVALID, IMAGE_FORMAT_JPEG, 320, 0, false },
	{ "rgb16.png", ST_OK, IMAGE_FORMAT_PNG, 160, 120, false },
	{ "palette4.png", ST_OK, IMAGE_FORMAT_PNG, 160, 120, false },
	{ "giant.png", ST_TOO_BIG, IMAGE_FORMAT_PNG, 60000, 60000, false },
	{ "lossy.webp", ST_OK, IMAGE_FORMAT_WEBP, 320, 240, false },
	{ "lossless.webp", ST_OK, IMAGE_FORMAT_WEBP, 320, 240, false },
	{ "clear.webp", ST_OK, IMAGE_FORMAT_WEBP, 320, 240, false },
	{ "animated.webp", ST_OK, IMAGE_FORMAT_WEBP, 320, 240, false },
	{ "first-frame.gif", ST_OK, IMAGE_FORMAT_GIF, 320, 240, false },
	{ "over-limit.gif", ST_TOO_BIG, IMAGE_FORMAT_GIF, 65535, 65535, false },
	{ "rgb24.bmp", ST_OK, IMAGE_FORMAT_BMP, 320, 240, false },
	{ "palette.bmp", ST_OK, IMAGE_FORMAT_BMP, 320, 240, false },
	{ "from-top.bmp", ST_OK, IMAGE_FORMAT_BMP, 320, 240, false },
};
enum { FILE_COUNT = sizeof files / sizeof *files };

TEST(each_file_is_told_for_what_it_is)
{
	for (size_t i = 0; i < FILE_COUNT; i++) {
		const struct expected *e = &files[i];
		struct span image = photos_load(e->name);
		struct image_probe probe;
		enum status st = imaging_probe(image, &probe);
		if (st != e->status || probe.format != e->format || probe.width != e->width ||
			probe.height != e->height || probe.is_progressive != e->is_progressive) {
			CHECK_FAILED("%s: %s %s %u x %u", e->name, status_name(st),
				imaging_format_text(probe.format), probe.width, probe.height);
		}
		photos_free(image);
	}
}

/* Whatever is cut off: the header is there and the answer stands, or it is not and the answer is INVALID
 * (or, of the magic itself, UNSUPPORTED).  Never a guess, never a read behind the end. */
TEST(a_cut_header_is_never_guessed)
{
	for (size_t i = 0; i < FILE_COUNT; i++) {
		struct span image = photos_load(files[i].name);
		for (size_t len = 0; len < image.len && len < 1000; len++) {
			uint8_t *cut = malloc(len + 1); /* malloc(0) may be NULL */
			struct image_probe probe;
			REQUIRE(cut);
			memcpy(cut, image.data, len);
			enum status st = imaging_probe(span_make(cut, len), &probe);
			bool is_short =
				st == ST_INVALID ||
				(st == ST_UNSUPPORTED && (len < 12 || files[i].status == ST_UNSUPPORTED));
			bool is_whole = st == files[i].status && probe.width == files[i].width &&
					probe.height == files[i].height;
			CHECK(is_short || is_whole);
			free(cut);
		}
		photos_free(image);
	}
}

static enum status probe_bytes(const char *bytes, size_t len)
{
	struct image_probe probe;
	return imaging_probe(span_make(bytes, len), &probe);
}

#define PROBE(literal) probe_bytes((literal), sizeof(literal) - 1)

TEST(what_is_no_image_is_unsupported)
{
	CHECK_EQ(PROBE(""), ST_UNSUPPORTED);
	CHECK_EQ(PROBE("<svg xmlns='http://www.w3.org/2000/svg'/>"), ST_UNSUPPORTED);
	CHECK_EQ(PROBE("II*\0\x08\0\0\0"), ST_UNSUPPORTED);
	CHECK_EQ(PROBE("\0\0\0\x1c"
		       "ftypheic"),
		ST_UNSUPPORTED);
	CHECK_EQ(PROBE("RIFF\x10\0\0\0WAVEfmt "), ST_UNSUPPORTED);
	CHECK_EQ(PROBE("%PDF-1.7"), ST_UNSUPPORTED);
}

#define PNG_HEAD(width, height, rest) "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" width height rest "\0\0\0\0"

TEST(a_png_header_must_be_possible)
{
	CHECK_EQ(PROBE(PNG_HEAD("\0\0\0\1", "\0\0\0\1", "\x08\x02\0\0\0")), ST_OK);
	CHECK_EQ(
		PROBE(PNG_HEAD("\0\0\0\1", "\0\0\0\1", "\x04\x02\0\0\0")), ST_INVALID); /* four bits of RGB */
	CHECK_EQ(PROBE(PNG_HEAD("\0\0\0\1", "\0\0\0\1", "\x08\x05\0\0\0")), ST_INVALID); /* colour type 5 */
	CHECK_EQ(PROBE(PNG_HEAD("\0\0\0\1", "\0\0\0\1", "\x21\x00\0\0\0")), ST_INVALID); /* 33 bits */
	CHECK_EQ(PROBE(PNG_HEAD("\0\0\0\1", "\0\0\0\1", "\x08\x02\1\0\0")),
		ST_INVALID); /* another compression */
	CHECK_EQ(PROBE(PNG_HEAD("\0\0\0\1", "\0\0\0\1", "\x08\x02\0\0\2")),
		ST_INVALID); /* another interlace */
	CHECK_EQ(PROBE(PNG_HEAD("\0\0\0\0", "\0\0\0\1", "\x08\x02\0\0\0")), ST_INVALID); /* no width */
	CHECK_EQ(PROBE(PNG_HEAD("\xff\xff\xff\xff", "\0\0\0\1", "\x08\x02\0\0\0")), ST_TOO_BIG);
}

TEST(limits_of_pixels_are_kept)
{
	CHECK_EQ(
		PROBE(PNG_HEAD("\0\0\x27\x10", "\0\0\x27\x10", "\x08\x02\0\0\0")), ST_OK); /* 10000 x 10000 */
	CHECK_EQ(PROBE(PNG_HEAD("\0\0\x27\x10", "\0\0\x27\x11", "\x08\x02\0\0\0")),
		ST_TOO_BIG); /* and one row more */
	CHECK_EQ(PROBE(PNG_HEAD("\0\1\0\0", "\0\0\0\1", "\x08\x02\0\0\0")), ST_TOO_BIG);     /* 65536 wide */
	CHECK_EQ(PROBE("\xff\xd8\xff\xc0\0\x0b\x08\x1f\x40\x1f\x40\1\1\x11\0"), ST_OK);      /* 8000 x 8000 */
	CHECK_EQ(PROBE("\xff\xd8\xff\xc2\0\x0b\x08\x1f\x40\x1f\x40\1\1\x11\0"), ST_TOO_BIG); /* progressive */
	CHECK_EQ(PROBE("GIF89a\x88\x13\x88\x13\0\0\0"), ST_OK);                              /* 5000 x 5000 */
	CHECK_EQ(PROBE("GIF89a\x89\x13\x88\x13\0\0\0"), ST_TOO_BIG);
}

TEST(jpeg_segments_are_stepped_over_as_libjpeg_does)
{
	CHECK_EQ(PROBE("\xff\xd8\xff\xe0\0\2\xff\xfe\0\3x\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0"), ST_OK);
	CHECK_EQ(PROBE("\xff\xd8\xff\xff\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0"), ST_OK); /* fill bytes */
	CHECK_EQ(
		PROBE("\xff\xd8\xff\xe0\0\1\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0"), ST_INVALID); /* length 1 */
	CHECK_EQ(PROBE("\xff\xd8\xff\xe0\0\2junk\xff\0\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0"), ST_OK);
	char stray[5000] = "\xff\xd8\xff";
	memcpy(stray + sizeof stray - 13, "\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0", 13);
	CHECK_EQ(probe_bytes(stray, sizeof stray), ST_INVALID); /* too many for a slip */
	CHECK_EQ(PROBE("\xff\xd8\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0"), ST_INVALID); /* SOI again */
	CHECK_EQ(PROBE("\xff\xd8\xff\xda\0\x08\1\1\0\0\x3f\0"), ST_INVALID);                 /* scan first */
	CHECK_EQ(PROBE("\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\3\1\x11\0"),
		ST_INVALID); /* three said, one there */
	CHECK_EQ(PROBE("\xff\xd8\xff\xc0\0\x0e\x08\0\1\0\1\2\1\x11\0\2\x11\0"),
		ST_UNSUPPORTED);                                                     /* two components */
	CHECK_EQ(PROBE("\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x51\0"), ST_INVALID); /* sampling 5 */
}

#define BMP_HEAD(width, height, rest) \
	"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0" width height rest "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

TEST(a_bmp_header_must_be_possible)
{
	CHECK_EQ(PROBE(BMP_HEAD("\1\0\0\0", "\1\0\0\0", "\1\0\x18\0\0\0\0\0")), ST_OK);
	CHECK_EQ(PROBE(BMP_HEAD("\1\0\0\0", "\xff\xff\xff\xff", "\1\0\x18\0\0\0\0\0")),
		ST_OK); /* from the top */
	CHECK_EQ(PROBE(BMP_HEAD("\1\0\0\0", "\0\0\0\x80", "\1\0\x18\0\0\0\0\0")), ST_INVALID); /* INT32_MIN */
	CHECK_EQ(PROBE(BMP_HEAD("\xff\xff\xff\xff", "\1\0\0\0", "\1\0\x18\0\0\0\0\0")), ST_INVALID);
	CHECK_EQ(PROBE(BMP_HEAD("\1\0\0\0", "\1\0\0\0", "\2\0\x18\0\0\0\0\0")), ST_INVALID); /* two planes */
	CHECK_EQ(PROBE(BMP_HEAD("\1\0\0\0", "\1\0\0\0", "\1\0\x11\0\0\0\0\0")), ST_INVALID); /* 17 bits */
	CHECK_EQ(PROBE(BMP_HEAD("\1\0\0\0", "\1\0\0\0", "\1\0\x08\0\1\0\0\0")),
		ST_UNSUPPORTED); /* run lengths */
}

TEST(formats_have_their_texts_both_ways)
{
	for (int f = IMAGE_FORMAT_NONE + 1; f < IMAGE_FORMAT_COUNT; f++) {
		const char *text = imaging_format_text((enum image_format)f);
		CHECK_EQ(imaging_format_of(span_of(text)), f);
	}
	CHECK_EQ(imaging_format_of(SPAN_LIT("none")), IMAGE_FORMAT_NONE);
	CHECK_EQ(imaging_format_of(SPAN_LIT("jpegx")), IMAGE_FORMAT_NONE);
	CHECK_STR(imaging_media_type(IMAGE_FORMAT_WEBP), "image/webp");
	CHECK_STR(imaging_media_type(IMAGE_FORMAT_NONE), "application/octet-stream");
	CHECK_STR(imaging_file_ending(IMAGE_FORMAT_JPEG), "jpg");
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(each_file_is_told_for_what_it_is),
		CHECK_TEST(a_cut_header_is_never_guessed),
		CHECK_TEST(what_is_no_image_is_unsupported),
		CHECK_TEST(a_png_header_must_be_possible),
		CHECK_TEST(limits_of_pixels_are_kept),
		CHECK_TEST(jpeg_segments_are_stepped_over_as_libjpeg_does),
		CHECK_TEST(a_bmp_header_must_be_possible),
		CHECK_TEST(formats_have_their_texts_both_ways),
	};
	return photos_make() ? check_run(tests, sizeof tests / sizeof *tests) : 1;
}
