/* test_life_ingest.c - the only way in: what is taken, refused, repeated, stored once. */
#include "ingest_fixture.h"

#include "metrics.h"
#include "thread.h"

static struct catalog_stats stats_of(struct studio *s)
{
	struct catalog_stats stats = { 0 };
	CHECK_EQ(catalog_stats(s->world.catalog, NULL, 0, clock_now_ms(s->world.clock), &stats), ST_OK);
	return stats;
}

TEST(upload_comes_back_as_it_went_in)
{
	static const size_t lengths[] = { 13, SEAL_CHUNK - 1, SEAL_CHUNK, SEAL_CHUNK + 1, 10 * 1024 * 1024 };
	struct studio s;
	struct ingest_receipt receipt;
	studio_make(&s);
	studio_begin(&s);
	struct ingest_request request = request_of("photos");
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		CHECK_EQ(upload_gif(&s, &request, lengths[i], (uint32_t)i, &receipt), ST_OK);
		CHECK_EQ(check_original(&s, &receipt.image, lengths[i], (uint32_t)i), ST_OK);
	}
	CHECK(!receipt.is_repeat && !receipt.is_duplicate);
	CHECK_EQ(receipt.image.received_at, NOW);
	CHECK_EQ(receipt.image.expires_at, NOW + 24 * (int64_t)HOUR);
	CHECK_EQ(receipt.image.width, 640);
	CHECK_EQ(receipt.image.height, 480);
	CHECK_STR(receipt.image.format, "gif");
	CHECK(receipt.image.number > 0);
	check_sound(&s.world);
	studio_end(&s);
}

TEST(what_is_not_an_image_is_refused)
{
	struct studio s;
	struct ingest_receipt receipt;
	uint8_t *gif = gif_bytes(100, 1),
		png[33] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\x86\xa0\0\1\x86\xa0\x08\x02\0\0\0";
	studio_make(&s);
	s.bytes_max = 1000;
	studio_begin(&s);
	struct ingest_request request = request_of("photos");
	CHECK_EQ(upload_parts(&s, &request, (struct span){ 0 }, 1, &receipt), ST_UNSUPPORTED);
	CHECK_EQ(upload_parts(&s, &request, SPAN_LIT("hello, world"), 5, &receipt), ST_UNSUPPORTED);
	CHECK_EQ(upload_parts(&s, &request, span_make(gif, 9), 9, &receipt), ST_INVALID);
	CHECK_EQ(upload_parts(&s, &request, span_make(png, sizeof png), 9, &receipt), ST_TOO_BIG);
	png[18] = 0, png[19] = 16, png[17] = 0, png[21] = 0, png[22] = 0, png[23] = 16;
	CHECK_EQ(upload_parts(&s, &request, span_make(png, sizeof png), 9, &receipt), ST_OK);
	request = request_of("scans");
	CHECK_EQ(upload_parts(&s, &request, span_make(png, sizeof png), 9, &receipt), ST_UNSUPPORTED);
	CHECK_EQ(upload_parts(&s, &request, span_make(gif, 100), 9, &receipt), ST_OK);
	request = request_of("nowhere");
	CHECK_EQ(upload_parts(&s, &request, span_make(gif, 100), 9, &receipt), ST_NOT_FOUND);
	request = request_of("photos");
	CHECK_EQ(upload_gif(&s, &request, 1000, 1, &receipt), ST_OK);
	CHECK_EQ(upload_gif(&s, &request, 1001, 1, &receipt), ST_TOO_BIG);
	request.length = 1001;
	CHECK_EQ(upload_gif(&s, &request, 1001, 1, &receipt), ST_TOO_BIG);
	request.length = 101;
	CHECK_EQ(upload_parts(&s, &request, span_make(gif, 100), 9, &receipt), ST_INVALID);
	request.length = 99;
	CHECK_EQ(upload_parts(&s, &request, span_make(gif, 100), 9, &receipt), ST_INVALID);
	request.length = 100;
	CHECK_EQ(upload_parts(&s, &request, span_make(gif, 100), 9, &receipt), ST_OK);
	request.file_name = SPAN_LIT("a\nb");
	CHECK_EQ(upload_parts(&s, &request, span_make(gif, 100), 9, &receipt), ST_INVALID);
	CHECK_EQ(stats_of(&s).images, 4);
	free(gif);
	studio_end(&s);
}

