#include "poison.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"
#include "fault.h"
#include "memory.h"

/* A directory of the test's own, made in main() and removed at its end. */
static char root[] = "/tmp/test_base_file.XXXXXX";
static int dir = -1;

static void check_content(const char *name, const char *expected)
{
	struct buf b;
	buf_init(&b, 65536);
	CHECK_EQ(file_load(dir, name, &b), ST_OK);
	CHECK_STR(buf_text(&b), expected);
	buf_fini(&b);
}

static void remove_all(void)
{
	char **names = NULL;
	size_t count = 0;
	CHECK_EQ(file_list(dir, 1000, &names, &count), ST_OK);
	for (size_t i = 0; i < count; i++) {
		if (unlinkat(dir, names[i], 0) != 0) {
			(void)unlinkat(dir, names[i], AT_REMOVEDIR);
		}
	}
	memory_free(names);
}

static size_t count_files(void)
{
	char **names = NULL;
	size_t count = 0;
	CHECK_EQ(file_list(dir, 1000, &names, &count), ST_OK);
	memory_free(names);
	return count;
}

TEST(create_refuses_what_is_there)
{
	int fd = -1;
	struct stat stat;
	CHECK_EQ(file_open(dir, "a", FILE_READ, &fd), ST_NOT_FOUND);
	CHECK_EQ(fd, -1);
	CHECK_EQ(file_open(dir, "a", FILE_WRITE | FILE_CREATE, &fd), ST_OK);
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_mode & 0777, 0600);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	file_close(&fd);
	CHECK_EQ(fd, -1);
	file_close(&fd);
	CHECK_EQ(file_open(dir, "a", FILE_WRITE | FILE_CREATE, &fd), ST_EXISTS);
	CHECK_EQ(file_open(dir, "a", FILE_WRITE | FILE_CREATE_OR_OPEN, &fd), ST_OK);
	file_close(&fd);
	remove_all();
}

TEST(reads_and_writes_are_whole)
{
	int fd = -1;
	uint8_t out[8] = { 0 };
	uint64_t size = 0;
	size_t got = 9;
	CHECK_EQ(file_open(dir, "a", FILE_WRITE | FILE_CREATE, &fd), ST_OK);
	CHECK_EQ(file_write_at(fd, SPAN_LIT("hello"), 3), ST_OK);
	CHECK_EQ(file_write_at(fd, span_of(NULL), 100), ST_OK);
	CHECK_EQ(file_size(fd, &size), ST_OK);
	CHECK_EQ(size, 8);
	CHECK_EQ(file_read_at(fd, out, 8, 0), ST_OK);
	CHECK_BYTES(out, "\0\0\0hello", 8);
	CHECK_EQ(file_read_at(fd, out, 8, 1), ST_CORRUPT);
	CHECK_EQ(file_read_at(fd, out, 0, 1), ST_OK);
	CHECK_EQ(file_read_some(fd, out, 8, 6, &got), ST_OK);
	CHECK_EQ(got, 2);
	CHECK_EQ(file_read_some(fd, out, 8, UINT64_MAX, &got), ST_CORRUPT);
	CHECK_EQ(file_truncate(fd, 2), ST_OK);
	CHECK_EQ(file_size(fd, &size), ST_OK);
	CHECK_EQ(size, 2);
	CHECK_EQ(file_sync_data(fd), ST_OK);
	CHECK_EQ(file_sync(fd), ST_OK);
	file_close(&fd);
	CHECK_EQ(file_open(dir, "a", FILE_READ, &fd), ST_OK);
	CHECK_EQ(file_write_at(fd, SPAN_LIT("x"), 0), ST_IO);
	file_close(&fd);
	remove_all();
}

TEST(blocks_are_reserved_and_given_back)
{
	int fd = -1;
	uint64_t size = 0, before = 0;
	uint8_t byte = 1;
	CHECK_EQ(file_open(dir, "a", FILE_WRITE | FILE_CREATE, &fd), ST_OK);
	enum status st = file_allocate(fd, 0, 1 << 20);
	CHECK(st == ST_OK || st == ST_UNSUPPORTED);
	if (st == ST_OK) {
		CHECK_EQ(file_size(fd, &size), ST_OK);
		CHECK_EQ(size, 1 << 20);
		CHECK_EQ(file_write_at(fd, SPAN_LIT("x"), 8192), ST_OK);
		st = file_punch(fd, 4096, 8192);
		CHECK(st == ST_OK || st == ST_UNSUPPORTED);
		CHECK_EQ(file_read_at(fd, &byte, 1, 8192), ST_OK);
		CHECK_EQ(byte, st == ST_OK ? 0 : 'x');
		CHECK_EQ(file_size(fd, &size), ST_OK);
		CHECK_EQ(size, 1 << 20);
	}
	CHECK_EQ(file_free_bytes(fd, &before), ST_OK);
	CHECK(before > 0);
	file_close(&fd);
	remove_all();
}

