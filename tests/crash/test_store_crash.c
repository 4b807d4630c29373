/* Kills and power cuts: what was acknowledged is there, byte by byte, and nothing torn passes as whole.
 *
 * The kills are real: this program runs itself as a writer and kills it.  The
 * power cuts are played: a segment as it was at a sync, plus any part of what
 * was written after it.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "../unit/test_store.h"

#include "clock.h"
#include "log.h"
#include "random.h"

enum { KILLS = 60, WINDOW = 12, LEN_MAX = 20000, TORN_TAILS = 3000 };

/* What the writer tells through its pipe, once it was acknowledged. */
struct journal {
	uint64_t seed;
	size_t len;
	struct place at;
};

static const char *self;

/* --- the writer, in a process of its own --- */

static size_t len_of(uint64_t seed)
{
	return (size_t)(seed * 2654435761u % LEN_MAX);
}

static int write_until_killed(const char *path, const char *first_seed)
{
	struct fixture f = { .segment_bytes = MIB(1),
		.segment_age_ms = SEGMENT_AGE_MS,
		.inbox_bytes_max = MIB(64),
		.store_number = 1 };
	static uint8_t keys[WINDOW][RECORD_KEY_MAX], bodies[WINDOW][LEN_MAX];
	(void)snprintf(f.path, sizeof f.path, "%s", path);
	if (digest_init() != ST_OK || queue_new("test.synced", BATCH_RING, &f.synced) != ST_OK ||
		fixture_start(&f) != ST_OK) {
		return 1;
	}
	for (uint64_t seed = strtoull(first_seed, NULL, 10);;) {
		struct store_record records[WINDOW];
		struct store_entry entries[WINDOW];
		size_t count = 1 + random_below(WINDOW), handled = 0;
		for (size_t i = 0; i < count; i++) {
			size_t len = len_of(seed + i);
			content_fill(keys[i], RECORD_KEY_MAX, seed + i + 1000003);
			content_fill(bodies[i], len, seed + i);
			records[i] = (struct store_record){ .kind = RECORD_BLOB,
				.key = span_make(keys[i], RECORD_KEY_MAX),
				.body = { span_make(bodies[i], len) } };
			entries[i] = (struct store_entry){ .records = &records[i], .record_count = 1 };
			if (store_submit(f.store, &entries[i]) != ST_OK) {
				return 1;
			}
		}
		while (handled < count) {
			void *item = NULL;
			if (queue_take(f.synced, -1, &item) != ST_OK ||
				((struct store_batch *)item)->status != ST_OK) {
				return 1;
			}
			handled += ((struct store_batch *)item)->entry_count;
			store_batch_free(item);
		}
		for (size_t i = 0; i < count; i++) {
			struct journal line = { seed + i, len_of(seed + i), records[i].at };
			if (write(STDOUT_FILENO, &line, sizeof line) != sizeof line) {
				return 1;
			}
		}
		seed += count;
	}
}

/* --- the one who kills --- */

static pid_t start_writer(const char *path, uint64_t first_seed, int *out)
{
	int pipe_fds[2];
	char seed[24];
	(void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)first_seed);
	if (pipe(pipe_fds) != 0) {
		return -1;
	}
	(void)fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		(void)dup2(pipe_fds[1], STDOUT_FILENO);
		(void)close(pipe_fds[0]);
		(void)close(pipe_fds[1]);
		(void)execl(self, self, "--write", path, seed, (char *)NULL);
		_exit(1);
	}
	(void)close(pipe_fds[1]);
	*out = pipe_fds[0];
	return child;
}

/* Reads acknowledgements until the end of a random time after the first one, kills, and reads the rest. */
static size_t kill_writer(pid_t child, int fd, struct journal *lines, size_t max)
{
	size_t count = 0;
	int status = 0;
	int64_t deadline = 0;
	bool is_killed = false;
	while (count < max) {
		ssize_t got = read(fd, &lines[count], sizeof *lines);
		if (got != (ssize_t)sizeof *lines) {
			break;
		}
		count++;
		deadline = deadline ? deadline : clock_monotonic_ms() + random_below(40);
		if (!is_killed && clock_monotonic_ms() >= deadline) {
			(void)kill(child, SIGKILL);
			is_killed = true;
		}
	}
	(void)kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	(void)close(fd);
	return count;
}

