#include "catalog_fixture.h"

#include "fault.h"

#include <errno.h>

TEST(an_image_is_found_as_it_was_applied)
{
	struct fixture f;
	struct catalog_image in, out;
	struct catalog_change answer;
	fixture_init(&f);
	in = fixture_image(5, 1);
	in.has_uploader = true;
	memset(in.uploader, 7, sizeof in.uploader);
	CHECK_EQ(fixture_add(&f, &in, &answer), ST_OK);
	CHECK(!answer.is_void);
	CHECK_EQ(catalog_find_image(f.catalog, in.id, &out), ST_OK);
	CHECK_EQ(out.number, answer.image_number);
	CHECK_BYTES(out.id, in.id, sizeof in.id);
	CHECK_BYTES(out.blob_id, in.blob_id, sizeof in.blob_id);
	CHECK_EQ(out.collection, 1);
	CHECK_EQ(out.state, CATALOG_RECEIVED);
	CHECK_STR(out.format, "jpeg");
	CHECK_STR(out.source, "http");
	CHECK_EQ(out.bytes, 1005);
	CHECK_EQ(out.received_at, in.received_at);
	CHECK_EQ(out.expires_at, in.expires_at);
	CHECK_EQ(out.epoch, in.epoch);
	CHECK_EQ(out.ready_at, -1);
	CHECK_EQ(out.meta.taken_at, -1);
	CHECK(out.has_uploader && !out.has_idempotency);
	CHECK_BYTES(out.uploader, in.uploader, sizeof in.uploader);
	CHECK_EQ(out.record_at.offset, in.record_at.offset);
	CHECK_EQ(out.blob_at.length, 1021);
	CHECK_EQ(out.attempts, 0);
	CHECK_EQ(catalog_load(f.catalog).images, 1);
	CHECK_EQ(catalog_load(f.catalog).jobs, 1);
	fixture_check_sound(&f);
	fixture_fini(&f);
}

TEST(a_batch_applied_twice_changes_nothing)
{
	struct fixture f;
	struct catalog_position at;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	fixture_finish_plain(&f, 1);
	fixture_add_plain(&f, 2);
	char *before = fixture_dump(&f);
	int64_t daily = fixture_ask(&f, "SELECT sum(images) + sum(ready) FROM daily");

	struct catalog_image image = fixture_image(3, 1);
	struct catalog_change change = { .kind = CATALOG_ADD_IMAGE, .image = &image };
	struct catalog_position end = { .segment = 1, .offset = 1, .sequence = f.sequences[1] };
	struct catalog_batch batch = { CATALOG_ORIGINALS, end, &change };
	CHECK_EQ(catalog_apply(f.catalog, &batch, 1, NOW), ST_OK);
	CHECK(change.is_void);
	batch.end.sequence = 1;
	CHECK_EQ(catalog_apply(f.catalog, &batch, 1, NOW), ST_OK);
	CHECK(change.is_void);

	char *after = fixture_dump(&f);
	CHECK_STR(after, before);
	CHECK_EQ(fixture_ask(&f, "SELECT sum(images) + sum(ready) FROM daily"), daily);
	CHECK_EQ(catalog_applied(f.catalog, CATALOG_ORIGINALS, &at), ST_OK);
	CHECK_EQ(at.sequence, 2);
	CHECK_EQ(at.offset, 8192);
	memory_free(before);
	memory_free(after);
	fixture_fini(&f);
}

/* The same records under new sequences: a log whose position was lost, as after damage. */
TEST(records_seen_before_are_void_one_by_one)
{
	struct fixture f;
	struct catalog_change answer;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	fixture_finish_plain(&f, 1);
	char *before = fixture_dump(&f);
	struct catalog_image image = fixture_image(1, 1);
	struct catalog_result result = fixture_result(1);
	CHECK_EQ(fixture_add(&f, &image, &answer), ST_OK);
	CHECK(answer.is_void);
	CHECK(answer.image_number > 0);
	CHECK_EQ(fixture_finish(&f, &result, &answer), ST_OK);
	CHECK(answer.is_void);
	char *after = fixture_dump(&f);
	CHECK_STR(after, before);
	memory_free(before);
	memory_free(after);
	fixture_fini(&f);
}

