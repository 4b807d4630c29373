/* test_commit_record.c - one encoding of each content of a record, and nothing else decodes. */
#include "../../src/commit/record.h"

#include "check.h"
#include "digest.h"
#include "must.h"
#include "num.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>

#define NOW INT64_C(1790000000000)

static void bytes_from(uint8_t *out, size_t len, uint8_t first)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(first + i);
}

static struct record_image sample_image(void)
{
	struct record_image r = { 0 };
	r.image = (struct catalog_image){
		.collection = 7,
		.bytes = 123456789,
		.width = 4000,
		.height = 3000,
		.received_at = NOW,
		.expires_at = NOW + 3600000,
		.has_uploader = true,
		.has_idempotency = true,
		.has_address = true,
		.ready_at = -1,
		.meta = { .taken_at = -1 },
		.format = "jpeg",
		.source = "http",
	};
	bytes_from(r.image.uploader, 16, 1);
	bytes_from(r.image.idempotency, 16, 30);
	bytes_from(r.image.address, 32, 60);
	bytes_from(r.image.blob_id, 16, 100);
	bytes_from(r.blob_key.bytes, 32, 120);
	memcpy(r.person.file_name, "IMG 1.jpg", 10);
	memcpy(r.person.uploader, "ada", 4);
	return r;
}

static struct record_result sample_result(size_t renditions)
{
	struct record_result r = { .private_json = SPAN_LIT("{\"a\":1}") };
	r.result = (struct catalog_result){
		.is_good = true,
		.ready_at = NOW + 5,
		.width = 3000,
		.height = 4000,
		.rendition_count = renditions,
		.meta = { .camera = "Box 1",
			.colour = "#112233",
			.exposure_s = 0.004,
			.aperture = 2.8,
			.iso = 200,
			.taken_at = NOW - 1,
			.has_gps = true,
			.brightness = 0.5 },
	};
	for (size_t i = 0; i < renditions; i++) {
		struct catalog_rendition *row = &r.result.renditions[i];
		*row = (struct catalog_rendition){
			.format = "jpeg", .width = 320, .height = 240, .bytes = 1000 + i
		};
		(void)snprintf(row->name, sizeof row->name, "r%zu", i);
		bytes_from(row->blob_id, 16, (uint8_t)i);
		bytes_from(r.keys[i].bytes, 32, (uint8_t)(50 + i));
	}
	return r;
}

/* In memory of exactly its length, so that a byte too far is seen by the sanitizer. */
static struct span exact(const struct buf *b)
{
	uint8_t *copy = malloc(b->len + (b->len == 0));
	must(copy);
	memcpy(copy, b->data, b->len);
	return span_make(copy, b->len);
}

static struct span image_plain(const struct record_image *in)
{
	struct buf b;
	buf_init(&b, RECORD_SEALED_MAX);
	CHECK_EQ(record_put_image(in, &b), ST_OK);
	struct span s = exact(&b);
	buf_fini(&b);
	return s;
}

static struct span result_plain(const struct record_result *in)
{
	struct buf b;
	buf_init(&b, RECORD_SEALED_MAX);
	CHECK_EQ(record_put_result(in, &b), ST_OK);
	struct span s = exact(&b);
	buf_fini(&b);
	return s;
}

static void check_hex(const uint8_t *bytes, size_t len, const char *want)
{
	struct buf hex;
	buf_init(&hex, 256);
	text_put_hex(&hex, span_make(bytes, len));
	CHECK_STR(buf_text(&hex), want);
	buf_fini(&hex);
}

/* The fixed bytes of version 1: whoever changes them makes a new version. */
TEST(bytes_of_version_1)
{
	uint8_t out[64];
	struct record_erase e = { .target = { 0x01020304, 0x05060708, 0x090a0b0c } };
	struct record_blob b = { .plain_len = 1000, .collection = 7 };
	bytes_from(e.id, sizeof e.id, 1);
	bytes_from(b.blob_id, sizeof b.blob_id, 1);
	record_put_erase(&e, out);
	check_hex(out, RECORD_ERASE_BODY,
		"010102030405060708090a0b0c0d0e0f10111213141516171819"
		"0000"
		"04030201"
		"08070605"
		"0c0b0a09");
	record_put_blob(&b, out);
	check_hex(out, RECORD_BLOB_HEAD,
		"0102030405060708090a0b0c0d0e0f10"
		"e803000000000000"
		"07000000"
		"00000000");
	struct record_image image = sample_image();
	struct record_result result = sample_result(2);
	struct span plain = image_plain(&image);
	must(digest_init() == ST_OK);
	CHECK_EQ(plain.len, 213);
	CHECK_EQ(digest_crc32c(0, plain), 1838853711);
	free((void *)plain.data);
	plain = result_plain(&result);
	CHECK_EQ(plain.len, 322);
	CHECK_EQ(digest_crc32c(0, plain), 2934140050);
	free((void *)plain.data);
}

