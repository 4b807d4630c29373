#include "poison.h"

#include "gate_inside.h"

#include <errno.h>
#include <poll.h>

#include "clock.h"
#include "metrics.h"
#include "must.h"
#include "num.h"

/* What idle connections get of their time while room is short. */
enum { SHORT_SHARE = 8 };

/* Polls until `deadline_ms`; false when it passed.  poll() takes an int: a longer wait is cut into pieces. */
static bool poll_until(struct pollfd *fds, nfds_t count, int64_t deadline_ms)
{
	for (;;) {
		int64_t left = deadline_ms - clock_monotonic_ms();
		int ready = poll(fds, count, left <= 0 ? 0 : (int)num_min((uint64_t)left, 60 * 1000));
		must(ready >= 0 || errno == EINTR || errno == ENOMEM);
		if (ready > 0) {
			return true;
		}
		if (left <= 0) {
			return false;
		}
	}
}

enum status gate_wait_peer(const struct gate_connection *c, short events, int64_t deadline_ms)
{
	struct pollfd fds[] = { { .fd = c->fd, .events = events },
		{ .fd = c->gate->stop_bell, .events = POLLIN } };
	if (!poll_until(fds, 2, deadline_ms)) {
		return ST_TIMEOUT;
	}
	return fds[1].revents ? ST_STOPPED : ST_OK;
}

enum status gate_wait_idle(struct gate_connection *c, int64_t allowance_ms)
{
	struct gate *g = c->gate;
	int64_t start_ms = clock_monotonic_ms();
	for (;;) {
		bool is_short = atomic_load(&g->is_short_of_room);
		/* The bell of the room rings on while room is short: it must not wake us again. */
		struct pollfd fds[] = { { .fd = c->fd, .events = POLLIN },
			{ .fd = g->drain_bell, .events = POLLIN },
			{ .fd = is_short ? -1 : g->room_bell, .events = POLLIN } };
		bool is_ready =
			poll_until(fds, 3, start_ms + (is_short ? allowance_ms / SHORT_SHARE : allowance_ms));
		if (fds[1].revents) {
			return ST_STOPPED;
		}
		if (fds[0].revents) {
			return ST_OK;
		}
		if (!is_ready && (!is_short || gate_must_make_room(g))) {
			c->is_leaving = is_short;
			metrics_add(METRIC_CONNECTIONS_DROPPED, is_short);
			return ST_TIMEOUT;
		}
	}
}