/* As the applier does when it is behind: both stores' batches at once, each with its own position. */
TEST(batches_applied_together_come_to_the_same_as_one_by_one)
{
	struct fixture f, one_by_one;
	struct catalog_position at;
	struct catalog_blob blobs[3];
	struct catalog_image images[2] = { fixture_image(1, 1), fixture_image(2, 2) };
	struct catalog_result result = fixture_result(1);
	for (uint32_t n = 0; n < 2; n++)
		blobs[n] = fixture_blob(n + 1, n + 1);
	blobs[2] = fixture_result_blob(1);
	struct catalog_change changes[] = {
		{ .kind = CATALOG_ADD_BLOB, .blob = &blobs[0], .next = &changes[1] },
		{ .kind = CATALOG_ADD_IMAGE, .image = &images[0] },
		{ .kind = CATALOG_ADD_BLOB, .blob = &blobs[2], .next = &changes[3] },
		{ .kind = CATALOG_ADD_RESULT, .result = &result },
		{ .kind = CATALOG_ADD_BLOB, .blob = &blobs[1], .next = &changes[5] },
		{ .kind = CATALOG_ADD_IMAGE, .image = &images[1] },
	};
	struct catalog_batch batches[] = {
		{ CATALOG_ORIGINALS, { 1, 4096, 1 }, &changes[0] },
		{ CATALOG_PROCESSED, { 7, 4096, 1 }, &changes[2] },
		{ CATALOG_ORIGINALS, { 1, 8192, 2 }, &changes[4] },
	};
	fixture_init(&f);
	fixture_init(&one_by_one);
	CHECK_EQ(catalog_apply(f.catalog, batches, 3, NOW), ST_OK);
	CHECK(!changes[1].is_void && !changes[3].is_void && !changes[5].is_void);
	for (size_t i = 0; i < 3; i++)
		CHECK_EQ(catalog_apply(one_by_one.catalog, &batches[i], 1, NOW), ST_OK);
	char *together = fixture_dump(&f), *apart = fixture_dump(&one_by_one), why[256];
	CHECK_STR(together, apart);
	CHECK_EQ(catalog_verify(f.catalog, why), ST_OK);
	CHECK_EQ(catalog_applied(f.catalog, CATALOG_ORIGINALS, &at), ST_OK);
	CHECK_EQ(at.sequence, 2);
	CHECK_EQ(catalog_applied(f.catalog, CATALOG_PROCESSED, &at), ST_OK);
	CHECK_EQ(at.sequence, 1);
	memory_free(together);
	memory_free(apart);
	fixture_fini(&f);
	fixture_fini(&one_by_one);
}

TEST(nothing_is_applied_before_the_first_batch)
{
	struct fixture f;
	struct catalog_position at = { .sequence = 9 };
	fixture_init(&f);
	CHECK_EQ(catalog_applied(f.catalog, CATALOG_PROCESSED, &at), ST_OK);
	CHECK_EQ(at.sequence, 0);
	CHECK_EQ(at.segment, 0);
	fixture_fini(&f);
}

TEST(the_first_image_of_an_idempotency_key_wins_while_it_lives)
{
	struct fixture f;
	struct catalog_change first, second, third;
	struct catalog_image image, found;
	fixture_init(&f);
	image = fixture_image(1, 1);
	image.has_idempotency = true;
	memset(image.idempotency, 3, sizeof image.idempotency);
	CHECK_EQ(fixture_add(&f, &image, &first), ST_OK);
	CHECK(!first.is_void);

	image = fixture_image(2, 1);
	image.has_idempotency = true;
	memset(image.idempotency, 3, sizeof image.idempotency);
	image.received_at = NOW + DAY_MS; /* the first dies one ms later */
	CHECK_EQ(fixture_add(&f, &image, &second), ST_OK);
	CHECK(second.is_void);
	CHECK_EQ(second.image_number, first.image_number);
	CHECK_EQ(catalog_find_image(f.catalog, image.id, &found), ST_NOT_FOUND);

	image = fixture_image(3, 1);
	image.has_idempotency = true;
	memset(image.idempotency, 3, sizeof image.idempotency);
	image.received_at = NOW + 1 + DAY_MS;
	CHECK_EQ(fixture_add(&f, &image, &third), ST_OK);
	CHECK(!third.is_void);
	CHECK_EQ(catalog_find_idempotency(f.catalog, image.idempotency, &found), ST_OK);
	CHECK_EQ(found.number, third.image_number);
	memset(image.idempotency, 4, sizeof image.idempotency);
	CHECK_EQ(catalog_find_idempotency(f.catalog, image.idempotency, &found), ST_NOT_FOUND);
	fixture_check_sound(&f);
	fixture_fini(&f);
}

