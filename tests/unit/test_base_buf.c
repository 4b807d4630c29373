#include "poison.h"

#include "buf.h"

#include <errno.h>

#include "check.h"
#include "fault.h"
#include "memory.h"

TEST(holds_exactly_its_maximum)
{
	struct buf b;
	buf_init(&b, 5);
	buf_put_text(&b, "hello");
	CHECK(buf_ok(&b));
	CHECK_STR(buf_text(&b), "hello");
	buf_put_byte(&b, '!');
	CHECK(!buf_ok(&b));
	CHECK_EQ(buf_status(&b), ST_TOO_BIG);
	CHECK_STR(buf_text(&b), "");
	buf_fini(&b);
}

TEST(failure_is_sticky_until_cleared)
{
	struct buf b;
	buf_init(&b, 4);
	buf_put_text(&b, "ab");
	buf_put_text(&b, "cde");
	buf_put_byte(&b, 'x');
	CHECK_EQ(b.len, 2);
	CHECK(!buf_ok(&b));
	CHECK(buf_extend(&b, 0) == NULL);
	buf_clear(&b);
	buf_put_text(&b, "cdef");
	CHECK_STR(buf_text(&b), "cdef");
	buf_fini(&b);
}

TEST(sizes_do_not_wrap)
{
	struct buf b;
	buf_init(&b, SIZE_MAX);
	buf_put_byte(&b, 'a');
	CHECK(buf_extend(&b, SIZE_MAX) == NULL);
	CHECK(!buf_ok(&b));
	buf_fini(&b);
}

TEST(nothing_is_something)
{
	struct buf b;
	buf_init(&b, 0);
	buf_put(&b, NULL, 0);
	buf_put_text(&b, NULL);
	CHECK(buf_extend(&b, 0) != NULL);
	CHECK(buf_ok(&b));
	CHECK_STR(buf_text(&b), "");
	CHECK_EQ(buf_span(&b).len, 0);
	buf_fini(&b);
	buf_fini(&b);
}

TEST(grows_and_keeps_what_it_had)
{
	struct buf b;
	bool is_same = true;
	buf_init(&b, 1 << 20);
	for (unsigned i = 0; i < 1 << 18; i++) {
		buf_put_u32(&b, i);
	}
	CHECK(buf_ok(&b));
	for (unsigned i = 0; i < 1 << 18; i++) {
		uint32_t value;
		memcpy(&value, b.data + (size_t)i * 4, 4);
		is_same = is_same && value == i;
	}
	CHECK(is_same);
	buf_wipe(&b);
}

TEST(numbers_are_little_endian)
{
	struct buf b;
	buf_init(&b, 64);
	buf_put_u16(&b, 0x0102);
	buf_put_u32(&b, 0x03040506);
	buf_put_u64(&b, UINT64_C(0x0708090a0b0c0d0e));
	CHECK_EQ(b.len, 14);
	CHECK_BYTES(b.data, "\x02\x01\x06\x05\x04\x03\x0e\x0d\x0c\x0b\x0a\x09\x08\x07", 14);
	buf_fini(&b);
}

TEST(decimals_have_every_digit)
{
	struct buf b;
	buf_init(&b, 64);
	buf_put_decimal(&b, 0);
	buf_put_byte(&b, ' ');
	buf_put_decimal(&b, -10);
	buf_put_byte(&b, ' ');
	buf_put_decimal(&b, INT64_MIN);
	buf_put_byte(&b, ' ');
	buf_put_decimal(&b, INT64_MAX);
	CHECK_STR(buf_text(&b), "0 -10 -9223372036854775808 9223372036854775807");
	buf_fini(&b);
	buf_init(&b, 2);
	buf_put_decimal(&b, 100);
	CHECK(!buf_ok(&b));
	buf_fini(&b);
}

TEST(printf_fits_whole_or_not_at_all)
{
	struct buf b;
	buf_init(&b, 6);
	buf_printf(&b, "%s-%d", "ab", 123);
	CHECK_STR(buf_text(&b), "ab-123");
	buf_printf(&b, "%s", "");
	CHECK(buf_ok(&b));
	buf_printf(&b, "%d", 1);
	CHECK(!buf_ok(&b));
	CHECK_EQ(b.len, 6);
	buf_fini(&b);
}

