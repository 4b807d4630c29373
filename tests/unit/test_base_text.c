#include "poison.h"

#include "text.h"

#include "check.h"

static void check_put(void (*put)(struct buf *, struct span), struct span in, const char *expected)
{
	struct buf b;
	buf_init(&b, 4096);
	put(&b, in);
	CHECK_STR(buf_text(&b), expected);
	buf_fini(&b);
}

TEST(base32_of_rfc_4648)
{
	static const struct {
		const char *bytes;
		const char *text;
	} rows[] = {
		{ "", "" },
		{ "f", "my" },
		{ "fo", "mzxq" },
		{ "foo", "mzxw6" },
		{ "foob", "mzxw6yq" },
		{ "fooba", "mzxw6ytb" },
		{ "foobar", "mzxw6ytboi" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t out[8];
		size_t len = strlen(rows[i].bytes);
		check_put(text_put_base32, span_of(rows[i].bytes), rows[i].text);
		CHECK_EQ(text_from_base32(span_of(rows[i].text), out, len), ST_OK);
		CHECK_BYTES(out, rows[i].bytes, len);
	}
}

TEST(base32_has_one_text_for_each_value)
{
	uint8_t out[8];
	CHECK_EQ(text_from_base32(SPAN_LIT("mz"), out, 1), ST_INVALID);
	CHECK_EQ(text_from_base32(SPAN_LIT("mzxr"), out, 2), ST_INVALID);
	CHECK_EQ(text_from_base32(SPAN_LIT("MY"), out, 1), ST_INVALID);
	CHECK_EQ(text_from_base32(SPAN_LIT("m1"), out, 1), ST_INVALID);
	CHECK_EQ(text_from_base32(SPAN_LIT("m\0"), out, 1), ST_INVALID);
	CHECK_EQ(text_from_base32(SPAN_LIT("my======"), out, 1), ST_INVALID);
	CHECK_EQ(text_from_base32(SPAN_LIT("my"), out, 2), ST_INVALID);
	CHECK_EQ(text_from_base32(SPAN_LIT("mya"), out, 1), ST_INVALID);
	CHECK_EQ(text_from_base32(SPAN_LIT("my"), out, SIZE_MAX), ST_INVALID);
}

TEST(base64_of_rfc_4648)
{
	static const struct {
		const char *bytes;
		const char *text;
	} rows[] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t out[8];
		size_t len = 99;
		check_put(text_put_base64, span_of(rows[i].bytes), rows[i].text);
		CHECK_EQ(text_from_base64(span_of(rows[i].text), out, sizeof out, &len), ST_OK);
		CHECK_EQ(len, strlen(rows[i].bytes));
		CHECK_BYTES(out, rows[i].bytes, len);
	}
	check_put(text_put_base64, SPAN_LIT("\xfb\xff\xbf"), "+/+/");
}

TEST(base64_refuses_what_is_not_exact)
{
	static const char *const wrong[] = { "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9",
		"Zm9-", "=Zm9" };
	uint8_t out[8];
	size_t len;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		CHECK_EQ(text_from_base64(span_of(wrong[i]), out, sizeof out, &len), ST_INVALID);
	}
	CHECK_EQ(text_from_base64(SPAN_LIT("Zm9v"), out, 2, &len), ST_TOO_BIG);
	CHECK_EQ(text_from_base64(SPAN_LIT("Zm8="), out, 2, &len), ST_OK);
}

TEST(hex_both_ways)
{
	uint8_t out[4];
	check_put(text_put_hex, SPAN_LIT("\x00\x9f\xff"), "009fff");
	CHECK_EQ(text_from_hex(SPAN_LIT("00fFa9"), out, 3), ST_OK);
	CHECK_BYTES(out, "\x00\xff\xa9", 3);
	CHECK_EQ(text_from_hex(SPAN_LIT("0"), out, 0), ST_INVALID);
	CHECK_EQ(text_from_hex(SPAN_LIT("0g"), out, 1), ST_INVALID);
	CHECK_EQ(text_from_hex(SPAN_LIT("00"), out, 2), ST_INVALID);
	CHECK_EQ(text_from_hex(SPAN_LIT(""), out, 0), ST_OK);
}

TEST(times_are_written_as_rfc_3339)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ INT64_C(951782400000), "2000-02-29T00:00:00.000Z" },
		{ INT64_C(1795568523004), "2026-11-25T01:02:03.004Z" },
		{ INT64_C(4107542400000), "2100-03-01T00:00:00.000Z" },
		{ INT64_C(4107542399999), "2100-02-28T23:59:59.999Z" },
		{ INT64_C(-62167219200000), "0000-01-01T00:00:00.000Z" },
		{ INT64_MIN, "0000-01-01T00:00:00.000Z" },
		{ INT64_C(253402300799999), "9999-12-31T23:59:59.999Z" },
		{ INT64_MAX, "9999-12-31T23:59:59.999Z" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[TEXT_TIME_MAX];
		text_time(rows[i].ms, text);
		CHECK_STR(text, rows[i].text);
	}
}

TEST(every_day_reads_back)
{
	bool is_same = true;
	for (int64_t day = -719528; day <= 2932896; day++) {
		char text[TEXT_TIME_MAX];
		int64_t again = 1;
		int64_t ms = day * 86400000 + (day & 0xffff);
		text_time(ms, text);
		is_same = is_same && text_parse_time(span_of(text), &again) == ST_OK && again == ms;
	}
	CHECK(is_same);
}

