/* gate_caps.h - how many connections are open, in all and per peer address.
 *
 * An address is 16 bytes: IPv4 as IPv6-mapped, IPv6 cut to its /64, for a
 * peer owns the rest of it.  The table has a row per connection that may be
 * open, so it never grows and never lacks room.
 *
 * Threads: none of its own; the caller's lock guards it.
 */
#ifndef DARKROOM_GATE_CAPS_H
#define DARKROOM_GATE_CAPS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "status.h"

struct gate_address {
	struct in6_addr bytes;
};

struct gate_caps {
	struct gate_caps_row {
		struct gate_address address;
		uint32_t open;
	} *rows;
	uint32_t open, open_max, address_open_max;
};

/* The key of a peer; any other family gives the unspecified address. */
struct gate_address gate_caps_address(const struct sockaddr_storage *peer);

/* FULL: no memory. */
enum status gate_caps_init(struct gate_caps *caps, uint32_t open_max, uint32_t address_open_max) MUST_CHECK;

/* Counts one connection more.  FULL: a cap is reached; nothing was counted. */
enum status gate_caps_enter(struct gate_caps *caps, struct gate_address address) MUST_CHECK;

/* Counts one less of an address that entered. */
void gate_caps_leave(struct gate_caps *caps, struct gate_address address);

void gate_caps_fini(struct gate_caps *caps);

#endif
