/* Bodies that are sealed where they lie: the same bytes as sealed elsewhere, and back. */
#include "ingest/body.h"

#include <stdlib.h>

#include "digest.h"
#include "memory.h"
#include "must.h"

#include "check.h"

enum { PATTERN_STEP = 37, CHUNK = 65536 };
#define MAX MIB(4)

static const size_t lengths[] = { 0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK + 12345 };
enum { LENGTHS = sizeof lengths / sizeof *lengths };

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * PATTERN_STEP + i / 251);
}

static void fill(struct body *b, size_t len)
{
	uint8_t piece[1000];
	for (size_t at = 0; at < len; at += sizeof piece) {
		size_t part = len - at < sizeof piece ? len - at : sizeof piece;
		for (size_t i = 0; i < part; i++)
			piece[i] = byte_at(at + i);
		CHECK_EQ(body_append(b, span_make(piece, part), MAX), ST_OK);
	}
}

static bool is_pattern(struct span bytes, size_t from)
{
	for (size_t i = 0; i < bytes.len; i++)
		if (((const uint8_t *)bytes.data)[i] != byte_at(from + i))
			return false;
	return true;
}

/* As a reader opens it, chunk by chunk, elsewhere. */
static void check_opens(const struct body *b)
{
	struct blob_cipher *cipher = NULL;
	struct span sealed = body_span(b);
	uint8_t *plain = malloc(CHUNK);
	REQUIRE(plain && blob_cipher_new(&b->key, &b->id, b->len, &cipher) == ST_OK);
	CHECK_EQ(sealed.len, blob_sealed_len(b->len));
	for (size_t i = 0; i < blob_chunk_count(b->len); i++) {
		struct span part = span_slice(sealed, i * (CHUNK + CHUNK_TAG), CHUNK + CHUNK_TAG);
		CHECK_EQ(blob_cipher_open(cipher, i, part, plain), ST_OK);
		CHECK(is_pattern(span_make(plain, part.len - CHUNK_TAG), i * CHUNK));
	}
	blob_cipher_free(cipher);
	free(plain);
}

TEST(a_body_is_sealed_in_place_and_opens_as_any_other)
{
	struct budget budget;
	budget_init(&budget, "test.budget", MAX);
	for (size_t i = 0; i < LENGTHS; i++) {
		struct body b = { .budget = &budget };
		fill(&b, lengths[i]);
		CHECK(is_pattern(body_span(&b), 0));
		CHECK_EQ(body_seal(&b), ST_OK);
		check_opens(&b);
		body_free(&b);
		CHECK_EQ(budget_used(&budget), 0);
	}
	budget_fini(&budget);
}

TEST(another_attempt_finds_the_plain_bytes_and_takes_another_key)
{
	struct budget budget;
	budget_init(&budget, "test.budget", MAX);
	for (size_t i = 0; i < LENGTHS; i++) {
		struct body b = { .budget = &budget };
		fill(&b, lengths[i]);
		CHECK_EQ(body_seal(&b), ST_OK);
		struct blob_id first = b.id;
		CHECK_EQ(body_unseal(&b), ST_OK);
		CHECK_EQ(body_span(&b).len, lengths[i]);
		CHECK(is_pattern(body_span(&b), 0));
		CHECK_EQ(body_seal(&b), ST_OK);
		CHECK(memcmp(&first, &b.id, sizeof first) != 0);
		check_opens(&b);
		body_free(&b);
	}
	budget_fini(&budget);
}

TEST(a_body_is_charged_for_its_sealed_form_once)
{
	struct budget budget;
	struct body b = { .budget = &budget }, other = { .budget = &budget };
	budget_init(&budget, "test.budget", blob_sealed_len(MIB(1)));
	CHECK_EQ(body_reserve(&b, MIB(1)), ST_OK);
	CHECK_EQ(body_reserve(&other, 1), ST_FULL);
	fill(&b, MIB(1));
	CHECK_EQ(body_seal(&b), ST_OK);
	body_free(&b);
	CHECK_EQ(body_reserve(&other, 1), ST_OK);
	body_free(&other);
	CHECK_EQ(budget_used(&budget), 0);
	budget_fini(&budget);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_body_is_sealed_in_place_and_opens_as_any_other),
		CHECK_TEST(another_attempt_finds_the_plain_bytes_and_takes_another_key),
		CHECK_TEST(a_body_is_charged_for_its_sealed_form_once),
	};
	must(digest_init() == ST_OK);
	return check_run(tests, sizeof tests / sizeof *tests);
}
