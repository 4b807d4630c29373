/* Image ids, image keys, sealed objects, chunks: what is damaged, moved, revoked or destroyed does not
 * open. */
#include "keyring_fixture.h"

#include "buf.h"
#include "memory.h"
#include "thread.h"

#include "../../src/keyring/keyring_private.h"

static struct image_key *new_key(struct keyring *kr, uint32_t epoch, struct image_id *id, uint8_t *wrapped)
{
	struct image_key *key = NULL;
	must(keyring_new_image(kr, 7, keyring_epoch_due_ms(epoch), id, wrapped, &key) == ST_OK);
	return key;
}

static enum status try_open(struct keyring *kr, const struct image_id *id, const uint8_t *wrapped)
{
	struct image_key *key = NULL;
	enum status st = keyring_open_image(kr, id, wrapped, &key);
	image_key_release(key);
	return st;
}

static void begin(struct fixture *f)
{
	fixture_begin(f);
	fixture_open(f);
	must(keyring_prepare(f->kr, E, E_BLOCK_END) == ST_OK);
}

TEST(ids_say_what_they_are_and_sort_by_expiry)
{
	struct fixture f;
	struct image_id early, late, parsed;
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	char text[IMAGE_ID_TEXT + 1], later[IMAGE_ID_TEXT + 1];
	struct buf base32;
	buf_init(&base32, 100);
	begin(&f);
	image_key_release(new_key(f.kr, E, &early, wrapped));
	image_key_release(new_key(f.kr, E + 1, &late, wrapped));
	CHECK_EQ(image_id_collection(&early), 7);
	CHECK_EQ(image_id_epoch(&early), E);
	image_id_text(&early, text);
	text_put_base32(&base32, span_make(early.bytes, sizeof early.bytes));
	CHECK_STR(text, buf_text(&base32));
	image_id_text(&late, later);
	CHECK(memcmp(early.bytes, late.bytes, IMAGE_ID_BYTES) < 0);
	CHECK_EQ(image_id_parse(span_of(text), &parsed), ST_OK);
	CHECK_BYTES(parsed.bytes, early.bytes, IMAGE_ID_BYTES);
	text[0] = 'b';
	CHECK_EQ(image_id_parse(span_of(text), &parsed), ST_INVALID);
	text[0] = 'a';
	text[20] = '1';
	CHECK_EQ(image_id_parse(span_of(text), &parsed), ST_INVALID);
	later[39] = 0;
	CHECK_EQ(image_id_parse(span_of(later), &parsed), ST_INVALID);
	CHECK_EQ(image_id_parse(span_make(NULL, 0), &parsed), ST_INVALID);
	buf_fini(&base32);
	fixture_end(&f);
}

TEST(a_forged_id_is_not_genuine_and_opens_nothing)
{
	struct fixture f;
	struct image_id id, forged;
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	begin(&f);
	image_key_release(new_key(f.kr, E, &id, wrapped));
	CHECK(keyring_is_genuine(f.kr, &id));
	for (size_t i = 0; i < IMAGE_ID_BYTES; i++) {
		forged = id;
		forged.bytes[i] ^= 0x40;
		CHECK(!keyring_is_genuine(f.kr, &forged));
		CHECK(try_open(f.kr, &forged, wrapped) != ST_OK);
	}
	fixture_end(&f);
}

TEST(every_byte_of_a_wrapped_key_is_guarded)
{
	struct fixture f;
	struct image_id id;
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	static const uint8_t zeros[WRAPPED_KEY_BYTES];
	begin(&f);
	image_key_release(new_key(f.kr, E, &id, wrapped));
	for (size_t i = 0; i < sizeof wrapped; i++) {
		wrapped[i] ^= 1;
		CHECK_EQ(try_open(f.kr, &id, wrapped), ST_CORRUPT);
		wrapped[i] ^= 1;
	}
	CHECK_EQ(try_open(f.kr, &id, wrapped), ST_OK);
	CHECK_EQ(try_open(f.kr, &id, zeros), ST_GONE);
	fixture_end(&f);
}

