#include "catalog_fixture.h"

enum { MANY = 50000, BATCH = 1000 };

static const struct catalog_filter all = { .received_from = -1,
	.received_to = -1,
	.state = -1,
	.before_received = -1,
	.before_number = -1,
	.now_ms = NOW,
	.limit = 100 };

/* Images 0 to count - 1, odd ones in collection 2, in batches. */
static void add_many(struct fixture *f, uint32_t count)
{
	static struct catalog_blob blobs[BATCH];
	static struct catalog_image images[BATCH];
	static struct catalog_change changes[2 * BATCH];
	for (uint32_t first = 0; first < count; first += BATCH) {
		memset(changes, 0, sizeof changes);
		for (uint32_t i = 0; i < BATCH; i++) {
			blobs[i] = fixture_blob(first + i, 1 + i % 2);
			images[i] = fixture_image(first + i, 1 + i % 2);
			changes[2 * i] =
				(struct catalog_change){ .kind = CATALOG_ADD_BLOB, .blob = &blobs[i] };
			changes[2 * i + 1] =
				(struct catalog_change){ .kind = CATALOG_ADD_IMAGE, .image = &images[i] };
		}
		for (uint32_t i = 0; i + 1 < 2 * BATCH; i++)
			changes[i].next = &changes[i + 1];
		CHECK_EQ(fixture_apply(f, CATALOG_ORIGINALS, changes), ST_OK);
	}
}

/* Walks all pages; gives how many rows came, each strictly older than the one before. */
static size_t walk_pages(struct fixture *f, struct catalog_filter filter, size_t pages_max)
{
	struct catalog_image *page = NULL;
	size_t count = 0, total = 0;
	for (size_t pages = 0; pages < pages_max; pages++) {
		CHECK_EQ(catalog_list(f->catalog, &filter, &page, &count), ST_OK);
		for (size_t i = 0; i < count; i++) {
			CHECK(filter.before_received < 0 || page[i].received_at < filter.before_received);
			filter.before_received = page[i].received_at;
			filter.before_number = page[i].number;
		}
		memory_free(page);
		total += count;
		if (count < filter.limit)
			break;
	}
	return total;
}

TEST(fifty_thousand_rows_are_paged_by_key)
{
	struct fixture f;
	struct catalog_stats stats;
	struct catalog_image *page = NULL;
	size_t count = 0;
	fixture_init(&f);
	add_many(&f, MANY);
	struct catalog_filter filter = all;
	filter.limit = 500;
	CHECK_EQ(walk_pages(&f, filter, 200), MANY);
	uint32_t one[] = { 2 }, two[] = { 2, 7 };
	filter.collections = one;
	filter.collection_count = 1;
	CHECK_EQ(walk_pages(&f, filter, 200), MANY / 2);
	filter.collections = two;
	filter.collection_count = 2;
	CHECK_EQ(walk_pages(&f, filter, 200), MANY / 2);
	filter.collection_count = 0; /* may see none */
	CHECK_EQ(walk_pages(&f, filter, 200), 0);
	filter = all;
	filter.received_from = NOW + 100;
	filter.received_to = NOW + 300;
	CHECK_EQ(walk_pages(&f, filter, 200), 200);
	CHECK_EQ(catalog_list(f.catalog, &filter, &page, &count), ST_OK);
	REQUIRE(count == 100);
	CHECK_EQ(page[0].received_at, NOW + 299);
	CHECK_EQ(page[99].received_at, NOW + 200);
	memory_free(page);
	CHECK_EQ(catalog_stats(f.catalog, NULL, 0, NOW, &stats), ST_OK);
	CHECK_EQ(stats.images, MANY);
	CHECK_EQ(stats.received, MANY);
	CHECK_EQ(stats.jobs_queued, MANY);
	CHECK_EQ(catalog_load(f.catalog).images, MANY);
	fixture_fini(&f);
}

