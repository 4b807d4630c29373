/* test_commit_replay.c - the catalog made again from the logs, wholly or from where it stood. */
#include "commit_fixture.h"

#include "../../src/commit/record.h"

static void forget_unused(struct world *w)
{
	uint64_t forgotten;
	CHECK_EQ(catalog_forget_unused(w->catalog, NULL, 0, &forgotten), ST_OK);
}

static void put_results(struct world *w, const struct catalog_image *row)
{
	struct commit_opened opened;
	CHECK_EQ(commit_open_image(w->commit, row, &opened), ST_OK);
	CHECK_EQ(put_result(w, row, opened.key, 20000), ST_OK);
	commit_opened_fini(&opened);
}

/* Some of everything: new, linked, of a key, void, erased, with results. */
static void fill(struct world *w, struct catalog_image *kept)
{
	struct catalog_image first, made;
	struct commit_answer answer;
	*kept = put_image(w, 1, 200000, HOUR);
	put_results(w, kept);
	struct sample linked = {
		.collection = 1, .seed = 1, .len = 200000, .keep_ms = 2 * HOUR, .link = kept
	};
	CHECK_EQ(put_sample(w, &linked, &made, &answer), ST_OK);
	struct sample keyed = { .collection = 2, .seed = 2, .len = 300, .keep_ms = HOUR, .idempotency = 9 };
	CHECK_EQ(put_sample(w, &keyed, &first, &answer), ST_OK);
	CHECK_EQ(put_sample(w, &keyed, &made, &answer), ST_OK);
	CHECK(answer.is_void);
	made = put_image(w, 3, 4000, HOUR);
	put_results(w, &made);
	CHECK_EQ(commit_erase(w->commit, made.id), ST_OK);
	for (uint32_t i = 10; i < 20; i++)
		(void)put_image(w, i, 100 * i, HOUR);
}

TEST(rebuild_gives_the_same_rows)
{
	struct world w;
	struct catalog_image kept, row;
	world_begin(&w);
	fill(&w, &kept);
	forget_unused(&w);
	char *before = dump_catalog(&w);
	struct commit_replay_report report = world_rebuild(&w);
	CHECK_EQ(report.images, 13);
	CHECK_EQ(report.results, 1);
	CHECK_EQ(report.erases, 1);
	CHECK_EQ(report.voided, 3); /* the second of a key, the erased image, and what was made of it */
	CHECK_EQ(report.damaged, 0);
	forget_unused(&w);
	char *after = dump_catalog(&w);
	CHECK_STR(before, after);
	CHECK(strlen(before) > 1000);
	CHECK_EQ(catalog_find_image(w.catalog, kept.id, &row), ST_OK);
	CHECK_EQ(row.state, CATALOG_READY);
	CHECK_EQ(read_back(&w, &row, 1), ST_OK);
	check_sound(&w);
	free(before);
	free(after);
	world_end(&w);
}

TEST(replaying_twice_changes_nothing)
{
	struct world w;
	struct catalog_image kept;
	struct commit_replay_report report;
	world_begin(&w);
	fill(&w, &kept);
	char *before = dump_catalog(&w);
	world_stop(&w);
	world_open(&w);
	report = world_start(&w);
	CHECK_EQ(report.images + report.results + report.erases + report.damaged, 0);
	world_stop(&w);
	world_open(&w);
	CHECK_EQ(commit_replay(w.commit, NULL, &report), ST_OK);
	CHECK_EQ(commit_replay(w.commit, NULL, &report), ST_OK);
	CHECK_EQ(report.batches, 0);
	char *after = dump_catalog(&w);
	CHECK_STR(before, after);
	free(before);
	free(after);
	world_end(&w);
}