TEST(digest_sent_is_checked)
{
	struct studio s;
	struct ingest_receipt receipt;
	uint8_t *gif = gif_bytes(5000, 1);
	studio_make(&s);
	studio_begin(&s);
	struct ingest_request request = request_of("photos");
	request.has_sha256 = true;
	memcpy(request.sha256, digest_of(span_make(gif, 5000)).bytes, sizeof request.sha256);
	CHECK_EQ(upload_parts(&s, &request, span_make(gif, 5000), 777, &receipt), ST_OK);
	request.sha256[31] ^= 1;
	CHECK_EQ(upload_parts(&s, &request, span_make(gif, 5000), 777, &receipt), ST_MISMATCH);
	CHECK_EQ(stats_of(&s).images, 1);
	free(gif);
	studio_end(&s);
}

TEST(equal_bytes_are_stored_once_per_collection)
{
	struct studio s;
	struct ingest_receipt a, b, other;
	studio_make(&s);
	studio_begin(&s);
	struct ingest_request request = request_of("photos");
	CHECK_EQ(upload_gif(&s, &request, 300000, 1, &a), ST_OK);
	CHECK_EQ(upload_gif(&s, &request, 300000, 1, &b), ST_OK);
	CHECK(!a.is_duplicate && b.is_duplicate && !b.is_repeat);
	CHECK(memcmp(a.image.id, b.image.id, sizeof a.image.id) != 0);
	CHECK_BYTES(a.image.blob_id, b.image.blob_id, BLOB_ID_BYTES);
	CHECK_EQ(stats_of(&s).blob_bytes, 300000);
	request = request_of("scans");
	CHECK_EQ(upload_gif(&s, &request, 300000, 1, &other), ST_OK);
	CHECK(!other.is_duplicate);
	CHECK_EQ(stats_of(&s).blob_bytes, 600000);
	/* Each upload is erased alone; bytes that no image holds are stored anew. */
	CHECK_EQ(commit_erase(s.world.commit, a.image.id), ST_OK);
	CHECK_EQ(check_original(&s, &b.image, 300000, 1), ST_OK);
	CHECK_EQ(commit_erase(s.world.commit, b.image.id), ST_OK);
	request = request_of("photos");
	CHECK_EQ(upload_gif(&s, &request, 300000, 1, &a), ST_OK);
	CHECK(!a.is_duplicate);
	CHECK_EQ(check_original(&s, &a.image, 300000, 1), ST_OK);
	check_sound(&s.world);
	studio_end(&s);
}

struct racer {
	struct studio *s;
	struct ingest_request request;
	uint32_t seed;
	enum status st;
	struct ingest_receipt receipt;
};

static void race(void *argument)
{
	struct racer *r = argument;
	r->st = upload_gif(r->s, &r->request, 200000, r->seed, &r->receipt);
}

enum { RACERS = 8 };

static void run_race(struct racer racers[RACERS])
{
	struct thread threads[RACERS] = { 0 };
	for (int i = 0; i < RACERS; i++)
		must(thread_start(&threads[i], "racer", race, &racers[i]) == ST_OK);
	for (int i = 0; i < RACERS; i++)
		thread_join(&threads[i]);
}

