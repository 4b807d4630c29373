/* test_purge.c - keys go at their second, rows and segments follow, and receipts say so. */
#include "purge.h"

#include "commit_fixture.h"
#include "database.h"
#include "json.h"

struct scene {
	struct world w;
	struct control *control;
	struct purge *purge;
};

static void open_purge(struct scene *s)
{
	char path[300];
	struct purge_options options = {
		.keyring = s->w.keyring, .catalog = s->w.catalog, .commit = s->w.commit, .clock = s->w.clock
	};
	(void)snprintf(path, sizeof path, "%s/control.db", s->w.dir);
	must(control_open(path, &s->control) == ST_OK);
	options.control = s->control;
	must(purge_new(&options, &s->purge) == ST_OK);
}

static void close_purge(struct scene *s)
{
	purge_free(s->purge);
	control_close(s->control);
}

static void begin(struct scene *s)
{
	world_begin(&s->w);
	open_purge(s);
}

static void end(struct scene *s)
{
	close_purge(s);
	world_end(&s->w);
}

static void pass_ms(struct scene *s, int64_t ms)
{
	clock_set(s->w.clock, clock_now_ms(s->w.clock) + ms);
}

/* All rounds of housekeeping. */
static void keep_house(struct scene *s)
{
	bool has_more = true;
	for (int i = 0; has_more && i < 100; i++)
		CHECK_EQ(purge_housekeeping(s->purge, false, &has_more), ST_OK);
	CHECK(!has_more);
}

static uint64_t count_receipts(struct scene *s, struct buf *list)
{
	struct json *parsed = NULL;
	buf_clear(list);
	CHECK_EQ(purge_receipts(s->purge, 0, 100, list), ST_OK);
	CHECK_EQ(json_parse(buf_span(list), &parsed, NULL), ST_OK);
	uint64_t count = json_count(parsed);
	json_free(parsed);
	return count;
}

static enum status verify(struct scene *s, const struct buf *list, uint64_t *bad)
{
	struct buf pem;
	buf_init(&pem, 4096);
	CHECK_EQ(purge_public_key(s->purge, &pem), ST_OK);
	enum status st = purge_verify_receipts(buf_span(list), buf_span(&pem), bad);
	buf_fini(&pem);
	return st;
}

TEST(a_key_is_destroyed_when_its_epoch_is_due_and_not_before)
{
	struct scene s;
	uint64_t destroyed = 9;
	begin(&s);
	struct catalog_image soon = put_image(&s.w, 1, 5000, 60000),
			     later = put_image(&s.w, 2, 5000, 4 * (int64_t)HOUR);
	int64_t due = keyring_epoch_due_ms(soon.epoch);
	CHECK(due >= soon.expires_at && due - soon.expires_at <= EPOCH_MS);
	clock_set(s.w.clock, due - 1);
	CHECK_EQ(purge_due(s.purge, &destroyed), ST_OK);
	CHECK_EQ(read_back(&s.w, &soon, 1), ST_OK);
	pass_ms(&s, 1);
	CHECK_EQ(purge_due(s.purge, &destroyed), ST_OK);
	CHECK(destroyed >= 1);
	CHECK(read_back(&s.w, &soon, 1) != ST_OK);
	CHECK_EQ(read_back(&s.w, &later, 2), ST_OK);
	CHECK_EQ(purge_due(s.purge, &destroyed), ST_OK);
	CHECK_EQ(destroyed, 0);
	CHECK_EQ(purge_lag_ms(s.purge), 0);
	end(&s);
}

TEST(rows_follow_and_neighbours_stay)
{
	struct scene s;
	uint64_t destroyed;
	struct catalog_image row;
	begin(&s);
	struct catalog_image soon = put_image(&s.w, 1, 5000, 60000),
			     later = put_image(&s.w, 2, 5000, 4 * (int64_t)HOUR);
	pass_ms(&s, 120000);
	CHECK_EQ(purge_due(s.purge, &destroyed), ST_OK);
	keep_house(&s);
	CHECK(catalog_find_image(s.w.catalog, soon.id, &row) != ST_OK);
	CHECK_EQ(catalog_find_image(s.w.catalog, later.id, &row), ST_OK);
	end(&s);
}