/* Every record in the log is one that was written, whole. */
static size_t check_log(struct fixture *f)
{
	static uint8_t body[LEN_MAX];
	struct store_scan *scan = NULL;
	struct scan_batch b;
	size_t count = 0;
	enum status st = store_scan_open(f->store, (struct position){ 0, 0, 0 }, &scan);
	while (st == ST_OK && (st = store_scan_next(scan, &b)) == ST_OK) {
		CHECK_EQ(b.finding, SCAN_SOUND);
		for (size_t i = 0; i < b.record_count; i++) {
			const struct scan_record *r = &b.records[i];
			CHECK(r->is_body_sound);
			if (r->kind == RECORD_BLOB) {
				/* Its seed is the one whose sequence of bytes begins so. */
				content_fill(body, r->body.len, count);
				CHECK(r->body.len == len_of(count) &&
					memcmp(body, r->body.data, r->body.len) == 0);
				count++;
			}
		}
	}
	CHECK_EQ(st, ST_NOT_FOUND);
	store_scan_close(scan);
	return count;
}

TEST(a_killed_writer_loses_nothing_acknowledged)
{
	enum { LINES = 1 << 18 };
	struct fixture f;
	struct journal *lines = calloc(LINES, sizeof *lines);
	size_t count = 0;
	fixture_init(&f);
	for (unsigned round = 0; round < KILLS; round++) {
		int fd = -1;
		REQUIRE(fixture_open(&f) == ST_OK);
		/* What was written and not acknowledged may be there too: seeds go on behind it. */
		size_t seed = check_log(&f);
		fixture_stop(&f);
		pid_t child = start_writer(f.path, seed, &fd);
		REQUIRE(child > 0);
		size_t more = kill_writer(child, fd, lines + count, LINES - count);
		CHECK(more > 0);
		REQUIRE(fixture_open(&f) == ST_OK);
		for (size_t i = count; i < count + more; i++) {
			CHECK(fixture_has(&f, lines[i].seed, lines[i].len, lines[i].at));
		}
		fixture_stop(&f);
		count += more;
	}
	REQUIRE(fixture_open(&f) == ST_OK);
	size_t there = check_log(&f);
	CHECK(there >= count);
	for (size_t i = 0; i < count; i++) {
		CHECK(fixture_has(&f, lines[i].seed, lines[i].len, lines[i].at));
	}
	printf("%u kills, %zu acknowledged, %zu in the log\n", (unsigned)KILLS, count, there);
	fixture_fini(&f);
	free(lines);
}

/* --- power cuts, played --- */

/* One entry of several records of any size, waited for. */
static void put_batch(struct fixture *f, uint64_t seed, struct place *at, size_t count)
{
	static uint8_t keys[ENTRY_RECORDS_MAX][RECORD_KEY_MAX], bodies[ENTRY_RECORDS_MAX][LEN_MAX];
	struct store_record records[ENTRY_RECORDS_MAX];
	for (size_t i = 0; i < count; i++) {
		content_fill(keys[i], RECORD_KEY_MAX, seed + i + 1000003);
		content_fill(bodies[i], len_of(seed + i), seed + i);
		records[i] = (struct store_record){ .kind = RECORD_BLOB,
			.key = span_make(keys[i], RECORD_KEY_MAX),
			.body = { span_make(bodies[i], len_of(seed + i)) } };
	}
	struct store_entry entry = { .records = records, .record_count = count };
	void *item = NULL;
	CHECK_EQ(store_submit(f->store, &entry), ST_OK);
	CHECK_EQ(queue_take(f->synced, 20000, &item), ST_OK);
	CHECK_EQ(((struct store_batch *)item)->status, ST_OK);
	store_batch_free(item);
	for (size_t i = 0; i < count; i++) {
		at[i] = records[i].at;
	}
}

