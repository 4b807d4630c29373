#include "poison.h"

#include "status.h"

#include <errno.h>

#include "check.h"

TEST(every_status_has_a_name_of_its_own_and_a_sentence)
{
	for (int a = 0; a < ST_COUNT; a++) {
		CHECK(strlen(status_name((enum status)a)) > 1);
		CHECK(strlen(status_text((enum status)a)) > 3);
		for (int b = 0; b < a; b++) {
			CHECK(strcmp(status_name((enum status)a), status_name((enum status)b)) != 0);
		}
	}
	CHECK_EQ(ST_OK, 0);
	CHECK_STR(status_name(ST_NOT_FOUND), "NOT_FOUND");
}

TEST(a_value_outside_the_table_is_named_too)
{
	CHECK_STR(status_name((enum status)ST_COUNT), "UNKNOWN");
	CHECK_STR(status_name((enum status) - 1), "UNKNOWN");
	CHECK(!status_is_retryable((enum status)99));
}

TEST(what_may_pass_is_retryable)
{
	CHECK(status_is_retryable(ST_FULL));
	CHECK(status_is_retryable(ST_NO_SPACE));
	CHECK(!status_is_retryable(ST_OK));
	CHECK(!status_is_retryable(ST_CORRUPT));
}

TEST(errno_maps_by_meaning)
{
	static const struct {
		int error;
		enum status st;
	} rows[] = {
		{ ENOSPC, ST_NO_SPACE },
		{ EDQUOT, ST_NO_SPACE },
		{ ENOENT, ST_NOT_FOUND },
		{ EEXIST, ST_EXISTS },
		{ EACCES, ST_DENIED },
		{ EPERM, ST_DENIED },
		{ ENOMEM, ST_FULL },
		{ EMFILE, ST_FULL },
		{ ENFILE, ST_FULL },
		{ EIO, ST_IO },
		{ EBADF, ST_IO },
		{ 0, ST_IO },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CHECK_EQ(status_of_errno(rows[i].error), rows[i].st);
	}
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(every_status_has_a_name_of_its_own_and_a_sentence),
		CHECK_TEST(a_value_outside_the_table_is_named_too),
		CHECK_TEST(what_may_pass_is_retryable),
		CHECK_TEST(errno_maps_by_meaning),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