TEST(an_erase_takes_one_image_and_leaves_its_twin)
{
	struct scene s;
	struct commit_answer answer;
	struct catalog_image twin;
	struct buf list;
	uint64_t bad;
	begin(&s);
	buf_init(&list, 65536);
	struct catalog_image one = put_image(&s.w, 1, 5000, HOUR);
	struct sample linked = { .collection = 1, .seed = 1, .len = 5000, .keep_ms = HOUR, .link = &one };
	CHECK_EQ(put_sample(&s.w, &linked, &twin, &answer), ST_OK);
	CHECK_EQ(catalog_find_image(s.w.catalog, twin.id, &twin), ST_OK);
	CHECK_EQ(purge_erase(s.purge, &one), ST_OK);
	CHECK(is_key_zero(&s.w, &one));
	CHECK(read_back(&s.w, &one, 1) != ST_OK);
	CHECK_EQ(read_back(&s.w, &twin, 1), ST_OK);
	CHECK_EQ(purge_erase(s.purge, &one), ST_NOT_FOUND);
	CHECK_EQ(count_receipts(&s, &list), 1);
	CHECK_EQ(verify(&s, &list, &bad), ST_OK);
	buf_fini(&list);
	end(&s);
}

TEST(each_destroyed_epoch_gets_one_receipt_over_restarts)
{
	struct scene s;
	struct buf list;
	uint64_t destroyed, bad = 9;
	begin(&s);
	buf_init(&list, 65536);
	struct catalog_image first = put_image(&s.w, 1, 500, 60000);
	(void)put_image(&s.w, 2, 500, 60000);
	(void)put_image(&s.w, 3, 500, 600000);
	pass_ms(&s, 120000);
	CHECK_EQ(purge_due(s.purge, &destroyed), ST_OK);
	keep_house(&s);
	uint64_t count = count_receipts(&s, &list);
	CHECK(count >= 1);
	CHECK(strstr(buf_text(&list), "\\\"images\\\":2,"));
	close_purge(&s);
	open_purge(&s);
	keep_house(&s);
	CHECK_EQ(count_receipts(&s, &list), count);
	pass_ms(&s, 600000);
	CHECK_EQ(purge_due(s.purge, &destroyed), ST_OK);
	keep_house(&s);
	CHECK(count_receipts(&s, &list) > count);
	CHECK_EQ(verify(&s, &list, &bad), ST_OK);
	CHECK_EQ(bad, 0);
	CHECK(first.epoch > 0);
	buf_fini(&list);
	end(&s);
}

/* The list with one byte changed at `at`. */
static enum status verify_changed(struct scene *s, const struct buf *list, size_t at)
{
	struct buf changed;
	uint64_t bad;
	buf_init(&changed, 65536);
	buf_put_span(&changed, buf_span(list));
	changed.data[at] = changed.data[at] == '1' ? '2' : '1';
	enum status st = verify(s, &changed, &bad);
	buf_fini(&changed);
	return st;
}

TEST(a_changed_receipt_does_not_verify)
{
	struct scene s;
	struct buf list;
	begin(&s);
	buf_init(&list, 65536);
	for (uint32_t i = 0; i < 3; i++) {
		struct catalog_image one = put_image(&s.w, i, 500, HOUR);
		CHECK_EQ(purge_erase(s.purge, &one), ST_OK);
	}
	CHECK_EQ(count_receipts(&s, &list), 3);
	size_t changed = 0;
	for (size_t at = 0; at < list.len; at += 7) {
		if (list.data[at] < '0' || list.data[at] > '9')
			continue;
		changed++;
		CHECK(verify_changed(&s, &list, at) != ST_OK);
	}
	CHECK(changed > 20);
	buf_fini(&list);
	end(&s);
}

TEST(a_held_clock_destroys_nothing)
{
	struct scene s;
	uint64_t destroyed;
	begin(&s);
	struct catalog_image soon = put_image(&s.w, 1, 500, 60000);
	pass_ms(&s, 120000);
	clock_set_held(s.w.clock, true);
	CHECK_EQ(purge_due(s.purge, &destroyed), ST_OK);
	CHECK_EQ(destroyed, 0);
	CHECK_EQ(read_back(&s.w, &soon, 1), ST_OK);
	CHECK(purge_lag_ms(s.purge) > 0);
	clock_set_held(s.w.clock, false);
	CHECK_EQ(purge_due(s.purge, &destroyed), ST_OK);
	CHECK(destroyed >= 1);
	end(&s);
}