TEST(every_byte_of_a_sealed_object_is_guarded)
{
	struct fixture f;
	struct image_id id, other_id;
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	struct buf sealed, again, out;
	buf_init(&sealed, 1000), buf_init(&again, 1000), buf_init(&out, 1000);
	begin(&f);
	struct image_key *key = new_key(f.kr, E, &id, wrapped), *other = new_key(f.kr, E, &other_id, wrapped);
	buf_put_text(&sealed, "before");
	buf_put_text(&out, "kept");
	CHECK_EQ(image_key_seal(key, "metadata", SPAN_LIT("private"), &sealed), ST_OK);
	CHECK_EQ(sealed.len, 6 + 7 + SEAL_OVERHEAD);
	CHECK_EQ(image_key_seal(key, "metadata", SPAN_LIT("private"), &again), ST_OK);
	CHECK(memcmp(again.data, sealed.data + 6, again.len) != 0);
	struct span object = span_slice(buf_span(&sealed), 6, SIZE_MAX);
	for (size_t i = 0; i < object.len; i++) {
		sealed.data[6 + i] ^= 0x80;
		CHECK_EQ(image_key_open(key, "metadata", object, &out), ST_CORRUPT);
		sealed.data[6 + i] ^= 0x80;
	}
	for (size_t len = 0; len < object.len; len++)
		CHECK_EQ(image_key_open(key, "metadata", span_slice(object, 0, len), &out), ST_CORRUPT);
	CHECK_EQ(image_key_open(key, "metadatb", object, &out), ST_CORRUPT);
	CHECK_EQ(image_key_open(other, "metadata", object, &out), ST_CORRUPT);
	CHECK(span_equal_text(buf_span(&out), "kept"));
	CHECK_EQ(image_key_open(key, "metadata", object, &out), ST_OK);
	CHECK(span_equal_text(buf_span(&out), "keptprivate"));
	buf_clear(&again);
	CHECK_EQ(image_key_seal(key, "empty", span_make(NULL, 0), &again), ST_OK);
	CHECK_EQ(again.len, SEAL_OVERHEAD);
	CHECK_EQ(image_key_open(key, "empty", buf_span(&again), &out), ST_OK);
	CHECK_EQ(out.len, 11);
	buf_clear(&again);
	again.max = SEAL_OVERHEAD;
	CHECK_EQ(image_key_seal(key, "full", SPAN_LIT("x"), &again), ST_TOO_BIG);
	buf_fini(&sealed), buf_fini(&again), buf_fini(&out);
	image_key_release(key), image_key_release(other);
	fixture_end(&f);
}

TEST(destroying_an_epoch_wipes_its_handles_and_no_others)
{
	struct fixture f;
	struct image_id doomed_id, kept_id;
	uint8_t doomed_wrapped[WRAPPED_KEY_BYTES], kept_wrapped[WRAPPED_KEY_BYTES], zeros[32] = { 0 };
	uint32_t gone[4];
	size_t count = 0;
	struct buf sealed, out;
	buf_init(&sealed, 1000), buf_init(&out, 1000);
	begin(&f);
	struct image_key *doomed = new_key(f.kr, E, &doomed_id, doomed_wrapped);
	struct image_key *kept = new_key(f.kr, E + 1, &kept_id, kept_wrapped);
	CHECK_EQ(image_key_seal(doomed, "metadata", SPAN_LIT("x"), &sealed), ST_OK);
	CHECK(image_key_is_live(doomed));
	CHECK_EQ(keyring_destroy_due(f.kr, E, gone, 4, &count), ST_OK);
	CHECK_EQ(count, 1);
	CHECK(!image_key_is_live(doomed));
	CHECK_BYTES(f.kr->key_bytes[doomed->index], zeros, 32);
	CHECK_EQ(image_key_open(doomed, "metadata", buf_span(&sealed), &out), ST_GONE);
	CHECK_EQ(image_key_seal(doomed, "metadata", SPAN_LIT("x"), &out), ST_GONE);
	CHECK_EQ(out.len, 0);
	CHECK_EQ(try_open(f.kr, &doomed_id, doomed_wrapped), ST_GONE);
	CHECK(image_key_is_live(kept));
	CHECK_EQ(try_open(f.kr, &kept_id, kept_wrapped), ST_OK);
	CHECK(keyring_is_genuine(f.kr, &doomed_id));
	image_key_release(doomed), image_key_release(kept);
	buf_fini(&sealed), buf_fini(&out);
	fixture_end(&f);
}

