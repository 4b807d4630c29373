/* Round trips, batches, segments: what store.h promises while the disk behaves. */
#include "test_store.h"

#include "thread.h"

TEST(records_of_odd_sizes_come_back)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 9, 59, 60, 61, 3900, 3988, 3992, 4040, 4095, 4096, 4097,
		65536, 100001, 1 << 20, (1 << 20) + 3 };
	enum { COUNT = sizeof sizes / sizeof *sizes };
	struct place at[COUNT];
	struct fixture f;
	fixture_init(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	for (size_t i = 0; i < COUNT; i++) {
		CHECK_EQ(fixture_put(&f, i, sizes[i], &at[i]), ST_OK);
		CHECK_EQ(at[i].length, 48 + 60 + sizes[i]);
	}
	for (size_t i = 0; i < COUNT; i++) {
		CHECK(fixture_has(&f, i, sizes[i], at[i]));
	}
	struct position end = store_end(f.store);
	fixture_stop(&f);
	REQUIRE(fixture_open(&f) == ST_OK);
	/* The seal of the clean stop is one batch more. */
	CHECK_EQ(store_end(f.store).sequence, end.sequence + 1);
	for (size_t i = 0; i < COUNT; i++) {
		CHECK(fixture_has(&f, i, sizes[i], at[i]));
	}
	struct tally all = fixture_scan(&f, (struct position){ 0, 0, 0 });
	CHECK_EQ(all.records, COUNT + 1);
	CHECK_EQ(all.damaged, 0);
	CHECK_EQ(all.unsound, 0);
	struct tally rest = fixture_scan(&f, end);
	CHECK_EQ(rest.batches, 1);
	CHECK_EQ(rest.records, 0);
	CHECK_EQ(fixture_scan(&f, store_end(f.store)).batches, 0);
	fixture_fini(&f);
}

