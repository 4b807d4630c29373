#include "poison.h"

#include "memory.h"

#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"
#include "fault.h"

static bool is_zero(const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (p[i] != 0) {
			return false;
		}
	}
	return true;
}

TEST(memory_is_zeroed_and_never_null_for_nothing)
{
	void *p = memory_alloc(100);
	CHECK(p && is_zero(p, 100));
	memory_free(p);
	p = memory_alloc(0);
	CHECK(p != NULL);
	p = memory_resize(p, 0);
	CHECK(p != NULL);
	memory_free(p);
	memory_free(NULL);
}

TEST(sizes_that_wrap_are_no_memory)
{
	CHECK(memory_alloc_array(SIZE_MAX / 2, 3) == NULL);
	CHECK(memory_alloc_aligned(SIZE_MAX) == NULL);
	CHECK(memory_alloc_aligned(SIZE_MAX - 4095) == NULL);
	CHECK(memory_alloc_locked(SIZE_MAX) == NULL);
}

TEST(aligned_memory_is_whole_pages)
{
	uint8_t *p = memory_alloc_aligned(4097);
	REQUIRE(p);
	CHECK_EQ((uintptr_t)p % 4096, 0);
	CHECK(is_zero(p, 8192));
	memory_free(p);
}

TEST(wiping_overwrites)
{
	uint8_t bytes[16];
	memset(bytes, 7, sizeof bytes);
	memory_wipe(bytes, 8);
	CHECK(is_zero(bytes, 8));
	CHECK_EQ(bytes[8], 7);
	memory_wipe(NULL, 0);
}

/* The kernel's own account of the mapping at `p`: its VmFlags. */
static bool mapping_has(const void *p, const char *flag)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[512];
	bool is_here = false, has = false;
	while (maps && fgets(line, sizeof line, maps)) {
		unsigned long from = 0, to = 0;
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			is_here = (uintptr_t)p >= from && (uintptr_t)p < to;
		} else if (is_here && strncmp(line, "VmFlags:", 8) == 0) {
			has = strstr(line, flag) != NULL;
		}
	}
	if (maps) {
		(void)fclose(maps);
	}
	return has;
}

TEST(locked_memory_is_locked_and_left_out_of_dumps)
{
	uint8_t *p = memory_alloc_locked(5000);
	REQUIRE(p);
	CHECK(is_zero(p, 8192));
	/* The sanitizers make mlock() do nothing. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	CHECK(mapping_has(p, " lo"));
#endif
	CHECK(mapping_has(p, " dd"));
	memset(p, 1, 5000);
	memory_free_locked(p, 5000);
	memory_free_locked(NULL, 5000);
}

/* In a child: rights given up do not come back. */
TEST(a_process_that_forbids_dumps_has_none)
{
	int code = -1;
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit;
		memory_forbid_dumps();
		bool is_forbidden = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 &&
				    getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 &&
				    limit.rlim_max == 0;
		_exit(is_forbidden ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &code, 0), child);
	CHECK_EQ(code, 0);
}

#ifdef DARKROOM_FAULTS
TEST(the_nth_call_fails_once)
{
	fault_arm(FAULT_MEMORY, 2, ENOMEM, false);
	void *a = memory_alloc(1);
	CHECK(a && !fault_has_fired());
	errno = 0;
	CHECK(memory_alloc(1) == NULL);
	CHECK_EQ(errno, ENOMEM);
	CHECK(fault_has_fired());
	void *b = memory_alloc(1);
	CHECK(b != NULL);
	fault_disarm();
	memory_free(a);
	memory_free(b);
}

TEST(every_call_after_the_nth_fails_for_ever)
{
	void *kept = memory_alloc(4);
	fault_arm(FAULT_MEMORY, 1, ENOMEM, true);
	CHECK(memory_alloc(1) == NULL);
	CHECK(memory_alloc_array(1, 1) == NULL);
	CHECK(memory_alloc_aligned(1) == NULL);
	CHECK(memory_alloc_locked(1) == NULL);
	CHECK(memory_resize(kept, 8) == NULL);
	CHECK(!fault_hit(FAULT_WRITE));
	fault_disarm();
	CHECK(!fault_hit(FAULT_MEMORY));
	memory_free(kept);
}
#endif

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(memory_is_zeroed_and_never_null_for_nothing),
		CHECK_TEST(sizes_that_wrap_are_no_memory),
		CHECK_TEST(aligned_memory_is_whole_pages),
		CHECK_TEST(wiping_overwrites),
		CHECK_TEST(locked_memory_is_locked_and_left_out_of_dumps),
		CHECK_TEST(a_process_that_forbids_dumps_has_none),
#ifdef DARKROOM_FAULTS
		CHECK_TEST(the_nth_call_fails_once),
		CHECK_TEST(every_call_after_the_nth_fails_for_ever),
#endif
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