TEST(equal_bytes_in_flight_are_stored_once)
{
	struct studio s;
	struct racer racers[RACERS];
	studio_make(&s);
	studio_begin(&s);
	for (uint32_t round = 0; round < 5; round++) {
		int duplicates = 0;
		for (int i = 0; i < RACERS; i++)
			racers[i] = (struct racer){ .s = &s, .request = request_of("photos"), .seed = round };
		run_race(racers);
		for (int i = 0; i < RACERS; i++) {
			CHECK_EQ(racers[i].st, ST_OK);
			duplicates += racers[i].receipt.is_duplicate;
			CHECK_BYTES(racers[i].receipt.image.blob_id, racers[0].receipt.image.blob_id,
				BLOB_ID_BYTES);
			CHECK_EQ(check_original(&s, &racers[i].receipt.image, 200000, round), ST_OK);
		}
		CHECK_EQ(duplicates, RACERS - 1);
		CHECK_EQ(stats_of(&s).blob_bytes, (int64_t)(round + 1) * 200000);
	}
	check_sound(&s.world);
	studio_end(&s);
}

TEST(retry_gets_the_first_answer)
{
	struct studio s;
	struct ingest_receipt first, again;
	studio_make(&s);
	studio_begin(&s);
	struct ingest_request request = request_of("photos");
	request.idempotency_key = SPAN_LIT("order 1");
	CHECK_EQ(upload_gif(&s, &request, 1000, 1, &first), ST_OK);
	clock_set(s.world.clock, NOW + 1000);
	CHECK_EQ(upload_gif(&s, &request, 1000, 1, &again), ST_OK);
	CHECK(!first.is_repeat && again.is_repeat);
	CHECK_BYTES(again.image.id, first.image.id, sizeof first.image.id);
	CHECK_EQ(again.image.expires_at, first.image.expires_at);
	CHECK_EQ(upload_gif(&s, &request, 1000, 2, &again), ST_MISMATCH);
	/* The same key is another's in the hands of another principal, or in another collection. */
	struct ingest_request other = request;
	other.principal = SPAN_LIT("bob");
	CHECK_EQ(upload_gif(&s, &other, 1000, 2, &again), ST_OK);
	CHECK(!again.is_repeat);
	other = request;
	other.collection = SPAN_LIT("scans");
	CHECK_EQ(upload_gif(&s, &other, 1000, 2, &again), ST_OK);
	CHECK(!again.is_repeat);
	CHECK_EQ(stats_of(&s).images, 3);
	/* It survives a restart and a rebuild. */
	studio_close(&s);
	(void)world_rebuild(&s.world);
	studio_open(&s);
	CHECK_EQ(upload_gif(&s, &request, 1000, 1, &again), ST_OK);
	CHECK(again.is_repeat);
	CHECK_BYTES(again.image.id, first.image.id, sizeof first.image.id);
	/* It lives as long as its image. */
	clock_set(s.world.clock, first.image.expires_at);
	CHECK_EQ(keyring_prepare(
			 s.world.keyring, first.image.epoch, keyring_epoch_of(NOW + 50 * (int64_t)HOUR)),
		ST_OK);
	CHECK_EQ(upload_gif(&s, &request, 1000, 2, &again), ST_OK);
	CHECK(!again.is_repeat);
	CHECK_EQ(commit_erase(s.world.commit, again.image.id), ST_OK);
	CHECK_EQ(upload_gif(&s, &request, 1000, 3, &again), ST_OK);
	CHECK(!again.is_repeat);
	studio_end(&s);
}

TEST(retries_in_flight_are_one_image)
{
	struct studio s;
	struct racer racers[RACERS];
	studio_make(&s);
	studio_begin(&s);
	int firsts = 0, mismatches = 0;
	for (int i = 0; i < RACERS; i++) {
		racers[i] =
			(struct racer){ .s = &s, .request = request_of("photos"), .seed = i == 3 ? 2 : 1 };
		racers[i].request.idempotency_key = SPAN_LIT("order 2");
	}
	run_race(racers);
	for (int i = 0; i < RACERS; i++) {
		CHECK(racers[i].st == ST_OK || racers[i].st == ST_MISMATCH);
		firsts += racers[i].st == ST_OK && !racers[i].receipt.is_repeat;
		mismatches += racers[i].st == ST_MISMATCH;
	}
	CHECK_EQ(firsts, 1);
	CHECK(mismatches == 1 || mismatches == RACERS - 1);
	CHECK_EQ(stats_of(&s).images, 1);
	studio_end(&s);
}