TEST(image_comes_back)
{
	struct record_image in = sample_image(), out;
	struct span plain = image_plain(&in);
	memset(&out, 0xaa, sizeof out);
	CHECK_EQ(record_get_image(plain, &out), ST_OK);
	CHECK_BYTES(&out, &in, sizeof in);
	free((void *)plain.data);
	in.image.has_uploader = in.image.has_idempotency = false;
	memset(in.image.uploader, 0, sizeof in.image.uploader);
	memset(in.image.idempotency, 0, sizeof in.image.idempotency);
	memset(&in.person, 0, sizeof in.person);
	plain = image_plain(&in);
	CHECK_EQ(record_get_image(plain, &out), ST_OK);
	CHECK_BYTES(&out, &in, sizeof in);
	free((void *)plain.data);
}

TEST(longest_texts_fit)
{
	struct record_image in = sample_image(), out;
	memset(in.person.file_name, 'x', FILE_NAME_MAX_BYTES);
	memset(in.person.uploader, 'y', PRINCIPAL_NAME_MAX);
	struct span plain = image_plain(&in);
	CHECK_EQ(record_get_image(plain, &out), ST_OK);
	CHECK_BYTES(&out, &in, sizeof in);
	free((void *)plain.data);
}

TEST(result_comes_back)
{
	for (size_t n = 0; n <= RENDITIONS_MAX; n++) {
		struct record_result in = sample_result(n), out;
		struct span plain = result_plain(&in);
		memset(&out, 0xaa, sizeof out);
		CHECK_EQ(record_get_result(plain, &out), ST_OK);
		CHECK_BYTES(&out.result, &in.result, sizeof in.result);
		CHECK_BYTES(out.keys, in.keys, sizeof in.keys);
		CHECK(span_equal(out.private_json, in.private_json));
		free((void *)plain.data);
	}
}

TEST(what_the_format_cannot_hold_is_refused)
{
	struct buf b;
	struct record_result r = sample_result(1);
	struct record_image i = sample_image();
	buf_init(&b, RECORD_SEALED_MAX);
	r.result.meta.aperture = INFINITY;
	CHECK_EQ(record_put_result(&r, &b), ST_INVALID);
	r.result.meta.aperture = NAN;
	CHECK_EQ(record_put_result(&r, &b), ST_INVALID);
	r = sample_result(1);
	r.private_json.len = RECORD_PRIVATE_MAX + 1;
	CHECK_EQ(record_put_result(&r, &b), ST_TOO_BIG);
	memset(i.image.format, 'x', sizeof i.image.format);
	CHECK_EQ(record_put_image(&i, &b), ST_INVALID);
	buf_fini(&b);
	i = sample_image();
	buf_init(&b, 100);
	CHECK_EQ(record_put_image(&i, &b), ST_TOO_BIG);
	buf_fini(&b);
}

/* Whatever decodes encodes to the same bytes again: nothing is read in two ways. */
static void check_one_encoding_image(struct span plain)
{
	struct record_image out;
	if (record_get_image(plain, &out) != ST_OK)
		return;
	struct span again = image_plain(&out);
	CHECK(span_equal(again, plain));
	free((void *)again.data);
}

static void check_one_encoding_result(struct span plain)
{
	struct record_result out;
	if (record_get_result(plain, &out) != ST_OK)
		return;
	struct span again = result_plain(&out);
	CHECK(span_equal(again, plain));
	free((void *)again.data);
}

static void check_cuts_and_flips(struct span plain, void (*check)(struct span))
{
	for (size_t len = 0; len <= plain.len; len++) {
		uint8_t *cut = malloc(len + (len == 0));
		must(cut);
		memcpy(cut, plain.data, len);
		check(span_make(cut, len));
		free(cut);
	}
	uint8_t *flipped = malloc(plain.len);
	must(flipped);
	for (size_t bit = 0; bit < plain.len * 8; bit++) {
		memcpy(flipped, plain.data, plain.len);
		flipped[bit / 8] ^= (uint8_t)(1 << bit % 8);
		check(span_make(flipped, plain.len));
	}
	free(flipped);
}