TEST(a_removed_file_has_no_name_left)
{
	int fd = -1, gone = -1;
	CHECK_EQ(file_open(dir, "a", FILE_WRITE | FILE_CREATE, &fd), ST_OK);
	CHECK(file_is_linked(fd));
	CHECK_EQ(file_unlink(dir, "a"), ST_OK);
	CHECK(!file_is_linked(fd));
	file_close(&fd);
	REQUIRE(mkdirat(dir, "d", 0700) == 0);
	CHECK_EQ(file_open_dir(dir, "d", &gone), ST_OK);
	CHECK(file_is_linked(gone));
	REQUIRE(unlinkat(dir, "d", AT_REMOVEDIR) == 0);
	CHECK(!file_is_linked(gone));
	file_close(&gone);
}

TEST(direct_files_open_everywhere)
{
	int fd = -1;
	uint8_t *block = memory_alloc_aligned(4096);
	REQUIRE(block);
	memset(block, 'd', 4096);
	CHECK_EQ(file_open(dir, "a", FILE_WRITE | FILE_CREATE | FILE_DIRECT, &fd), ST_OK);
	CHECK_EQ(file_write_at(fd, span_make(block, 4096), 0), ST_OK);
	memset(block, 0, 4096);
	CHECK_EQ(file_read_at(fd, block, 4096, 0), ST_OK);
	CHECK_EQ(block[4095], 'd');
	file_close(&fd);
	memory_free(block);
	remove_all();
}

TEST(load_knows_its_maximum)
{
	struct buf b;
	CHECK_EQ(file_replace(dir, "a", SPAN_LIT("hello"), 0600), ST_OK);
	buf_init(&b, 5);
	CHECK_EQ(file_load(dir, "a", &b), ST_OK);
	CHECK(span_equal_text(buf_span(&b), "hello"));
	CHECK_EQ(file_load(dir, "a", &b), ST_TOO_BIG);
	buf_fini(&b);
	buf_init(&b, 4);
	CHECK_EQ(file_load(dir, "a", &b), ST_TOO_BIG);
	CHECK_EQ(file_load(dir, "absent", &b), ST_NOT_FOUND);
	buf_fini(&b);
	/* A file that says of itself that it is empty. */
	buf_init(&b, 65536);
	CHECK_EQ(file_load(AT_FDCWD, "/proc/self/status", &b), ST_OK);
	CHECK(b.len > 100);
	buf_fini(&b);
	buf_init(&b, 10);
	CHECK_EQ(file_load(AT_FDCWD, "/proc/self/status", &b), ST_TOO_BIG);
	buf_fini(&b);
	remove_all();
}

TEST(replace_sets_content_and_mode_and_leaves_nothing)
{
	struct stat stat;
	char path[256];
	CHECK_EQ(file_replace(dir, "a", SPAN_LIT("old and long"), 0600), ST_OK);
	CHECK_EQ(file_replace(dir, "a.new", SPAN_LIT("torn by a crash"), 0600), ST_OK);
	CHECK_EQ(file_replace(dir, "a", SPAN_LIT("new"), 0644), ST_OK);
	check_content("a", "new");
	CHECK_EQ(fstatat(dir, "a", &stat, 0), 0);
	CHECK_EQ(stat.st_mode & 0777, 0644);
	CHECK_EQ(count_files(), 1);
	(void)snprintf(path, sizeof path, "%s/b", root);
	CHECK_EQ(file_replace(AT_FDCWD, path, SPAN_LIT("by path"), 0600), ST_OK);
	check_content("b", "by path");
	CHECK_EQ(file_replace(dir, "no/such/place", SPAN_LIT("x"), 0600), ST_NOT_FOUND);
	remove_all();
}