TEST(limits_are_answered_before_the_body)
{
	struct studio s;
	struct ingest_receipt receipt;
	struct ingest_upload *up = NULL, *other = NULL;
	const char *why = NULL;
	struct ingest_request request = request_of("photos");
	studio_make(&s);
	s.rows_max = 2;
	s.bytes_max = MIB(1);
	s.budget_bytes = MIB(2);
	studio_begin(&s);
	/* The sealed form is charged: two of 1 MiB do not fit in 2 MiB. */
	request.length = MIB(1);
	CHECK_EQ(ingest_begin(s.ingest, &request, &up, &why), ST_OK);
	CHECK_EQ(ingest_begin(s.ingest, &request, &other, &why), ST_FULL);
	ingest_end(up);
	request.length = 0;
	CHECK_EQ(upload_gif(&s, &request, 1000, 1, &receipt), ST_OK);
	CHECK_EQ(upload_gif(&s, &request, 1000, 2, &receipt), ST_OK);
	CHECK_EQ(ingest_begin(s.ingest, &request, &up, &why), ST_FULL);
	studio_close(&s);
	s.rows_max = 100;
	s.jobs_max = 2;
	studio_open(&s);
	CHECK_EQ(ingest_begin(s.ingest, &request, &up, &why), ST_FULL);
	studio_close(&s);
	s.jobs_max = 100;
	s.disk_reserve = UINT64_MAX / 2;
	studio_open(&s);
	CHECK_EQ(ingest_begin(s.ingest, &request, &up, &why), ST_NO_SPACE);
	studio_close(&s);
	s.disk_reserve = KIB(64);
	studio_open(&s);
	CHECK_EQ(upload_gif(&s, &request, 1000, 3, &receipt), ST_OK);
	studio_end(&s);
}

TEST(no_slot_no_upload)
{
	struct studio s;
	struct ingest_receipt receipt;
	struct ingest_request request = request_of("photos");
	studio_make(&s);
	studio_begin(&s);
	/* Retention stands still for two days: the epoch that an upload now needs has no key. */
	clock_set(s.world.clock, NOW + 48 * (int64_t)HOUR);
	CHECK_EQ(upload_gif(&s, &request, 1000, 1, &receipt), ST_FULL);
	CHECK_EQ(stats_of(&s).images, 0);
	studio_end(&s);
}

TEST(an_upload_may_be_left)
{
	struct studio s;
	struct ingest_upload *up = NULL;
	const char *why = NULL;
	struct ingest_receipt receipt;
	struct ingest_request request = request_of("photos");
	studio_make(&s);
	studio_begin(&s);
	request.idempotency_key = SPAN_LIT("k");
	CHECK_EQ(ingest_begin(s.ingest, &request, &up, &why), ST_OK);
	CHECK_EQ(ingest_body(up, SPAN_LIT("GIF89a"), &why), ST_OK);
	CHECK(budget_used(&s.budget) > 0);
	ingest_end(up);
	CHECK_EQ(budget_used(&s.budget), 0);
	CHECK_EQ(upload_gif(&s, &request, 1000, 1, &receipt), ST_OK);
	ingest_end(NULL);
	studio_end(&s);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(upload_comes_back_as_it_went_in),
		CHECK_TEST(what_is_not_an_image_is_refused),
		CHECK_TEST(digest_sent_is_checked),
		CHECK_TEST(equal_bytes_are_stored_once_per_collection),
		CHECK_TEST(equal_bytes_in_flight_are_stored_once),
		CHECK_TEST(retry_gets_the_first_answer),
		CHECK_TEST(retries_in_flight_are_one_image),
		CHECK_TEST(limits_are_answered_before_the_body),
		CHECK_TEST(no_slot_no_upload),
		CHECK_TEST(an_upload_may_be_left),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
