/* imaging_photos.h - the images that tests/data/photos.py makes, read into memory.
 *
 * Tests run in the root of the source tree; the images are made beside the test program once per run.
 */
#ifndef DARKROOM_IMAGING_PHOTOS_H
#define DARKROOM_IMAGING_PHOTOS_H

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "span.h"

static char photos_folder[512];

/* False, with words on stderr, when the images cannot be made. */
static inline bool photos_make(void)
{
	char *script = (char *)(uintptr_t) "tests/data/photos.py",
	     *arguments[] = { script, photos_folder, NULL };
	char *environment[] = { NULL };
	ssize_t len = readlink("/proc/self/exe", photos_folder, sizeof photos_folder - 10);
	pid_t pid = 0;
	int status = 1;
	if (len <= 0) {
		return false;
	}
	snprintf(photos_folder + len, sizeof photos_folder - (size_t)len, ".images");
	if (posix_spawn(&pid, script, NULL, NULL, arguments, environment) == 0) {
		(void)waitpid(pid, &status, 0);
	}
	if (status != 0) {
		fprintf(stderr,
			"%s did not run: it needs python3-pil, and this program the source tree's root\n",
			script);
	}
	return status == 0;
}

/* The whole file, to be ended with photos_free(); the empty span when there is none. */
static inline struct span photos_load(const char *name)
{
	char path[600];
	struct span out = { NULL, 0 };
	snprintf(path, sizeof path, "%s/%s", photos_folder, name);
	FILE *file = fopen(path, "rb");
	if (!file) {
		fprintf(stderr, "there is no %s\n", path);
		return out;
	}
	fseek(file, 0, SEEK_END);
	long size = ftell(file);
	rewind(file);
	/* Exactly as long as the file: a sanitizer then sees one byte read too far. */
	uint8_t *data = size > 0 ? malloc((size_t)size) : NULL;
	if (data && fread(data, 1, (size_t)size, file) == (size_t)size) {
		out = span_make(data, (size_t)size);
	}
	fclose(file);
	return out;
}

static inline void photos_free(struct span image)
{
	free((void *)(uintptr_t)image.data);
}

#endif
