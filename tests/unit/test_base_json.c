#include "poison.h"

#include "json.h"

#include <errno.h>
#include <math.h>

#include "check.h"
#include "fault.h"
#include "limits.h"

static bool is_json(const char *text)
{
	struct json *v = NULL;
	enum status st = json_parse(span_of(text), &v, NULL);
	bool is_one = st == ST_OK && v;
	json_free(v);
	return is_one;
}

TEST(takes_what_rfc_8259_takes)
{
	static const char *const right[] = { "{}", "[]", "null", "true", " 1 ", "\"\"", "-0", "0.5", "1e5",
		"1E-5", "-1.25e+3", "[1,[2,{\"a\":[]}]]", "{\"a\":1,\"b\":{\"a\":2}}",
		"\"\\ud83d\\ude00\\u0041\\n\\/\"", "\"\xc3\xa9\"", "\t\r\n{ \"a\" : [ 1 , 2 ] }\n",
		"{\"a\":1,\"A\":2}" };
	for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
		if (!is_json(right[i])) {
			CHECK_FAILED("refused: %s", right[i]);
		}
	}
}

TEST(refuses_all_else)
{
	static const char *const wrong[] = { "", " ", "{", "[", "]", "{]", "[}", "[1,]", "[,1]", "[1 2]",
		"{\"a\":1,}", "{\"a\"}", "{\"a\":}", "{a:1}", "{'a':1}", "{1:1}", "01", "+1", "1.", ".5",
		"1e", "1e+", "-", "0x1", "NaN", "Infinity", "-Infinity", "nul", "True", "truex", "\"",
		"\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"a\nb\"", "\"\t\"", "\"\\u0000\"",
		"\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\xff\"", "\"\xc0\x80\"",
		"\"\xed\xa0\x80\"", "\xef\xbb\xbf{}", "{}{}", "1 2", "{} x", "// c\n1", "/**/1",
		"{\"a\":1,\"a\":2}", "[{\"b\":{\"k\":1,\"x\":0,\"k\":1}}]", "{\"a\":1,\"\\u0061\":2}",
		"1234567890123456789012345678901234567890123456789012345678901234" };
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		if (is_json(wrong[i])) {
			CHECK_FAILED("taken: %s", wrong[i]);
		}
	}
	struct json *v = NULL;
	CHECK_EQ(json_parse(SPAN_LIT("1\0"), &v, NULL), ST_INVALID);
	CHECK_EQ(json_parse(SPAN_LIT("\"\0\""), &v, NULL), ST_INVALID);
	CHECK_EQ(json_parse(SPAN_LIT("[1\0]"), &v, NULL), ST_INVALID);
	CHECK(v == NULL);
}

static enum status parse_nested(size_t depth, bool is_closed)
{
	struct buf b;
	struct json *v = NULL;
	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < depth; i++) {
		buf_put_byte(&b, '[');
	}
	for (size_t i = 0; i < depth && is_closed; i++) {
		buf_put_byte(&b, ']');
	}
	enum status st = json_parse(buf_span(&b), &v, NULL);
	json_free(v);
	buf_fini(&b);
	return st;
}

TEST(depth_and_size_are_bounded)
{
	CHECK_EQ(parse_nested(JSON_DEPTH_MAX, true), ST_OK);
	CHECK_EQ(parse_nested(JSON_DEPTH_MAX + 1, true), ST_INVALID);
	CHECK_EQ(parse_nested(1 << 20, false), ST_INVALID);
	struct buf b;
	struct json *v = NULL;
	buf_init(&b, JSON_INPUT_MAX + 1);
	uint8_t *at = buf_extend(&b, JSON_INPUT_MAX + 1);
	REQUIRE(at);
	memset(at, ' ', JSON_INPUT_MAX + 1);
	at[0] = '1';
	CHECK_EQ(json_parse(buf_span(&b), &v, NULL), ST_TOO_BIG);
	CHECK_EQ(json_parse_commented(buf_span(&b), &v, NULL), ST_TOO_BIG);
	CHECK_EQ(json_parse(span_make(at, JSON_INPUT_MAX), &v, NULL), ST_OK);
	json_free(v);
	buf_fini(&b);
}

/* Quadratic work would take minutes here: the test's own time limit notices. */
TEST(a_wide_object_costs_no_square)
{
	struct buf b;
	struct json *v = NULL;
	buf_init(&b, JSON_INPUT_MAX);
	buf_put_byte(&b, '{');
	for (unsigned i = 0; i < 70000; i++) {
		buf_printf(&b, "%s\"k%u\":%u", i > 0 ? "," : "", i, i);
	}
	buf_put_byte(&b, '}');
	REQUIRE(buf_ok(&b));
	CHECK_EQ(json_parse(buf_span(&b), &v, NULL), ST_OK);
	CHECK_EQ(json_count(v), 70000);
	json_free(v);
	buf_fini(&b);
}

static void check_line(struct span text, bool is_commented, unsigned expected)
{
	struct json *v = NULL;
	unsigned line = 0;
	enum status st = is_commented ? json_parse_commented(text, &v, &line) : json_parse(text, &v, &line);
	CHECK_EQ(st, ST_INVALID);
	CHECK_EQ(line, expected);
	json_free(v);
}

