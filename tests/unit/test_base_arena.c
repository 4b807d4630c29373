#include "poison.h"

#include "arena.h"

#include <errno.h>
#include <stdalign.h>
#include <sys/wait.h>

#include "check.h"
#include "fault.h"
#include "memory.h"
#include "num.h"
#include "random.h"
#include "reader.h"

TEST(arena_memory_is_zeroed_aligned_and_bounded)
{
	struct arena *a = arena_new(100000);
	REQUIRE(a);
	size_t taken = 0;
	uint8_t *p;
	while ((p = arena_alloc(a, 100))) {
		CHECK_EQ((uintptr_t)p % alignof(max_align_t), 0);
		CHECK(p[0] == 0 && p[99] == 0);
		memset(p, 0xee, 100);
		taken += 100;
	}
	CHECK(taken <= 100000 && taken > 85000);
	arena_free(a);
	arena_free(NULL);
}

TEST(an_arena_refuses_what_does_not_fit_and_goes_on)
{
	struct arena *a = arena_new(64);
	REQUIRE(a);
	CHECK(arena_alloc(a, SIZE_MAX) == NULL);
	CHECK(arena_alloc(a, 65) == NULL);
	CHECK(arena_alloc(a, 0) != NULL);
	CHECK(arena_alloc(a, 48) != NULL);
	CHECK(arena_alloc(a, 1) == NULL);
	CHECK(arena_text(a, SPAN_LIT("")) == NULL);
	CHECK_EQ(arena_copy(a, SPAN_LIT("x")).len, 0);
	CHECK(arena_printf(a, "%d", 1) == NULL);
	arena_free(a);
	a = arena_new(1 << 20);
	REQUIRE(a);
	CHECK(arena_alloc(a, 1 << 20) != NULL);
	CHECK(arena_alloc(a, 1) == NULL);
	arena_free(a);
}

TEST(arena_copies_are_copies)
{
	struct arena *a = arena_new(4096);
	char text[] = "abc";
	REQUIRE(a);
	char *copy = arena_text(a, span_of(text));
	struct span bytes = arena_copy(a, SPAN_LIT("a\0b"));
	text[0] = 'x';
	CHECK_STR(copy, "abc");
	CHECK(span_equal(bytes, SPAN_LIT("a\0b")));
	CHECK_STR(arena_printf(a, "%s/%d", "img", 7), "img/7");
	CHECK_STR(arena_text(a, span_of(NULL)), "");
	CHECK_EQ(arena_copy(a, span_of(NULL)).len, 0);
	arena_free(a);
}

TEST(a_reader_fails_once_and_for_all)
{
	struct reader r =
		reader_of(SPAN_LIT("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0fxy"));
	uint8_t out[3] = { 9, 9, 9 };
	CHECK_EQ(reader_u8(&r), 1);
	CHECK_EQ(reader_u16(&r), 0x0302);
	CHECK_EQ(reader_u32(&r), 0x07060504);
	CHECK(reader_u64(&r) == UINT64_C(0x0f0e0d0c0b0a0908));
	CHECK(!reader_at_end(&r));
	CHECK(span_equal_text(reader_bytes(&r, 2), "xy"));
	CHECK(reader_at_end(&r));
	CHECK_EQ(reader_bytes(&r, 0).len, 0);
	CHECK(reader_ok(&r));
	reader_copy(&r, out, 0);
	CHECK(reader_ok(&r));
	reader_copy(&r, out, 3);
	CHECK(!reader_ok(&r));
	CHECK_BYTES(out, "\0\0\0", 3);
	CHECK(!reader_at_end(&r));
	r = reader_of(SPAN_LIT("abc"));
	CHECK_EQ(reader_u32(&r), 0);
	CHECK_EQ(reader_u8(&r), 0);
	CHECK_EQ(reader_bytes(&r, 1).len, 0);
	r = reader_of(SPAN_LIT("abc"));
	CHECK_EQ(reader_bytes(&r, SIZE_MAX).len, 0);
	CHECK(!reader_ok(&r));
	r = reader_of(span_of(NULL));
	CHECK(reader_at_end(&r));
	CHECK_EQ(reader_u8(&r), 0);
	CHECK(!reader_ok(&r));
}

TEST(numbers_say_when_they_would_wrap)
{
	size_t size;
	uint64_t wide;
	CHECK(num_add(SIZE_MAX - 1, 1, &size) && size == SIZE_MAX);
	CHECK(!num_add(SIZE_MAX, 1, &size));
	CHECK(num_mul(SIZE_MAX / 2, 2, &size));
	CHECK(!num_mul(SIZE_MAX / 2 + 1, 2, &size));
	CHECK(!num_add_u64(UINT64_MAX, UINT64_MAX, &wide));
	CHECK(!num_mul_u64(UINT64_C(1) << 32, UINT64_C(1) << 32, &wide));
	CHECK_EQ(num_min(1, 2), 1);
	CHECK_EQ(num_max(1, 2), 2);
	CHECK_EQ(num_align(0, 4096), 0);
	CHECK_EQ(num_align(1, 4096), 4096);
	CHECK_EQ(num_align(4096, 4096), 4096);
	CHECK(num_align(UINT64_MAX, 4096) == UINT64_MAX - 4095);
	CHECK(num_align(UINT64_MAX - 4095, 4096) == UINT64_MAX - 4095);
}

