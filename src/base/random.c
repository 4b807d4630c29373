#include "poison.h"

#include "random.h"

#include <errno.h>
#include <sys/random.h>

#include "clock.h"
#include "fault.h"
#include "log.h"
#include "memory.h"
#include "must.h"

enum status random_bytes(void *out, size_t len)
{
	uint8_t *at = out;
	size_t left = len;
	while (left > 0) {
		ssize_t got = fault_hit(FAULT_RANDOM) ? -1 : getrandom(at, left, 0);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			log_event(LOG_ERROR, "random.bytes.failed", LOG_ERRNO());
			memory_wipe(out, len);
			return ST_IO;
		}
		at += got;
		left -= (size_t)got;
	}
	return ST_OK;
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