TEST(names_are_listed_in_order)
{
	static const char *const made[] = { "c", "a", "b10", "b9" };
	char **names = NULL;
	size_t count = 9;
	CHECK_EQ(file_list(dir, 0, &names, &count), ST_OK);
	CHECK_EQ(count, 0);
	memory_free(names);
	for (size_t i = 0; i < 4; i++) {
		CHECK_EQ(file_replace(dir, made[i], span_of(NULL), 0600), ST_OK);
	}
	CHECK_EQ(file_list(dir, 3, &names, &count), ST_TOO_BIG);
	CHECK(names == NULL);
	CHECK_EQ(file_list(dir, 4, &names, &count), ST_OK);
	REQUIRE(count == 4);
	CHECK_STR(names[0], "a");
	CHECK_STR(names[1], "b10");
	CHECK_STR(names[2], "b9");
	CHECK_STR(names[3], "c");
	memory_free(names);
	remove_all();
}

TEST(directories_are_made_with_their_parents)
{
	char path[256];
	int fd = -1;
	struct stat stat;
	(void)snprintf(path, sizeof path, "%s/x//y/", root);
	CHECK_EQ(file_make_dirs(path), ST_OK);
	CHECK_EQ(file_make_dirs(path), ST_OK);
	CHECK_EQ(file_open_dir(dir, "x/y", &fd), ST_OK);
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_mode & 0777, 0700);
	file_close(&fd);
	CHECK_EQ(file_replace(dir, "f", span_of(NULL), 0600), ST_OK);
	(void)snprintf(path, sizeof path, "%s/f", root);
	CHECK_EQ(file_make_dirs(path), ST_EXISTS);
	CHECK(file_open_dir(dir, "f", &fd) != ST_OK);
	CHECK_EQ(file_make_dirs(""), ST_NOT_FOUND);
	(void)unlinkat(dir, "x/y", AT_REMOVEDIR);
	remove_all();
}

TEST(a_lock_keeps_others_out)
{
	int one = -1, two = -1;
	CHECK_EQ(file_open(dir, "lock", FILE_WRITE | FILE_CREATE, &one), ST_OK);
	CHECK_EQ(file_open(dir, "lock", FILE_WRITE, &two), ST_OK);
	CHECK_EQ(file_lock(one), ST_OK);
	CHECK_EQ(file_lock(two), ST_BUSY);
	file_close(&one);
	CHECK_EQ(file_lock(two), ST_OK);
	file_close(&two);
	remove_all();
}