TEST(bytes_and_numbers_are_each_others_inverse)
{
	uint8_t bytes[8];
	num_put_u64(bytes, UINT64_C(0xfedcba9876543210));
	CHECK_BYTES(bytes, "\x10\x32\x54\x76\x98\xba\xdc\xfe", 8);
	CHECK(num_get_u64(bytes) == UINT64_C(0xfedcba9876543210));
	CHECK_EQ(num_get_u32(bytes + 4), 0xfedcba98);
	CHECK_EQ(num_get_u16(bytes + 6), 0xfedc);
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

TEST(random_bytes_fill_all_and_differ)
{
	uint8_t a[300] = { 0 }, b[300] = { 0 };
	CHECK_EQ(random_bytes(a, sizeof a), ST_OK);
	CHECK_EQ(random_bytes(b, sizeof b), ST_OK);
	CHECK(memcmp(a, b, sizeof a) != 0);
	CHECK(memcmp(a + 284, (uint8_t[16]){ 0 }, 16) != 0);
	CHECK_EQ(random_bytes(NULL, 0), ST_OK);
}

/* Small shares come from one page: none is given twice, also where it is filled again. */
TEST(random_shares_are_given_once)
{
	static uint64_t drawn[4096];
	for (size_t i = 0; i < 4096; i++) {
		REQUIRE(random_bytes(&drawn[i], sizeof drawn[i]) == ST_OK);
	}
	qsort(drawn, 4096, sizeof *drawn, compare_numbers);
	for (size_t i = 1; i < 4096; i++) {
		CHECK(drawn[i] != drawn[i - 1]);
	}
}

TEST(a_forked_child_draws_other_random_bytes)
{
	uint8_t mine[32], theirs[32] = { 0 };
	int ends[2], code = 0;
	CHECK_EQ(random_bytes(mine, 8), ST_OK);
	REQUIRE(pipe(ends) == 0);
	pid_t child = fork();
	if (child == 0) {
		bool is_good = random_bytes(theirs, sizeof theirs) == ST_OK &&
			       write(ends[1], theirs, sizeof theirs) == sizeof theirs;
		_exit(is_good ? 0 : 1);
	}
	REQUIRE(child > 0 && waitpid(child, &code, 0) == child && code == 0);
	REQUIRE(read(ends[0], theirs, sizeof theirs) == sizeof theirs);
	CHECK_EQ(random_bytes(mine, sizeof mine), ST_OK);
	CHECK(memcmp(mine, theirs, sizeof mine) != 0);
	CHECK(memcmp(theirs, (uint8_t[32]){ 0 }, sizeof theirs) != 0);
	close(ends[0]);
	close(ends[1]);
}

TEST(random_numbers_stay_below_their_limit)
{
	unsigned seen[5] = { 0 };
	for (int i = 0; i < 5000; i++) {
		uint32_t n = random_below(5);
		REQUIRE(n < 5);
		seen[n]++;
	}
	for (int i = 0; i < 5; i++) {
		CHECK(seen[i] > 500);
	}
	CHECK_EQ(random_below(1), 0);
}

#ifdef DARKROOM_FAULTS
TEST(without_random_nothing_is_left_in_its_place)
{
	uint8_t out[16];
	memset(out, 5, sizeof out);
	fault_arm(FAULT_RANDOM, 1, EIO, false);
	CHECK_EQ(random_bytes(out, sizeof out), ST_IO);
	CHECK_BYTES(out, (uint8_t[16]){ 0 }, sizeof out);
	fault_arm(FAULT_RANDOM, 1, EINTR, false);
	CHECK_EQ(random_bytes(out, sizeof out), ST_OK);
	CHECK(fault_has_fired());
	fault_disarm();
}

TEST(without_memory_an_arena_says_so)
{
	fault_arm(FAULT_MEMORY, 1, ENOMEM, false);
	CHECK(arena_new(1) == NULL);
	struct arena *a = arena_new(100);
	REQUIRE(a);
	fault_arm(FAULT_MEMORY, 1, ENOMEM, false);
	CHECK(arena_alloc(a, 1) == NULL);
	CHECK(arena_alloc(a, 1) != NULL);
	fault_disarm();
	arena_free(a);
}
#endif

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(arena_memory_is_zeroed_aligned_and_bounded),
		CHECK_TEST(an_arena_refuses_what_does_not_fit_and_goes_on),
		CHECK_TEST(arena_copies_are_copies),
		CHECK_TEST(a_reader_fails_once_and_for_all),
		CHECK_TEST(numbers_say_when_they_would_wrap),
		CHECK_TEST(bytes_and_numbers_are_each_others_inverse),
		CHECK_TEST(random_bytes_fill_all_and_differ),
		CHECK_TEST(random_shares_are_given_once),
		CHECK_TEST(a_forked_child_draws_other_random_bytes),
		CHECK_TEST(random_numbers_stay_below_their_limit),
#ifdef DARKROOM_FAULTS
		CHECK_TEST(without_random_nothing_is_left_in_its_place),
		CHECK_TEST(without_memory_an_arena_says_so),
#endif
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