TEST(images_received_in_the_same_ms_are_paged_without_loss)
{
	struct fixture f;
	struct catalog_filter filter = all;
	struct catalog_image *page = NULL;
	size_t count = 0, total = 0;
	int64_t last = INT64_MAX;
	fixture_init(&f);
	for (uint32_t n = 0; n < 7; n++) {
		struct catalog_image image = fixture_image(n, 1);
		image.received_at = NOW;
		CHECK_EQ(fixture_add(&f, &image, NULL), ST_OK);
	}
	filter.limit = 3;
	do {
		CHECK_EQ(catalog_list(f.catalog, &filter, &page, &count), ST_OK);
		for (size_t i = 0; i < count; i++) {
			CHECK(page[i].number < last);
			last = filter.before_number = page[i].number;
			filter.before_received = page[i].received_at;
		}
		memory_free(page);
		total += count;
	} while (count == 3);
	CHECK_EQ(total, 7);
	fixture_fini(&f);
}

static size_t count_of(struct fixture *f, const struct catalog_filter *filter)
{
	struct catalog_image *page = NULL;
	size_t count = 0;
	CHECK_EQ(catalog_list(f->catalog, filter, &page, &count), ST_OK);
	memory_free(page);
	return count;
}

TEST(each_filter_filters)
{
	struct fixture f;
	struct catalog_filter filter;
	fixture_init(&f);
	for (uint32_t n = 0; n < 4; n++)
		fixture_add_plain(&f, n);
	struct catalog_image png = fixture_image(4, 1);
	memcpy(png.format, "png", 4);
	png.width = 50;
	png.height = 6000;
	CHECK_EQ(fixture_add(&f, &png, NULL), ST_OK);
	fixture_finish_plain(&f, 1);

	filter = all;
	filter.format = "png";
	CHECK_EQ(count_of(&f, &filter), 1);
	filter.format = "png' OR 1 --";
	CHECK_EQ(count_of(&f, &filter), 0);
	filter = all;
	filter.camera = "canon eos";
	CHECK_EQ(count_of(&f, &filter), 1);
	filter.camera = "nikon";
	CHECK_EQ(count_of(&f, &filter), 0);
	filter = all;
	filter.state = CATALOG_READY;
	CHECK_EQ(count_of(&f, &filter), 1);
	filter.state = CATALOG_RECEIVED;
	CHECK_EQ(count_of(&f, &filter), 4);
	filter.state = CATALOG_FAILED;
	CHECK_EQ(count_of(&f, &filter), 0);
	filter = all;
	filter.bytes_min = 1002;
	filter.bytes_max = 1003;
	CHECK_EQ(count_of(&f, &filter), 2);
	filter = all;
	filter.bytes_min = UINT64_MAX;
	CHECK_EQ(count_of(&f, &filter), 0);
	filter = all;
	filter.width_min = 600;
	CHECK_EQ(count_of(&f, &filter), 3);
	filter = all;
	filter.height_min = 600;
	CHECK_EQ(count_of(&f, &filter), 2);
	filter = all;
	filter.now_ms = NOW + DAY_MS + 2; /* 0, 1 and 2 have expired */
	CHECK_EQ(count_of(&f, &filter), 2);
	fixture_fini(&f);
}

TEST(content_is_found_within_its_collection_while_an_image_lives)
{
	struct fixture f;
	struct catalog_image out;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	struct catalog_blob blob = fixture_blob(1, 1);
	CHECK_EQ(catalog_find_content(f.catalog, 1, blob.address, NOW, &out), ST_OK);
	CHECK_BYTES(out.blob_id, blob.blob_id, sizeof blob.blob_id);
	CHECK_EQ(catalog_find_content(f.catalog, 2, blob.address, NOW, &out), ST_NOT_FOUND);
	CHECK_EQ(catalog_find_content(f.catalog, 1, blob.address, NOW + 1 + DAY_MS, &out), ST_NOT_FOUND);
	blob.address[0] ^= 1;
	CHECK_EQ(catalog_find_content(f.catalog, 1, blob.address, NOW, &out), ST_NOT_FOUND);
	fixture_fini(&f);
}

