/* check.h - what a unit test needs, and nothing more.
 *
 *   TEST(ring_refuses_when_full)
 *   {
 *           CHECK_EQ(queue_push(q, 7), ST_FULL);
 *   }
 *
 *   int main(void)
 *   {
 *           static const struct check_test tests[] = {
 *                   CHECK_TEST(ring_refuses_when_full),
 *           };
 *           return check_run(tests, sizeof tests / sizeof *tests);
 *   }
 *
 * A failed CHECK prints file, line and values, and the test goes on; a failed
 * REQUIRE ends its function, for what the rest of the test stands on.  The last line
 * is "N passed, N failed", counted in tests; the exit code is 1 if one failed.
 *
 * Threads: checks may be made from any thread; check_run() from main's.
 */
#ifndef DARKROOM_CHECK_H
#define DARKROOM_CHECK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct check_test {
	const char *name;
	void (*run)(void);
};

#define TEST(name) static void name(void)
#define CHECK_TEST(name) { #name, name }

/* The failures of the test in hand. */
static atomic_uint check_failures;

#define CHECK_FAILED(...) \
	((void)atomic_fetch_add(&check_failures, 1), (void)fprintf(stderr, "%s:%d: ", __FILE__, __LINE__), \
	 (void)fprintf(stderr, __VA_ARGS__), (void)fputc('\n', stderr))

#define CHECK(cond) ((cond) ? (void)0 : CHECK_FAILED("not true: %s", #cond))

#define REQUIRE(cond) \
	do { \
		if (!(cond)) { \
			CHECK_FAILED("not true, the test ends here: %s", #cond); \
			return; \
		} \
	} while (0)

/* Equal integers (or pointers), of any width and sign. */
#define CHECK_EQ(a, b) \
	do { \
		long long check_a = (long long)(a), check_b = (long long)(b); \
		if (check_a != check_b) { \
			CHECK_FAILED("%s is %lld, %s is %lld", #a, check_a, #b, check_b); \
		} \
	} while (0)

/* Equal strings; NULL equals only NULL. */
#define CHECK_STR(a, b) \
	do { \
		const char *check_a = (a), *check_b = (b); \
		if (!check_same_text(check_a, check_b)) { \
			CHECK_FAILED("%s is \"%s\", %s is \"%s\"", #a, check_a ? check_a : "(NULL)", #b, \
			             check_b ? check_b : "(NULL)"); \
		} \
	} while (0)

/* Equal memory; says where it first differs. */
#define CHECK_BYTES(a, b, len) \
	do { \
		size_t check_at = check_first_difference((a), (b), (len)); \
		if (check_at < (size_t)(len)) { \
			CHECK_FAILED("%s and %s differ at byte %zu", #a, #b, check_at); \
		} \
	} while (0)

static inline bool check_same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static inline size_t check_first_difference(const void *a, const void *b, size_t len)
{
	const uint8_t *left = a, *right = b;
	size_t at = 0;
	while (at < len && left[at] == right[at]) {
		at++;
	}
	return at;
}

/* Runs the tests in their order. */
static inline int check_run_matching(const struct check_test *tests, size_t count, const char *part)
{
	unsigned passed = 0, failed = 0;
	for (size_t i = 0; i < count; i++) {
		if (!strstr(tests[i].name, part)) {
			continue;
		}
		atomic_store(&check_failures, 0);
		tests[i].run();
		if (atomic_load(&check_failures) == 0) {
			passed++;
			continue;
		}
		failed++;
		fprintf(stderr, "FAILED %s\n", tests[i].name);
	}
	fflush(stderr);
	printf("%u passed, %u failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : 1;
}

static inline int check_run(const struct check_test *tests, size_t count)
{
	return check_run_matching(tests, count, "");
}

#endif