TEST(times_are_read_with_any_offset)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "1970-01-01", 0 },
		{ "1970-01-01t00:00:00z", 0 },
		{ "1970-01-01T02:00:00+02:00", 0 },
		{ "1969-12-31T14:30:00-09:30", 0 },
		{ "1970-01-01T00:00:00-00:00", 0 },
		{ "1970-01-01T00:00:00.5Z", 500 },
		{ "1970-01-01T00:00:00.0019999999999Z", 1 },
		{ "2000-02-29", INT64_C(951782400000) },
		{ "1990-12-31T23:59:60Z", INT64_C(662688000000) },
		{ "1990-12-31T15:59:60-08:00", INT64_C(662688000000) },
		{ "1996-12-19T16:39:57-08:00", INT64_C(851042397000) },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t ms = 77;
		CHECK_EQ(text_parse_time(span_of(rows[i].text), &ms), ST_OK);
		CHECK_EQ(ms, rows[i].ms);
	}
}

TEST(no_other_time_is_read)
{
	static const char *const wrong[] = { "", "1970", "1970-1-1", "1970-13-01", "1970-00-01", "1970-01-00",
		"1970-01-32", "2001-02-29", "2100-02-29", "1900-02-29", "2026-04-31", "1970-01-01T",
		"1970-01-01T00:00:00", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:61Z",
		"1970-01-01T12:00:60Z", "1970-01-01T00:00Z", "1970-01-01T00:00:00.Z",
		"1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00+02:60", "1970-01-01T00:00:00+0200",
		"1970-01-01T00:00:00+2:00", "1970-01-01T00:00:00Z ", " 1970-01-01", "1970-01-01T00:00:00ZZ",
		"1970/01/01", "-970-01-01", "+1970-01-01", "12026-11-25", "1970-01-01 00:00:00Z",
		"1970-01-01T00:00:00,5Z", "1970-01-01T-1:00:00Z" };
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		int64_t ms = 77;
		enum status st = text_parse_time(span_of(wrong[i]), &ms);
		if (st != ST_INVALID || ms != 77) {
			CHECK_FAILED("taken: %s", wrong[i]);
		}
	}
}

TEST(durations_need_their_unit)
{
	static const char *const wrong[] = { "", "s", "90", "90 s", "-1s", "1.5h", "1S", "1ms", "1w", "1h30m",
		"9223372036854775807d", "106751991168d" };
	int64_t ms = 77;
	CHECK_EQ(text_parse_duration(SPAN_LIT("90s"), &ms), ST_OK);
	CHECK_EQ(ms, 90000);
	CHECK_EQ(text_parse_duration(SPAN_LIT("15m"), &ms), ST_OK);
	CHECK_EQ(ms, 900000);
	CHECK_EQ(text_parse_duration(SPAN_LIT("24h"), &ms), ST_OK);
	CHECK_EQ(ms, 86400000);
	CHECK_EQ(text_parse_duration(SPAN_LIT("7d"), &ms), ST_OK);
	CHECK_EQ(ms, 604800000);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		CHECK_EQ(text_parse_duration(span_of(wrong[i]), &ms), ST_INVALID);
		CHECK_EQ(ms, 604800000);
	}
}

TEST(sizes_know_both_kinds_of_unit)
{
	static const char *const wrong[] = { "", "KiB", "1 KiB", "1kb", "1K", "-1", "1.5MiB",
		"9223372036854775808", "8388608TiB" };
	uint64_t size = 77;
	CHECK_EQ(text_parse_size(SPAN_LIT("64MiB"), &size), ST_OK);
	CHECK_EQ(size, 67108864);
	CHECK_EQ(text_parse_size(SPAN_LIT("20KB"), &size), ST_OK);
	CHECK_EQ(size, 20000);
	CHECK_EQ(text_parse_size(SPAN_LIT("4096"), &size), ST_OK);
	CHECK_EQ(size, 4096);
	CHECK_EQ(text_parse_size(SPAN_LIT("8388607TiB"), &size), ST_OK);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		CHECK_EQ(text_parse_size(span_of(wrong[i]), &size), ST_INVALID);
	}
}

TEST(clean_utf8_has_no_controls)
{
	CHECK(text_is_clean_utf8(SPAN_LIT("")));
	CHECK(text_is_clean_utf8(SPAN_LIT("IMG 1.jpg \xc3\xa9 \xf0\x9f\x98\x80")));
	CHECK(text_is_clean_utf8(SPAN_LIT("\xc2\xa0")));
	CHECK(!text_is_clean_utf8(SPAN_LIT("\0")));
	CHECK(!text_is_clean_utf8(SPAN_LIT("a\tb")));
	CHECK(!text_is_clean_utf8(SPAN_LIT("\x7f")));
	CHECK(!text_is_clean_utf8(SPAN_LIT("\xc2\x9b")));
	CHECK(!text_is_clean_utf8(SPAN_LIT("\xc0\xaf")));
	CHECK(!text_is_clean_utf8(SPAN_LIT("\xed\xbf\xbf")));
	CHECK(!text_is_clean_utf8(SPAN_LIT("\xf5\x80\x80\x80")));
	CHECK(!text_is_clean_utf8(SPAN_LIT("a\xe2\x82")));
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(base32_of_rfc_4648),
		CHECK_TEST(base32_has_one_text_for_each_value),
		CHECK_TEST(base64_of_rfc_4648),
		CHECK_TEST(base64_refuses_what_is_not_exact),
		CHECK_TEST(hex_both_ways),
		CHECK_TEST(times_are_written_as_rfc_3339),
		CHECK_TEST(every_day_reads_back),
		CHECK_TEST(times_are_read_with_any_offset),
		CHECK_TEST(no_other_time_is_read),
		CHECK_TEST(durations_need_their_unit),
		CHECK_TEST(sizes_know_both_kinds_of_unit),
		CHECK_TEST(clean_utf8_has_no_controls),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