static void check_escape(void (*put)(struct buf *, struct span), struct span in, const char *expected)
{
	struct buf b;
	buf_init(&b, 4096);
	put(&b, in);
	CHECK_STR(buf_text(&b), expected);
	buf_fini(&b);
}

TEST(json_escapes_and_repairs_utf8)
{
	check_escape(buf_put_json, SPAN_LIT("a\"b\\c\n\r\t\x01\x1f"), "a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f");
	check_escape(buf_put_json, SPAN_LIT("\0"), "\\u0000");
	check_escape(buf_put_json, SPAN_LIT("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
		"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	check_escape(buf_put_json, SPAN_LIT("\xff"), "\xef\xbf\xbd");
	check_escape(buf_put_json, SPAN_LIT("\xc3"), "\xef\xbf\xbd");
	check_escape(buf_put_json, SPAN_LIT("\xc3\x22"), "\xef\xbf\xbd\\\"");
	check_escape(buf_put_json, SPAN_LIT("\xc0\x80"), "\xef\xbf\xbd\xef\xbf\xbd");
	check_escape(buf_put_json, SPAN_LIT("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	check_escape(buf_put_json, SPAN_LIT("\xf4\x90\x80\x80"),
		"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	check_escape(buf_put_json, SPAN_LIT("\xe0\x9f\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(html_opens_no_tag_and_no_attribute)
{
	check_escape(
		buf_put_html, SPAN_LIT("<a b='c' d=\"e\">&"), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;");
	check_escape(buf_put_html, SPAN_LIT("\xc3\xa9\n\x01"), "\xc3\xa9\n\xef\xbf\xbd");
	check_escape(buf_put_html, SPAN_LIT("\xc3<"), "\xef\xbf\xbd&lt;");
}

TEST(log_values_start_no_line_and_no_field)
{
	check_escape(buf_put_log, SPAN_LIT("plain/1.2:3"), "plain/1.2:3");
	check_escape(buf_put_log, SPAN_LIT(""), "\"\"");
	check_escape(buf_put_log, SPAN_LIT("a b"), "\"a b\"");
	check_escape(buf_put_log, SPAN_LIT("a=b"), "\"a=b\"");
	check_escape(buf_put_log, SPAN_LIT("\n\"\\\x1b\x7f\xe2\x80\xae"),
		"\"\\n\\\"\\\\\\x1b\\x7f\\xe2\\x80\\xae\"");
}

TEST(header_values_split_no_response)
{
	check_escape(buf_put_header, SPAN_LIT("ok \"~\r\nX: y\t\x80\0"), "ok \"~??X: y???");
}

#ifdef DARKROOM_FAULTS
TEST(without_memory_it_fails_and_keeps_what_it_had)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_put_text(&b, "kept");
	fault_arm(FAULT_MEMORY, 1, ENOMEM, false);
	CHECK(buf_extend(&b, 100000) == NULL);
	CHECK(fault_has_fired());
	fault_disarm();
	CHECK(!buf_ok(&b));
	CHECK(span_equal_text(buf_span(&b), "kept"));
	buf_fini(&b);
}
#endif

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(holds_exactly_its_maximum),
		CHECK_TEST(failure_is_sticky_until_cleared),
		CHECK_TEST(sizes_do_not_wrap),
		CHECK_TEST(nothing_is_something),
		CHECK_TEST(grows_and_keeps_what_it_had),
		CHECK_TEST(numbers_are_little_endian),
		CHECK_TEST(decimals_have_every_digit),
		CHECK_TEST(printf_fits_whole_or_not_at_all),
		CHECK_TEST(json_escapes_and_repairs_utf8),
		CHECK_TEST(html_opens_no_tag_and_no_attribute),
		CHECK_TEST(log_values_start_no_line_and_no_field),
		CHECK_TEST(header_values_split_no_response),
#ifdef DARKROOM_FAULTS
		CHECK_TEST(without_memory_it_fails_and_keeps_what_it_had),
#endif
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
