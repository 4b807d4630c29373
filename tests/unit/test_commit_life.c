/* test_commit_life.c - one image's life through commit: kept, found, opened, described, erased, expired. */
#include "commit_fixture.h"

#include "queue.h"
#include "thread.h"

TEST(image_is_found_and_opens)
{
	struct world w;
	struct commit_opened opened;
	world_begin(&w);
	struct catalog_image row = put_image(&w, 1, 3 * SEAL_CHUNK + 1, HOUR);
	CHECK_EQ(row.bytes, 3 * SEAL_CHUNK + 1);
	CHECK_EQ(row.received_at, NOW);
	CHECK_EQ(row.expires_at, NOW + HOUR);
	CHECK_EQ(row.state, CATALOG_RECEIVED);
	CHECK_STR(row.format, "jpeg");
	CHECK_STR(row.source, "http");
	CHECK(row.has_address && row.has_uploader && !row.has_idempotency);
	CHECK_EQ(read_back(&w, &row, 1), ST_OK);
	CHECK_EQ(commit_open_image(w.commit, &row, &opened), ST_OK);
	CHECK_STR(opened.person.file_name, "holiday 1.jpg");
	CHECK_STR(opened.person.uploader, "ada");
	CHECK(image_key_is_live(opened.key));
	commit_opened_fini(&opened);
	check_sound(&w);
	world_end(&w);
}

TEST(chunk_borders)
{
	static const size_t lengths[] = { 1, SEAL_CHUNK - 1, SEAL_CHUNK, SEAL_CHUNK + 1, 2 * SEAL_CHUNK,
		10 * 1024 * 1024 };
	struct world w;
	world_begin(&w);
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		struct catalog_image row = put_image(&w, (uint32_t)i, lengths[i], HOUR);
		CHECK_EQ(read_back(&w, &row, (uint32_t)i), ST_OK);
	}
	check_sound(&w);
	world_end(&w);
}

TEST(nothing_private_is_on_disk)
{
	struct world w;
	struct buf file;
	world_begin(&w);
	(void)put_image(&w, 9, 1000, HOUR);
	world_stop(&w);
	buf_init(&file, WORLD_SEGMENT + 1);
	CHECK_EQ(file_load(w.dir_fd, "originals/00000001.seg", &file), ST_OK);
	CHECK(file.len > 4096);
	CHECK(!memmem(file.data, file.len, "holiday", 7));
	CHECK(!memmem(file.data, file.len, "ada", 3) || !memmem(file.data, file.len, "jpeg", 4));
	struct digest address;
	uint8_t bytes[1000];
	fill_bytes(bytes, sizeof bytes, 9);
	address = digest_of(span_make(bytes, sizeof bytes));
	CHECK(!memmem(file.data, file.len, address.bytes, 8));
	CHECK(!memmem(file.data, file.len, bytes, 16));
	buf_fini(&file);
	world_end(&w);
}

TEST(second_of_a_key_is_void)
{
	struct world w;
	struct catalog_image first, second, row;
	struct commit_answer answer;
	world_begin(&w);
	struct sample s = { .collection = 1, .seed = 1, .len = 5000, .keep_ms = HOUR, .idempotency = 7 };
	CHECK_EQ(put_sample(&w, &s, &first, &answer), ST_OK);
	CHECK(!answer.is_void);
	int64_t number = answer.image_number;
	s.seed = 2;
	CHECK_EQ(put_sample(&w, &s, &second, &answer), ST_OK);
	CHECK(answer.is_void);
	CHECK_EQ(answer.image_number, number);
	CHECK_EQ(catalog_find_image(w.catalog, second.id, &row), ST_NOT_FOUND);
	/* A key lives as long as its image. */
	clock_set(w.clock, NOW + HOUR);
	CHECK_EQ(put_sample(&w, &s, &second, &answer), ST_OK);
	CHECK(!answer.is_void);
	world_end(&w);
}