/* The catalog runs with synchronous=NORMAL: a power cut may give an older one back. */
TEST(an_older_catalog_catches_up)
{
	struct world w;
	struct buf old;
	world_begin(&w);
	struct catalog_image first = put_image(&w, 1, 1000, HOUR), erased = put_image(&w, 2, 1000, HOUR), row;
	world_stop(&w);
	buf_init(&old, MIB(16));
	must(file_load(w.dir_fd, "catalog.db", &old) == ST_OK);
	world_open(&w);
	(void)world_start(&w);
	struct catalog_image second = put_image(&w, 3, 1000, HOUR);
	put_results(&w, &first);
	CHECK_EQ(commit_erase(w.commit, erased.id), ST_OK);
	forget_unused(&w);
	char *before = dump_catalog(&w);
	world_stop(&w);
	must(catalog_remove(w.catalog_path) == ST_OK);
	must(file_replace(w.dir_fd, "catalog.db", buf_span(&old), 0600) == ST_OK);
	world_open(&w);
	struct commit_replay_report report = world_start(&w);
	CHECK_EQ(report.images, 1);
	CHECK_EQ(report.results, 1);
	CHECK_EQ(report.erases, 1);
	CHECK_EQ(catalog_find_image(w.catalog, erased.id, &row), ST_NOT_FOUND);
	CHECK_EQ(read_back(&w, &second, 3), ST_OK);
	forget_unused(&w);
	char *after = dump_catalog(&w);
	CHECK_STR(before, after);
	check_sound(&w);
	free(before);
	free(after);
	buf_fini(&old);
	world_end(&w);
}

/* What a process leaves that dies between the sync of an ERASE and the overwriting of the key. */
static void leave_erase(struct world *w, const struct catalog_image *image)
{
	uint8_t body[RECORD_ERASE_BODY];
	struct record_erase erase = { .target = { image->record_at.segment, image->record_at.offset,
					      image->record_at.length } };
	struct store *store = NULL;
	struct queue *synced = NULL;
	struct store_record record = { .kind = RECORD_ERASE };
	struct store_entry entry = { .records = &record, .record_count = 1 };
	struct store_options options = { .name = "originals",
		.store_number = CATALOG_ORIGINALS,
		.segment_bytes = w->segment_bytes,
		.segment_age_ms = HOUR,
		.inbox_bytes_max = MIB(64) };
	void *batch = NULL;
	memcpy(options.directory_id, w->keyring_options.directory_id, 16);
	memcpy(erase.id, image->id, sizeof erase.id);
	record_put_erase(&erase, body);
	record.body[0] = span_make(body, sizeof body);
	must(queue_new("test.synced", BATCH_RING, &synced) == ST_OK);
	options.synced = synced;
	must(file_open_dir(w->dir_fd, "originals", &options.dir_fd) == ST_OK);
	must(store_open(&options, &store) == ST_OK && store_start(store, (struct span){ 0 }) == ST_OK);
	must(store_submit(store, &entry) == ST_OK && queue_take(synced, 10000, &batch) == ST_OK);
	CHECK_EQ(((struct store_batch *)batch)->status, ST_OK);
	store_batch_free(batch);
	store_stop(store);
	store_close(store);
	queue_free(synced);
}

TEST(unfinished_erase_is_carried_out)
{
	struct world w;
	struct catalog_image row;
	world_begin(&w);
	struct catalog_image image = put_image(&w, 1, 1000, HOUR), other = put_image(&w, 2, 1000, HOUR);
	world_stop(&w);
	leave_erase(&w, &image);
	CHECK(!is_key_zero(&w, &image));
	world_open(&w);
	struct commit_replay_report report = { 0 };
	CHECK_EQ(commit_replay(w.commit, NULL, &report), ST_OK);
	CHECK_EQ(report.erases, 1);
	CHECK(is_key_zero(&w, &image));
	CHECK(!is_key_zero(&w, &other));
	CHECK_EQ(catalog_find_image(w.catalog, image.id, &row), ST_NOT_FOUND);
	CHECK_EQ(read_back(&w, &image, 1), ST_GONE);
	CHECK_EQ(read_back(&w, &other, 2), ST_OK);
	world_end(&w);
}

TEST(destroyed_epochs_are_void_in_a_rebuild)
{
	struct world w;
	uint32_t destroyed[256];
	size_t count;
	struct catalog_image row, made;
	struct commit_answer answer;
	world_begin(&w);
	struct catalog_image image = put_image(&w, 1, 70000, HOUR);
	put_results(&w, &image);
	struct sample linked = {
		.collection = 1, .seed = 1, .len = 70000, .keep_ms = 2 * HOUR, .link = &image
	};
	CHECK_EQ(put_sample(&w, &linked, &made, &answer), ST_OK);
	CHECK_EQ(keyring_destroy_due(w.keyring, image.epoch, destroyed, 256, &count), ST_OK);
	struct commit_replay_report report = world_rebuild(&w);
	CHECK_EQ(report.images, 1);
	CHECK_EQ(report.voided, 2);
	CHECK_EQ(catalog_find_image(w.catalog, image.id, &row), ST_NOT_FOUND);
	CHECK_EQ(read_back(&w, &image, 1), ST_GONE);
	/* The one that is left tells the content address of a blob whose own image is destroyed. */
	CHECK_EQ(catalog_find_content(w.catalog, 1, image.address, NOW, &row), ST_OK);
	CHECK_BYTES(row.id, made.id, sizeof made.id);
	CHECK_EQ(read_back(&w, &row, 1), ST_OK);
	check_sound(&w);
	world_end(&w);
}