TEST(the_wrong_line_is_named)
{
	check_line(SPAN_LIT("x"), false, 1);
	check_line(SPAN_LIT("{\n\"a\": 1,\n\"b\": x\n}"), false, 3);
	check_line(SPAN_LIT("{\n\"a\": 1\n"), false, 3);
	check_line(SPAN_LIT("{}\n\nx"), false, 3);
	check_line(SPAN_LIT("{\"a\": 1,\n \"b\": {\"a\": 3},\n \"b\": 2}"), false, 3);
	check_line(SPAN_LIT("{\n// one\n/* two\nthree */ \"a\": 1,\n\"b\" 2\n}"), true, 5);
	check_line(SPAN_LIT("{\n/* never closed\n}"), true, 2);
	check_line(SPAN_LIT("{\n\"a\": [,]\n}"), true, 2);
	check_line(SPAN_LIT("{\n\"a\": 1,,\n}"), true, 2);
	check_line(SPAN_LIT("[\n1 / 2]"), true, 2);
}

TEST(comments_and_trailing_commas_are_blanked)
{
	struct json *v = NULL;
	struct span s;
	int64_t n = 0;
	static const char text[] = "// first\n{ /* a\n b */ \"url\": \"http://x/*y*/,]\", // tail\n"
				   " \"list\": [1, 2, /* last */ ],\n \"quote\": \"\\\"//\",\n}\n// end";
	CHECK_EQ(json_parse_commented(span_of(text), &v, NULL), ST_OK);
	REQUIRE(v);
	CHECK_EQ(json_get_text(v, "url", &s), ST_OK);
	CHECK(span_equal_text(s, "http://x/*y*/,]"));
	CHECK_EQ(json_get_text(v, "quote", &s), ST_OK);
	CHECK(span_equal_text(s, "\"//"));
	CHECK_EQ(json_count(json_get(v, "list")), 2);
	CHECK_EQ(json_i64(json_at(json_get(v, "list"), 1), &n), ST_OK);
	CHECK_EQ(n, 2);
	json_free(v);
	v = NULL;
	CHECK_EQ(json_parse_commented(SPAN_LIT("\"\\"), &v, NULL), ST_INVALID);
	CHECK_EQ(json_parse_commented(SPAN_LIT(""), &v, NULL), ST_INVALID);
	CHECK_EQ(json_parse_commented(SPAN_LIT("[1]//"), &v, NULL), ST_OK);
	json_free(v);
}

TEST(values_have_one_type)
{
	struct json *v = NULL;
	struct span s = SPAN_LIT("kept");
	int64_t n = 5;
	double d = 5;
	bool b = true;
	CHECK_EQ(json_parse(SPAN_LIT("{\"t\":\"x\",\"n\":-3,\"r\":1.5,\"b\":false,\"z\":null,"
				     "\"big\":9007199254740992,"
				     "\"most\":9007199254740991,\"inf\":1e999,\"whole\":2e3}"),
			 &v, NULL),
		ST_OK);
	REQUIRE(v);
	CHECK_EQ(json_get_text(v, "n", &s), ST_INVALID);
	CHECK_EQ(json_get_text(v, "z", &s), ST_NOT_FOUND);
	CHECK_EQ(json_get_text(v, "absent", &s), ST_NOT_FOUND);
	CHECK_EQ(json_get_text(v, "T", &s), ST_NOT_FOUND);
	CHECK(span_equal_text(s, "kept"));
	CHECK_EQ(json_get_i64(v, "r", &n), ST_INVALID);
	CHECK_EQ(json_get_i64(v, "big", &n), ST_INVALID);
	CHECK_EQ(json_get_i64(v, "inf", &n), ST_INVALID);
	CHECK_EQ(json_get_i64(v, "t", &n), ST_INVALID);
	CHECK_EQ(n, 5);
	CHECK_EQ(json_get_i64(v, "most", &n), ST_OK);
	CHECK_EQ(n, INT64_C(9007199254740991));
	CHECK_EQ(json_get_i64(v, "whole", &n), ST_OK);
	CHECK_EQ(n, 2000);
	CHECK_EQ(json_get_i64(v, "n", &n), ST_OK);
	CHECK_EQ(n, -3);
	CHECK_EQ(json_get_real(v, "inf", &d), ST_INVALID);
	CHECK_EQ(json_get_real(v, "r", &d), ST_OK);
	CHECK(d > 1.49 && d < 1.51);
	CHECK_EQ(json_get_bool(v, "n", &b), ST_INVALID);
	CHECK_EQ(json_get_bool(v, "b", &b), ST_OK);
	CHECK(!b);
	CHECK(json_is_null(json_get(v, "z")));
	CHECK(json_get(json_get(v, "t"), "x") == NULL);
	CHECK(json_get(NULL, "x") == NULL);
	json_free(v);
}