TEST(link_shares_the_blob)
{
	struct world w;
	struct catalog_image second, row = { 0 };
	struct commit_answer answer;
	world_begin(&w);
	struct catalog_image first = put_image(&w, 3, 70000, HOUR);
	struct sample s = { .collection = 1, .seed = 3, .len = 70000, .keep_ms = 2 * HOUR, .link = &first };
	CHECK_EQ(put_sample(&w, &s, &second, &answer), ST_OK);
	CHECK_EQ(catalog_find_image(w.catalog, second.id, &row), ST_OK);
	CHECK_EQ(row.blob_number, first.blob_number);
	/* The second outlives the erase of the first. */
	CHECK_EQ(commit_erase(w.commit, first.id), ST_OK);
	CHECK_EQ(read_back(&w, &first, 3), ST_GONE);
	CHECK_EQ(read_back(&w, &row, 3), ST_OK);
	check_sound(&w);
	world_end(&w);
}

TEST(result_describes_and_opens)
{
	struct world w;
	struct commit_opened opened;
	struct commit_opened_result result;
	struct catalog_rendition renditions[RENDITIONS_MAX];
	size_t count = 0;
	world_begin(&w);
	struct catalog_image row = put_image(&w, 4, 1000, HOUR);
	CHECK_EQ(commit_open_image(w.commit, &row, &opened), ST_OK);
	CHECK_EQ(commit_open_result(w.commit, &row, opened.key, &result), ST_NOT_FOUND);
	CHECK_EQ(put_result(&w, &row, opened.key, SEAL_CHUNK + 9), ST_OK);
	CHECK_EQ(put_result(&w, &row, opened.key, 10), ST_GONE); /* the first one counts */
	CHECK_EQ(catalog_find_image(w.catalog, row.id, &row), ST_OK);
	CHECK_EQ(row.state, CATALOG_READY);
	CHECK_STR(row.meta.camera, "Box 1");
	CHECK_EQ(catalog_renditions(w.catalog, row.number, renditions, &count), ST_OK);
	CHECK_EQ(count, 1);
	CHECK_EQ(renditions[0].bytes, SEAL_CHUNK + 9);
	CHECK_EQ(commit_open_result(w.commit, &row, opened.key, &result), ST_OK);
	CHECK_EQ(result.rendition_count, 1);
	CHECK_STR(result.renditions[0].name, "thumb");
	CHECK_BYTES(result.renditions[0].blob_id, renditions[0].blob_id, BLOB_ID_BYTES);
	CHECK_STR(buf_text(&result.private_json), "{\"gps\":[1,2]}");
	commit_opened_result_fini(&result);
	check_sound(&w);
	/* What was made of an image dies with it. */
	CHECK_EQ(commit_erase(w.commit, row.id), ST_OK);
	CHECK_EQ(commit_open_result(w.commit, &row, opened.key, &result), ST_GONE);
	commit_opened_fini(&opened);
	check_sound(&w);
	world_end(&w);
}

TEST(result_after_the_end_is_void)
{
	struct world w;
	struct commit_opened opened;
	uint32_t destroyed[256];
	size_t count;
	world_begin(&w);
	struct catalog_image erased = put_image(&w, 5, 1000, HOUR), due = put_image(&w, 6, 1000, HOUR);
	CHECK_EQ(commit_open_image(w.commit, &erased, &opened), ST_OK);
	CHECK_EQ(commit_erase(w.commit, erased.id), ST_OK);
	CHECK(!image_key_is_live(opened.key));
	CHECK_EQ(put_result(&w, &erased, opened.key, 10), ST_GONE);
	commit_opened_fini(&opened);
	CHECK_EQ(commit_open_image(w.commit, &due, &opened), ST_OK);
	CHECK_EQ(keyring_destroy_due(w.keyring, due.epoch, destroyed, 256, &count), ST_OK);
	CHECK_EQ(count, due.epoch - keyring_epoch_of(NOW) + 1);
	CHECK_EQ(put_result(&w, &due, opened.key, 10), ST_GONE);
	commit_opened_fini(&opened);
	CHECK_EQ(commit_open_image(w.commit, &due, &opened), ST_GONE);
	world_end(&w);
}

