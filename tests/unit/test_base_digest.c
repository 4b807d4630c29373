#include "poison.h"

#include "digest.h"

#include "base/digest_private.h"
#include "check.h"
#include "text.h"

static void check_hex(const uint8_t *bytes, size_t len, const char *hex)
{
	struct buf b;
	buf_init(&b, 4096);
	text_put_hex(&b, span_make(bytes, len));
	CHECK_STR(buf_text(&b), hex);
	buf_fini(&b);
}

static void check_digest(struct digest d, const char *hex)
{
	check_hex(d.bytes, sizeof d.bytes, hex);
}

TEST(sha256_of_fips_180)
{
	check_digest(
		digest_of(SPAN_LIT("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	check_digest(digest_of(SPAN_LIT("abc")),
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check_digest(digest_of(SPAN_LIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(pieces_give_what_the_whole_gives)
{
	struct digest_stream *s = digest_begin();
	REQUIRE(s);
	digest_update(s, SPAN_LIT("a"));
	digest_update(s, span_of(NULL));
	digest_update(s, SPAN_LIT("bc"));
	struct digest d = digest_end(s), whole = digest_of(SPAN_LIT("abc"));
	CHECK(digest_equal(&d, &whole));
	s = digest_begin_hmac(SPAN_LIT("key"));
	REQUIRE(s);
	digest_update(s, SPAN_LIT("ab"));
	digest_update(s, SPAN_LIT("c"));
	d = digest_end(s);
	whole = digest_hmac(SPAN_LIT("key"), SPAN_LIT("abc"));
	CHECK(digest_equal(&d, &whole));
	digest_abandon(digest_begin());
	digest_abandon(NULL);
}

/* RFC 4231, cases 1, 2, 6 and 7, and the empty key. */
TEST(hmac_of_rfc_4231)
{
	uint8_t key[131];
	memset(key, 0x0b, sizeof key);
	check_digest(digest_hmac(span_make(key, 20), SPAN_LIT("Hi There")),
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	check_digest(digest_hmac(SPAN_LIT("Jefe"), SPAN_LIT("what do ya want for nothing?")),
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof key);
	check_digest(digest_hmac(span_make(key, 131),
			     SPAN_LIT("Test Using Larger Than Block-Size Key - Hash Key First")),
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	check_digest(digest_hmac(span_of(NULL), SPAN_LIT("")),
		"b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 5869, case 3: no salt, no info. */
TEST(hkdf_of_rfc_5869)
{
	uint8_t key[22], out[42], longer[255 * 32];
	memset(key, 0x0b, sizeof key);
	digest_hkdf(span_make(key, sizeof key), span_of(NULL), out, sizeof out);
	check_hex(out, sizeof out,
		"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
		"9d201395faa4b61a96c8");
	digest_hkdf(span_make(key, sizeof key), span_of(NULL), longer, sizeof longer);
	CHECK_BYTES(longer, out, sizeof out);
	digest_hkdf(span_make(key, sizeof key), SPAN_LIT("other"), longer, sizeof out);
	CHECK(memcmp(longer, out, sizeof out) != 0);
	digest_hkdf(span_make(key, sizeof key), span_of(NULL), longer, 0);
}

TEST(equality_sees_the_last_bit)
{
	struct digest a = digest_of(SPAN_LIT("a")), b = a;
	CHECK(digest_equal(&a, &b));
	b.bytes[31] ^= 1;
	CHECK(!digest_equal(&a, &b));
	CHECK(digest_equal_bytes(NULL, NULL, 0));
}

/* RFC 3720, B.4. */
TEST(crc32c_of_rfc_3720)
{
	uint8_t bytes[32] = { 0 };
	CHECK_EQ(digest_crc32c(0, SPAN_LIT("123456789")), 0xe3069283);
	CHECK_EQ(digest_crc32c(0, span_of(NULL)), 0);
	CHECK_EQ(digest_crc32c(0, span_make(bytes, 32)), 0x8a9136aa);
	memset(bytes, 0xff, sizeof bytes);
	CHECK_EQ(digest_crc32c(0, span_make(bytes, 32)), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++) {
		bytes[i] = i;
	}
	CHECK_EQ(digest_crc32c(0, span_make(bytes, 32)), 0x46dd794e);
	CHECK_EQ(digest_crc32c(digest_crc32c(0, SPAN_LIT("1234")), SPAN_LIT("56789")), 0xe3069283);
}

TEST(crc32c_by_table_and_by_hardware_agree)
{
	uint8_t bytes[256];
	for (size_t i = 0; i < sizeof bytes; i++) {
		bytes[i] = (uint8_t)(i * 167 + 13);
	}
	CHECK_EQ(digest_crc32c_by_table(0, SPAN_LIT("123456789")), 0xe3069283);
	if (!digest_crc32c_has_hardware()) {
		return;
	}
	for (size_t from = 0; from < 17; from++) {
		for (size_t len = 0; len < 130; len++) {
			struct span part = span_make(bytes + from, len);
			CHECK_EQ(digest_crc32c_by_table((uint32_t)len, part),
				digest_crc32c_by_hardware((uint32_t)len, part));
		}
	}
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(sha256_of_fips_180),
		CHECK_TEST(pieces_give_what_the_whole_gives),
		CHECK_TEST(hmac_of_rfc_4231),
		CHECK_TEST(hkdf_of_rfc_5869),
		CHECK_TEST(equality_sees_the_last_bit),
		CHECK_TEST(crc32c_of_rfc_3720),
		CHECK_TEST(crc32c_by_table_and_by_hardware_agree),
	};
	if (digest_init()) {
		return 1;
	}
	return check_run(tests, sizeof tests / sizeof *tests);
}
