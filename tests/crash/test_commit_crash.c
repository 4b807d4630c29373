/* test_commit_crash.c - kill -9 at any moment of images' lives, again and again on one data directory.
 *
 * A child uploads, links, describes, erases and lets epochs die on several
 * threads.  What it was answered it writes to a pipe: the journal, which no crash
 * of the child can touch.  The parent kills it at a random moment, opens the
 * directory itself and holds it against the journal:
 *
 *   an upload that was answered is there, byte for byte, until its end began;
 *   an erase or an epoch that was answered is over: the image is gone, its key area zero;
 *   what had begun and was not answered is wholly one or the other;
 *   verify finds nothing hurt, and a rebuilt catalog has the same rows.
 *
 * `test_commit_crash [KILLS [SEED]]`
 */
#include "commit_fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "thread.h"

enum {
	KILLS = 48,
	THREADS = 4,
	LEN_MAX = 150000,
	LIFE_MS_MAX = 300,
	START_MS_MAX = 60000,
	EPOCHS_AHEAD = 240,
	EVENTS_MAX = 1 << 20
};

/* Small enough that a write to a pipe is whole or not at all. */
enum event_kind { STARTED = 1, UPLOADED, ERASE_BEGUN, ERASED, DESTROY_BEGUN, DESTROYED };
struct event {
	uint8_t kind;
	uint8_t id[CATALOG_ID];
	uint32_t epoch, seed, len;
	struct catalog_place at;
};

/* --- the child --- */

struct actor {
	struct world *w;
	int journal;
	uint32_t seed;
};

