#include "check.h"

#include <math.h>

#include "imaging.h"
#include "imaging_photos.h"
#include "num.h"

/* A message as a child writes it: the result of camera.jpg. */
static struct buf message;
static struct image_result original;

static bool make_message(void)
{
	struct span image = photos_load("camera.jpg");
	char why[128];
	buf_init(&message, MIB(8));
	bool is_made = imaging_process(image, &original, why) == ST_OK &&
		       imaging_result_write(&original, &message) == ST_OK;
	photos_free(image);
	return is_made;
}

/* Reads a copy that is exactly as long as it says, with one byte changed when `at` is inside. */
static enum status read_changed(size_t len, size_t at, uint8_t value, struct image_result *out)
{
	uint8_t *copy = malloc(len + 1);
	if (!copy) {
		return ST_FULL;
	}
	memcpy(copy, message.data, len < message.len ? len : message.len);
	if (at < len) {
		copy[at] = value;
	}
	enum status st = imaging_result_read(span_make(copy, len), out);
	free(copy);
	return st;
}

TEST(what_is_written_is_read)
{
	struct image_result r;
	REQUIRE(imaging_result_read(buf_span(&message), &r) == ST_OK);
	CHECK_STR(r.meta.camera, original.meta.camera);
	CHECK_STR(r.meta.lens, original.meta.lens);
	CHECK_STR(r.meta.blurhash, original.meta.blurhash);
	CHECK_EQ(r.meta.format, IMAGE_FORMAT_JPEG);
	CHECK_EQ(r.meta.width, original.meta.width);
	CHECK_EQ(r.meta.taken_at_ms, original.meta.taken_at_ms);
	CHECK_EQ(r.meta.iso, 400);
	CHECK_BYTES(r.meta.colour, original.meta.colour, 3);
	CHECK(r.meta.has_gps && r.meta.gps_latitude == original.meta.gps_latitude);
	CHECK(r.meta.brightness == original.meta.brightness && r.meta.sharpness == original.meta.sharpness);
	REQUIRE(r.rendition_count == 2);
	for (size_t i = 0; i < 2; i++) {
		CHECK_STR(r.renditions[i].name, original.renditions[i].name);
		CHECK_EQ(r.renditions[i].height, original.renditions[i].height);
		REQUIRE(r.renditions[i].bytes.len == original.renditions[i].bytes.len);
		CHECK_BYTES(r.renditions[i].bytes.data, original.renditions[i].bytes.data,
			r.renditions[i].bytes.len);
	}
	imaging_result_fini(&r);
}

TEST(a_cut_or_longer_message_is_refused)
{
	struct image_result r;
	for (size_t len = 0; len < message.len; len += len < 300 ? 1 : 997) {
		CHECK_EQ(read_changed(len, len, 0, &r), ST_INVALID);
		CHECK_EQ(r.rendition_count, 0);
	}
	CHECK_EQ(read_changed(message.len + 1, message.len, 0, &r), ST_INVALID);
}

/* Offsets of the layout in wire.c. */
enum {
	AT_VERSION = 4,
	AT_FORMAT = 6,
	AT_ORIENTATION = 7,
	AT_FLAGS = 8,
	AT_WIDTH = 12,
	AT_TAKEN_AT = 24,
	AT_EXPOSURE = 32,
	AT_BRIGHTNESS = 56,
	AT_LATITUDE = 72,
	AT_CAMERA = 88
};

static size_t at_count(void)
{
	size_t at = AT_CAMERA;
	for (int text = 0; text < 3; text++) {
		at += 1 + (size_t)message.data[at];
	}
	return at;
}

static void check_refused(size_t at, uint8_t value)
{
	struct image_result r;
	enum status st = read_changed(message.len, at, value, &r);
	if (st != ST_INVALID) {
		CHECK_FAILED("byte %zu as %u: %s", at, value, status_name(st));
		imaging_result_fini(&r);
	}
}

TEST(every_field_out_of_range_is_refused)
{
	size_t count_at = at_count();
	check_refused(0, 'X');
	check_refused(AT_VERSION, 2);
	check_refused(AT_FORMAT, 0);
	check_refused(AT_FORMAT, IMAGE_FORMAT_COUNT);
	check_refused(AT_ORIENTATION, 0);
	check_refused(AT_ORIENTATION, 9);
	check_refused(AT_FLAGS, 4);
	check_refused(AT_FLAGS, 0);           /* no GPS, and yet a place */
	check_refused(AT_WIDTH + 2, 1);       /* over the longest side */
	check_refused(AT_TAKEN_AT + 7, 0x80); /* long before 1970 */
	check_refused(AT_TAKEN_AT + 7, 0x7f);
	check_refused(AT_EXPOSURE + 7, 0xbf);   /* negative */
	check_refused(AT_BRIGHTNESS + 7, 0x7f); /* huge */
	check_refused(AT_LATITUDE + 7, 0x7f);
	check_refused(AT_CAMERA, 64);       /* longer than the field */
	check_refused(AT_CAMERA + 1, 0);    /* a NUL inside */
	check_refused(AT_CAMERA + 1, 0xff); /* no UTF-8 */
	check_refused(AT_CAMERA + 1, '\n');
	check_refused(count_at, 0); /* bytes left over */
	check_refused(count_at, 3);
	check_refused(count_at, 255);
	check_refused(count_at + 1, 2); /* no such rendition */
	check_refused(count_at + 1, 255);
	check_refused(count_at + 1, 1);     /* two previews, no thumb */
	check_refused(count_at + 2, 1);     /* another width than its bytes */
	check_refused(count_at + 13, 0xfe); /* the length */
	check_refused(count_at + 14, 0);    /* no JPEG any more */
}

TEST(a_nan_is_out_of_range)
{
	const uint64_t nan_bits = UINT64_C(0x7ff8000000000000);
	uint8_t *copy = malloc(message.len);
	struct image_result r;
	REQUIRE(copy);
	for (size_t field = 0; field < 7; field++) {
		memcpy(copy, message.data, message.len);
		num_put_u64(copy + AT_EXPOSURE + field * 8, nan_bits);
		CHECK_EQ(imaging_result_read(span_make(copy, message.len), &r), ST_INVALID);
	}
	free(copy);
}

TEST(a_random_message_is_refused)
{
	uint32_t state = 88172645;
	uint8_t noise[512];
	struct image_result r;
	for (int round = 0; round < 2000; round++) {
		for (size_t i = 0; i < sizeof noise; i++) {
			state = state * 1664525 + 1013904223;
			noise[i] = (uint8_t)(state >> 24);
		}
		/* Behind a sound beginning, so that more than the magic is looked at. */
		memcpy(noise, message.data, (size_t)(round % 100));
		CHECK_EQ(imaging_result_read(span_make(noise, sizeof noise), &r), ST_INVALID);
	}
}

TEST(a_full_buffer_is_reported)
{
	struct buf small;
	buf_init(&small, 100);
	CHECK(imaging_result_write(&original, &small) != ST_OK);
	buf_fini(&small);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(what_is_written_is_read),
		CHECK_TEST(a_cut_or_longer_message_is_refused),
		CHECK_TEST(every_field_out_of_range_is_refused),
		CHECK_TEST(a_nan_is_out_of_range),
		CHECK_TEST(a_random_message_is_refused),
		CHECK_TEST(a_full_buffer_is_reported),
	};
	if (!photos_make() || !make_message()) {
		return 1;
	}
	int code = check_run(tests, sizeof tests / sizeof *tests);
	imaging_result_fini(&original);
	buf_fini(&message);
	return code;
}
