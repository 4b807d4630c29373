/* keyring_fixture.h - a keyring in a directory of its own, and hands on its raw bytes. */
#ifndef DARKROOM_KEYRING_FIXTURE_H
#define DARKROOM_KEYRING_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "digest.h"
#include "keyring.h"
#include "must.h"
#include "text.h"

#include "../../src/keyring/format.h"

struct fixture {
	char dir[256], root_path[300];
	int dir_fd;
	struct keyring_options options;
	struct keyring *kr;
};

/* Epochs of November 2026; the block of E begins at E. */
enum { E = 59008000, E_BLOCK_END = E + KEYRING_BLOCK - 1 };
static_assert(E % KEYRING_BLOCK == 0, "tests count blocks from E");

static inline void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	must(fchmod(fd, mode) == 0 && close(fd) == 0);
}

static inline void hex(const char *text, uint8_t *out, size_t len)
{
	must(text_from_hex(span_of(text), out, len) == ST_OK);
}

/* Root key 00 01 .. 1f, directory id a0 .. af, node 0x0102. */
static inline void fixture_begin(struct fixture *f)
{
	const char *base = getenv("TMPDIR");
	memset(f, 0, sizeof *f);
	must(snprintf(f->dir, sizeof f->dir, "%s/keyring-XXXXXX", base ? base : "/tmp") < (int)sizeof f->dir);
	must(mkdtemp(f->dir) && digest_init() == ST_OK);
	must(snprintf(f->root_path, sizeof f->root_path, "%s/root.key", f->dir) < (int)sizeof f->root_path);
	write_file(f->root_path, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0600);
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(f->dir_fd >= 0);
	f->options = (struct keyring_options){
		.dir_fd = f->dir_fd, .root_key_path = f->root_path, .node = 0x0102
	};
	for (uint8_t i = 0; i < 16; i++)
		f->options.directory_id[i] = (uint8_t)(0xa0 + i);
	must(keyring_create(&f->options) == ST_OK);
}

static inline void fixture_open(struct fixture *f)
{
	must(keyring_open(&f->options, &f->kr) == ST_OK);
}

static inline void fixture_close(struct fixture *f)
{
	keyring_close(f->kr);
	f->kr = NULL;
}

static inline void fixture_end(struct fixture *f)
{
	static const char *const names[] = { "keyring.a", "keyring.b", "root.key", "keyring.a.new",
		"keyring.b.new" };
	fixture_close(f);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		(void)unlinkat(f->dir_fd, names[i], 0);
	must(close(f->dir_fd) == 0 && rmdir(f->dir) == 0);
}

/* --- raw bytes; `which` is 0 for a, 1 for b --- */

static inline int raw_open(struct fixture *f, int which)
{
	int fd = openat(f->dir_fd, which ? "keyring.b" : "keyring.a", O_RDWR | O_CLOEXEC);
	must(fd >= 0);
	return fd;
}

static inline off_t raw_at(uint32_t epoch)
{
	return SLOT_BLOCK_BYTES + (off_t)(epoch % KEYRING_SLOTS) * SLOT_BYTES;
}

static inline void raw_read(struct fixture *f, int which, uint32_t epoch, uint8_t out[SLOT_BYTES])
{
	int fd = raw_open(f, which);
	must(pread(fd, out, SLOT_BYTES, raw_at(epoch)) == SLOT_BYTES);
	must(close(fd) == 0);
}

static inline void raw_write(struct fixture *f, int which, uint32_t epoch, const uint8_t bytes[SLOT_BYTES])
{
	int fd = raw_open(f, which);
	must(pwrite(fd, bytes, SLOT_BYTES, raw_at(epoch)) == SLOT_BYTES);
	must(close(fd) == 0);
}

/* A whole mirror; end with free(). */
static inline uint8_t *raw_all(struct fixture *f, int which)
{
	uint8_t *all = malloc(KEYRING_FILE_BYTES);
	int fd = raw_open(f, which);
	must(all && pread(fd, all, KEYRING_FILE_BYTES, 0) == (ssize_t)KEYRING_FILE_BYTES);
	must(close(fd) == 0);
	return all;
}

static inline uint64_t disagreeing(struct keyring *kr)
{
	struct keyring_report report;
	must(keyring_check(kr, &report) == ST_OK);
	return report.disagree;
}

/* Whether an image under `epoch` can be made now. */
static inline enum status try_image(struct keyring *kr, uint32_t epoch)
{
	struct image_id id;
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	struct image_key *key = NULL;
	enum status st = keyring_new_image(kr, 7, keyring_epoch_due_ms(epoch), &id, wrapped, &key);
	image_key_release(key);
	return st;
}

#endif
