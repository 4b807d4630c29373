/* The test program is its own child: `child-image` is what the server's program does with that command. */
#include "check.h"

#include "file.h"
#include "imaging.h"
#include "imaging_photos.h"
#include "process_child.h"
#include "sandbox.h"
#include "sandbox/sanitized.h"

static const struct sandbox_limits usual = { .memory_bytes = CHILD_MEMORY_MAX,
	.cpu_s = CHILD_CPU_S,
	.wall_ms = CHILD_WALL_MS,
	.answer_bytes = MIB(32) };

struct seen {
	enum status status;
	struct sandbox_outcome outcome;
	struct buf answer;
};

static struct seen run_child(const char *name, struct sandbox_limits limits)
{
	struct seen seen = { .status = ST_IO };
	struct sandbox *sandbox = NULL;
	int image_fd = -1;
	struct span image = photos_load(name);
	buf_init(&seen.answer, limits.answer_bytes);
	if (sandbox_open(&sandbox) == ST_OK && file_sealed("image", image, &image_fd) == ST_OK) {
		const struct sandbox_job job = { .command = PROCESS_CHILD_COMMAND,
			.image_fd = image_fd,
			.stop_fd = -1,
			.limits = limits };
		seen.status = sandbox_run(sandbox, &job, &seen.answer, &seen.outcome);
	}
	file_close(&image_fd);
	sandbox_close(sandbox);
	photos_free(image);
	return seen;
}

/* Every decoder does with the system calls that are left to it. */
TEST(every_format_is_decoded_in_the_sandbox)
{
	static const char *const names[] = { "camera.jpg", "progressive.jpg", "cmyk.jpg", "large.jpg",
		"rgb16.png", "rgba-interlaced.png", "text-bomb.png", "lossy.webp", "clear-lossless.webp",
		"animated.webp", "large.webp", "first-frame.gif", "palette.bmp" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct seen seen = run_child(names[i], usual);
		struct image_result result = { .rendition_count = 0 };
		bool is_good = seen.status == ST_OK && seen.outcome.end == SANDBOX_EXITED &&
			       seen.outcome.exit_code == PROCESS_CHILD_GOOD &&
			       imaging_result_read(buf_span(&seen.answer), &result) == ST_OK &&
			       result.rendition_count == 2;
		if (!is_good) {
			CHECK_FAILED("%s: %s, end %d, exit code %d, signal %d", names[i],
				status_name(seen.status), (int)seen.outcome.end, seen.outcome.exit_code,
				seen.outcome.signal);
		}
		imaging_result_fini(&result);
		buf_fini(&seen.answer);
	}
}

TEST(what_cannot_be_decoded_says_why)
{
	static const char *const names[] = { "cut-scan.jpg", "scans-70.jpg", "giant.png", "empty-giant.png",
		"over-limit.gif" };
	static const char *const words[] = { "too early", "scans", "pixels", "PNG", "pixels" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct seen seen = run_child(names[i], usual);
		CHECK_EQ(seen.status, ST_OK);
		CHECK_EQ(seen.outcome.end, SANDBOX_EXITED);
		CHECK_EQ(seen.outcome.exit_code, PROCESS_CHILD_UNDECODABLE);
		CHECK(strstr(buf_text(&seen.answer), words[i]) != NULL);
		buf_fini(&seen.answer);
	}
}

/* A picture of 22 MB as pixels in a process of 24 MB.  A sanitizer's build cannot have the limit. */
TEST(too_little_memory_is_told_apart)
{
	if (SANDBOX_IS_SANITIZED) {
		return;
	}
	struct sandbox_limits tight = usual;
	tight.memory_bytes = MIB(24);
	struct seen seen = run_child("large.jpg", tight);
	CHECK_EQ(seen.status, ST_OK);
	CHECK_EQ(seen.outcome.end, SANDBOX_OUT_OF_MEMORY);
	CHECK_EQ(seen.answer.len, 0);
	buf_fini(&seen.answer);
}

int main(int argc, char **argv)
{
	static const struct check_test tests[] = {
		CHECK_TEST(every_format_is_decoded_in_the_sandbox),
		CHECK_TEST(what_cannot_be_decoded_says_why),
		CHECK_TEST(too_little_memory_is_told_apart),
	};
	if (argc > 1 && strcmp(argv[1], PROCESS_CHILD_COMMAND) == 0) {
		return process_child_main();
	}
	return photos_make() ? check_run(tests, sizeof tests / sizeof *tests) : 1;
}