static uint32_t roll(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void tell(int journal, struct event e)
{
	must(write(journal, &e, sizeof e) == (ssize_t)sizeof e);
}

static void describe(struct world *w, const struct catalog_image *row)
{
	struct commit_opened opened;
	enum status st = commit_open_image(w->commit, row, &opened);
	if (st == ST_OK) {
		st = put_result(w, row, opened.key, 5000);
		commit_opened_fini(&opened);
	}
	must(st == ST_OK || st == ST_GONE);
}

static void erase(struct actor *a, const struct catalog_image *row)
{
	struct event e = { .kind = ERASE_BEGUN, .at = row->record_at };
	memcpy(e.id, row->id, sizeof e.id);
	tell(a->journal, e);
	must(commit_erase(a->w->commit, row->id) == ST_OK);
	e.kind = ERASED;
	tell(a->journal, e);
}

/* Links to what it made before, as long as that is still there. */
static bool can_link(struct world *w, const struct catalog_image *row)
{
	struct commit_opened opened;
	if (row->number == 0 || commit_open_image(w->commit, row, &opened) != ST_OK)
		return false;
	commit_opened_fini(&opened);
	return keyring_epoch_state(w->keyring, row->epoch + 20) == EPOCH_LIVE;
}

static void live(void *argument)
{
	struct actor *a = argument;
	struct catalog_image before = { 0 };
	uint32_t state = a->seed, before_seed = 0;
	size_t before_len = 0;
	for (;;) {
		struct catalog_image made;
		struct commit_answer answer;
		uint32_t dice = roll(&state);
		struct sample s = { .collection = 1,
			.seed = roll(&state),
			.len = 1 + roll(&state) % LEN_MAX,
			.keep_ms = EPOCH_MS * (int64_t)(20 + roll(&state) % (EPOCHS_AHEAD - 40)) };
		if (dice % 8 == 0 && can_link(a->w, &before)) {
			s.link = &before;
			s.seed = before_seed;
			s.len = before_len;
			s.keep_ms = before.expires_at - NOW + EPOCH_MS * 20;
		}
		enum status st = put_sample(a->w, &s, &made, &answer);
		if (st == ST_GONE)
			continue; /* its epoch was destroyed meanwhile */
		must(st == ST_OK && !answer.is_void);
		struct event e = {
			.kind = UPLOADED, .epoch = made.epoch, .seed = s.seed, .len = (uint32_t)s.len
		};
		memcpy(e.id, made.id, sizeof e.id);
		tell(a->journal, e);
		struct catalog_image row;
		must(catalog_find_image(a->w->catalog, made.id, &row) == ST_OK);
		if (dice % 3 == 0)
			describe(a->w, &row);
		if (dice % 4 == 1) {
			erase(a, &row);
		} else {
			before = row;
			before_seed = s.seed;
			before_len = s.len;
		}
	}
}

/* One epoch after the other dies, as if time passed. */
static void age(void *argument)
{
	struct actor *a = argument;
	uint32_t gone[256];
	size_t count;
	for (;;) {
		uint32_t epoch = keyring_oldest_live(a->w->keyring);
		if (epoch > keyring_epoch_of(NOW) + EPOCHS_AHEAD / 2)
			return;
		clock_sleep_ms(15);
		tell(a->journal, (struct event){ .kind = DESTROY_BEGUN, .epoch = epoch });
		must(keyring_destroy_due(a->w->keyring, epoch, gone, 256, &count) == ST_OK && count == 1);
		tell(a->journal, (struct event){ .kind = DESTROYED, .epoch = epoch });
	}
}

static _Noreturn void be_child(struct world *w, int journal, uint32_t seed)
{
	struct actor actors[THREADS + 1];
	struct thread threads[THREADS + 1] = { 0 };
	world_open(w);
	(void)world_start(w);
	tell(journal, (struct event){ .kind = STARTED });
	for (uint32_t i = 0; i <= THREADS; i++) {
		actors[i] = (struct actor){ w, journal, seed * 31 + i };
		must(thread_start(&threads[i], "actor", i < THREADS ? live : age, &actors[i]) == ST_OK);
	}
	for (uint32_t i = 0; i <= THREADS; i++)
		thread_join(&threads[i]);
	_exit(1);
}

/* --- the journal --- */

static struct event *events;
static size_t event_count;

/* False at the pipe's end. */
static bool read_event(int fd)
{
	must(event_count < EVENTS_MAX);
	ssize_t got = read(fd, &events[event_count], sizeof *events);
	must(got == 0 || got == (ssize_t)sizeof *events);
	event_count += got > 0;
	return got > 0;
}

/* Collects what the child says for `wait_ms`, or until it says `last`; false at the pipe's end. */
static bool listen_to(int fd, int64_t wait_ms, enum event_kind last)
{
	struct pollfd waiting = { .fd = fd, .events = POLLIN };
	int64_t deadline = clock_monotonic_ms() + wait_ms, left;
	while ((left = deadline - clock_monotonic_ms()) > 0) {
		if (poll(&waiting, 1, (int)left) <= 0)
			continue;
		if (!read_event(fd))
			return false;
		if (events[event_count - 1].kind == last)
			return true;
	}
	return true;
}

/* Lets the child live for `life_ms`, mostly counted from when it was up, kills it, reads what it said. */
static void run_child(struct world *w, uint32_t child_seed, int64_t life_ms, bool is_early)
{
	int ends[2], status = 0;
	must(pipe(ends) == 0);
	pid_t child = fork();
	must(child >= 0);
	if (child == 0) {
		(void)close(ends[0]);
		be_child(w, ends[1], child_seed);
	}
	(void)close(ends[1]);
	if (is_early || listen_to(ends[0], START_MS_MAX, STARTED))
		(void)listen_to(ends[0], life_ms, 0);
	must(kill(child, SIGKILL) == 0);
	must(waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	while (read_event(ends[0]))
		continue;
	(void)close(ends[0]);
}

/* --- holding the directory against it --- */

enum fate { ALIVE, DOUBTFUL, GONE };

static enum fate worse(enum fate a, enum fate b)
{
	return a > b ? a : b;
}

static enum fate fate_of(const struct event *upload, size_t from)
{
	enum fate fate = ALIVE;
	for (size_t i = from; i < event_count; i++) {
		const struct event *e = &events[i];
		bool is_ours = memcmp(e->id, upload->id, sizeof e->id) == 0;
		if ((e->kind == ERASED && is_ours) || (e->kind == DESTROYED && upload->epoch <= e->epoch))
			fate = GONE;
		else if ((e->kind == ERASE_BEGUN && is_ours) ||
			 (e->kind == DESTROY_BEGUN && upload->epoch <= e->epoch))
			fate = worse(fate, DOUBTFUL);
	}
	return fate;
}

static void check_upload(struct world *w, size_t index)
{
	struct event *e = &events[index];
	struct catalog_image row;
	/* An epoch may have died before the answer to an upload under it was written down. */
	enum fate fate = fate_of(e, 0);
	enum status st = catalog_find_image(w->catalog, e->id, &row);
	bool has_row = st == ST_OK;
	if (has_row)
		st = read_back(w, &row, e->seed);
	if (fate == ALIVE) {
		CHECK_EQ(st, ST_OK);
		CHECK_EQ(row.bytes, e->len);
	} else if (fate == GONE) {
		CHECK(st == ST_GONE || st == ST_NOT_FOUND);
	} else {
		CHECK(st == ST_OK || st == ST_GONE || st == ST_NOT_FOUND);
	}
}

/* Not only out of reach: the wrapped key is off the disk. */
static void check_erase(struct world *w, const struct event *e)
{
	struct catalog_image row = { .record_at = e->at };
	CHECK(is_key_zero(w, &row));
}

static void check_world(struct world *w, size_t first)
{
	world_open(w);
	(void)world_start(w);
	for (size_t i = first; i < event_count; i++) {
		if (events[i].kind == UPLOADED)
			check_upload(w, i);
		if (events[i].kind == ERASED)
			check_erase(w, &events[i]);
	}
	check_sound(w);
	world_stop(w);
}

static size_t count_of(enum event_kind kind)
{
	size_t count = 0;
	for (size_t i = 0; i < event_count; i++)
		count += events[i].kind == kind;
	return count;
}

static unsigned kills = KILLS;
static uint32_t seed;

TEST(images_survive_kills)
{
	struct world w;
	uint32_t state = seed;
	events = calloc(EVENTS_MAX, sizeof *events);
	must(events);
	world_make(&w);
	w.segment_bytes = MIB(4);
	for (unsigned i = 0; i < kills && atomic_load(&check_failures) == 0; i++) {
		size_t first = event_count;
		run_child(&w, roll(&state), 1 + roll(&state) % LIFE_MS_MAX, i % 6 == 5);
		check_world(&w, first);
	}
	check_world(&w, 0);
	/* The journal's whole is in the logs: without the catalog it comes out the same. */
	must(catalog_remove(w.catalog_path) == ST_OK);
	check_world(&w, 0);
	printf("%u kills, %zu uploads answered, %zu erased, %zu epochs destroyed\n", kills,
		count_of(UPLOADED), count_of(ERASED), count_of(DESTROYED));
	CHECK(count_of(UPLOADED) > kills);
	CHECK(count_of(ERASED) > 0 && count_of(DESTROYED) > 0);
	free(events);
	world_end(&w);
}

int main(int argc, char **argv)
{
	static const struct check_test tests[] = { CHECK_TEST(images_survive_kills) };
	kills = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : KILLS;
	seed = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : (uint32_t)getpid();
	printf("seed %" PRIu32 "\n", seed);
	return check_run(tests, sizeof tests / sizeof *tests);
}