TEST(body_parts_are_joined_and_read_in_part)
{
	struct fixture f;
	uint8_t out[8];
	struct store_head head;
	fixture_init(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	struct store_record record = { .kind = RECORD_OFFSET,
		.body = { SPAN_LIT("abc"), SPAN_LIT(""), SPAN_LIT("defgh") } };
	struct store_entry entry = { .records = &record, .record_count = 1, .owner = &f };
	void *item = NULL;
	REQUIRE(store_submit(f.store, &entry) == ST_OK);
	REQUIRE(queue_take(f.synced, 20000, &item) == ST_OK);
	struct store_batch *batch = item;
	CHECK_EQ(batch->status, ST_OK);
	CHECK_EQ(batch->entry_count, 1);
	CHECK(batch->entries->owner == &f);
	CHECK(batch->store == f.store);
	CHECK_EQ(batch->end.sequence, store_end(f.store).sequence);
	store_batch_free(batch);
	CHECK_EQ(store_read_head(f.store, record.at, &head), ST_OK);
	CHECK_EQ(head.kind, RECORD_OFFSET);
	CHECK_EQ(head.key_len, 0);
	CHECK_EQ(head.body_len, 8);
	CHECK_EQ(store_read_body(f.store, record.at, 2, out, 4), ST_OK);
	CHECK_BYTES(out, "cdef", 4);
	CHECK_EQ(store_read_body(f.store, record.at, 8, out, 0), ST_OK);
	CHECK_EQ(store_read_body(f.store, record.at, 5, out, 4), ST_CORRUPT);
	CHECK_EQ(store_read_body(f.store, record.at, UINT64_MAX, out, 2), ST_CORRUPT);
	struct place wrong = record.at;
	wrong.offset += 8;
	CHECK_EQ(store_read_head(f.store, wrong, &head), ST_CORRUPT);
	wrong = record.at;
	wrong.length++;
	CHECK_EQ(store_read_head(f.store, wrong, &head), ST_CORRUPT);
	wrong = record.at;
	wrong.segment = 99;
	CHECK_EQ(store_read_head(f.store, wrong, &head), ST_NOT_FOUND);
	struct buf small;
	buf_init(&small, 7);
	CHECK_EQ(store_read_checked(f.store, record.at, &head, &small), ST_TOO_BIG);
	buf_fini(&small);
	fixture_fini(&f);
}

TEST(an_entry_larger_than_a_segment_gets_one_of_its_own)
{
	enum { LEN = 64 << 20 };
	struct fixture f;
	struct place at, small, after;
	fixture_init(&f);
	f.segment_bytes = MIB(1);
	REQUIRE(fixture_start(&f) == ST_OK);
	CHECK_EQ(fixture_put(&f, 1, 100, &small), ST_OK);
	CHECK_EQ(fixture_put(&f, 2, LEN, &at), ST_OK);
	CHECK_EQ(fixture_put(&f, 3, 100, &after), ST_OK);
	CHECK_EQ(small.segment, 1);
	CHECK_EQ(at.segment, 2);
	CHECK_EQ(after.segment, 3);
	CHECK(fixture_has(&f, 2, LEN, at));
	CHECK(fixture_has(&f, 3, 100, after));
	struct tally all = fixture_scan(&f, (struct position){ 0, 0, 0 });
	CHECK_EQ(all.records, 6);
	CHECK_EQ(all.damaged + all.unsound, 0);
	fixture_fini(&f);
}

TEST(what_no_segment_holds_is_refused_unread)
{
	struct fixture f;
	fixture_init(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	/* The spans lie: a body that was read would be a crash. */
	struct store_record record = { .kind = RECORD_BLOB,
		.body = { { (const uint8_t *)&f, SEGMENT_BYTES_CEILING } } };
	struct store_entry entry = { .records = &record, .record_count = 1 };
	CHECK_EQ(store_submit(f.store, &entry), ST_TOO_BIG);
	record.body[1] = (struct span){ (const uint8_t *)&f, SIZE_MAX };
	CHECK_EQ(store_submit(f.store, &entry), ST_TOO_BIG);
	uint8_t *state = calloc(1, STATE_BYTES_MAX + 1);
	CHECK_EQ(store_set_state(f.store, span_make(state, STATE_BYTES_MAX + 1)), ST_TOO_BIG);
	CHECK_EQ(store_set_state(f.store, span_make(state, STATE_BYTES_MAX)), ST_OK);
	CHECK_EQ(store_roll(f.store), ST_OK);
	CHECK_EQ(store_roll(f.store), ST_OK);
	free(state);
	CHECK_EQ(fixture_scan(&f, (struct position){ 0, 0, 0 }).damaged, 0);
	fixture_fini(&f);
}

TEST(the_inbox_is_bounded_and_closed)
{
	enum { COUNT = 4000 };
	struct fixture f;
	uint8_t body[1000] = { 0 };
	struct store_record *many_records = calloc(COUNT, sizeof *many_records);
	struct store_entry *many = calloc(COUNT, sizeof *many);
	struct store_record record = { .kind = RECORD_BLOB, .body = { span_make(body, 1) } };
	struct store_entry late = { .records = &record, .record_count = 1 };
	content_fill(body, sizeof body, 1);
	fixture_init(&f);
	f.inbox_bytes_max = 10000;
	REQUIRE(fixture_open(&f) == ST_OK);
	CHECK_EQ(store_submit(f.store, &late), ST_STOPPED);
	REQUIRE(store_start(f.store, SPAN_LIT("")) == ST_OK);
	/* Nobody takes batches: ring and batches fill, then the inbox, then it says so. */
	size_t taken = 0, full = 0, passed = 0;
	for (; taken < COUNT && full == 0; taken++) {
		many_records[taken] = (struct store_record){ .kind = RECORD_BLOB,
			.body = { span_make(body, sizeof body) } };
		many[taken] = (struct store_entry){ .records = &many_records[taken], .record_count = 1 };
		full += store_submit(f.store, &many[taken]) == ST_FULL;
	}
	CHECK_EQ(full, 1);
	taken -= full;
	while (passed < taken) {
		void *item = NULL;
		REQUIRE(queue_take(f.synced, 20000, &item) == ST_OK);
		struct store_batch *batch = item;
		CHECK_EQ(batch->status, ST_OK);
		passed += batch->entry_count;
		store_batch_free(batch);
	}
	CHECK_EQ(passed, taken);
	store_stop(f.store);
	CHECK_EQ(store_submit(f.store, &late), ST_STOPPED);
	CHECK_EQ(store_roll(f.store), ST_STOPPED);
	fixture_fini(&f);
	free(many);
	free(many_records);
}

/* --- group commit --- */

enum { THREADS = 8, EACH = 150 };
struct client {
	struct fixture *f;
	unsigned number;
	atomic_int done;
	struct place at[EACH];
};

static void client_run(void *argument)
{
	struct client *c = argument;
	for (unsigned i = 0; i < EACH; i++) {
		uint8_t key[RECORD_KEY_MAX], body[700];
		uint64_t seed = c->number * 100000u + i;
		content_fill(key, sizeof key, seed + 1000003);
		content_fill(body, sizeof body, seed);
		struct store_record record = { .kind = RECORD_BLOB,
			.key = span_make(key, sizeof key),
			.body = { span_make(body, sizeof body) } };
		struct store_entry entry = { .records = &record, .record_count = 1, .owner = c };
		atomic_store(&c->done, 0);
		if (store_submit(c->f->store, &entry) != ST_OK) {
			CHECK(!"submit");
			return;
		}
		while (!atomic_load(&c->done)) {
			sched_yield();
		}
		c->at[i] = record.at;
	}
}

/* While nobody takes batches the writer can be ahead by the queue and one in hand; all that came later waits,
 * and goes out together. */
TEST(what_waits_shares_a_sync)
{
	enum { WAITING = 400 };
	static struct store_entry entries[WAITING];
	static struct store_record records[WAITING];
	struct fixture f;
	size_t batches = 0, seen = 0;
	uint8_t body[100];
	content_fill(body, sizeof body, 1);
	fixture_init(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	for (size_t i = 0; i < WAITING; i++) {
		records[i] = (struct store_record){ .kind = RECORD_BLOB,
			.body = { span_make(body, sizeof body) } };
		entries[i] = (struct store_entry){ .records = &records[i], .record_count = 1 };
		REQUIRE(store_submit(f.store, &entries[i]) == ST_OK);
	}
	while (seen < WAITING) {
		void *item = NULL;
		REQUIRE(queue_take(f.synced, 20000, &item) == ST_OK);
		struct store_batch *batch = item;
		CHECK_EQ(batch->status, ST_OK);
		batches++;
		seen += batch->entry_count;
		store_batch_free(batch);
	}
	CHECK(batches <= BATCH_RING + 2);
	fixture_fini(&f);
}

TEST(many_threads_lose_nothing)
{
	static struct client clients[THREADS];
	struct thread threads[THREADS];
	struct fixture f;
	size_t entries = 0;
	fixture_init(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	for (unsigned i = 0; i < THREADS; i++) {
		clients[i].f = &f;
		clients[i].number = i;
		REQUIRE(thread_start(&threads[i], "client", client_run, &clients[i]) == ST_OK);
	}
	while (entries < THREADS * EACH) {
		void *item = NULL;
		REQUIRE(queue_take(f.synced, 20000, &item) == ST_OK);
		struct store_batch *batch = item;
		CHECK_EQ(batch->status, ST_OK);
		entries += batch->entry_count;
		for (struct store_entry *e = batch->entries, *next; e; e = next) {
			next = e->next; /* after the word is given the entry is gone */
			atomic_store(&((struct client *)e->owner)->done, 1);
		}
		store_batch_free(batch);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		thread_join(&threads[i]);
	}
	for (unsigned i = 0; i < THREADS * EACH; i++) {
		CHECK(fixture_has(&f, i / EACH * 100000u + i % EACH, 700, clients[i / EACH].at[i % EACH]));
	}
	fixture_fini(&f);
}

TEST(a_batch_has_bounded_entries_and_bytes)
{
	enum { COUNT = 2500 };
	struct fixture f;
	struct store_record *records = calloc(COUNT, sizeof *records);
	struct store_entry *entries = calloc(COUNT, sizeof *entries);
	uint8_t *body = malloc(MIB(1));
	content_fill(body, MIB(1), 5);
	fixture_init(&f);
	f.segment_bytes = MIB(64);
	REQUIRE(fixture_start(&f) == ST_OK);
	size_t passed = 0, largest = 0, sizes[2] = { 8, MIB(1) }, counts[2] = { COUNT, 30 };
	for (size_t round = 0; round < 2; round++) {
		passed = largest = 0;
		for (size_t i = 0; i < counts[round]; i++) {
			records[i] = (struct store_record){ .kind = RECORD_BLOB,
				.body = { span_make(body, sizes[round]) } };
			entries[i] = (struct store_entry){ .records = &records[i], .record_count = 1 };
			REQUIRE(store_submit(f.store, &entries[i]) == ST_OK);
		}
		while (passed < counts[round]) {
			void *item = NULL;
			REQUIRE(queue_take(f.synced, 20000, &item) == ST_OK);
			struct store_batch *batch = item;
			largest = batch->entry_count > largest ? batch->entry_count : largest;
			passed += batch->entry_count;
			store_batch_free(batch);
		}
		CHECK(largest <= (round == 0 ? BATCH_ENTRIES_MAX : BATCH_BYTES_MAX / MIB(1)));
	}
	CHECK_EQ(fixture_scan(&f, (struct position){ 0, 0, 0 }).damaged, 0);
	fixture_fini(&f);
	free(body);
	free(entries);
	free(records);
}

/* --- segments --- */

TEST(segments_roll_by_size_and_by_age)
{
	struct fixture f;
	struct place at[40];
	fixture_init(&f);
	f.segment_bytes = KIB(64);
	REQUIRE(fixture_start(&f) == ST_OK);
	for (unsigned i = 0; i < 40; i++) {
		CHECK_EQ(fixture_put(&f, i, 5000, &at[i]), ST_OK);
	}
	CHECK_EQ(at[0].segment, 1);
	CHECK_EQ(at[39].segment, 6);
	for (unsigned i = 0; i < 40; i++) {
		CHECK(fixture_has(&f, i, 5000, at[i]));
	}
	struct stat info;
	int fd = fixture_segment(&f, 1, O_RDONLY);
	CHECK(fstat(fd, &info) == 0 && info.st_size == 4096 + 4096 + 7 * 8192);
	(void)close(fd);
	fixture_stop(&f);
	f.segment_age_ms = 0;
	REQUIRE(fixture_start(&f) == ST_OK);
	/* Each segment is too old at once, but one that holds nothing yet is used. */
	CHECK_EQ(fixture_put(&f, 50, 10, &at[0]), ST_OK);
	CHECK_EQ(fixture_put(&f, 51, 10, &at[1]), ST_OK);
	CHECK_EQ(at[0].segment, 7);
	CHECK_EQ(at[1].segment, 8);
	struct tally all = fixture_scan(&f, (struct position){ 0, 0, 0 });
	CHECK_EQ(all.records, 40 + 2 + 8);
	CHECK_EQ(all.damaged + all.unsound, 0);
	fixture_fini(&f);
}

TEST(state_begins_every_segment)
{
	struct fixture f;
	struct store_scan *scan = NULL;
	struct scan_batch b;
	struct place at;
	fixture_init(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	CHECK_EQ(fixture_put(&f, 1, 10, &at), ST_OK);
	struct position end = store_end(f.store);
	CHECK_EQ(store_set_state(f.store, SPAN_LIT("later")), ST_OK);
	CHECK_EQ(store_roll(f.store), ST_OK);
	REQUIRE(store_scan_open(f.store, end, &scan) == ST_OK);
	REQUIRE(store_scan_next(scan, &b) == ST_OK);
	CHECK_EQ(b.record_count, 1);
	CHECK_EQ(b.records[0].kind, RECORD_STATE);
	CHECK_EQ(b.records[0].body.len, 16 + 5);
	CHECK_BYTES(b.records[0].body.data + 16, "later", 5);
	CHECK_EQ(b.records[0].body.data[0], end.segment);
	CHECK_EQ(b.records[0].body.data[8], end.sequence);
	CHECK_EQ(store_scan_next(scan, &b), ST_NOT_FOUND);
	store_scan_close(scan);
	/* A roll of a segment that holds nothing does nothing. */
	CHECK_EQ(store_roll(f.store), ST_OK);
	CHECK_EQ(store_end(f.store).segment, 2);
	fixture_fini(&f);
}

TEST(a_dropped_segment_is_gone_and_nothing_else)
{
	struct fixture f;
	struct place at[3];
	struct store_head head;
	uint8_t byte;
	uint64_t freed = 0;
	fixture_init(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(fixture_put(&f, i, 10000, &at[i]), ST_OK);
		CHECK_EQ(store_roll(f.store), ST_OK);
	}
	CHECK_EQ(store_drop(f.store, 4, &freed), ST_BUSY);
	CHECK_EQ(store_drop(f.store, 2, &freed), ST_OK);
	CHECK(freed >= 10000);
	CHECK_EQ(store_drop(f.store, 2, &freed), ST_NOT_FOUND);
	CHECK_EQ(store_read_head(f.store, at[1], &head), ST_NOT_FOUND);
	CHECK_EQ(store_read_body(f.store, at[1], 0, &byte, 1), ST_NOT_FOUND);
	CHECK_EQ(store_erase_key(f.store, at[1]), ST_NOT_FOUND);
	CHECK_EQ(store_punch(f.store, at[1], &freed), ST_NOT_FOUND);
	CHECK(fixture_has(&f, 0, 10000, at[0]));
	CHECK(fixture_has(&f, 2, 10000, at[2]));
	uint32_t *numbers = NULL;
	size_t count = 0;
	REQUIRE(store_segments(f.store, &numbers, &count) == ST_OK);
	REQUIRE(count == 3);
	CHECK(numbers[0] == 1 && numbers[1] == 3 && numbers[2] == 4);
	memory_free(numbers);
	/* The gap is none for a scan, from the start or from inside of what is gone. */
	CHECK_EQ(fixture_scan(&f, (struct position){ 0, 0, 0 }).damaged, 0);
	struct tally rest = fixture_scan(&f, (struct position){ 2, 8192, 3 });
	CHECK_EQ(rest.damaged, 0);
	CHECK_EQ(rest.records, 3);
	fixture_stop(&f);
	REQUIRE(fixture_open(&f) == ST_OK);
	CHECK_EQ(fixture_scan(&f, (struct position){ 0, 0, 0 }).damaged, 0);
	CHECK_EQ(store_drop(f.store, 4, &freed), ST_BUSY);
	fixture_fini(&f);
}

TEST(two_stores_do_not_mix)
{
	struct fixture f;
	struct place at;
	fixture_init(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	CHECK_EQ(fixture_put(&f, 1, 10, &at), ST_OK);
	fixture_stop(&f);
	f.store_number = 2;
	CHECK_EQ(fixture_open(&f), ST_CORRUPT);
	f.store_number = 1;
	CHECK_EQ(fixture_open(&f), ST_OK);
	CHECK(fixture_has(&f, 1, 10, at));
	fixture_fini(&f);
}

TEST(a_scan_ahead_of_the_log_says_so)
{
	struct fixture f;
	struct place at;
	fixture_init(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	CHECK_EQ(fixture_put(&f, 1, 10, &at), ST_OK);
	struct position end = store_end(f.store);
	end.offset += 4096;
	end.sequence++;
	struct tally t = fixture_scan(&f, end);
	CHECK_EQ(t.batches, 0);
	CHECK_EQ(t.damaged, 1);
	fixture_fini(&f);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(records_of_odd_sizes_come_back),
		CHECK_TEST(body_parts_are_joined_and_read_in_part),
		CHECK_TEST(an_entry_larger_than_a_segment_gets_one_of_its_own),
		CHECK_TEST(what_no_segment_holds_is_refused_unread),
		CHECK_TEST(the_inbox_is_bounded_and_closed),
		CHECK_TEST(what_waits_shares_a_sync),
		CHECK_TEST(many_threads_lose_nothing),
		CHECK_TEST(a_batch_has_bounded_entries_and_bytes),
		CHECK_TEST(segments_roll_by_size_and_by_age),
		CHECK_TEST(state_begins_every_segment),
		CHECK_TEST(a_dropped_segment_is_gone_and_nothing_else),
		CHECK_TEST(two_stores_do_not_mix),
		CHECK_TEST(a_scan_ahead_of_the_log_says_so),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
