#include "poison.h"

#include "random.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "clock.h"
#include "fault.h"
#include "log.h"
#include "memory.h"
#include "must.h"

enum { POOL_BYTES = 4096, POOL_SHARE_MAX = 64 };

/* What the kernel gave and nobody has yet: an upload takes half a dozen keys and nonces, a call for each
 * costs more than they do.  The page is locked and left out of dumps as keys are, a forked child finds it
 * empty, and what was handed out is wiped at once. */
struct pool {
	size_t left;
	uint8_t bytes[POOL_BYTES - sizeof(size_t)];
};
static_assert(sizeof(struct pool) == POOL_BYTES, "one page");

static atomic_flag is_pool_taken = ATOMIC_FLAG_INIT;
/* Of whoever has the flag: */
static struct pool *pool; /* NULL until the first use, or when there is no locked page to be had */
static bool is_pool_tried;

static bool ask_kernel(uint8_t *at, size_t left)
{
	while (left > 0) {
		ssize_t got = getrandom(at, left, 0);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			return false;
		}
		at += got;
		left -= (size_t)got;
	}
	return true;
}

static struct pool *make_pool(void)
{
	struct pool *made =
		mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (made == MAP_FAILED) {
		return NULL;
	}
	if (madvise(made, sizeof *made, MADV_DONTDUMP) != 0 ||
		madvise(made, sizeof *made, MADV_WIPEONFORK) != 0 || mlock(made, sizeof *made) != 0) {
		(void)munmap(made, sizeof *made);
		return NULL;
	}
	return made;
}

/* Under the flag.  False: there is no pool, or the kernel gave nothing to fill it with. */
static bool take_share(uint8_t *out, size_t len)
{
	if (!is_pool_tried) {
		pool = make_pool();
		is_pool_tried = true;
	}
	if (!pool) {
		return false;
	}
	if (pool->left < len) {
		if (!ask_kernel(pool->bytes, sizeof pool->bytes)) {
			return false;
		}
		pool->left = sizeof pool->bytes;
	}
	pool->left -= len;
	memcpy(out, pool->bytes + pool->left, len);
	memory_wipe(pool->bytes + pool->left, len);
	return true;
}

/* Nobody waits for the pool: while another thread has it, the kernel is as good. */
static bool take_from_pool(uint8_t *out, size_t len)
{
	if (len > POOL_SHARE_MAX || atomic_flag_test_and_set_explicit(&is_pool_taken, memory_order_acquire)) {
		return false;
	}
	bool is_taken = take_share(out, len);
	atomic_flag_clear_explicit(&is_pool_taken, memory_order_release);
	return is_taken;
}

static bool fails_for_a_test(void)
{
	return fault_hit(FAULT_RANDOM) && errno != EINTR;
}

enum status random_bytes(void *out, size_t len)
{
	if (len == 0) {
		return ST_OK;
	}
	if (!fails_for_a_test() && (take_from_pool(out, len) || ask_kernel(out, len))) {
		return ST_OK;
	}
	log_event(LOG_ERROR, "random.bytes.failed", LOG_ERRNO());
	memory_wipe(out, len);
	return ST_IO;
}

/* One step of splitmix64: good enough to spread retries, and it needs no seed but a number that differs. */
static uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint32_t random_below(uint32_t limit)
{
	static _Thread_local uint64_t state;
	must(limit > 0);
	if (state == 0 && getrandom(&state, sizeof state, GRND_NONBLOCK) != (ssize_t)sizeof state) {
		state = (uint64_t)clock_monotonic_us() ^ (uint64_t)gettid() << 32;
	}
	return (uint32_t)((mix(&state) >> 32) * limit >> 32);
}
