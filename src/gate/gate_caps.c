#include "poison.h"

#include "gate_caps.h"

#include "memory.h"
#include "must.h"

struct gate_address gate_caps_address(const struct sockaddr_storage *peer)
{
	struct gate_address address = { 0 };
	if (peer->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
		memset(&address.bytes.s6_addr[10], 0xff, 2);
		memcpy(&address.bytes.s6_addr[12], &v4->sin_addr, 4);
	} else if (peer->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;
		size_t len = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) ? 16 : 8;
		memcpy(&address.bytes, &v6->sin6_addr, len);
	}
	return address;
}

enum status gate_caps_init(struct gate_caps *caps, uint32_t open_max, uint32_t address_open_max)
{
	*caps = (struct gate_caps){ .open_max = open_max, .address_open_max = address_open_max };
	caps->rows = memory_alloc_array(open_max, sizeof *caps->rows);
	return caps->rows ? ST_OK : ST_FULL;
}

/* The row of `address`, or else a free one; NULL when all belong to others.  Some thousand rows are looked
 * through in a few microseconds, little beside a handshake. */
static struct gate_caps_row *find_row(struct gate_caps *caps, struct gate_address address)
{
	struct gate_caps_row *vacant = NULL;
	for (uint32_t i = 0; i < caps->open_max; i++) {
		struct gate_caps_row *row = &caps->rows[i];
		if (row->open == 0) {
			vacant = vacant ? vacant : row;
		} else if (memcmp(&row->address, &address, sizeof address) == 0) {
			return row;
		}
	}
	return vacant;
}

enum status gate_caps_enter(struct gate_caps *caps, struct gate_address address)
{
	struct gate_caps_row *row = find_row(caps, address);
	if (caps->open >= caps->open_max || !row || row->open >= caps->address_open_max) {
		return ST_FULL;
	}
	row->address = address;
	row->open++;
	caps->open++;
	return ST_OK;
}

void gate_caps_leave(struct gate_caps *caps, struct gate_address address)
{
	struct gate_caps_row *row = find_row(caps, address);
	must(row);
	must(row->open > 0);
	row->open--;
	caps->open--;
}

void gate_caps_fini(struct gate_caps *caps)
{
	memory_free(caps->rows);
	caps->rows = NULL;
}