TEST(revoking_wipes_all_handles_of_one_image_and_refuses_it_from_then_on)
{
	struct fixture f;
	struct image_id id, other_id;
	uint8_t wrapped[WRAPPED_KEY_BYTES], other_wrapped[WRAPPED_KEY_BYTES], zeros[32] = { 0 };
	struct image_key *second = NULL;
	begin(&f);
	struct image_key *first = new_key(f.kr, E, &id, wrapped),
			 *other = new_key(f.kr, E, &other_id, other_wrapped);
	CHECK_EQ(keyring_open_image(f.kr, &id, wrapped, &second), ST_OK);
	keyring_revoke(f.kr, &id);
	keyring_revoke(f.kr, &id);
	CHECK(!image_key_is_live(first));
	CHECK(!image_key_is_live(second));
	CHECK(image_key_is_live(other));
	CHECK_BYTES(f.kr->key_bytes[second->index], zeros, 32);
	CHECK_EQ(try_open(f.kr, &id, wrapped), ST_GONE);
	CHECK_EQ(try_open(f.kr, &other_id, other_wrapped), ST_OK);
	image_key_release(first), image_key_release(second), image_key_release(other);
	fixture_end(&f);
}

/* Whatever happens to the set of revoked ids, no revoked image opens. */
TEST(more_revocations_than_the_set_holds_close_the_epoch)
{
	struct fixture f;
	struct image_id id, last, elsewhere;
	uint8_t wrapped[WRAPPED_KEY_BYTES], last_wrapped[WRAPPED_KEY_BYTES],
		elsewhere_wrapped[WRAPPED_KEY_BYTES];
	uint32_t gone[4];
	size_t count = 0;
	begin(&f);
	image_key_release(new_key(f.kr, E + 1, &last, last_wrapped));
	image_key_release(new_key(f.kr, E + 2, &elsewhere, elsewhere_wrapped));
	image_key_release(new_key(f.kr, E, &id, wrapped));
	keyring_revoke(f.kr, &id);
	struct image_id filler = id;
	for (uint32_t i = 0; i < REVOKED_MAX; i++) {
		memcpy(filler.bytes + ID_AT_RANDOM + 2, &i, sizeof i);
		keyring_revoke(f.kr, &filler);
	}
	CHECK_EQ(try_open(f.kr, &id, wrapped), ST_GONE);
	keyring_revoke(f.kr, &last);
	CHECK(try_open(f.kr, &last, last_wrapped) != ST_OK);
	CHECK_EQ(try_open(f.kr, &elsewhere, elsewhere_wrapped), ST_OK);
	/* Their epoch's end makes room. */
	CHECK_EQ(keyring_destroy_due(f.kr, E, gone, 4, &count), ST_OK);
	CHECK_EQ(f.kr->revoked.used, 0);
	keyring_revoke(f.kr, &elsewhere);
	CHECK_EQ(try_open(f.kr, &elsewhere, elsewhere_wrapped), ST_GONE);
	CHECK_EQ(try_image(f.kr, E + 2), ST_OK);
	fixture_end(&f);
}

