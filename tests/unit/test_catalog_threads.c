/* Two threads read while a third applies; one reader serves them all, so that they wait for each other. */
#include "catalog_fixture.h"

#include "thread.h"

#include <stdatomic.h>

enum { IMAGES = 200, READERS = 3 };

struct scene {
	struct fixture fixture;
	atomic_uint applied;
	atomic_bool is_over;
};

static void look(struct scene *s)
{
	struct catalog *c = s->fixture.catalog;
	uint32_t there = atomic_load(&s->applied);
	struct catalog_image image;
	struct catalog_stats stats;
	struct catalog_rendition renditions[RENDITIONS_MAX];
	size_t count = 0;
	CHECK_EQ(catalog_stats(c, NULL, 0, NOW, &stats), ST_OK);
	CHECK(stats.images >= (int64_t)there);
	CHECK(catalog_load(c).images >= (int64_t)there);
	if (there == 0)
		return;
	CHECK_EQ(catalog_find_image(c, fixture_image(there - 1, 1).id, &image), ST_OK);
	CHECK_EQ(image.bytes, 1000 + there - 1);
	CHECK_EQ(catalog_renditions(c, image.number, renditions, &count), ST_OK);
	struct catalog_filter filter = { .received_from = -1,
		.received_to = -1,
		.state = -1,
		.before_received = -1,
		.before_number = -1,
		.now_ms = NOW,
		.limit = 20 };
	struct catalog_image *page = NULL;
	CHECK_EQ(catalog_list(c, &filter, &page, &count), ST_OK);
	CHECK(count >= (there < 20 ? there : 20));
	memory_free(page);
}

static void read_on(void *argument)
{
	struct scene *s = argument;
	while (!atomic_load(&s->is_over))
		look(s);
}

static void claim_on(void *argument)
{
	struct scene *s = argument;
	struct catalog_job job;
	while (!atomic_load(&s->is_over)) {
		enum status st = catalog_claim_job(s->fixture.catalog, NOW, NOW + 1000, &job);
		CHECK(st == ST_OK || st == ST_NOT_FOUND);
		if (st == ST_OK)
			CHECK_EQ(catalog_fail_job(
					 s->fixture.catalog, job.image_number, "again", NOW + 5000, false),
				ST_OK);
	}
}

TEST(readers_and_workers_see_whole_batches_while_they_are_applied)
{
	static struct scene s;
	struct thread threads[READERS] = { 0 }, claimer = { 0 };
	fixture_begin(&s.fixture);
	CHECK_EQ(fixture_open(&s.fixture, 1), ST_OK);
	REQUIRE(s.fixture.catalog);
	for (size_t i = 0; i < READERS; i++)
		CHECK_EQ(thread_start(&threads[i], "reader", read_on, &s), ST_OK);
	CHECK_EQ(thread_start(&claimer, "claimer", claim_on, &s), ST_OK);
	for (uint32_t n = 0; n < IMAGES; n++) {
		fixture_add_plain(&s.fixture, n);
		atomic_store(&s.applied, n + 1);
		if (n % 4 == 0)
			fixture_finish_plain(&s.fixture, n);
		if (n % 50 == 49) {
			enum status st = catalog_checkpoint(s.fixture.catalog);
			CHECK(st == ST_OK || st == ST_BUSY);
		}
	}
	atomic_store(&s.is_over, true);
	for (size_t i = 0; i < READERS; i++)
		thread_join(&threads[i]);
	thread_join(&claimer);
	CHECK_EQ(catalog_checkpoint(s.fixture.catalog), ST_OK); /* nobody left a transaction open */
	fixture_check_sound(&s.fixture);
	fixture_fini(&s.fixture);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(readers_and_workers_see_whole_batches_while_they_are_applied),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
