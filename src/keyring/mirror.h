/* mirror.h - keyring.a and keyring.b: whole blocks in, whole blocks out, proven on the disk.
 *
 * Knows blocks, not keys.  Descriptors are opened for direct I/O where the file
 * system has it; where it has not, the page cache is told to drop the file
 * before anything is read back.
 *
 * Threads: one at a time (the keyring's writer).
 */
#ifndef DARKROOM_KEYRING_MIRROR_H
#define DARKROOM_KEYRING_MIRROR_H

#include "format.h"

enum { MIRRORS = 2, MIRROR_IO_BYTES = KEYRING_BLOCK * SLOT_BYTES };
extern const char *const mirror_names[MIRRORS];

struct mirrors {
	int fds[MIRRORS];
	uint8_t root_id[ROOT_ID_BYTES];
	uint8_t *expected, *found; /* MIRROR_IO_BYTES each, aligned */
	uint32_t bad_blocks;
};

/* Allocates the buffers, opens nothing. */
enum status mirrors_init(struct mirrors *m) MUST_CHECK;
void mirrors_fini(struct mirrors *m);

/* Writes both files whole: the head and empty slots; synced, then named.  A crash leaves none, or one,
 * or both whole. */
enum status mirrors_create(struct mirrors *m, int dir_fd, const struct keyring_head *head) MUST_CHECK;

/* NOT_FOUND: both are missing.  One that is missing is copied from the other. */
enum status mirrors_open(struct mirrors *m, int dir_fd) MUST_CHECK;

/* The head of one mirror. */
enum status mirrors_read_head(struct mirrors *m, int which, struct keyring_head *out) MUST_CHECK;
enum status mirrors_write_head(struct mirrors *m, int which, const struct keyring_head *head) MUST_CHECK;

/* Gives a mirror that was cut short its length back; what is new reads as zeros, hence torn. */
enum status mirrors_lengthen(struct mirrors *m) MUST_CHECK;

/* Reads KEYRING_BLOCK slots from slot `first` of one mirror to m->found.  A block that cannot be read is
 * all zeros there, hence torn.  IO: more than MIRROR_BAD_MAX blocks could not be read since
 * m->bad_blocks was last zero. */
enum { MIRROR_BAD_MAX = 64 };
enum status mirrors_read(struct mirrors *m, int which, uint32_t first) MUST_CHECK;

/* Writes the blocks that hold a slot marked in `changed` as `image` has them: to a, sync, to b, sync.
 * Then reads them back from the disk, both, and compares.  IO: nothing may be believed about these
 * blocks; repeat the whole call. */
enum status mirrors_write(struct mirrors *m, const struct slot *image, const uint8_t *changed) MUST_CHECK;

/* Writes and syncs one mirror only, for repairs; mirrors_verify() is the reading back. */
enum status mirrors_write_one(
	struct mirrors *m, int which, const struct slot *image, const uint8_t *changed) MUST_CHECK;
enum status mirrors_verify(struct mirrors *m, const struct slot *image, const uint8_t *changed) MUST_CHECK;

#endif