TEST(small_segments_are_replayed_in_order)
{
	struct world w;
	uint32_t *segments = NULL;
	size_t count = 0;
	world_make(&w);
	w.segment_bytes = KIB(256);
	world_open(&w);
	(void)world_start(&w);
	for (uint32_t i = 0; i < 40; i++)
		(void)put_image(&w, i, 30000, HOUR);
	CHECK_EQ(store_segments(commit_store(w.commit, CATALOG_ORIGINALS), &segments, &count), ST_OK);
	CHECK(count > 4);
	memory_free(segments);
	char *before = dump_catalog(&w);
	struct commit_replay_report report = world_rebuild(&w);
	CHECK_EQ(report.images, 40);
	char *after = dump_catalog(&w);
	CHECK_STR(before, after);
	check_sound(&w);
	free(before);
	free(after);
	world_end(&w);
}

/* --- damage --- */

static void flip(struct world *w, const char *store, struct catalog_place at, uint32_t inside)
{
	char name[64];
	uint8_t byte;
	(void)snprintf(name, sizeof name, "%s/%08" PRIx32 ".seg", store, at.segment);
	int fd = openat(w->dir_fd, name, O_RDWR | O_CLOEXEC);
	must(fd >= 0 && pread(fd, &byte, 1, at.offset + inside) == 1);
	byte ^= 0x10;
	must(pwrite(fd, &byte, 1, at.offset + inside) == 1 && fsync(fd) == 0 && close(fd) == 0);
}

TEST(a_hurt_image_is_counted_and_passed_over)
{
	struct world w;
	struct catalog_image row;
	struct commit_verify_report found;
	world_begin(&w);
	struct catalog_image body = put_image(&w, 1, 1000, HOUR), key = put_image(&w, 2, 1000, HOUR),
			     fine = put_image(&w, 3, 10, HOUR);
	flip(&w, "originals", body.record_at, 48 + 60 + 60); /* in the sealed part */
	flip(&w, "originals", key.record_at, 48 + 20);       /* in the wrapped key */
	CHECK_EQ(read_back(&w, &body, 1), ST_CORRUPT);
	CHECK_EQ(read_back(&w, &key, 2), ST_CORRUPT);
	CHECK_EQ(commit_verify(w.commit, say_nothing, NULL, NULL, &found), ST_INVALID);
	CHECK_EQ(found.damaged, 2);
	CHECK_EQ(found.dangling, 2);
	struct commit_replay_report report = world_rebuild(&w);
	CHECK_EQ(report.damaged, 2);
	CHECK_EQ(report.images, 1);
	CHECK_EQ(catalog_find_image(w.catalog, body.id, &row), ST_NOT_FOUND);
	CHECK_EQ(read_back(&w, &fine, 3), ST_OK);
	world_end(&w);
}

TEST(a_hurt_blob_is_found_by_verify)
{
	struct world w;
	struct commit_verify_report found;
	world_begin(&w);
	struct catalog_image image = put_image(&w, 1, 3 * SEAL_CHUNK, HOUR);
	struct commit_opened opened;
	put_results(&w, &image);
	CHECK_EQ(catalog_find_image(w.catalog, image.id, &image), ST_OK);
	check_sound(&w);
	flip(&w, "originals", image.blob_at, 48 + 32 + SEAL_CHUNK + 100);
	CHECK_EQ(read_back(&w, &image, 1), ST_CORRUPT);
	CHECK_EQ(commit_open_image(w.commit, &image, &opened), ST_OK);
	commit_opened_fini(&opened);
	CHECK_EQ(commit_verify(w.commit, say_nothing, NULL, NULL, &found), ST_INVALID);
	CHECK_EQ(found.damaged, 1);
	CHECK_EQ(found.dangling, 1);
	CHECK_EQ(found.images, 1);
	flip(&w, "originals", image.blob_at, 48 + 32 + SEAL_CHUNK + 100);
	flip(&w, "processed", image.result_at, 48 + 70);
	CHECK_EQ(commit_verify(w.commit, say_nothing, NULL, NULL, &found), ST_INVALID);
	CHECK_EQ(found.damaged, 1);
	CHECK_EQ(found.dangling, 1);
	world_end(&w);
}