TEST(erase_is_on_disk_and_for_good)
{
	struct world w;
	struct catalog_image row;
	world_begin(&w);
	struct catalog_image image = put_image(&w, 7, 5000, HOUR), other = put_image(&w, 8, 5000, HOUR);
	CHECK(!is_key_zero(&w, &image));
	CHECK_EQ(commit_erase(w.commit, image.id), ST_OK);
	CHECK(is_key_zero(&w, &image));
	CHECK(!is_key_zero(&w, &other));
	CHECK_EQ(catalog_find_image(w.catalog, image.id, &row), ST_NOT_FOUND);
	CHECK_EQ(commit_erase(w.commit, image.id), ST_NOT_FOUND);
	CHECK_EQ(read_back(&w, &image, 7), ST_GONE);
	world_stop(&w);
	world_open(&w);
	(void)world_start(&w);
	CHECK_EQ(catalog_find_image(w.catalog, image.id, &row), ST_NOT_FOUND);
	CHECK_EQ(read_back(&w, &image, 7), ST_GONE);
	struct commit_replay_report report = world_rebuild(&w);
	CHECK_EQ(report.images, 1);
	CHECK_EQ(report.voided, 1);
	CHECK_EQ(report.erases, 1);
	CHECK_EQ(report.damaged, 0);
	CHECK_EQ(catalog_find_image(w.catalog, image.id, &row), ST_NOT_FOUND);
	CHECK_EQ(read_back(&w, &other, 8), ST_OK);
	check_sound(&w);
	world_end(&w);
}

/* --- threads --- */

struct crowd {
	struct world *w;
	uint32_t first;
	uint32_t count;
};

static void put_many(void *argument)
{
	struct crowd *crowd = argument;
	for (uint32_t i = 0; i < crowd->count; i++) {
		struct catalog_image row = put_image(crowd->w, crowd->first + i, 2000 + i, HOUR);
		CHECK_EQ(read_back(crowd->w, &row, crowd->first + i), ST_OK);
		if (i % 4 == 0)
			CHECK_EQ(commit_erase(crowd->w->commit, row.id), ST_OK);
	}
}

TEST(many_threads_each_read_what_they_wrote)
{
	enum { THREADS = 8, EACH = 24 };
	struct world w;
	struct thread threads[THREADS];
	struct crowd crowds[THREADS];
	struct catalog_stats stats;
	world_begin(&w);
	for (uint32_t i = 0; i < THREADS; i++) {
		crowds[i] = (struct crowd){ &w, i * 1000, EACH };
		threads[i] = (struct thread){ 0 };
		must(thread_start(&threads[i], "crowd", put_many, &crowds[i]) == ST_OK);
	}
	for (uint32_t i = 0; i < THREADS; i++)
		thread_join(&threads[i]);
	CHECK_EQ(catalog_stats(w.catalog, NULL, 0, NOW, &stats), ST_OK);
	CHECK_EQ(stats.images, THREADS * EACH - THREADS * EACH / 4);
	check_sound(&w);
	world_end(&w);
}

static void finish_soon(void *argument)
{
	struct crowd *crowd = argument;
	struct commit_opened opened;
	struct catalog_image row = { 0 };
	void *rung = NULL;
	CHECK_EQ(queue_take(commit_bell(crowd->w->commit), 10000, &rung), ST_OK);
	CHECK_EQ(catalog_walk(crowd->w->catalog, (int64_t)(uintptr_t)rung - 1, &row, 1, &(size_t){ 0 }),
		ST_OK);
	CHECK_EQ(commit_open_image(crowd->w->commit, &row, &opened), ST_OK);
	CHECK_EQ(put_result(crowd->w, &row, opened.key, 10), ST_OK);
	commit_opened_fini(&opened);
}

TEST(waiting_ends_with_the_result)
{
	struct world w;
	struct thread thread = { 0 };
	world_begin(&w);
	struct crowd crowd = { .w = &w };
	struct catalog_image row = put_image(&w, 1, 100, HOUR);
	CHECK_EQ(commit_wait_processed(w.commit, row.id, 0), ST_TIMEOUT);
	must(thread_start(&thread, "worker", finish_soon, &crowd) == ST_OK);
	CHECK_EQ(commit_wait_processed(w.commit, row.id, 30000), ST_OK);
	thread_join(&thread);
	CHECK_EQ(commit_wait_processed(w.commit, row.id, 0), ST_OK);
	clock_set(w.clock, row.expires_at);
	CHECK_EQ(commit_wait_processed(w.commit, row.id, 0), ST_GONE);
	clock_set(w.clock, row.expires_at + 1);
	CHECK_EQ(commit_erase(w.commit, row.id), ST_OK);
	CHECK_EQ(commit_wait_processed(w.commit, row.id, 0), ST_GONE);
	world_end(&w);
}