TEST(handles_are_bounded_and_come_back)
{
	static struct image_key *keys[IMAGE_KEYS_MAX];
	struct fixture f;
	struct image_id id;
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	begin(&f);
	for (size_t i = 0; i < IMAGE_KEYS_MAX; i++)
		keys[i] = new_key(f.kr, E, &id, wrapped);
	CHECK_EQ(try_image(f.kr, E), ST_FULL);
	CHECK_EQ(try_open(f.kr, &id, wrapped), ST_FULL);
	image_key_release(keys[5]);
	keys[5] = new_key(f.kr, E, &id, wrapped);
	CHECK_EQ(try_image(f.kr, E), ST_FULL);
	for (size_t i = 0; i < IMAGE_KEYS_MAX; i++)
		image_key_release(keys[i]);
	image_key_release(NULL);
	CHECK_EQ(try_image(f.kr, E), ST_OK);
	fixture_end(&f);
}

struct user {
	struct keyring *kr;
	struct image_key *key;
	atomic_bool is_over;
	atomic_uint done;
};

static void use_until_gone(void *argument)
{
	struct user *u = argument;
	enum status st = ST_OK;
	struct buf sealed, out;
	buf_init(&sealed, 1000), buf_init(&out, 1000);
	while (st == ST_OK) {
		buf_clear(&sealed), buf_clear(&out);
		st = image_key_seal(u->key, "metadata", SPAN_LIT("again"), &sealed);
		if (st == ST_OK)
			st = image_key_open(u->key, "metadata", buf_span(&sealed), &out);
		if (st == ST_OK)
			CHECK(span_equal_text(buf_span(&out), "again"));
		atomic_fetch_add(&u->done, 1);
	}
	CHECK_EQ(st, ST_GONE);
	buf_fini(&sealed), buf_fini(&out);
}

static void make_images(void *argument)
{
	struct user *u = argument;
	while (!atomic_load(&u->is_over)) {
		enum status st = try_image(u->kr, E + 1);
		CHECK(st == ST_OK || st == ST_GONE);
		(void)keyring_epoch_state(u->kr, E);
		(void)keyring_oldest_live(u->kr);
	}
}

static void prepare_more(void *argument)
{
	struct user *u = argument;
	for (uint32_t i = 1; i < 6; i++)
		CHECK_EQ(keyring_prepare(u->kr, E + i * KEYRING_BLOCK, E + i * KEYRING_BLOCK), ST_OK);
}

TEST(keys_are_wiped_while_other_threads_use_them)
{
	struct fixture f;
	struct image_id a, b;
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	uint32_t gone[4];
	size_t count = 0;
	struct thread threads[4];
	memset(threads, 0, sizeof threads);
	begin(&f);
	struct user first = { .kr = f.kr, .key = new_key(f.kr, E, &a, wrapped) };
	struct user second = { .kr = f.kr, .key = new_key(f.kr, E + 1, &b, wrapped) };
	CHECK_EQ(thread_start(&threads[0], "first", use_until_gone, &first), ST_OK);
	CHECK_EQ(thread_start(&threads[1], "second", use_until_gone, &second), ST_OK);
	CHECK_EQ(thread_start(&threads[2], "maker", make_images, &first), ST_OK);
	CHECK_EQ(thread_start(&threads[3], "preparer", prepare_more, &first), ST_OK);
	while (atomic_load(&first.done) < 20 || atomic_load(&second.done) < 20)
		CHECK_EQ(disagreeing(f.kr), 0);
	CHECK_EQ(keyring_destroy_due(f.kr, E, gone, 4, &count), ST_OK);
	keyring_revoke(f.kr, &b);
	thread_join(&threads[0]);
	thread_join(&threads[1]);
	CHECK_EQ(keyring_destroy_due(f.kr, E + 1, gone, 4, &count), ST_OK);
	atomic_store(&first.is_over, true);
	thread_join(&threads[2]);
	thread_join(&threads[3]);
	CHECK_EQ(keyring_epoch_state(f.kr, E + 5 * KEYRING_BLOCK), EPOCH_LIVE);
	image_key_release(first.key), image_key_release(second.key);
	CHECK_EQ(disagreeing(f.kr), 0);
	fixture_end(&f);
}