TEST(verify_sees_a_missing_row)
{
	struct world w;
	struct commit_verify_report found;
	struct catalog_change change = { .kind = CATALOG_ERASE_IMAGE };
	struct catalog_position applied;
	world_begin(&w);
	struct catalog_image image = put_image(&w, 1, 100, HOUR);
	(void)put_image(&w, 2, 100, HOUR);
	CHECK_EQ(catalog_applied(w.catalog, CATALOG_ORIGINALS, &applied), ST_OK);
	applied.sequence++;
	change.erased_id = image.id;
	struct catalog_batch batch = { CATALOG_ORIGINALS, applied, &change };
	CHECK_EQ(catalog_apply(w.catalog, &batch, 1, NOW), ST_OK);
	CHECK_EQ(commit_verify(w.commit, say_nothing, NULL, NULL, &found), ST_INVALID);
	CHECK_EQ(found.lost, 1);
	CHECK_EQ(found.dangling + found.damaged, 0);
	/* Past its time the row is missing for good reason. */
	clock_set(w.clock, image.expires_at);
	CHECK_EQ(commit_verify(w.commit, say_nothing, NULL, NULL, &found), ST_OK);
	world_end(&w);
}

struct listener {
	uint64_t calls, done, total, images;
	bool is_backwards;
};

static void listen(void *context, uint64_t done, uint64_t total, uint64_t images)
{
	struct listener *l = context;
	l->is_backwards |= done < l->done || done > total || (l->calls > 0 && total != l->total);
	*l = (struct listener){ l->calls + 1, done, total, images, l->is_backwards };
}

/* Of one content under two images there is one blob; and both looks tell how far they are, forwards to the
 * end. */
TEST(verify_counts_a_shared_blob_once_and_tells_its_progress)
{
	struct world w;
	struct commit_verify_report found;
	struct listener verified = { 0 }, replayed = { 0 };
	world_begin(&w);
	struct catalog_image image = put_image(&w, 1, 100000, HOUR);
	struct sample linked = { .collection = 1, .seed = 1, .len = 100000, .keep_ms = HOUR, .link = &image };
	struct catalog_image other;
	struct commit_answer answer;
	CHECK_EQ(put_sample(&w, &linked, &other, &answer), ST_OK);
	put_results(&w, &image);
	const struct commit_progress verify = { listen, &verified }, replay = { listen, &replayed };
	CHECK_EQ(commit_verify(w.commit, say_aloud, NULL, &verify, &found), ST_OK);
	CHECK_EQ(found.images, 2);
	CHECK_EQ(found.blobs, 2); /* and one of its rendition */
	CHECK(verified.calls >= 4 && !verified.is_backwards);
	CHECK_EQ(verified.images, 2);
	CHECK(verified.total > 2 * 100000 && verified.done == verified.total);
	world_stop(&w);
	must(catalog_remove(w.catalog_path) == ST_OK);
	world_open(&w);
	struct commit_replay_report report;
	CHECK_EQ(commit_replay(w.commit, &replay, &report), ST_OK);
	CHECK(replayed.calls >= 3 && !replayed.is_backwards);
	CHECK_EQ(replayed.images, 2);
	CHECK(replayed.total >= 100000 && replayed.done == replayed.total);
	world_end(&w);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(rebuild_gives_the_same_rows),
		CHECK_TEST(replaying_twice_changes_nothing),
		CHECK_TEST(an_older_catalog_catches_up),
		CHECK_TEST(unfinished_erase_is_carried_out),
		CHECK_TEST(destroyed_epochs_are_void_in_a_rebuild),
		CHECK_TEST(small_segments_are_replayed_in_order),
		CHECK_TEST(a_hurt_image_is_counted_and_passed_over),
		CHECK_TEST(a_hurt_blob_is_found_by_verify),
		CHECK_TEST(verify_sees_a_missing_row),
		CHECK_TEST(verify_counts_a_shared_blob_once_and_tells_its_progress),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
