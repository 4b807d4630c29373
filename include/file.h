/* file.h - files by descriptor, whole reads and writes, and what makes them durable.
 *
 * Every call that can fail for the world's reasons goes through here, so that
 * one seam (fault.h) can fail it.  Short reads and writes are continued, EINTR
 * is retried, a failed sync is never retried.  All descriptors are CLOEXEC.
 * Failures other than NOT_FOUND and EXISTS are logged here, with the path where known.
 */
#ifndef DARKROOM_FILE_H
#define DARKROOM_FILE_H

#include <sys/types.h>
#include <sys/uio.h>

#include "buf.h"
#include "span.h"
#include "status.h"

enum file_flags {
	FILE_READ = 0,
	FILE_WRITE = 1,
	FILE_CREATE = 2 /* must not exist */,
	FILE_DIRECT = 4 /* O_DIRECT if the
	file system has it, else buffered */
	,
	FILE_CREATE_OR_OPEN = 8,
	FILE_TRUNCATE = 16
};

/* Opens `name` under directory `dir_fd` (AT_FDCWD allowed).  New files get `mode` 0600. */
enum status file_open(int dir_fd, const char *name, unsigned flags, int *out) MUST_CHECK;
enum status file_open_dir(int dir_fd, const char *name, int *out) MUST_CHECK;
/* Makes the directory with mode 0700 if it is missing, parents too. */
enum status file_make_dirs(const char *path) MUST_CHECK;
void file_close(int *fd); /* -1 is fine; sets -1 */

/* All of `len` at `offset`.  CORRUPT: the file ends before. */
enum status file_read_at(int fd, void *out, size_t len, uint64_t offset) MUST_CHECK;
/* At most `len`; how many in *got. */
enum status file_read_some(int fd, void *out, size_t len, uint64_t offset, size_t *got) MUST_CHECK;
enum status file_write_at(int fd, struct span bytes, uint64_t offset) MUST_CHECK;
enum status file_sync_data(int fd) MUST_CHECK; /* fdatasync */
enum status file_sync(int fd) MUST_CHECK;      /* fsync: a new file, or a directory */
enum status file_size(int fd, uint64_t *out) MUST_CHECK;
enum status file_truncate(int fd, uint64_t size) MUST_CHECK;
/* Reserves blocks; UNSUPPORTED where the file system cannot. */
enum status file_allocate(int fd, uint64_t offset, uint64_t len) MUST_CHECK;
enum status file_punch(int fd, uint64_t offset, uint64_t len) MUST_CHECK;
enum status file_rename(int dir_fd, const char *from, const char *to) MUST_CHECK;
enum status file_unlink(int dir_fd, const char *name) MUST_CHECK;

/* A whole small file, at most out->max bytes.  TOO_BIG past it. */
enum status file_load(int dir_fd, const char *name, struct buf *out) MUST_CHECK;
/* Replaces a file's content whole: temporary sibling, sync, rename, sync of the directory.  `mode` as
 * given. */
enum status file_replace(int dir_fd, const char *name, struct span content, mode_t mode) MUST_CHECK;

/* An exclusive lock on `fd` for this process's life.  BUSY: another process has it. */
enum status file_lock(int fd) MUST_CHECK;

/* False: every name of the open file or directory was removed; what is written to it now is lost. */
bool file_is_linked(int fd);

/* Bytes free for us on the file system of `fd`. */
enum status file_free_bytes(int fd, uint64_t *out) MUST_CHECK;

/* Calls out the names in a directory, sorted; "." and ".." left out.  At most `max` names else TOO_BIG.
 * Gives an array of `count` strings, one allocation; end with memory_free(). */
enum status file_list(int dir_fd, size_t max, char ***names, size_t *count) MUST_CHECK;

/* An anonymous memory file holding `content`, sealed against every change; read offset 0. */
enum status file_sealed(const char *name, struct span content, int *out) MUST_CHECK;

#endif