/* --- blobs --- */

enum { BLOB_LEN = 2 * SEAL_CHUNK + 9, CHUNKS = 3 };
static uint8_t plain[BLOB_LEN], chunks[CHUNKS][SEAL_CHUNK + CHUNK_TAG], opened[SEAL_CHUNK];

static size_t plain_len(uint64_t index)
{
	return index < CHUNKS - 1 ? SEAL_CHUNK : 9;
}

static struct span sealed_chunk(uint64_t index)
{
	return span_make(chunks[index], plain_len(index) + CHUNK_TAG);
}

static struct blob_cipher *seal_blob(struct blob_key *key, struct blob_id *id)
{
	struct blob_cipher *c = NULL;
	must(digest_init() == ST_OK && keyring_new_blob(key, id) == ST_OK);
	must(blob_cipher_new(key, id, BLOB_LEN, &c) == ST_OK);
	for (size_t i = 0; i < BLOB_LEN; i++)
		plain[i] = (uint8_t)(i * 31 + i / 256);
	for (uint64_t i = 0; i < CHUNKS; i++)
		must(blob_cipher_seal(c, i, span_make(plain + i * SEAL_CHUNK, plain_len(i)), chunks[i]) ==
			ST_OK);
	return c;
}

TEST(lengths_of_sealed_blobs)
{
	CHECK_EQ(blob_chunk_count(0), 1);
	CHECK_EQ(blob_sealed_len(0), CHUNK_TAG);
	CHECK_EQ(blob_chunk_count(1), 1);
	CHECK_EQ(blob_chunk_count(SEAL_CHUNK), 1);
	CHECK_EQ(blob_sealed_len(SEAL_CHUNK), SEAL_CHUNK + CHUNK_TAG);
	CHECK_EQ(blob_chunk_count(SEAL_CHUNK + 1), 2);
	CHECK_EQ(blob_sealed_len(SEAL_CHUNK + 1), SEAL_CHUNK + 1 + 2 * CHUNK_TAG);
	CHECK(blob_sealed_len(UINT64_MAX) == UINT64_MAX);
	struct blob_key key = { { 0 } };
	struct blob_id id = { { 0 } };
	struct blob_cipher *c = NULL;
	CHECK_EQ(blob_cipher_new(&key, &id, GIB(1) + 1, &c), ST_TOO_BIG);
	uint8_t tag[CHUNK_TAG];
	REQUIRE(blob_cipher_new(&key, &id, 0, &c) == ST_OK);
	CHECK_EQ(blob_cipher_seal(c, 0, span_make(NULL, 0), tag), ST_OK);
	CHECK_EQ(blob_cipher_open(c, 0, span_make(tag, sizeof tag), opened), ST_OK);
	tag[3] ^= 1;
	CHECK_EQ(blob_cipher_open(c, 0, span_make(tag, sizeof tag), opened), ST_CORRUPT);
	blob_cipher_free(c);
}

TEST(chunks_open_in_any_order_between_seals)
{
	struct blob_key key;
	struct blob_id id;
	struct blob_cipher *c = seal_blob(&key, &id);
	uint8_t again[9 + CHUNK_TAG];
	for (uint64_t i = CHUNKS; i-- > 0;) {
		CHECK_EQ(blob_cipher_open(c, i, sealed_chunk(i), opened), ST_OK);
		CHECK_BYTES(opened, plain + i * SEAL_CHUNK, plain_len(i));
		CHECK_EQ(blob_cipher_seal(c, 2, span_make(plain + 2 * SEAL_CHUNK, 9), again), ST_OK);
		CHECK_BYTES(again, chunks[2], sizeof again);
	}
	blob_cipher_free(c);
}