TEST(pins_hold_a_blob)
{
	struct world w;
	const uint8_t(*pins)[16];
	size_t count;
	uint64_t forgotten;
	world_begin(&w);
	struct catalog_image row = put_image(&w, 1, 100, HOUR);
	struct catalog_blob blob;
	int store;
	CHECK_EQ(commit_pin(w.commit, row.blob_id), ST_OK);
	CHECK_EQ(commit_pin(w.commit, row.blob_id), ST_OK);
	CHECK_EQ(commit_erase(w.commit, row.id), ST_OK);
	CHECK_EQ(commit_pins_acquire(w.commit, &pins, &count), ST_OK);
	CHECK_EQ(count, 2);
	commit_unpin(w.commit, row.blob_id);
	CHECK_EQ(catalog_forget_unused(w.catalog, pins, count, &forgotten), ST_OK);
	commit_pins_release(w.commit);
	CHECK_EQ(forgotten, 0);
	CHECK_EQ(catalog_find_blob(w.catalog, row.blob_id, &blob, &store), ST_OK);
	commit_unpin(w.commit, row.blob_id);
	CHECK_EQ(commit_pins_acquire(w.commit, &pins, &count), ST_OK);
	CHECK_EQ(count, 0);
	CHECK_EQ(catalog_forget_unused(w.catalog, pins, count, &forgotten), ST_OK);
	commit_pins_release(w.commit);
	CHECK_EQ(forgotten, 1);
	CHECK_EQ(catalog_find_blob(w.catalog, row.blob_id, &blob, &store), ST_NOT_FOUND);
	world_end(&w);
}

TEST(nothing_goes_in_after_the_stop)
{
	struct world w;
	struct catalog_image made;
	struct commit_answer answer;
	world_begin(&w);
	struct catalog_image row = put_image(&w, 1, 100, HOUR);
	commit_stop(w.commit);
	struct sample s = { .collection = 1, .seed = 2, .len = 10, .keep_ms = HOUR };
	CHECK_EQ(put_sample(&w, &s, &made, &answer), ST_STOPPED);
	CHECK_EQ(commit_wait_processed(w.commit, row.id, 10000), ST_STOPPED);
	world_end(&w);
}

#ifdef DARKROOM_FAULTS
/* The second write of an upload is the catalog's: its batch is synced by then, so it waits and is applied. */
TEST(a_full_catalog_delays_and_loses_nothing)
{
	struct world w;
	world_begin(&w);
	struct catalog_image first = put_image(&w, 1, 100, HOUR);
	fault_arm(FAULT_WRITE, 2, ENOSPC, false);
	struct catalog_image second = put_image(&w, 2, 100, HOUR);
	CHECK(fault_has_fired());
	fault_disarm();
	CHECK_EQ(read_back(&w, &second, 2), ST_OK);
	fault_arm(FAULT_WRITE, 3, ENOSPC, false);
	CHECK_EQ(commit_erase(w.commit, first.id), ST_OK);
	CHECK(fault_has_fired());
	fault_disarm();
	CHECK(is_key_zero(&w, &first));
	check_sound(&w);
	world_end(&w);
}
#endif

TEST(draining_ends_the_waits_and_nothing_else)
{
	struct world w;
	world_begin(&w);
	struct catalog_image row = put_image(&w, 1, 100, HOUR);
	commit_drain(w.commit);
	CHECK_EQ(commit_wait_processed(w.commit, row.id, 10000), ST_STOPPED);
	row = put_image(&w, 2, 100, HOUR);
	CHECK_EQ(read_back(&w, &row, 2), ST_OK);
	world_end(&w);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(image_is_found_and_opens),
		CHECK_TEST(chunk_borders),
		CHECK_TEST(nothing_private_is_on_disk),
		CHECK_TEST(second_of_a_key_is_void),
		CHECK_TEST(link_shares_the_blob),
		CHECK_TEST(result_describes_and_opens),
		CHECK_TEST(result_after_the_end_is_void),
		CHECK_TEST(erase_is_on_disk_and_for_good),
		CHECK_TEST(many_threads_each_read_what_they_wrote),
		CHECK_TEST(waiting_ends_with_the_result),
		CHECK_TEST(pins_hold_a_blob),
		CHECK_TEST(nothing_goes_in_after_the_stop),
#ifdef DARKROOM_FAULTS
		CHECK_TEST(a_full_catalog_delays_and_loses_nothing),
#endif
		CHECK_TEST(draining_ends_the_waits_and_nothing_else),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
