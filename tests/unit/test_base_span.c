#include "poison.h"

#include "span.h"

#include "check.h"

TEST(empty_spans_are_equal_whatever_they_point_at)
{
	CHECK(span_equal(span_of(NULL), span_make("x", 0)));
	CHECK(span_equal_text(span_make(NULL, 0), ""));
	CHECK(!span_equal_text(span_of(NULL), "a"));
	CHECK(span_starts_with(span_of(NULL), ""));
}

TEST(comparison_sees_every_byte)
{
	CHECK(span_equal(SPAN_LIT("a\0b"), SPAN_LIT("a\0b")));
	CHECK(!span_equal(SPAN_LIT("a\0b"), SPAN_LIT("a\0c")));
	CHECK(!span_equal_text(SPAN_LIT("abc"), "ab"));
	CHECK(span_starts_with(SPAN_LIT("abc"), "ab"));
	CHECK(!span_starts_with(SPAN_LIT("ab"), "abc"));
}

TEST(case_folds_for_ascii_letters_only)
{
	CHECK(span_equal_nocase(SPAN_LIT("Content-LENGTH"), "content-length"));
	CHECK(!span_equal_nocase(SPAN_LIT("[a"), "{a"));
	CHECK(!span_equal_nocase(SPAN_LIT("@"), "`"));
	CHECK(!span_equal_nocase(SPAN_LIT("\xc4"), "\xe4"));
}

TEST(slices_are_clamped)
{
	struct span s = SPAN_LIT("hello");
	CHECK(span_equal_text(span_slice(s, 1, 3), "ell"));
	CHECK(span_equal_text(span_slice(s, 3, SIZE_MAX), "lo"));
	CHECK_EQ(span_slice(s, 5, 1).len, 0);
	CHECK_EQ(span_slice(s, SIZE_MAX, SIZE_MAX).len, 0);
}

TEST(find_and_trim)
{
	CHECK_EQ(span_find(SPAN_LIT("a=b"), '='), 1);
	CHECK_EQ(span_find(SPAN_LIT("ab"), '='), 2);
	CHECK_EQ(span_find(span_of(NULL), 0), 0);
	CHECK(span_equal_text(span_trim(SPAN_LIT(" \t a b\t ")), "a b"));
	CHECK_EQ(span_trim(SPAN_LIT(" \t ")).len, 0);
	CHECK(span_equal_text(span_trim(SPAN_LIT("\na")), "\na"));
}

TEST(to_text_refuses_what_a_c_string_cannot_hold)
{
	char out[4] = "zzz";
	CHECK_EQ(span_to_text(SPAN_LIT("abc"), out, sizeof out), ST_OK);
	CHECK_STR(out, "abc");
	CHECK_EQ(span_to_text(SPAN_LIT("abcd"), out, sizeof out), ST_TOO_BIG);
	CHECK_STR(out, "");
	CHECK_EQ(span_to_text(SPAN_LIT("a\0"), out, sizeof out), ST_INVALID);
	CHECK_STR(out, "");
	CHECK_EQ(span_to_text(span_of(NULL), out, 0), ST_TOO_BIG);
	CHECK_EQ(span_to_text(span_of(NULL), out, 1), ST_OK);
}

TEST(numbers_are_digits_within_bounds)
{
	uint64_t n = 7;
	static const char *const wrong[] = { "", "-1", "+1", " 1", "1 ", "0x1", "1a", "18446744073709551616",
		"99999999999999999999" };
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		CHECK_EQ(span_to_u64(span_of(wrong[i]), UINT64_MAX, &n), ST_INVALID);
		CHECK_EQ(n, 7);
	}
	CHECK_EQ(span_to_u64(SPAN_LIT("18446744073709551615"), UINT64_MAX, &n), ST_OK);
	CHECK(n == UINT64_MAX);
	CHECK_EQ(span_to_u64(SPAN_LIT("000"), 0, &n), ST_OK);
	CHECK_EQ(n, 0);
	CHECK_EQ(span_to_u64(SPAN_LIT("11"), 10, &n), ST_INVALID);
	CHECK_EQ(span_to_u64(SPAN_LIT("10"), 10, &n), ST_OK);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(empty_spans_are_equal_whatever_they_point_at),
		CHECK_TEST(comparison_sees_every_byte),
		CHECK_TEST(case_folds_for_ascii_letters_only),
		CHECK_TEST(slices_are_clamped),
		CHECK_TEST(find_and_trim),
		CHECK_TEST(to_text_refuses_what_a_c_string_cannot_hold),
		CHECK_TEST(numbers_are_digits_within_bounds),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