TEST(a_sealed_file_cannot_be_changed_in_any_way)
{
	int fd = -1;
	char out[8] = "";
	CHECK_EQ(file_sealed("image", SPAN_LIT("sealed"), &fd), ST_OK);
	CHECK_EQ(read(fd, out, sizeof out), 6);
	CHECK_STR(out, "sealed");
	CHECK_EQ(pwrite(fd, "x", 1, 0), -1);
	CHECK_EQ(errno, EPERM);
	CHECK_EQ(ftruncate(fd, 0), -1);
	CHECK_EQ(ftruncate(fd, 100), -1);
	CHECK(mmap(NULL, 6, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	file_close(&fd);
	CHECK_EQ(file_sealed("empty", span_of(NULL), &fd), ST_OK);
	file_close(&fd);
}

#ifdef DARKROOM_FAULTS
static const enum fault replace_steps[] = { FAULT_OPEN, FAULT_UNLINK, FAULT_WRITE, FAULT_SYNC, FAULT_RENAME };

/* Whatever call of a replacement fails, the old content or the new one is there whole, and nothing else
 * is. */
TEST(a_failed_replace_leaves_old_or_new)
{
	for (size_t k = 0; k < sizeof replace_steps / sizeof *replace_steps; k++) {
		bool has_fired = true;
		for (unsigned n = 1; has_fired; n++) {
			CHECK_EQ(file_replace(dir, "a", SPAN_LIT("old"), 0600), ST_OK);
			fault_arm(replace_steps[k], n, EIO, false);
			enum status st = file_replace(dir, "a", SPAN_LIT("new"), 0600);
			has_fired = fault_has_fired();
			fault_disarm();
			CHECK_EQ(st, has_fired ? ST_IO : ST_OK);
			/* The second sync is the directory's: the rename is done by then. */
			bool is_renamed = !has_fired || (replace_steps[k] == FAULT_SYNC && n == 2);
			check_content("a", is_renamed ? "new" : "old");
			CHECK_EQ(count_files(), 1);
			CHECK(n < 5);
		}
	}
	remove_all();
}

/* The order is what makes it safe: content is synced before the rename, the directory after. */
TEST(replace_renames_nothing_that_is_not_synced)
{
	CHECK_EQ(file_replace(dir, "a", SPAN_LIT("old"), 0600), ST_OK);
	fault_arm(FAULT_SYNC, 1, EIO, true);
	CHECK_EQ(file_replace(dir, "a", SPAN_LIT("new"), 0600), ST_IO);
	fault_disarm();
	check_content("a", "old");
	remove_all();
}

TEST(each_failed_call_is_told_by_its_meaning)
{
	int fd = -1;
	uint8_t byte;
	CHECK_EQ(file_open(dir, "a", FILE_WRITE | FILE_CREATE, &fd), ST_OK);
	fault_arm(FAULT_WRITE, 1, ENOSPC, false);
	CHECK_EQ(file_write_at(fd, SPAN_LIT("x"), 0), ST_NO_SPACE);
	CHECK_EQ(file_write_at(fd, SPAN_LIT("x"), 0), ST_OK);
	fault_arm(FAULT_WRITE, 1, EINTR, false);
	CHECK_EQ(file_write_at(fd, SPAN_LIT("x"), 0), ST_OK);
	CHECK(fault_has_fired());
	fault_arm(FAULT_READ, 1, EIO, false);
	CHECK_EQ(file_read_at(fd, &byte, 1, 0), ST_IO);
	fault_arm(FAULT_READ, 1, EINTR, false);
	CHECK_EQ(file_read_at(fd, &byte, 1, 0), ST_OK);
	fault_arm(FAULT_SYNC, 1, EINTR, false);
	CHECK_EQ(file_sync_data(fd), ST_IO);
	fault_arm(FAULT_ALLOCATE_SPACE, 1, ENOSPC, false);
	CHECK_EQ(file_allocate(fd, 0, 1), ST_NO_SPACE);
	fault_arm(FAULT_ALLOCATE_SPACE, 1, EOPNOTSUPP, false);
	CHECK_EQ(file_allocate(fd, 0, 1), ST_UNSUPPORTED);
	fault_arm(FAULT_TRUNCATE, 1, EIO, false);
	CHECK_EQ(file_truncate(fd, 0), ST_IO);
	fault_arm(FAULT_RENAME, 1, EACCES, false);
	CHECK_EQ(file_rename(dir, "a", "b"), ST_DENIED);
	fault_arm(FAULT_UNLINK, 1, EPERM, false);
	CHECK_EQ(file_unlink(dir, "a"), ST_DENIED);
	fault_disarm();
	CHECK_EQ(file_rename(dir, "a", "b"), ST_OK);
	CHECK_EQ(file_unlink(dir, "b"), ST_OK);
	CHECK_EQ(file_unlink(dir, "b"), ST_NOT_FOUND);
	file_close(&fd);
	fault_arm(FAULT_OPEN, 1, EMFILE, true);
	CHECK_EQ(file_open(dir, "a", FILE_READ, &fd), ST_FULL);
	CHECK_EQ(file_open_dir(dir, ".", &fd), ST_FULL);
	CHECK_EQ(file_sealed("a", SPAN_LIT("x"), &fd), ST_FULL);
	fault_arm(FAULT_WRITE, 1, ENOSPC, true);
	CHECK_EQ(file_sealed("a", SPAN_LIT("x"), &fd), ST_NO_SPACE);
	CHECK_EQ(fd, -1);
	fault_disarm();
}
#endif

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(create_refuses_what_is_there),
		CHECK_TEST(reads_and_writes_are_whole),
		CHECK_TEST(blocks_are_reserved_and_given_back),
		CHECK_TEST(a_removed_file_has_no_name_left),
		CHECK_TEST(direct_files_open_everywhere),
		CHECK_TEST(load_knows_its_maximum),
		CHECK_TEST(replace_sets_content_and_mode_and_leaves_nothing),
		CHECK_TEST(names_are_listed_in_order),
		CHECK_TEST(directories_are_made_with_their_parents),
		CHECK_TEST(a_lock_keeps_others_out),
		CHECK_TEST(a_sealed_file_cannot_be_changed_in_any_way),
#ifdef DARKROOM_FAULTS
		CHECK_TEST(a_failed_replace_leaves_old_or_new),
		CHECK_TEST(replace_renames_nothing_that_is_not_synced),
		CHECK_TEST(each_failed_call_is_told_by_its_meaning),
#endif
	};
	if (!mkdtemp(root) || file_open_dir(AT_FDCWD, root, &dir)) {
		return 1;
	}
	int code = check_run(tests, sizeof tests / sizeof *tests);
	file_close(&dir);
	return rmdir(root) == 0 ? code : 1;
}
