#include "poison.h"

#include "memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "fault.h"
#include "log.h"
#include "must.h"
#include "num.h"

enum { PAGE = 4096 };

/* Zero bytes are one: NULL always means that there is no memory. */
void *memory_alloc(size_t size)
{
	return fault_hit(FAULT_MEMORY) ? NULL : calloc(1, size > 0 ? size : 1);
}

void *memory_alloc_array(size_t count, size_t size)
{
	size_t total = 0;
	return num_mul(count, size, &total) ? memory_alloc(total) : NULL;
}

void *memory_resize(void *p, size_t size)
{
	return fault_hit(FAULT_MEMORY) ? NULL : realloc(p, size > 0 ? size : 1);
}

void memory_free(void *p)
{
	free(p);
}

/* False when the size has no next page boundary. */
static bool whole_pages(size_t size, size_t *out)
{
	if (size > SIZE_MAX - PAGE) {
		return false;
	}
	*out = (size_t)num_align(size > 0 ? size : 1, PAGE);
	return true;
}

void *memory_alloc_aligned(size_t size)
{
	size_t total = 0;
	if (!whole_pages(size, &total) || fault_hit(FAULT_MEMORY)) {
		return NULL;
	}
	void *p = aligned_alloc(PAGE, total);
	if (p) {
		memset(p, 0, total);
	}
	return p;
}

void memory_wipe(void *p, size_t size)
{
	if (size > 0) {
		explicit_bzero(p, size);
	}
}

static void warn_unlocked_once(void)
{
	static atomic_flag is_warned = ATOMIC_FLAG_INIT;
	if (!atomic_flag_test_and_set(&is_warned)) {
		log_event(LOG_WARN, "memory.lock.refused", LOG_ERRNO(),
			LOG_TEXT("hint", "raise RLIMIT_MEMLOCK"));
	}
}

void *memory_alloc_locked(size_t size)
{
	size_t total = 0;
	if (!whole_pages(size, &total) || fault_hit(FAULT_MEMORY)) {
		return NULL;
	}
	void *p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		return NULL;
	}
	if (madvise(p, total, MADV_DONTDUMP) != 0) {
		(void)munmap(p, total);
		return NULL;
	}
	if (mlock(p, total) != 0) {
		warn_unlocked_once();
	}
	return p;
}

void memory_free_locked(void *p, size_t size)
{
	size_t total = 0;
	if (!p) {
		return;
	}
	must(whole_pages(size, &total));
	memory_wipe(p, total);
	must(munmap(p, total) == 0);
}

/* Neither can be refused: both only give up rights of this very process. */
void memory_forbid_dumps(void)
{
	struct rlimit none = { 0, 0 };
	must(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
	must(setrlimit(RLIMIT_CORE, &none) == 0);
}
