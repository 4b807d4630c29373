#include "gate/gate_caps.h"

#include "check.h"

#include <arpa/inet.h>

static struct gate_address address_of(int family, const char *text)
{
	struct sockaddr_storage peer = { .ss_family = (sa_family_t)family };
	void *at = family == AF_INET ? (void *)&((struct sockaddr_in *)&peer)->sin_addr
				     : (void *)&((struct sockaddr_in6 *)&peer)->sin6_addr;
	CHECK_EQ(inet_pton(family, text, at), 1);
	return gate_caps_address(&peer);
}

static bool is_same_peer(int a_family, const char *a, int b_family, const char *b)
{
	struct gate_address x = address_of(a_family, a), y = address_of(b_family, b);
	return memcmp(&x, &y, sizeof x) == 0;
}

TEST(ipv4_peers_are_told_apart_whole)
{
	CHECK(is_same_peer(AF_INET, "192.0.2.1", AF_INET, "192.0.2.1"));
	CHECK(!is_same_peer(AF_INET, "192.0.2.1", AF_INET, "192.0.2.2"));
	CHECK(is_same_peer(AF_INET, "192.0.2.1", AF_INET6, "::ffff:192.0.2.1"));
}

TEST(ipv6_peers_are_told_apart_by_their_network)
{
	CHECK(is_same_peer(AF_INET6, "2001:db8:1:2::1", AF_INET6, "2001:db8:1:2:ffff::9"));
	CHECK(!is_same_peer(AF_INET6, "2001:db8:1:2::1", AF_INET6, "2001:db8:1:3::1"));
	CHECK(!is_same_peer(AF_INET6, "::ffff:192.0.2.1", AF_INET6, "::ffff:192.0.2.2"));
}

TEST(an_address_is_capped_and_freed)
{
	struct gate_caps caps;
	struct gate_address a = address_of(AF_INET, "192.0.2.1"), b = address_of(AF_INET, "192.0.2.2");
	REQUIRE(gate_caps_init(&caps, 10, 2) == ST_OK);
	CHECK_EQ(gate_caps_enter(&caps, a), ST_OK);
	CHECK_EQ(gate_caps_enter(&caps, a), ST_OK);
	CHECK_EQ(gate_caps_enter(&caps, a), ST_FULL);
	CHECK_EQ(gate_caps_enter(&caps, b), ST_OK);
	CHECK_EQ(caps.open, 3);
	gate_caps_leave(&caps, a);
	CHECK_EQ(gate_caps_enter(&caps, a), ST_OK);
	CHECK_EQ(gate_caps_enter(&caps, a), ST_FULL);
	gate_caps_fini(&caps);
}

TEST(all_addresses_together_are_capped)
{
	struct gate_caps caps;
	struct gate_address a = address_of(AF_INET, "192.0.2.1"), b = address_of(AF_INET, "192.0.2.2"),
			    c = address_of(AF_INET, "192.0.2.3"), d = address_of(AF_INET, "192.0.2.4");
	REQUIRE(gate_caps_init(&caps, 3, 3) == ST_OK);
	CHECK_EQ(gate_caps_enter(&caps, a), ST_OK);
	CHECK_EQ(gate_caps_enter(&caps, b), ST_OK);
	CHECK_EQ(gate_caps_enter(&caps, c), ST_OK);
	CHECK_EQ(gate_caps_enter(&caps, d), ST_FULL);
	CHECK_EQ(gate_caps_enter(&caps, a), ST_FULL);
	gate_caps_leave(&caps, b);
	CHECK_EQ(gate_caps_enter(&caps, d), ST_OK);
	CHECK_EQ(caps.open, 3);
	gate_caps_fini(&caps);
}

/* Rows are freed and taken in every order; what is counted must still be what is open. */
TEST(many_addresses_come_and_go)
{
	enum { COUNT = 100 };
	struct gate_caps caps;
	struct gate_address addresses[COUNT];
	REQUIRE(gate_caps_init(&caps, COUNT, 2) == ST_OK);
	for (int i = 0; i < COUNT; i++) {
		char text[32];
		snprintf(text, sizeof text, "198.51.100.%d", i);
		addresses[i] = address_of(AF_INET, text);
		CHECK_EQ(gate_caps_enter(&caps, addresses[i]), ST_OK);
	}
	for (int round = 0; round < COUNT; round++) {
		int out = round * 37 % COUNT, in = round * 61 % COUNT;
		gate_caps_leave(&caps, addresses[out]);
		CHECK_EQ(gate_caps_enter(&caps, addresses[in]), ST_OK);
		gate_caps_leave(&caps, addresses[in]);
		CHECK_EQ(gate_caps_enter(&caps, addresses[out]), ST_OK);
	}
	CHECK_EQ(caps.open, COUNT);
	for (int i = 0; i < COUNT; i++) {
		gate_caps_leave(&caps, addresses[i]);
	}
	CHECK_EQ(caps.open, 0);
	gate_caps_fini(&caps);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(ipv4_peers_are_told_apart_whole),
		CHECK_TEST(ipv6_peers_are_told_apart_by_their_network),
		CHECK_TEST(an_address_is_capped_and_freed),
		CHECK_TEST(all_addresses_together_are_capped),
		CHECK_TEST(many_addresses_come_and_go),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