TEST(every_byte_of_a_chunk_is_guarded)
{
	struct blob_key key;
	struct blob_id id;
	struct blob_cipher *c = seal_blob(&key, &id);
	static const uint8_t zeros[SEAL_CHUNK];
	for (size_t i = 0; i < 9 + CHUNK_TAG; i++) {
		chunks[2][i] ^= 4;
		memset(opened, 0xee, 9);
		CHECK_EQ(blob_cipher_open(c, 2, sealed_chunk(2), opened), ST_CORRUPT);
		CHECK_BYTES(opened, zeros, 9);
		chunks[2][i] ^= 4;
	}
	for (size_t i = 0; i < SEAL_CHUNK + CHUNK_TAG; i += 997) {
		chunks[0][i] ^= 1;
		CHECK_EQ(blob_cipher_open(c, 0, sealed_chunk(0), opened), ST_CORRUPT);
		CHECK_BYTES(opened, zeros, SEAL_CHUNK);
		chunks[0][i] ^= 1;
	}
	CHECK_EQ(blob_cipher_open(c, 0, sealed_chunk(0), opened), ST_OK);
	blob_cipher_free(c);
}

TEST(chunks_do_not_move_shrink_or_change_blobs)
{
	struct blob_key key;
	struct blob_id id, other_id;
	struct blob_cipher *c = seal_blob(&key, &id), *other = NULL, *shorter = NULL;
	CHECK_EQ(blob_cipher_open(c, 1, sealed_chunk(0), opened), ST_CORRUPT);
	CHECK_EQ(blob_cipher_open(c, 0, sealed_chunk(1), opened), ST_CORRUPT);
	CHECK_EQ(blob_cipher_open(c, CHUNKS, sealed_chunk(2), opened), ST_CORRUPT);
	CHECK_EQ(blob_cipher_open(c, 2, span_slice(sealed_chunk(2), 0, CHUNK_TAG), opened), ST_CORRUPT);
	CHECK_EQ(blob_cipher_open(c, 2, span_slice(sealed_chunk(2), 0, 3), opened), ST_CORRUPT);
	CHECK_EQ(blob_cipher_open(c, 2, span_make(NULL, 0), opened), ST_CORRUPT);
	/* A blob cut at a chunk's border is another length, so nothing of it opens. */
	REQUIRE(blob_cipher_new(&key, &id, 2 * SEAL_CHUNK, &shorter) == ST_OK);
	CHECK_EQ(blob_cipher_open(shorter, 0, sealed_chunk(0), opened), ST_CORRUPT);
	other_id = id;
	other_id.bytes[15] ^= 1;
	REQUIRE(blob_cipher_new(&key, &other_id, BLOB_LEN, &other) == ST_OK);
	CHECK_EQ(blob_cipher_open(other, 0, sealed_chunk(0), opened), ST_CORRUPT);
	blob_cipher_free(c), blob_cipher_free(other), blob_cipher_free(shorter);
	blob_cipher_free(NULL);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(ids_say_what_they_are_and_sort_by_expiry),
		CHECK_TEST(a_forged_id_is_not_genuine_and_opens_nothing),
		CHECK_TEST(every_byte_of_a_wrapped_key_is_guarded),
		CHECK_TEST(every_byte_of_a_sealed_object_is_guarded),
		CHECK_TEST(destroying_an_epoch_wipes_its_handles_and_no_others),
		CHECK_TEST(revoking_wipes_all_handles_of_one_image_and_refuses_it_from_then_on),
		CHECK_TEST(more_revocations_than_the_set_holds_close_the_epoch),
		CHECK_TEST(handles_are_bounded_and_come_back),
		CHECK_TEST(keys_are_wiped_while_other_threads_use_them),
		CHECK_TEST(lengths_of_sealed_blobs),
		CHECK_TEST(chunks_open_in_any_order_between_seals),
		CHECK_TEST(every_byte_of_a_chunk_is_guarded),
		CHECK_TEST(chunks_do_not_move_shrink_or_change_blobs),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
