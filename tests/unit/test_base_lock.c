#include "poison.h"

#include "lock.h"

#include <signal.h>
#include <sys/wait.h>

#include "budget.h"
#include "check.h"
#include "clock.h"
#include "must.h"
#include "thread.h"

static struct lock lock, second;
static struct signal changed;

/* Runs `act` in a child whose complaint is not shown; true if it aborted. */
static bool aborts(void (*act)(void))
{
	int code = 0;
	pid_t child = fork();
	if (child == 0) {
		(void)close(STDERR_FILENO);
		act();
		_exit(0);
	}
	return waitpid(child, &code, 0) == child && WIFSIGNALED(code) && WTERMSIG(code) == SIGABRT;
}

static void take_two(void)
{
	lock_acquire(&lock);
	lock_acquire(&second);
}

static void take_again(void)
{
	lock_acquire(&lock);
	lock_acquire(&lock);
}

static void release_nothing(void)
{
	lock_release(&lock);
}

static void wait_without(void)
{
	(void)signal_wait_until(&changed, &lock, 0);
}

static void take_in_turn(void)
{
	lock_acquire(&lock);
	lock_release(&lock);
	lock_acquire(&second);
	lock_release(&second);
	must(true);
}

static void break_a_promise(void)
{
	must(1 > 2);
}

TEST(a_second_lock_is_a_bug_that_stops_us)
{
	CHECK(aborts(take_two));
	CHECK(aborts(take_again));
	CHECK(aborts(release_nothing));
	CHECK(aborts(wait_without));
	CHECK(!aborts(take_in_turn));
	CHECK(aborts(break_a_promise));
}

TEST(a_wait_ends_at_its_deadline)
{
	lock_acquire(&lock);
	CHECK(!signal_wait_until(&changed, &lock, clock_monotonic_ms() - 1000));
	CHECK(!signal_wait_until(&changed, &lock, -5));
	int64_t deadline = clock_monotonic_ms() + 2;
	while (signal_wait_until(&changed, &lock, deadline)) {
	}
	CHECK(clock_monotonic_ms() >= deadline);
	lock_release(&lock);
}

static unsigned long counter;
static bool is_go;

static void count_up(void *argument)
{
	(void)argument;
	lock_acquire(&lock);
	while (!is_go) {
		signal_wait(&changed, &lock);
	}
	lock_release(&lock);
	for (int i = 0; i < 20000; i++) {
		lock_acquire(&lock);
		counter++;
		lock_release(&lock);
	}
}

TEST(a_lock_keeps_threads_apart_and_a_signal_wakes_all)
{
	struct thread threads[3];
	uint64_t before = lock_contended_total();
	for (size_t i = 0; i < 3; i++) {
		CHECK_EQ(thread_start(&threads[i], "counter", count_up, NULL), ST_OK);
	}
	lock_acquire(&lock);
	is_go = true;
	signal_wake_all(&changed);
	lock_release(&lock);
	for (size_t i = 0; i < 3; i++) {
		thread_join(&threads[i]);
	}
	CHECK_EQ(counter, 60000);
	CHECK(lock_contended_total() >= before);
}

static void hold_until_contended(void *argument)
{
	uint64_t before = *(uint64_t *)argument;
	lock_acquire(&lock);
	is_go = true;
	signal_wake_one(&changed);
	while (lock_contended_total() == before) {
	}
	lock_release(&lock);
}

/* The other thread lets go only once somebody was counted waiting; the signal is looked at before the
 * lock is lost. */
TEST(a_contended_acquisition_is_counted)
{
	struct thread holder;
	uint64_t before = lock_contended_total();
	is_go = false;
	lock_acquire(&second);
	lock_release(&second);
	CHECK_EQ(lock_contended_total(), before);
	CHECK_EQ(thread_start(&holder, "holder", hold_until_contended, &before), ST_OK);
	while (lock_contended_total() == before) {
		lock_acquire(&lock);
		lock_release(&lock);
	}
	thread_join(&holder);
	CHECK(lock_contended_total() > before);
}

struct seen {
	char name[16];
	bool blocks_term;
	bool blocks_segv;
};

static void look(void *argument)
{
	struct seen *seen = argument;
	sigset_t mask;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	(void)snprintf(seen->name, sizeof seen->name, "%s", thread_name());
	seen->blocks_term = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGPIPE) == 1;
	seen->blocks_segv = sigismember(&mask, SIGSEGV) == 1;
}

TEST(a_thread_has_its_name_and_takes_no_signal)
{
	struct thread thread = { .is_started = false };
	struct seen seen = { .blocks_segv = true };
	sigset_t mask;
	thread_join(&thread);
	CHECK_STR(thread_name(), "main");
	CHECK_EQ(thread_start(&thread, "worker-1", look, &seen), ST_OK);
	thread_join(&thread);
	CHECK(!thread.is_started);
	thread_join(&thread);
	CHECK_STR(seen.name, "worker-1");
	CHECK(seen.blocks_term);
	CHECK(!seen.blocks_segv);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	CHECK_EQ(sigismember(&mask, SIGTERM), 0);
}

static void *name_of_foreign(void *argument)
{
	look(argument);
	return NULL;
}

TEST(a_thread_we_did_not_start_is_http)
{
	pthread_t foreign;
	struct seen seen = { .name = "" };
	REQUIRE(pthread_create(&foreign, NULL, name_of_foreign, &seen) == 0);
	(void)pthread_join(foreign, NULL);
	CHECK_STR(seen.name, "http");
}

TEST(a_budget_is_spent_to_the_byte_and_no_further)
{
	struct budget b;
	budget_init(&b, "test.budget", 10);
	CHECK_EQ(budget_acquire(&b, 10), ST_OK);
	CHECK_EQ(budget_acquire(&b, 1), ST_FULL);
	CHECK_EQ(budget_acquire(&b, UINT64_MAX), ST_FULL);
	CHECK_EQ(budget_acquire(&b, 0), ST_OK);
	CHECK_EQ(budget_used(&b), 10);
	budget_release(&b, 4);
	CHECK_EQ(budget_acquire(&b, 5), ST_FULL);
	CHECK_EQ(budget_acquire(&b, 4), ST_OK);
	budget_release(&b, 10);
	CHECK_EQ(budget_used(&b), 0);
	budget_fini(&b);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_second_lock_is_a_bug_that_stops_us),
		CHECK_TEST(a_wait_ends_at_its_deadline),
		CHECK_TEST(a_lock_keeps_threads_apart_and_a_signal_wakes_all),
		CHECK_TEST(a_contended_acquisition_is_counted),
		CHECK_TEST(a_thread_has_its_name_and_takes_no_signal),
		CHECK_TEST(a_thread_we_did_not_start_is_http),
		CHECK_TEST(a_budget_is_spent_to_the_byte_and_no_further),
	};
	lock_init(&lock, "test.lock");
	lock_init(&second, "test.second");
	signal_init(&changed);
	int code = check_run(tests, sizeof tests / sizeof *tests);
	signal_fini(&changed);
	lock_fini(&second);
	lock_fini(&lock);
	return code;
}