TEST(counts_leave_out_what_has_expired)
{
	struct fixture f;
	struct catalog_stats s;
	fixture_init(&f);
	for (uint32_t n = 0; n < 4; n++)
		fixture_add_plain(&f, n);
	fixture_finish_plain(&f, 0);
	fixture_finish_plain(&f, 3);
	CHECK_EQ(catalog_stats(f.catalog, NULL, 0, NOW, &s), ST_OK);
	CHECK_EQ(s.images, 4);
	CHECK_EQ(s.ready, 2);
	CHECK_EQ(s.received, 2);
	CHECK_EQ(s.bytes, 4006);
	CHECK_EQ(s.blob_bytes, 4006 + 2 * 1001000 + 3);
	CHECK_EQ(s.jobs_queued, 2);
	CHECK_EQ(s.oldest_received_at, NOW);
	CHECK(s.next_expires_at >= NOW + DAY_MS && s.next_expires_at <= NOW + DAY_MS + EPOCH_MS);
	CHECK_EQ(catalog_stats(f.catalog, NULL, 0, NOW + DAY_MS + 1, &s), ST_OK);
	CHECK_EQ(s.images, 2);
	CHECK_EQ(s.ready, 1);
	CHECK_EQ(s.bytes, 2005);
	CHECK_EQ(s.oldest_received_at, NOW + 2);
	uint32_t none[] = { 2 };
	CHECK_EQ(catalog_stats(f.catalog, none, 1, NOW, &s), ST_OK);
	CHECK_EQ(s.images, 0);
	CHECK_EQ(s.oldest_received_at, -1);
	CHECK_EQ(s.next_expires_at, -1);
	CHECK_EQ(catalog_stats(f.catalog, none, 0, NOW, &s), ST_OK);
	CHECK_EQ(s.images, 0);
	fixture_fini(&f);
}

TEST(walking_gives_every_image_once)
{
	struct fixture f;
	struct catalog_image page[3];
	size_t count = 0, total = 0;
	int64_t after = 0;
	fixture_init(&f);
	for (uint32_t n = 0; n < 7; n++)
		fixture_add_plain(&f, n);
	do {
		CHECK_EQ(catalog_walk(f.catalog, after, page, 3, &count), ST_OK);
		for (size_t i = 0; i < count; i++) {
			CHECK(page[i].number > after);
			after = page[i].number;
		}
		total += count;
	} while (count == 3);
	CHECK_EQ(total, 7);
	fixture_fini(&f);
}