TEST(cuts_and_flips_decode_to_themselves_or_not)
{
	struct record_image image = sample_image();
	struct record_result result = sample_result(2);
	struct span plain = image_plain(&image);
	check_cuts_and_flips(plain, check_one_encoding_image);
	free((void *)plain.data);
	plain = result_plain(&result);
	check_cuts_and_flips(plain, check_one_encoding_result);
	free((void *)plain.data);
}

/* Finds the field `tag`; gives where it begins. */
static size_t find_field(struct span plain, uint8_t tag)
{
	size_t at = 0;
	while (at < plain.len && plain.data[at] != tag)
		at += 3 + (size_t)num_get_u16(plain.data + at + 1);
	must(at < plain.len);
	return at;
}

static enum status decode_edited(struct span plain, size_t at, size_t cut, struct span put)
{
	struct record_image out;
	struct buf b;
	buf_init(&b, RECORD_SEALED_MAX);
	buf_put_span(&b, span_slice(plain, 0, at));
	buf_put_span(&b, put);
	buf_put_span(&b, span_slice(plain, at + cut, plain.len));
	enum status st = record_get_image(buf_span(&b), &out);
	buf_fini(&b);
	return st;
}

TEST(fields_stand_once_in_order_and_all)
{
	struct record_image image = sample_image();
	struct span plain = image_plain(&image);
	CHECK_EQ(decode_edited(plain, 0, 0, (struct span){ 0 }), ST_OK);
	for (uint8_t tag = 1; tag <= 15; tag++) {
		size_t at = find_field(plain, tag), len = 3 + (size_t)num_get_u16(plain.data + at + 1);
		bool may_be_absent = tag == 9 || tag == 10 || tag >= 14;
		CHECK_EQ(decode_edited(plain, at, len, (struct span){ 0 }),
			may_be_absent ? ST_OK : ST_CORRUPT);
		CHECK_EQ(decode_edited(plain, at, 0, span_slice(plain, at, len)), ST_CORRUPT);
	}
	CHECK_EQ(decode_edited(plain, plain.len, 0, SPAN_LIT("\x10\x01\x00x")), ST_CORRUPT);
	size_t name = find_field(plain, 14);
	CHECK_EQ(decode_edited(plain, name, 3 + 9, SPAN_LIT("\x0e\x00\x00")), ST_CORRUPT);
	CHECK_EQ(decode_edited(plain, name, 3 + 9,
			 SPAN_LIT("\x0e\x03\x00"
				  "a\0b")),
		ST_CORRUPT);
	CHECK_EQ(decode_edited(plain, name, 3 + 9,
			 SPAN_LIT("\x0e\x03\x00"
				  "abc")),
		ST_OK);
	free((void *)plain.data);
}

TEST(clear_parts)
{
	uint8_t out[RECORD_IMAGE_HEAD + 10] = { 0 };
	struct record_clear in = { 0 }, back;
	bytes_from(in.id, sizeof in.id, 9);
	bytes_from(in.blob_id, sizeof in.blob_id, 99);
	record_put_image_head(&in, out);
	CHECK_EQ(record_get_image_head(span_make(out, sizeof out), &back), ST_OK);
	CHECK_BYTES(back.id, in.id, sizeof in.id);
	CHECK_BYTES(back.blob_id, in.blob_id, sizeof in.blob_id);
	CHECK_EQ(back.sealed.len, 10);
	CHECK_EQ(record_get_image_head(span_make(out, RECORD_IMAGE_HEAD - 1), &back), ST_CORRUPT);
	out[0] = 2;
	CHECK_EQ(record_get_image_head(span_make(out, sizeof out), &back), ST_CORRUPT);
	CHECK_EQ(record_get_result_head(span_make(out, sizeof out), &back), ST_CORRUPT);
	record_put_result_head(&in, out);
	CHECK_EQ(record_get_result_head(span_make(out, RECORD_RESULT_HEAD), &back), ST_OK);
	CHECK_EQ(back.sealed.len, 0);
	CHECK_EQ(record_get_result_head(span_make(out, RECORD_RESULT_HEAD - 1), &back), ST_CORRUPT);
}