/* A second connection to a database of the directory, as another program's would be. */
static struct database *open_beside(struct scene *s, const char *name, enum database_kind kind)
{
	char path[300];
	struct database *db = NULL;
	(void)snprintf(path, sizeof path, "%s/%s", s->w.dir, name);
	must(database_open(path, kind, &db) == ST_OK);
	return db;
}

static int64_t log_bytes(struct scene *s)
{
	struct stat st;
	must(fstatat(s->w.dir_fd, "catalog.db-wal", &st, 0) == 0);
	return st.st_size;
}

/* The number in the only receipt's field `name`, or -1. */
static int64_t number_in(struct buf *list, const char *name)
{
	char field[64];
	(void)snprintf(field, sizeof field, "\\\"%s\\\":", name);
	const char *at = strstr(buf_text(list), field);
	return at ? strtoll(at + strlen(field), NULL, 10) : -1;
}

static bool says_time(struct buf *list, const char *name, int64_t ms)
{
	struct buf text;
	buf_init(&text, 100);
	struct json_writer w = json_writer_of(&text);
	json_begin_object(&w, NULL);
	json_put_time(&w, name, ms);
	json_end_object(&w);
	/* {"name":"time"} stands in the receipt with its quotes escaped. */
	const char *time = strchr(buf_text(&text), ':') + 2;
	char wanted[100];
	(void)snprintf(wanted, sizeof wanted, "\\\"%s\\\":\\\"%.*s\\\"", name, (int)(strlen(time) - 2), time);
	bool is_said = strstr(buf_text(list), wanted) != NULL;
	buf_fini(&text);
	return is_said;
}

TEST(an_erase_whose_receipt_cannot_be_written_owes_it)
{
	struct scene s;
	struct buf list;
	struct catalog_image row;
	uint64_t bad = 9;
	bool has_more;
	begin(&s);
	buf_init(&list, 65536);
	struct catalog_image one = put_image(&s.w, 1, 500, HOUR), two = put_image(&s.w, 2, 500, HOUR);
	struct database *beside = open_beside(&s, "control.db", DATABASE_WRITER);
	must(database_run(beside, "CREATE TRIGGER refuse BEFORE INSERT ON receipt BEGIN "
				  "SELECT raise(ABORT, 'not now'); END") == ST_OK);
	int64_t erased_at = clock_now_ms(s.w.clock);
	CHECK_EQ(purge_erase(s.purge, &one), ST_OK);
	CHECK(is_key_zero(&s.w, &one));
	CHECK_EQ(catalog_find_image(s.w.catalog, one.id, &row), ST_NOT_FOUND);
	CHECK_EQ(purge_erase(s.purge, &two), ST_OK);
	CHECK_EQ(count_receipts(&s, &list), 0);
	pass_ms(&s, 5000);
	CHECK(purge_housekeeping(s.purge, false, &has_more) != ST_OK);
	CHECK_EQ(count_receipts(&s, &list), 0);
	must(database_run(beside, "DROP TRIGGER refuse") == ST_OK);
	keep_house(&s);
	CHECK_EQ(count_receipts(&s, &list), 2);
	CHECK_EQ(verify(&s, &list, &bad), ST_OK);
	CHECK(strstr(buf_text(&list), "\\\"kind\\\":\\\"erase\\\""));
	CHECK(says_time(&list, "destroyed_at", erased_at));
	CHECK(!says_time(&list, "destroyed_at", clock_now_ms(s.w.clock)));
	keep_house(&s);
	CHECK_EQ(count_receipts(&s, &list), 2);
	database_close(beside);
	buf_fini(&list);
	end(&s);
}

TEST(a_receipt_names_the_time_of_destruction_not_of_writing)
{
	struct scene s;
	struct buf list;
	uint64_t destroyed;
	begin(&s);
	buf_init(&list, 65536);
	struct catalog_image one = put_image(&s.w, 1, 500, 60000);
	int64_t due = keyring_epoch_due_ms(one.epoch);
	clock_set(s.w.clock, due + 700);
	CHECK_EQ(purge_due(s.purge, &destroyed), ST_OK);
	pass_ms(&s, 50000);
	keep_house(&s);
	CHECK_EQ(count_receipts(&s, &list), 1);
	CHECK_EQ(number_in(&list, "images"), 1);
	CHECK(says_time(&list, "due_at", due));
	CHECK(says_time(&list, "destroyed_at", due + 700));
	buf_fini(&list);
	end(&s);
}