TEST(a_job_is_claimed_under_a_lease_fails_and_dies)
{
	struct fixture f;
	struct catalog_job job;
	struct catalog_stats s;
	struct catalog_image image;
	int64_t next = 0;
	fixture_init(&f);
	CHECK_EQ(catalog_next_job_at(f.catalog, &next), ST_OK);
	CHECK_EQ(next, -1);
	CHECK_EQ(catalog_claim_job(f.catalog, NOW, NOW + 100, &job), ST_NOT_FOUND);
	fixture_add_plain(&f, 1);
	CHECK_EQ(catalog_next_job_at(f.catalog, &next), ST_OK);
	CHECK_EQ(next, NOW);
	CHECK_EQ(catalog_claim_job(f.catalog, NOW - 1, NOW + 100, &job), ST_NOT_FOUND);
	CHECK_EQ(catalog_claim_job(f.catalog, NOW, NOW + 100, &job), ST_OK);
	CHECK_EQ(job.attempts, 1);
	CHECK_BYTES(job.image.id, fixture_image(1, 1).id, CATALOG_ID);
	CHECK_EQ(job.image.number, job.image_number);
	CHECK_EQ(catalog_claim_job(f.catalog, NOW + 99, NOW + 200, &job), ST_NOT_FOUND);
	CHECK_EQ(catalog_claim_job(f.catalog, NOW + 100, NOW + 200, &job), ST_OK); /* the lease ran out */
	CHECK_EQ(job.attempts, 2);
	CHECK_EQ(catalog_fail_job(f.catalog, job.image_number, "it crashed", NOW + 500, false), ST_OK);
	CHECK_EQ(catalog_next_job_at(f.catalog, &next), ST_OK);
	CHECK_EQ(next, NOW + 500);
	CHECK_EQ(catalog_claim_job(f.catalog, NOW + 499, NOW + 600, &job), ST_NOT_FOUND);
	CHECK_EQ(catalog_fail_job(f.catalog, job.image_number, "again", NOW, true), ST_OK);
	CHECK_EQ(catalog_find_image(f.catalog, job.image.id, &image), ST_OK);
	CHECK(!image.is_job_dead); /* it was not running, so nothing happened */
	CHECK_EQ(catalog_claim_job(f.catalog, NOW + 500, NOW + 600, &job), ST_OK);
	CHECK_EQ(job.attempts, 3);
	CHECK_EQ(catalog_put_off_job(f.catalog, job.image_number, NOW + 550), ST_OK);
	CHECK_EQ(catalog_put_off_job(f.catalog, job.image_number, NOW),
		ST_OK); /* not running: nothing happens */
	CHECK_EQ(catalog_claim_job(f.catalog, NOW + 549, NOW + 600, &job), ST_NOT_FOUND);
	CHECK_EQ(catalog_claim_job(f.catalog, NOW + 550, NOW + 600, &job), ST_OK);
	CHECK_EQ(job.attempts, 3);
	CHECK_EQ(catalog_fail_job(f.catalog, job.image_number, "for good", NOW, true), ST_OK);
	CHECK_EQ(catalog_find_image(f.catalog, job.image.id, &image), ST_OK);
	CHECK(image.is_job_dead);
	CHECK_EQ(image.attempts, 3);
	CHECK_EQ(catalog_claim_job(f.catalog, NOW + 9999, NOW + 99999, &job), ST_NOT_FOUND);
	CHECK_EQ(catalog_next_job_at(f.catalog, &next), ST_OK);
	CHECK_EQ(next, -1);
	CHECK_EQ(catalog_stats(f.catalog, NULL, 0, NOW, &s), ST_OK);
	CHECK_EQ(s.jobs_dead, 1);
	CHECK_EQ(s.jobs_queued, 0);
	CHECK_EQ(catalog_load(f.catalog).jobs, 0);
	fixture_check_sound(&f);
	fixture_finish_plain(&f, 1); /* a RESULT ends a dead one too */
	CHECK_EQ(catalog_stats(f.catalog, NULL, 0, NOW, &s), ST_OK);
	CHECK_EQ(s.jobs_dead, 0);
	CHECK_EQ(catalog_fail_job(f.catalog, job.image_number, "late", NOW, false), ST_OK);
	fixture_check_sound(&f);
	fixture_fini(&f);
}

TEST(jobs_are_claimed_in_the_order_they_are_due)
{
	struct fixture f;
	struct catalog_job job;
	fixture_init(&f);
	for (uint32_t n = 0; n < 3; n++)
		fixture_add_plain(&f, n);
	for (uint32_t n = 0; n < 3; n++) {
		CHECK_EQ(catalog_claim_job(f.catalog, NOW, NOW + 100, &job), ST_OK);
		CHECK_BYTES(job.image.id, fixture_image(n, 1).id, CATALOG_ID);
	}
	fixture_fini(&f);
}

TEST(what_a_killed_process_had_in_hand_is_due_again_at_once)
{
	struct fixture f;
	struct catalog_job job;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	CHECK_EQ(catalog_claim_job(f.catalog, NOW, NOW + 100000, &job), ST_OK);
	CHECK_EQ(catalog_claim_job(f.catalog, NOW, NOW + 100000, &job), ST_NOT_FOUND);
	CHECK_EQ(catalog_release_jobs(f.catalog), ST_OK);
	CHECK_EQ(catalog_claim_job(f.catalog, NOW, NOW + 100000, &job), ST_OK);
	CHECK_EQ(job.attempts, 2);
	fixture_check_sound(&f);
	fixture_fini(&f);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(fifty_thousand_rows_are_paged_by_key),
		CHECK_TEST(images_received_in_the_same_ms_are_paged_without_loss),
		CHECK_TEST(each_filter_filters),
		CHECK_TEST(content_is_found_within_its_collection_while_an_image_lives),
		CHECK_TEST(counts_leave_out_what_has_expired),
		CHECK_TEST(walking_gives_every_image_once),
		CHECK_TEST(a_job_is_claimed_under_a_lease_fails_and_dies),
		CHECK_TEST(jobs_are_claimed_in_the_order_they_are_due),
		CHECK_TEST(what_a_killed_process_had_in_hand_is_due_again_at_once),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