TEST(elements_come_in_order)
{
	struct json *v = NULL;
	CHECK_EQ(json_parse(SPAN_LIT("{\"a\":1,\"b\":[]}"), &v, NULL), ST_OK);
	REQUIRE(v);
	const struct json *first = json_first(v);
	CHECK_STR(json_key(first), "a");
	CHECK_STR(json_key(json_next(first)), "b");
	CHECK(json_next(json_next(first)) == NULL);
	CHECK(json_at(v, 1) == json_next(first));
	CHECK(json_at(v, 2) == NULL);
	CHECK(json_is_array(json_at(v, 1)));
	CHECK(json_is_object(v));
	CHECK(json_first(json_at(v, 1)) == NULL);
	CHECK_EQ(json_count(v), 2);
	json_free(v);
}

TEST(a_key_has_a_line)
{
	struct span text = SPAN_LIT("{\n \"x\": \"b\",\n \"bb\": 1,\n \"b\"\n: 2 }");
	CHECK_EQ(json_line_of(text, "x"), 2);
	CHECK_EQ(json_line_of(text, "bb"), 3);
	CHECK_EQ(json_line_of(text, "b"), 4);
	CHECK_EQ(json_line_of(text, "c"), 0);
	CHECK_EQ(json_line_of(span_of(NULL), "c"), 0);
	CHECK_EQ(json_line_of(SPAN_LIT("\""), ""), 0);
}

TEST(the_writer_puts_the_commas)
{
	struct buf b;
	buf_init(&b, 4096);
	struct json_writer w = json_writer_of(&b);
	json_begin_object(&w, NULL);
	json_put_text(&w, "a\"", SPAN_LIT("x\n\xff"));
	json_begin_array(&w, "list");
	json_put_i64(&w, NULL, INT64_MIN);
	json_begin_object(&w, NULL);
	json_end_object(&w);
	json_put_null(&w, NULL);
	json_end_array(&w);
	json_put_bool(&w, "yes", true);
	json_put_time(&w, "at", 1);
	json_put_raw(&w, "raw", SPAN_LIT("[1]"));
	json_end_object(&w);
	CHECK_STR(buf_text(&b),
		"{\"a\\\"\":\"x\\n\xef\xbf\xbd\",\"list\":[-9223372036854775808,{},null],\"yes\":true,"
		"\"at\":\"1970-01-01T00:00:00.001Z\",\"raw\":[1]}");
	CHECK_EQ(w.depth, 0);
	buf_fini(&b);
}

TEST(a_value_is_written_as_it_was_read)
{
	static const char text[] =
		"{\"a\":[1,-2.5,true,false,null,\"x\\n\",{}],\"b\":{\"c\":[]},\"d\":1e+300}";
	struct json *v = NULL;
	struct buf b;
	buf_init(&b, 4096);
	CHECK_EQ(json_parse(span_of(text), &v, NULL), ST_OK);
	REQUIRE(v);
	json_put_value(&b, v);
	CHECK_STR(buf_text(&b), text);
	json_free(v);
	buf_fini(&b);
}

static void check_real(double value, const char *expected)
{
	struct buf b;
	buf_init(&b, 64);
	struct json_writer w = json_writer_of(&b);
	json_put_real(&w, NULL, value);
	CHECK_STR(buf_text(&b), expected);
	buf_fini(&b);
}

TEST(reals_are_short_and_exact)
{
	check_real(0.1, "0.1");
	check_real(0.1 + 0.2, "0.30000000000000004");
	check_real(2000, "2000");
	check_real(-0.0, "-0");
	check_real(1e300, "1e+300");
	check_real((double)NAN, "null");
	check_real((double)-INFINITY, "null");
}

#ifdef DARKROOM_FAULTS
TEST(without_memory_it_is_full_at_every_call)
{
	static const char text[] = "{\"a\":[1,2,{\"b\":\"c\"}],\"d\":{\"e\":null}}";
	unsigned n = 0;
	bool has_fired = true;
	while (has_fired && n < 100) {
		struct json *v = NULL;
		fault_arm(FAULT_MEMORY, ++n, ENOMEM, false);
		enum status st = json_parse_commented(span_of(text), &v, NULL);
		has_fired = fault_has_fired();
		fault_disarm();
		CHECK_EQ(st, has_fired ? ST_FULL : ST_OK);
		CHECK_EQ(v != NULL, !has_fired);
		json_free(v);
	}
	CHECK(n > 10 && n < 100);
}
#endif

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(takes_what_rfc_8259_takes),
		CHECK_TEST(refuses_all_else),
		CHECK_TEST(depth_and_size_are_bounded),
		CHECK_TEST(a_wide_object_costs_no_square),
		CHECK_TEST(the_wrong_line_is_named),
		CHECK_TEST(comments_and_trailing_commas_are_blanked),
		CHECK_TEST(values_have_one_type),
		CHECK_TEST(elements_come_in_order),
		CHECK_TEST(a_key_has_a_line),
		CHECK_TEST(the_writer_puts_the_commas),
		CHECK_TEST(a_value_is_written_as_it_was_read),
		CHECK_TEST(reals_are_short_and_exact),
#ifdef DARKROOM_FAULTS
		CHECK_TEST(without_memory_it_is_full_at_every_call),
#endif
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