/* Deleted rows stay readable in the write-ahead log until it is emptied: a reader only delays that. */
TEST(a_checkpoint_that_a_reader_holds_back_is_made_up_for)
{
	struct scene s;
	uint64_t destroyed;
	bool has_more;
	begin(&s);
	(void)put_image(&s.w, 1, 500, 60000);
	pass_ms(&s, 120000);
	CHECK_EQ(purge_due(s.purge, &destroyed), ST_OK);
	struct database *reader = open_beside(&s, "catalog.db", DATABASE_READER);
	must(database_run(reader, "BEGIN; SELECT count(*) FROM image") == ST_OK);
	CHECK_EQ(purge_housekeeping(s.purge, false, &has_more), ST_BUSY);
	CHECK(log_bytes(&s) > 0);
	must(database_run(reader, "COMMIT") == ST_OK);
	database_close(reader);
	int64_t end_ms = clock_monotonic_ms() + 20000;
	while (log_bytes(&s) > 0 && clock_monotonic_ms() < end_ms)
		CHECK_EQ(purge_housekeeping(s.purge, false, &has_more), ST_OK);
	CHECK_EQ(log_bytes(&s), 0);
	end(&s);
}

TEST(an_erase_empties_the_log_too)
{
	struct scene s;
	begin(&s);
	keep_house(&s);
	close_purge(&s);
	open_purge(&s);
	keep_house(&s); /* the first round of a process empties it, whatever an earlier one left */
	CHECK_EQ(log_bytes(&s), 0);
	close_purge(&s);
	open_purge(&s);
	struct catalog_image one = put_image(&s.w, 1, 500, HOUR);
	CHECK_EQ(purge_erase(s.purge, &one), ST_OK);
	CHECK(log_bytes(&s) > 0);
	keep_house(&s);
	CHECK_EQ(log_bytes(&s), 0);
	end(&s);
}

/* More rows than a round takes: one receipt that counts them all, and nothing is left. */
TEST(a_backlog_goes_in_rounds_under_one_receipt)
{
	struct scene s;
	struct buf list;
	uint64_t destroyed, rounds = 0;
	bool has_more = true;
	begin(&s);
	buf_init(&list, 65536);
	for (uint32_t i = 0; i < PURGE_ROWS_BATCH + 20; i++)
		(void)put_image(&s.w, i, 10, 60000);
	struct catalog_image later = put_image(&s.w, 9999, 500, HOUR), row;
	pass_ms(&s, 120000);
	CHECK_EQ(purge_due(s.purge, &destroyed), ST_OK);
	for (; has_more && rounds < 10; rounds++) {
		CHECK_EQ(purge_housekeeping(s.purge, false, &has_more), ST_OK);
		CHECK_EQ(purge_backlog_ms(s.purge) > 0, has_more);
	}
	CHECK_EQ(rounds, 2);
	CHECK_EQ(catalog_load(s.w.catalog).images, 1);
	CHECK_EQ(catalog_find_image(s.w.catalog, later.id, &row), ST_OK);
	CHECK_EQ(count_receipts(&s, &list), 1);
	CHECK_EQ(number_in(&list, "images"), PURGE_ROWS_BATCH + 20);
	buf_fini(&list);
	end(&s);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_key_is_destroyed_when_its_epoch_is_due_and_not_before),
		CHECK_TEST(rows_follow_and_neighbours_stay),
		CHECK_TEST(an_erase_takes_one_image_and_leaves_its_twin),
		CHECK_TEST(each_destroyed_epoch_gets_one_receipt_over_restarts),
		CHECK_TEST(a_changed_receipt_does_not_verify),
		CHECK_TEST(a_held_clock_destroys_nothing),
		CHECK_TEST(an_erase_whose_receipt_cannot_be_written_owes_it),
		CHECK_TEST(a_receipt_names_the_time_of_destruction_not_of_writing),
		CHECK_TEST(a_checkpoint_that_a_reader_holds_back_is_made_up_for),
		CHECK_TEST(an_erase_empties_the_log_too),
		CHECK_TEST(a_backlog_goes_in_rounds_under_one_receipt),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
