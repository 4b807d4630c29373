/* test_http_multipart.c - forms in every slicing, and forms that are none. */
#include "http/multipart.h"

#include "check.h"

#include <stdlib.h>

enum { TEXT_MAX = 1 << 17 };

/* What a form says, as text: "[name|file]data." for each part, then "end", or "bad". */
static char got[TEXT_MAX];
static size_t got_len;

static void say(const char *text, size_t len)
{
	if (got_len + len < sizeof got) {
		memcpy(got + got_len, text, len);
		got_len += len;
		got[got_len] = '\0';
	}
}

static void say_part(const struct multipart *m)
{
	say("[", 1);
	say(m->name, strlen(m->name));
	if (m->has_file_name) {
		say("|", 1);
		say(m->file_name, strlen(m->file_name));
	}
	say("]", 1);
}

static enum multipart_event feed(struct multipart *m, struct span *rest, size_t step)
{
	size_t room = 0;
	uint8_t *to = multipart_room(m, &room);
	CHECK(room > 0);
	size_t len = step < room ? step : room;
	len = len < rest->len ? len : rest->len;
	if (len == 0)
		return MULTIPART_BAD;
	memcpy(to, rest->data, len);
	multipart_fed(m, len);
	*rest = span_slice(*rest, len, rest->len);
	return MULTIPART_MORE;
}

static const char *say_end(enum multipart_event event)
{
	const char *text = event == MULTIPART_END ? "end" : event == MULTIPART_BAD ? "bad" : "more";
	say(text, strlen(text));
	return got;
}

/* Takes a whole body apart, `step` bytes at a time.  Gives what the form says; "more": it broke off. */
static const char *take_apart(struct span body, const char *type, size_t step)
{
	static struct multipart m;
	got_len = 0;
	got[0] = '\0';
	if (multipart_init(&m, span_of(type)) != ST_OK)
		return "none";
	for (;;) {
		enum multipart_event event = multipart_next(&m);
		if (event == MULTIPART_PART)
			say_part(&m);
		else if (event == MULTIPART_DATA)
			say((const char *)m.data.data, m.data.len);
		else if (event == MULTIPART_PART_END)
			say(".", 1);
		else if (event == MULTIPART_MORE && feed(&m, &body, step) == MULTIPART_MORE)
			continue;
		else
			return say_end(event);
	}
}

#define TYPE "multipart/form-data; boundary=BB"
#define PART(head, data) "--BB\r\nContent-Disposition: form-data; " head "\r\n\r\n" data "\r\n"

static void check_all_steps(const char *body, const char *want)
{
	for (size_t step = 1; step <= strlen(body); step += step < 40 ? 1 : 37)
		CHECK_STR(take_apart(span_of(body), TYPE, step), want);
	CHECK_STR(take_apart(span_of(body), TYPE, TEXT_MAX), want);
}

TEST(parts_come_out_however_the_bytes_arrive)
{
	check_all_steps(PART("name=\"a\"", "one")
				PART("name=\"f\"; filename=\"x.jpg\"", "two\r\n--B") "--BB--\r\n",
		"[a]one.[f|x.jpg]two\r\n--B.end");
}

TEST(an_empty_part_and_an_empty_file_name_are_told)
{
	check_all_steps(PART("name=\"a\"; filename=\"\"", "") "--BB--", "[a|].end");
}

TEST(what_stands_before_the_first_boundary_is_skipped)
{
	check_all_steps("a preamble\r\nof lines\r\n" PART("name=a", "x") "--BB--", "[a]x.end");
}

TEST(data_that_looks_like_a_boundary_is_data)
{
	check_all_steps(PART("name=a", "\r\n-\r\n--\r\n--B\r\r\n--Bb\r\n\r\n") "--BB--",
		"[a]\r\n-\r\n--\r\n--B\r\r\n--Bb\r\n\r\n.end");
}

TEST(a_head_may_have_other_lines)
{
	check_all_steps(
		"--BB\r\nContent-Type: image/png\r\ncontent-DISPOSITION:  form-data ; name=\"a\" \r\nX: "
		"y\r\n\r\nd\r\n--BB--",
		"[a]d.end");
}

TEST(a_large_part_passes_through_a_small_window)
{
	size_t len = 60000;
	char *body = malloc(len + 300);
	CHECK(body);
	int head = snprintf(body, 200, "%s",
		"--BB\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\n");
	memset(body + head, 'x', len);
	(void)snprintf(body + (size_t)head + len, 100, "%s", "\r\n--BB--");
	const char *said = take_apart(span_of(body), TYPE, 1000);
	CHECK_EQ(strlen(said), len + 9);
	CHECK(strncmp(said, "[a|b]xxx", 8) == 0);
	free(body);
}

