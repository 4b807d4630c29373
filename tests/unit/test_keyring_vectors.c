/* Fixed keys give fixed bytes.  The expected values were computed once by an independent program
 * (Python's hmac and hashlib, and AES-GCM of the `cryptography` package) from the formats as drawn; a
 * change here is a change of the formats on disk. */
#include "keyring_fixture.h"

#include "buf.h"

enum { VECTOR_EPOCH = 59000123 };
static const char root_id[] = "9e315dfacbad1c0f";
static const char slot_start[] = "4452534c010100003b4584033b4500009e315dfacbad1c0f111111111111111111111111"
				 "d33b36673981d8fdc3241c1356d91205feffecc7d8164dad7a46807ff9924de1"
				 "a245fe36aea91f2bfe874e511bc47ce3";
static const char slot_crc[] = "29e8f71c";
static const char empty5_crc[] = "fddcd732";
static const char head_start[] = "44524b455953310a01000000006000003075000000000000"
				 "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf9e315dfacbad1c0f";
static const char head_crc[] = "5777ad19";
static const char image_id[] = "010102000000070384453b909192939495969798993ffb881f";
static const char image_text[] = "aeaqeaaaaadqhbcfhoijdeutsskznf4yte77xca7";
static const char image_wrapped[] = "2222222222222222222222229b750c343132c82d86f5c6a8c4ede96f2555e652"
				    "6d47084334822427edd558560544bc8b7fe12158530b47b5021e572b";
static const char sealed[] = "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
			     "872807c79bea9e52d1bff83da8d54e008f97c886b5e4b639af17d21e558501";
static const char chunk0_sha256[] = "74a4b9462eee528c77fe730f2138981dcd1952b72f60b0159aa0b05575d93613";
static const char chunk1[] = "33cdeb1ce35278c0889a87230efd6012129bfc14b9";
static const char collection_wrapped[] = "33333333333333333333333383b17388f3578366770fb623dacbde53b82adaea"
					 "60f3ca52c1fa84a9892c62cdbb392ec77922994a8122f4194106b246";
static const char address_abc[] = "7954f78bc5059ab83e91c9f6cd6073671767b33e038faab97df19af982ba0bcc";
static const char pseudonym_alice[] = "061a50bc735b2a2ef4561bbfa873545b";
static const char idempotency[] = "4929a386ee466c442547668e3571fd78";
static const char secret_hash[] = "4515278554e574f591d7a049cbeacca9074cca7168394127c0a53b9b9b3091d4";
static const char small[] = "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
			    "f04c85a7f0ec81c5ebde4519c0f4fba89bf0346b8e330d49dff622";

static void vector_slot(uint8_t out[SLOT_BYTES])
{
	memset(out, 0, SLOT_BYTES);
	hex(slot_start, out, 84);
	hex(slot_crc, out + SLOT_BYTES - 4, 4);
}

TEST(slot_is_encoded_as_drawn)
{
	uint8_t expected[SLOT_BYTES], bytes[SLOT_BYTES], root[8];
	struct slot s;
	hex(root_id, root, sizeof root);
	vector_slot(expected);
	format_get_slot(expected, VECTOR_EPOCH % KEYRING_SLOTS, root, &s);
	CHECK_EQ(s.state, SLOT_LIVE);
	CHECK_EQ(s.epoch, VECTOR_EPOCH);
	CHECK_BYTES(s.wrapped, expected + 24, SLOT_WRAPPED);
	format_put_slot(&s, VECTOR_EPOCH % KEYRING_SLOTS, root, bytes);
	CHECK_BYTES(bytes, expected, SLOT_BYTES);
	format_get_slot(expected, 0, root, &s);
	CHECK_EQ(s.state, SLOT_TORN);
}

TEST(head_and_empty_slots_are_encoded_as_drawn)
{
	struct fixture f;
	uint8_t expected[48], crc[4];
	fixture_begin(&f);
	for (int which = 0; which < 2; which++) {
		uint8_t *all = raw_all(&f, which);
		hex(head_start, expected, 48);
		CHECK_BYTES(all, expected, 48);
		hex(head_crc, crc, 4);
		CHECK_BYTES(all + SLOT_BLOCK_BYTES - 4, crc, 4);
		hex(empty5_crc, crc, 4);
		CHECK_BYTES(all + SLOT_BLOCK_BYTES + 6 * SLOT_BYTES - 4, crc, 4);
		free(all);
	}
	fixture_end(&f);
}

