/* test_gate_cipher.c - a libcrypto without AES-GCM stops the gate at its opening, not at a handshake. */
#include "gate.h"

#include "check.h"

#include <openssl/evp.h>

/* The only test here: what is looked up is looked up once in a process. */
TEST(a_gate_without_its_cipher_does_not_open)
{
	struct gate_options options = { .certificate_path = "/nonexistent/certificate.pem",
		.key_path = "/nonexistent/key.pem",
		.connections_max = 1,
		.address_connections_max = 1 };
	struct gate *g = NULL;
	REQUIRE(EVP_set_default_properties(NULL, "provider=nobody") == 1);
	CHECK_EQ(gate_open(&options, &g), ST_UNSUPPORTED);
	CHECK(!g);
}

int main(void)
{
	static const struct check_test tests[] = { CHECK_TEST(a_gate_without_its_cipher_does_not_open) };
	return check_run(tests, sizeof tests / sizeof *tests);
}
