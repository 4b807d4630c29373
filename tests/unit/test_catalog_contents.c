/* The filter of contents: what was added may be there, until its images must have expired. */
#include "catalog/catalog_contents.h"

#include "digest.h"
#include "fault.h"
#include "limits.h"
#include "must.h"
#include "span.h"

#include "check.h"

enum { NOW = 1000000000, MANY = 100000, STRANGERS = 20000 };

/* Addresses are outputs of an HMAC; here of one over a number. */
static struct digest address_of(uint32_t n)
{
	static const uint8_t key[32] = { 7 };
	return digest_hmac(span_make(key, sizeof key), span_make(&n, sizeof n));
}

static void add(struct contents *c, uint32_t first, uint32_t count, int64_t received_at)
{
	for (uint32_t n = first; n < first + count; n++)
		contents_add(c, address_of(n).bytes, received_at);
}

static uint32_t count_present(struct contents *c, uint32_t first, uint32_t count)
{
	uint32_t present = 0;
	for (uint32_t n = first; n < first + count; n++)
		present += contents_may_have(c, address_of(n).bytes);
	return present;
}

TEST(what_was_added_is_never_denied_and_strangers_nearly_always)
{
	struct contents *c = NULL;
	REQUIRE(contents_new(0, &c) == ST_OK);
	CHECK_EQ(count_present(c, 0, STRANGERS), 0);
	add(c, 0, MANY, NOW); /* more than the first link holds */
	CHECK_EQ(count_present(c, 0, MANY), MANY);
	CHECK(count_present(c, MANY, STRANGERS) < STRANGERS / 100);
	contents_free(c);
}

TEST(a_link_goes_once_its_images_must_have_expired)
{
	struct contents *c = NULL;
	REQUIRE(contents_new(0, &c) == ST_OK);
	add(c, 0, MANY, NOW);
	add(c, MANY, 2 * MANY, NOW + RETENTION_MAX_MS - 1);
	CHECK_EQ(count_present(c, 0, MANY), MANY);
	add(c, 3 * MANY, 4 * MANY, NOW + RETENTION_MAX_MS);
	/* The second link was not full of them: it holds younger ones too, and stays. */
	CHECK(count_present(c, 0, MANY) < MANY);
	CHECK_EQ(count_present(c, MANY, 2 * MANY), 2 * MANY);
	CHECK_EQ(count_present(c, 3 * MANY, 4 * MANY), 4 * MANY);
	contents_free(c);
}

#ifdef DARKROOM_FAULTS
TEST(without_memory_for_a_link_everything_may_be_there)
{
	struct contents *c = NULL;
	REQUIRE(contents_new(0, &c) == ST_OK);
	fault_arm(FAULT_MEMORY, 1, 0, true);
	add(c, 0, MANY, NOW);
	CHECK(fault_has_fired());
	fault_disarm();
	CHECK_EQ(count_present(c, 0, MANY), MANY);
	CHECK_EQ(count_present(c, MANY, 100), 100);
	contents_free(c);
}
#endif

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(what_was_added_is_never_denied_and_strangers_nearly_always),
		CHECK_TEST(a_link_goes_once_its_images_must_have_expired),
#ifdef DARKROOM_FAULTS
		CHECK_TEST(without_memory_for_a_link_everything_may_be_there),
#endif
	};
	must(digest_init() == ST_OK);
	return check_run(tests, sizeof tests / sizeof *tests);
}