TEST(an_image_without_its_blob_or_against_the_schema_is_void)
{
	struct fixture f;
	fixture_init(&f);
	struct catalog_image image = fixture_image(1, 1);
	struct catalog_change change = { .kind = CATALOG_ADD_IMAGE, .image = &image };
	CHECK_EQ(fixture_apply(&f, CATALOG_ORIGINALS, &change), ST_OK);
	CHECK(change.is_void);
	CHECK_EQ(change.image_number, 0);
	memcpy(image.source, "ftp", 4);
	struct catalog_change answer;
	CHECK_EQ(fixture_add(&f, &image, &answer), ST_OK);
	CHECK(answer.is_void);
	CHECK_EQ(catalog_load(f.catalog).images, 0);
	CHECK_EQ(catalog_load(f.catalog).jobs, 0);
	fixture_check_sound(&f);
	fixture_fini(&f);
}

TEST(a_good_result_makes_an_image_ready)
{
	struct fixture f;
	struct catalog_image out;
	struct catalog_rendition renditions[RENDITIONS_MAX];
	size_t count = 0;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	fixture_finish_plain(&f, 1);
	CHECK_EQ(catalog_find_image(f.catalog, fixture_image(1, 1).id, &out), ST_OK);
	CHECK_EQ(out.state, CATALOG_READY);
	CHECK_EQ(out.ready_at, NOW + 251);
	CHECK_EQ(out.width, 480);
	CHECK_EQ(out.height, 640);
	CHECK_EQ(out.result_at.segment, 7);
	CHECK_STR(out.reason, "");
	CHECK_STR(out.meta.camera, "Canon EOS R5");
	CHECK_STR(out.meta.blurhash, "LEHV");
	CHECK(out.meta.aperture > 2.79 && out.meta.aperture < 2.81);
	CHECK_EQ(out.meta.iso, 200);
	CHECK_EQ(out.meta.taken_at, 77);
	CHECK(out.meta.has_gps);
	CHECK_EQ(catalog_renditions(f.catalog, out.number, renditions, &count), ST_OK);
	CHECK_EQ(count, 1);
	CHECK_STR(renditions[0].name, "thumb");
	CHECK_EQ(renditions[0].bytes, 99);
	CHECK_EQ(renditions[0].blob_at.segment, 7);
	CHECK_EQ(catalog_load(f.catalog).jobs, 0);
	CHECK_EQ(fixture_ask(&f, "SELECT ready FROM daily"), 1);
	fixture_check_sound(&f);
	fixture_fini(&f);
}

TEST(a_bad_result_marks_an_image_failed_and_leaves_its_size)
{
	struct fixture f;
	struct catalog_image out;
	struct catalog_change answer;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	struct catalog_result result = fixture_result(1);
	result.is_good = false;
	result.rendition_count = 0;
	memcpy(result.reason, "it ends early", sizeof "it ends early");
	CHECK_EQ(fixture_finish(&f, &result, &answer), ST_OK);
	CHECK(!answer.is_void);
	CHECK_EQ(catalog_find_image(f.catalog, result.id, &out), ST_OK);
	CHECK_EQ(out.state, CATALOG_FAILED);
	CHECK_STR(out.reason, "it ends early");
	CHECK_EQ(out.width, 640);
	CHECK_STR(out.meta.camera, "");
	CHECK_EQ(fixture_ask(&f, "SELECT failed FROM daily"), 1);
	fixture_check_sound(&f);
	fixture_fini(&f);
}

TEST(a_result_whose_rendition_was_lost_is_void_and_the_job_stays)
{
	struct fixture f;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	struct catalog_result result = fixture_result(1);
	struct catalog_change change = { .kind = CATALOG_ADD_RESULT, .result = &result };
	CHECK_EQ(fixture_apply(&f, CATALOG_PROCESSED, &change), ST_OK);
	CHECK(change.is_void);
	CHECK_EQ(catalog_load(f.catalog).jobs, 1);
	fixture_check_sound(&f);
	fixture_fini(&f);
}

