#include "poison.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "check.h"
#include "json.h"
#include "thread.h"

/* Standard error goes to a socket that keeps each write apart, so that one line can be seen to be one
 * write. */
static int ends[2], real_error;
static char got[8192];

static void capture(void)
{
	(void)fflush(stderr);
	real_error = dup(STDERR_FILENO);
	if (real_error < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) != 0) {
		abort();
	}
	(void)dup2(ends[0], STDERR_FILENO);
}

/* One write's worth; "" if there was none. */
static const char *next_write(void)
{
	ssize_t len = read(ends[1], got, sizeof got - 1);
	got[len > 0 ? len : 0] = '\0';
	return got;
}

static void restore(void)
{
	(void)dup2(real_error, STDERR_FILENO);
	(void)close(real_error);
	(void)close(ends[0]);
	(void)close(ends[1]);
	log_configure(LOG_INFO, LOG_FORMAT_TEXT);
}

static bool has(const char *part)
{
	return strstr(got, part) != NULL;
}

TEST(a_line_is_one_write_with_its_fields_in_order)
{
	capture();
	log_event(LOG_WARN, "test.line.said", LOG_U64("n", UINT64_MAX), LOG_I64("i", INT64_MIN),
		LOG_TEXT("t", "a b\n"), LOG_SPAN("s", SPAN_LIT("x=y")), LOG_STATUS("st", ST_FULL),
		LOG_TEXT("none", NULL));
	next_write();
	char second[16];
	ssize_t more = read(ends[1], second, sizeof second);
	restore();
	CHECK_EQ(more, -1);
	CHECK(strncmp(got, "time=20", 7) == 0);
	CHECK(has(
		"Z level=warn event=test.line.said thread=main n=18446744073709551615 i=-9223372036854775808 "
		"t=\"a b\\n\" s=\"x=y\" st=FULL none=(none)\n"));
	CHECK_EQ(strchr(got, '\n') - got, (long)strlen(got) - 1);
}

TEST(a_line_may_have_no_fields)
{
	capture();
	log_event(LOG_INFO, "test.line.bare");
	next_write();
	restore();
	CHECK(has("event=test.line.bare thread=main\n"));
}

TEST(levels_below_the_least_are_silent_and_uncounted)
{
	uint64_t debug = log_count(LOG_DEBUG), error = log_count(LOG_ERROR);
	capture();
	log_event(LOG_DEBUG, "test.level.low");
	CHECK_STR(next_write(), "");
	log_configure(LOG_ERROR, LOG_FORMAT_TEXT);
	log_event(LOG_WARN, "test.level.low");
	CHECK_STR(next_write(), "");
	log_event(LOG_ERROR, "test.level.high");
	next_write();
	restore();
	CHECK(has("level=error"));
	CHECK_EQ(log_count(LOG_DEBUG) - debug, 1);
	CHECK_EQ(log_count(LOG_ERROR) - error, 1);
}

TEST(the_request_is_the_threads_own)
{
	capture();
	log_set_request("r-1");
	log_event(LOG_INFO, "test.request.set");
	next_write();
	bool is_tagged = has(" thread=main request=r-1\n");
	log_set_request(NULL);
	log_event(LOG_INFO, "test.request.cleared");
	next_write();
	restore();
	CHECK(is_tagged);
	CHECK(!has("request="));
}

static void say_elsewhere(void *argument)
{
	(void)argument;
	log_event(LOG_INFO, "test.thread.said");
}

TEST(the_thread_is_named)
{
	struct thread thread;
	capture();
	log_set_request("of main only");
	enum status st = thread_start(&thread, "store writer and more", say_elsewhere, NULL);
	if (!st) {
		thread_join(&thread);
	}
	log_set_request(NULL);
	next_write();
	restore();
	CHECK_EQ(st, ST_OK);
	CHECK(has("thread=\"store writer an\"\n"));
}

TEST(json_lines_are_json)
{
	struct json *v = NULL;
	struct span s;
	capture();
	log_configure(LOG_INFO, LOG_FORMAT_JSON);
	log_event(LOG_INFO, "test.json.said", LOG_TEXT("t", "\"\n\xff"), LOG_I64("n", -5));
	next_write();
	restore();
	size_t len = strlen(got);
	REQUIRE(len > 0 && got[len - 1] == '\n');
	CHECK_EQ(json_parse(span_make(got, len - 1), &v, NULL), ST_OK);
	REQUIRE(v);
	CHECK_EQ(json_get_text(v, "t", &s), ST_OK);
	CHECK(span_equal_text(s, "\"\n\xef\xbf\xbd"));
	CHECK_EQ(json_get_text(v, "level", &s), ST_OK);
	CHECK(span_equal_text(s, "info"));
	json_free(v);
}

TEST(a_field_too_long_is_left_out_and_the_line_stays_whole)
{
	static char huge[6000];
	struct json *v = NULL;
	bool is_cut = false;
	memset(huge, 'h', sizeof huge - 1);
	capture();
	log_configure(LOG_INFO, LOG_FORMAT_JSON);
	log_event(LOG_INFO, "test.line.long", LOG_TEXT("huge", huge), LOG_TEXT("after", "kept"));
	next_write();
	restore();
	CHECK_EQ(json_parse(span_of(got), &v, NULL), ST_OK);
	REQUIRE(v);
	CHECK_EQ(json_get_bool(v, "cut", &is_cut), ST_OK);
	CHECK(is_cut);
	CHECK(json_get(v, "huge") == NULL);
	CHECK(json_get(v, "after") != NULL);
	json_free(v);
	capture();
	log_event(LOG_INFO, "test.line.long", LOG_TEXT("huge", huge));
	next_write();
	restore();
	CHECK(has(" cut=true\n"));
}

TEST(errno_is_told_and_kept)
{
	capture();
	errno = ENOSPC;
	log_event(LOG_INFO, "test.errno.told", LOG_ERRNO());
	int after = errno;
	next_write();
	restore();
	CHECK_EQ(after, ENOSPC);
	CHECK(has("errno=\"No space left on device\""));
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_line_is_one_write_with_its_fields_in_order),
		CHECK_TEST(a_line_may_have_no_fields),
		CHECK_TEST(levels_below_the_least_are_silent_and_uncounted),
		CHECK_TEST(the_request_is_the_threads_own),
		CHECK_TEST(the_thread_is_named),
		CHECK_TEST(json_lines_are_json),
		CHECK_TEST(a_field_too_long_is_left_out_and_the_line_stays_whole),
		CHECK_TEST(errno_is_told_and_kept),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