/* Copies a random part of [from, to) of `whole` onto `torn` in units of `unit` bytes; true if nothing
 * was left out. */
static bool tear(uint8_t *torn, const uint8_t *whole, size_t from, size_t to, size_t unit)
{
	uint32_t mode = random_below(4), kept = 0, units = (uint32_t)((to - from) / unit);
	uint32_t cut = random_below(units + 1), hole = random_below(units);
	for (uint32_t i = 0; i < units; i++) {
		bool is_there = mode == 0   ? random_below(2) == 0
				: mode == 1 ? i < cut
				: mode == 2 ? i != hole
					    : i >= cut;
		if (is_there) {
			memcpy(torn + from + i * unit, whole + from + i * unit, unit);
			kept++;
		}
	}
	return kept == units || memcmp(torn + from, whole + from, to - from) == 0;
}

TEST(no_torn_batch_passes_as_whole)
{
	enum { BATCHES = 12 };
	struct fixture f;
	struct place at[BATCHES][ENTRY_RECORDS_MAX];
	struct position ends[BATCHES + 1];
	size_t counts[BATCHES], len = 0, torn_count = 0, whole_count = 0;
	fixture_init_fast(&f);
	f.segment_bytes = MIB(2);
	log_configure(LOG_WARN, LOG_FORMAT_TEXT);
	REQUIRE(fixture_start(&f) == ST_OK);
	ends[0] = store_end(f.store);
	for (size_t i = 0; i < BATCHES; i++) {
		counts[i] = 1 + i;
		put_batch(&f, i * 100, at[i], counts[i]);
		ends[i + 1] = store_end(f.store);
	}
	uint8_t *whole = fixture_load(&f, 1, &len), *torn = malloc(len);
	fixture_stop(&f);
	for (unsigned round = 0; round < TORN_TAILS; round++) {
		size_t flight = random_below(BATCHES), from = ends[flight].offset,
		       to = ends[flight + 1].offset;
		memset(torn, 0, len);
		memcpy(torn, whole, from);
		bool is_whole = tear(torn, whole, from, to, round % 2 ? 512 : BLOCK_BYTES);
		/* The size too may be that of the sync before, or the reserved one. */
		fixture_store(&f, 1, torn,
			random_below(2) ? len
			: is_whole      ? to
					: from + random_below((uint32_t)(to - from)));
		REQUIRE(fixture_open(&f) == ST_OK);
		struct position end = store_end(f.store);
		size_t expect = flight + (end.sequence == ends[flight + 1].sequence);
		CHECK(is_whole ? expect == flight + 1 : expect == flight);
		CHECK_EQ(end.offset, ends[expect].offset);
		CHECK_EQ(end.sequence, ends[expect].sequence);
		is_whole ? whole_count++ : torn_count++;
		struct tally t = fixture_scan(&f, (struct position){ 0, 0, 0 });
		CHECK_EQ(t.batches, expect + 1);
		CHECK_EQ(t.damaged + t.unsound, 0);
		for (size_t i = 0; round % 50 == 0 && i < expect; i++) {
			for (size_t j = 0; j < counts[i]; j++) {
				CHECK(fixture_has(&f, i * 100 + j, len_of(i * 100 + j), at[i][j]));
			}
		}
		store_close(f.store);
		f.store = NULL;
	}
	CHECK(torn_count > TORN_TAILS / 2);
	printf("%zu torn tails, %zu whole ones\n", torn_count, whole_count);
	free(torn);
	free(whole);
	fixture_fini(&f);
}

int main(int argc, char **argv)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_killed_writer_loses_nothing_acknowledged),
		CHECK_TEST(no_torn_batch_passes_as_whole),
	};
	self = "/proc/self/exe";
	log_configure(LOG_WARN, LOG_FORMAT_TEXT);
	if (argc == 4 && strcmp(argv[1], "--write") == 0) {
		return write_until_killed(argv[2], argv[3]);
	}
	return check_run(tests, sizeof tests / sizeof *tests);
}