TEST(an_erased_image_takes_everything_with_it_and_later_results_are_void)
{
	struct fixture f;
	struct catalog_change answer;
	struct catalog_image out;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	fixture_add_plain(&f, 2);
	fixture_finish_plain(&f, 1);
	CHECK_EQ(fixture_erase(&f, 1, &answer), ST_OK);
	CHECK(!answer.is_void);
	CHECK_EQ(catalog_find_image(f.catalog, fixture_image(1, 1).id, &out), ST_NOT_FOUND);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM rendition"), 0);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM blob WHERE uses = 0"), 2);
	CHECK_EQ(fixture_erase(&f, 1, &answer), ST_OK);
	CHECK(answer.is_void);

	CHECK_EQ(fixture_erase(&f, 2, &answer), ST_OK);
	struct catalog_result result = fixture_result(2);
	CHECK_EQ(fixture_finish(&f, &result, &answer), ST_OK);
	CHECK(answer.is_void);
	CHECK_EQ(catalog_load(f.catalog).images, 0);
	CHECK_EQ(catalog_load(f.catalog).jobs, 0);
	CHECK_EQ(fixture_ask(&f, "SELECT images FROM daily"), 2); /* what came stays counted */
	fixture_check_sound(&f);
	fixture_fini(&f);
}

TEST(numbers_are_never_used_again)
{
	struct fixture f;
	struct catalog_change first, second;
	fixture_init(&f);
	struct catalog_image image = fixture_image(1, 1);
	CHECK_EQ(fixture_add(&f, &image, &first), ST_OK);
	CHECK_EQ(fixture_erase(&f, 1, NULL), ST_OK);
	image = fixture_image(2, 1);
	CHECK_EQ(fixture_add(&f, &image, &second), ST_OK);
	CHECK(second.image_number > first.image_number);
	fixture_fini(&f);
}

#ifdef DARKROOM_FAULTS
static void check_write_failure(int error, enum status expected)
{
	struct fixture f;
	struct catalog_change answer;
	unsigned failed = 0;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	char *before = fixture_dump(&f);
	struct catalog_image image = fixture_image(2, 1);
	enum status st = ST_IO;
	for (unsigned nth = 1; st != ST_OK && nth < 100; nth++) {
		fault_arm(FAULT_WRITE, nth, error, true);
		st = fixture_add(&f, &image, &answer);
		fault_disarm();
		if (st == ST_OK)
			break;
		failed++;
		CHECK_EQ(st, expected);
		char *after = fixture_dump(&f);
		CHECK_STR(after, before);
		memory_free(after);
		fixture_check_sound(&f);
	}
	CHECK(failed > 0);
	CHECK_EQ(st, ST_OK);
	CHECK_EQ(catalog_load(f.catalog).images, 2);
	fixture_check_sound(&f);
	memory_free(before);
	fixture_fini(&f);
}

TEST(a_full_disk_applies_nothing_and_says_so)
{
	check_write_failure(ENOSPC, ST_NO_SPACE);
}

TEST(a_failing_disk_applies_nothing_and_says_so)
{
	check_write_failure(EIO, ST_IO);
}
#endif

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(an_image_is_found_as_it_was_applied),
		CHECK_TEST(a_batch_applied_twice_changes_nothing),
		CHECK_TEST(records_seen_before_are_void_one_by_one),
		CHECK_TEST(batches_applied_together_come_to_the_same_as_one_by_one),
		CHECK_TEST(nothing_is_applied_before_the_first_batch),
		CHECK_TEST(the_first_image_of_an_idempotency_key_wins_while_it_lives),
		CHECK_TEST(an_image_without_its_blob_or_against_the_schema_is_void),
		CHECK_TEST(a_good_result_makes_an_image_ready),
		CHECK_TEST(a_bad_result_marks_an_image_failed_and_leaves_its_size),
		CHECK_TEST(a_result_whose_rendition_was_lost_is_void_and_the_job_stays),
		CHECK_TEST(an_erased_image_takes_everything_with_it_and_later_results_are_void),
		CHECK_TEST(numbers_are_never_used_again),
#ifdef DARKROOM_FAULTS
		CHECK_TEST(a_full_disk_applies_nothing_and_says_so),
		CHECK_TEST(a_failing_disk_applies_nothing_and_says_so),
#endif
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