TEST(what_is_no_form_is_refused)
{
	static const char *const bad[] = {
		"--BB\r\n\r\ndata\r\n--BB--",                                             /* no disposition */
		"--BB\r\nContent-Disposition: form-data\r\n\r\nd\r\n--BB--",              /* no name */
		"--BB\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nd\r\n--BB--", /* another kind */
		"--BB\r\nContent-Disposition: form-data; name=\"a\r\n\r\nd\r\n--BB--",    /* open quote */
		"--BB\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; "
		"name=b\r\n\r\nd\r\n--BB--",
		"--BB\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\nd\r\n--BB--", /* no UTF-8 */
		"--BBmore\r\nContent-Disposition: form-data; name=a\r\n\r\nd\r\n--BB--", /* longer boundary */
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		check_all_steps(bad[i], "bad");
}

TEST(a_form_that_breaks_off_says_so)
{
	check_all_steps("--BB\r\nContent-Disposition: form-data; name=a\r\n\r\nda", "[a]more");
	check_all_steps("--BB\r\nContent-Dispo", "more");
	check_all_steps("", "more");
}

TEST(endless_heads_and_preambles_are_refused)
{
	char *body = malloc(MULTIPART_HEAD_MAX * 3);
	CHECK(body);
	memset(body, 'p', MULTIPART_HEAD_MAX * 3);
	CHECK_STR(take_apart(span_make(body, MULTIPART_HEAD_MAX * 3), TYPE, 700), "bad");
	memcpy(body, "--BB\r\n", 6);
	CHECK_STR(take_apart(span_make(body, MULTIPART_HEAD_MAX * 3), TYPE, 700), "bad");
	free(body);
}

TEST(boundaries_are_checked)
{
	static const char *const good[] = { "multipart/form-data; boundary=a",
		"Multipart/Form-Data;boundary=\"a b\"",
		"multipart/form-data; charset=utf-8; Boundary=----x'()+_,-./:=?" };
	static const char *const bad[] = { "multipart/form-data", "multipart/mixed; boundary=a",
		"multipart/form-data; boundary=", "multipart/form-data; boundary=\"a \"",
		"multipart/form-data; boundary=\"a\tb\"", "multipart/form-data; boundary=\"a", "",
		"multipart/form-data; "
		"boundary=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	static struct multipart m;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK_EQ(multipart_init(&m, span_of(good[i])), ST_OK);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK_EQ(multipart_init(&m, span_of(bad[i])), ST_INVALID);
}

static void check_parameter(const char *value, enum status st, const char *want)
{
	char out[8] = "unset";
	CHECK_EQ(multipart_parameter(span_of(value), "name", out, sizeof out), st);
	if (st == ST_OK)
		CHECK_STR(out, want);
}

TEST(parameters_are_found_among_others)
{
	check_parameter("form-data; name=a", ST_OK, "a");
	check_parameter("form-data; x=\"name=b;\"; name = \"c\"", ST_INVALID, NULL);
	check_parameter("form-data; x=\"; name=b;\"; NAME=\"c;d\"", ST_OK, "c;d");
	check_parameter("form-data; name=\"q\\\"\\\\\"", ST_OK, "q\"\\");
	check_parameter("form-data; filename=b", ST_NOT_FOUND, NULL);
	check_parameter("name=a", ST_NOT_FOUND, NULL);
	check_parameter("form-data; name=\"1234567\"", ST_OK, "1234567");
	check_parameter("form-data; name=\"12345678\"", ST_TOO_BIG, NULL);
	check_parameter("form-data; name=12345678", ST_TOO_BIG, NULL);
	check_parameter("form-data; name=\"a\x01\"", ST_INVALID, NULL);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(parts_come_out_however_the_bytes_arrive),
		CHECK_TEST(an_empty_part_and_an_empty_file_name_are_told),
		CHECK_TEST(what_stands_before_the_first_boundary_is_skipped),
		CHECK_TEST(data_that_looks_like_a_boundary_is_data),
		CHECK_TEST(a_head_may_have_other_lines),
		CHECK_TEST(a_large_part_passes_through_a_small_window),
		CHECK_TEST(what_is_no_form_is_refused),
		CHECK_TEST(a_form_that_breaks_off_says_so),
		CHECK_TEST(endless_heads_and_preambles_are_refused),
		CHECK_TEST(boundaries_are_checked),
		CHECK_TEST(parameters_are_found_among_others),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