/* The whole chain at once: root key, slot, image key, sealed object. */
TEST(chain_of_keys_opens_a_fixed_object)
{
	struct fixture f;
	uint8_t slot[SLOT_BYTES], wrapped[60], object[63];
	struct image_id id, parsed;
	struct image_key *key = NULL;
	struct buf plain;
	buf_init(&plain, 100);
	fixture_begin(&f);
	vector_slot(slot);
	raw_write(&f, 0, VECTOR_EPOCH, slot);
	raw_write(&f, 1, VECTOR_EPOCH, slot);
	fixture_open(&f);
	hex(image_id, id.bytes, sizeof id.bytes);
	hex(image_wrapped, wrapped, sizeof wrapped);
	hex(sealed, object, sizeof object);
	CHECK(keyring_is_genuine(f.kr, &id));
	CHECK_EQ(image_id_collection(&id), 7);
	CHECK_EQ(image_id_epoch(&id), VECTOR_EPOCH);
	CHECK_EQ(image_id_parse(span_of(image_text), &parsed), ST_OK);
	CHECK_BYTES(parsed.bytes, id.bytes, sizeof id.bytes);
	CHECK_EQ(keyring_open_image(f.kr, &id, wrapped, &key), ST_OK);
	if (key) {
		CHECK_EQ(image_key_open(key, "metadata", span_make(object, sizeof object), &plain), ST_OK);
		CHECK(span_equal_text(buf_span(&plain), "hello, darkroom"));
	}
	image_key_release(key);
	buf_fini(&plain);
	fixture_end(&f);
}

TEST(chunks_are_fixed)
{
	static uint8_t plain[SEAL_CHUNK + 5], out[SEAL_CHUNK + CHUNK_TAG];
	uint8_t expected[32];
	struct blob_key key;
	struct blob_id id;
	struct blob_cipher *c = NULL;
	for (size_t i = 0; i < sizeof plain; i++)
		plain[i] = (uint8_t)(i * 7);
	for (uint8_t i = 0; i < 32; i++)
		key.bytes[i] = (uint8_t)(0x20 + i);
	for (uint8_t i = 0; i < 16; i++)
		id.bytes[i] = (uint8_t)(0xf0 + i);
	CHECK_EQ(digest_init(), ST_OK);
	REQUIRE(blob_cipher_new(&key, &id, sizeof plain, &c) == ST_OK);
	CHECK_EQ(blob_cipher_seal(c, 0, span_make(plain, SEAL_CHUNK), out), ST_OK);
	struct digest d = digest_of(span_make(out, sizeof out));
	hex(chunk0_sha256, expected, 32);
	CHECK_BYTES(d.bytes, expected, 32);
	CHECK_EQ(blob_cipher_seal(c, 1, span_make(plain + SEAL_CHUNK, 5), out), ST_OK);
	hex(chunk1, expected, 21);
	CHECK_BYTES(out, expected, 21);
	blob_cipher_free(c);
}

TEST(what_hangs_under_the_root_is_fixed)
{
	struct fixture f;
	uint8_t wrapped[60], object[59], expected[32], got[16];
	struct collection_key key;
	struct buf plain;
	buf_init(&plain, 100);
	fixture_begin(&f);
	fixture_open(&f);
	hex(collection_wrapped, wrapped, sizeof wrapped);
	CHECK_EQ(keyring_open_collection_key(f.kr, 8, wrapped, &key), ST_CORRUPT);
	CHECK_EQ(keyring_open_collection_key(f.kr, 7, wrapped, &key), ST_OK);
	for (uint8_t i = 0; i < 32; i++)
		CHECK_EQ(key.bytes[i], 0x80 + i);
	struct digest_stream *stream = collection_key_address(&key);
	digest_update(stream, SPAN_LIT("ab"));
	digest_update(stream, SPAN_LIT("c"));
	struct digest d = digest_end(stream);
	hex(address_abc, expected, 32);
	CHECK_BYTES(d.bytes, expected, 32);
	collection_key_pseudonym(&key, SPAN_LIT("alice"), got);
	hex(pseudonym_alice, expected, 16);
	CHECK_BYTES(got, expected, 16);
	collection_key_idempotency(&key, SPAN_LIT("alice"), SPAN_LIT("key-1"), got);
	hex(idempotency, expected, 16);
	CHECK_BYTES(got, expected, 16);
	d = keyring_hash_secret(f.kr, SPAN_LIT("s3cret"));
	hex(secret_hash, expected, 32);
	CHECK_BYTES(d.bytes, expected, 32);
	hex(small, object, sizeof object);
	CHECK_EQ(keyring_unwrap(f.kr, "receipt", span_make(object, sizeof object), &plain), ST_OK);
	CHECK(span_equal_text(buf_span(&plain), "signing key"));
	CHECK_EQ(keyring_unwrap(f.kr, "receipts", span_make(object, sizeof object), &plain), ST_CORRUPT);
	buf_fini(&plain);
	fixture_end(&f);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(slot_is_encoded_as_drawn),
		CHECK_TEST(head_and_empty_slots_are_encoded_as_drawn),
		CHECK_TEST(chain_of_keys_opens_a_fixed_object),
		CHECK_TEST(chunks_are_fixed),
		CHECK_TEST(what_hangs_under_the_root_is_fixed),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
