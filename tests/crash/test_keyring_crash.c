/* kill -9 at any moment: what was said to be live is live, what was said to be destroyed stays destroyed.
 *
 * A child prepares block after block, round the ring, makes an image in each
 * and destroys the block before the last; after each step it says so through a pipe.
 * It is killed after a random time; the parent opens what is left and compares. */
#include "../unit/keyring_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "clock.h"

enum { ROUNDS = 30, KILL_MS_MAX = 120, BLOCKS_KEPT = 2, PLACES = 4, BLOCKS_MAX = 4096, READY = BLOCKS_MAX };

struct word {
	uint32_t block;
	bool is_destroyed;
	struct image_id id;
	uint8_t wrapped[WRAPPED_KEY_BYTES];
};

/* What the children said, by block number; `begun` blocks may be in any state. */
static struct {
	bool is_live, is_destroyed;
	struct word live;
} said[BLOCKS_MAX];
static uint32_t begun;

/* Four places in the ring, taken again each revolution, so that slots are reused all the time. */
static uint32_t first_of(uint32_t block)
{
	return E + block % PLACES * KEYRING_BLOCK + block / PLACES * KEYRING_SLOTS;
}

static void say(int pipe_fd, const struct word *w)
{
	must(write(pipe_fd, w, sizeof *w) == sizeof *w);
}

/* Runs until it is killed. */
static void child(struct fixture *f, uint32_t block, int pipe_fd)
{
	static uint32_t gone[KEYRING_SLOTS];
	struct word ready = { .block = READY };
	fixture_open(f);
	say(pipe_fd, &ready);
	for (; block < BLOCKS_MAX; block++) {
		struct word w = { .block = block };
		struct image_key *key = NULL;
		size_t count = 0;
		must(keyring_prepare(f->kr, first_of(block), first_of(block)) == ST_OK);
		must(keyring_new_image(f->kr, 7, keyring_epoch_due_ms(first_of(block) + 9), &w.id, w.wrapped,
			     &key) == ST_OK);
		image_key_release(key);
		say(pipe_fd, &w);
		if (block < BLOCKS_KEPT)
			continue;
		must(keyring_destroy_due(f->kr, first_of(block - BLOCKS_KEPT + 1) - 1, gone, KEYRING_SLOTS,
			     &count) == ST_OK);
		w.block = block - BLOCKS_KEPT;
		w.is_destroyed = true;
		say(pipe_fd, &w);
	}
	_exit(1);
}

static void listen_to(int pipe_fd)
{
	struct word w;
	while (read(pipe_fd, &w, sizeof w) == sizeof w) {
		must(w.block <= READY);
		if (w.block == READY)
			continue;
		if (w.is_destroyed) {
			said[w.block].is_destroyed = true;
		} else {
			said[w.block].is_live = true;
			said[w.block].live = w;
			begun = w.block + 1;
		}
	}
}

/* Each fourth is killed while it still opens what the one before left, and repairs it. */
static void run_and_kill(struct fixture *f, int round, int64_t ms)
{
	int ends[2], child_status = 0;
	struct word ready;
	must(pipe(ends) == 0);
	pid_t pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		must(close(ends[0]) == 0);
		child(f, begun, ends[1]);
	}
	must(close(ends[1]) == 0);
	if (round % 4 != 3)
		must(read(ends[0], &ready, sizeof ready) == sizeof ready);
	clock_sleep_ms(ms);
	must(kill(pid, SIGKILL) == 0 && waitpid(pid, &child_status, 0) == pid);
	CHECK(WIFSIGNALED(child_status) && WTERMSIG(child_status) == SIGKILL);
	listen_to(ends[0]);
	must(close(ends[0]) == 0);
}

static void compare(struct keyring *kr)
{
	CHECK_EQ(disagreeing(kr), 0);
	for (uint32_t block = 0; block < begun; block++) {
		struct image_key *key = NULL;
		if (!said[block].is_live)
			continue;
		enum epoch_state state = keyring_epoch_state(kr, first_of(block) + 9);
		enum status st = keyring_open_image(kr, &said[block].live.id, said[block].live.wrapped, &key);
		image_key_release(key);
		if (said[block].is_destroyed)
			CHECK(state == EPOCH_DESTROYED && st == ST_GONE);
		else if (block + BLOCKS_KEPT >= begun)
			CHECK(state == EPOCH_LIVE && st == ST_OK);
		else
			CHECK((state == EPOCH_LIVE && st == ST_OK) ||
				(state == EPOCH_DESTROYED && st == ST_GONE));
	}
}

TEST(killed_at_any_moment)
{
	const char *text = getenv("SEED");
	unsigned seed = text ? (unsigned)strtoul(text, NULL, 10) : (unsigned)clock_monotonic_us();
	struct fixture f;
	fprintf(stderr, "SEED=%u\n", seed);
	srandom(seed);
	fixture_begin(&f);
	for (int round = 0; round < ROUNDS; round++) {
		run_and_kill(&f, round, random() % KILL_MS_MAX);
		fixture_open(&f);
		compare(f.kr);
		fixture_close(&f);
	}
	fprintf(stderr, "%u blocks begun\n", begun);
	CHECK(begun > 0);
	fixture_end(&f);
}

int main(void)
{
	static const struct check_test tests[] = { CHECK_TEST(killed_at_any_moment) };
	return check_run(tests, sizeof tests / sizeof *tests);
}