TEST(blob_and_erase_heads)
{
	uint8_t blob[RECORD_BLOB_HEAD], erase[RECORD_ERASE_BODY + 1] = { 0 };
	struct record_blob b = { .plain_len = 65537, .collection = 1 }, blob_back;
	struct record_erase e = { .target = { 1, 2, 3 } }, erase_back;
	record_put_blob(&b, blob);
	uint64_t body = RECORD_BLOB_HEAD + blob_sealed_len(65537);
	CHECK_EQ(record_get_blob(span_make(blob, sizeof blob), body, &blob_back), ST_OK);
	CHECK_EQ(blob_back.plain_len, 65537);
	CHECK_EQ(record_get_blob(span_make(blob, sizeof blob), body + 1, &blob_back), ST_CORRUPT);
	CHECK_EQ(record_get_blob(span_make(blob, sizeof blob - 1), body, &blob_back), ST_CORRUPT);
	blob[31] = 1;
	CHECK_EQ(record_get_blob(span_make(blob, sizeof blob), body, &blob_back), ST_CORRUPT);
	b = (struct record_blob){ .plain_len = UINT64_MAX - 15, .collection = 1 };
	record_put_blob(&b, blob);
	CHECK_EQ(record_get_blob(span_make(blob, sizeof blob), RECORD_BLOB_HEAD, &blob_back), ST_CORRUPT);
	b = (struct record_blob){ .plain_len = 1 };
	record_put_blob(&b, blob);
	CHECK_EQ(
		record_get_blob(span_make(blob, sizeof blob), RECORD_BLOB_HEAD + 17, &blob_back), ST_CORRUPT);
	record_put_erase(&e, erase);
	CHECK_EQ(record_get_erase(span_make(erase, RECORD_ERASE_BODY), &erase_back), ST_OK);
	CHECK_EQ(erase_back.target.length, 3);
	CHECK_EQ(record_get_erase(span_make(erase, RECORD_ERASE_BODY + 1), &erase_back), ST_CORRUPT);
	CHECK_EQ(record_get_erase(span_make(erase, RECORD_ERASE_BODY - 1), &erase_back), ST_CORRUPT);
	erase[27] = 1;
	CHECK_EQ(record_get_erase(span_make(erase, RECORD_ERASE_BODY), &erase_back), ST_CORRUPT);
	e.target.length = 0;
	record_put_erase(&e, erase);
	CHECK_EQ(record_get_erase(span_make(erase, RECORD_ERASE_BODY), &erase_back), ST_CORRUPT);
}

/* Version, node, collection, epoch as keyring.h draws an id. */
static void make_id(uint8_t id[CATALOG_ID], uint32_t collection, uint32_t epoch)
{
	memset(id, 0, CATALOG_ID);
	id[0] = 1;
	for (int i = 0; i < 4; i++) {
		id[3 + i] = (uint8_t)(collection >> (24 - 8 * i));
		id[7 + i] = (uint8_t)(epoch >> (24 - 8 * i));
	}
}

TEST(seal_and_clear_part_agree)
{
	struct record_image r = sample_image();
	struct record_clear clear = { 0 };
	uint32_t epoch = keyring_epoch_of(r.image.expires_at);
	make_id(clear.id, 7, epoch);
	memcpy(clear.blob_id, r.image.blob_id, sizeof clear.blob_id);
	CHECK_EQ(record_join_image(&clear, &r), ST_OK);
	CHECK_EQ(r.image.epoch, epoch);
	CHECK_BYTES(r.image.id, clear.id, sizeof clear.id);
	clear.blob_id[3] ^= 1;
	CHECK_EQ(record_join_image(&clear, &r), ST_CORRUPT);
	clear.blob_id[3] ^= 1;
	make_id(clear.id, 8, epoch);
	CHECK_EQ(record_join_image(&clear, &r), ST_CORRUPT);
	make_id(clear.id, 7, epoch + 1);
	CHECK_EQ(record_join_image(&clear, &r), ST_CORRUPT);
	make_id(clear.id, 7, epoch);
	r.image.expires_at = r.image.received_at;
	CHECK_EQ(record_join_image(&clear, &r), ST_CORRUPT);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(bytes_of_version_1),
		CHECK_TEST(image_comes_back),
		CHECK_TEST(longest_texts_fit),
		CHECK_TEST(result_comes_back),
		CHECK_TEST(what_the_format_cannot_hold_is_refused),
		CHECK_TEST(cuts_and_flips_decode_to_themselves_or_not),
		CHECK_TEST(fields_stand_once_in_order_and_all),
		CHECK_TEST(clear_parts),
		CHECK_TEST(blob_and_erase_heads),
		CHECK_TEST(seal_and_clear_part_agree),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
