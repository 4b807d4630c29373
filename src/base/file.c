#include "poison.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/file_private.h"
#include "log.h"
#include "must.h"
#include "num.h"

enum status file_failed(const char *event, const char *name)
{
	enum status st = status_of_errno(errno);
	if (st != ST_NOT_FOUND && st != ST_EXISTS) {
		log_event(LOG_ERROR, event, LOG_TEXT("path", name), LOG_ERRNO());
	}
	return st;
}

enum status file_failed_fd(const char *event, int fd)
{
	char link[64], path[512];
	int saved = errno;
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, sizeof path - 1);
	path[len > 0 ? len : 0] = '\0';
	errno = saved;
	return file_failed(event, len > 0 ? path : "(unknown)");
}

static int open_again(int dir_fd, const char *name, int flags)
{
	int fd = -1;
	do {
		fd = fault_hit(FAULT_OPEN) ? -1 : openat(dir_fd, name, flags | O_CLOEXEC, 0600);
	} while (fd < 0 && errno == EINTR);
	return fd;
}

/* Direct I/O is asked for after the open: refused inside it, it would leave a new file behind.  A file
 * system without it works buffered. */
static void make_direct(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_DIRECT) != 0) {
		log_event(LOG_DEBUG, "file.direct.refused", LOG_ERRNO());
	}
}

enum status file_open(int dir_fd, const char *name, unsigned flags, int *out)
{
	int mode = flags & FILE_WRITE ? O_RDWR : O_RDONLY;
	mode |= flags & FILE_CREATE ? O_CREAT | O_EXCL : 0;
	mode |= flags & FILE_CREATE_OR_OPEN ? O_CREAT : 0;
	mode |= flags & FILE_TRUNCATE ? O_TRUNC : 0;
	*out = open_again(dir_fd, name, mode);
	if (*out < 0) {
		return file_failed("file.open.failed", name);
	}
	if (flags & FILE_DIRECT) {
		make_direct(*out);
	}
	return ST_OK;
}

enum status file_open_dir(int dir_fd, const char *name, int *out)
{
	*out = open_again(dir_fd, name, O_RDONLY | O_DIRECTORY);
	return *out < 0 ? file_failed("file.open.failed", name) : ST_OK;
}

/* After a failed close the descriptor is gone all the same; what had to be on disk was synced before. */
void file_close(int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd);
		*fd = -1;
	}
}

static bool fits_off_t(uint64_t offset, size_t len)
{
	uint64_t end = 0;
	return num_add_u64(offset, len, &end) && end <= INT64_MAX;
}

enum status file_read_some(int fd, void *out, size_t len, uint64_t offset, size_t *got)
{
	uint8_t *at = out;
	*got = 0;
	if (!fits_off_t(offset, len)) {
		return ST_CORRUPT;
	}
	while (*got < len) {
		ssize_t count =
			fault_hit(FAULT_READ) ? -1 : pread(fd, at + *got, len - *got, (off_t)(offset + *got));
		if (count < 0 && errno == EINTR) {
			continue;
		}
		if (count < 0) {
			return file_failed_fd("file.read.failed", fd);
		}
		if (count == 0) {
			break;
		}
		*got += (size_t)count;
	}
	return ST_OK;
}

enum status file_read_at(int fd, void *out, size_t len, uint64_t offset)
{
	size_t got = 0;
	enum status st = file_read_some(fd, out, len, offset, &got);
	if (st) {
		return st;
	}
	if (got < len) {
		log_event(LOG_ERROR, "file.read.short", LOG_U64("offset", offset), LOG_U64("wanted", len),
			LOG_U64("got", got));
		return ST_CORRUPT;
	}
	return ST_OK;
}

/* How much of what is left the next call is given: all, unless a test wants a short write.  Whole blocks
 * stay whole blocks, as direct I/O demands of a disk too. */
static size_t part_of(size_t left)
{
	enum { BLOCK = 4096 };
	if (!fault_hit(FAULT_SHORT_WRITE)) {
		return left;
	}
	if (left % BLOCK != 0) {
		return (left + 1) / 2;
	}
	return left > BLOCK ? (size_t)num_align(left / 2, BLOCK) : left;
}

enum status file_write_at(int fd, struct span bytes, uint64_t offset)
{
	size_t done = 0;
	must(fits_off_t(offset, bytes.len));
	while (done < bytes.len) {
		size_t part = part_of(bytes.len - done);
		off_t at = (off_t)(offset + done);
		ssize_t count = fault_hit(FAULT_WRITE) ? -1 : pwrite(fd, bytes.data + done, part, at);
		if (count < 0 && errno == EINTR) {
			continue;
		}
		if (count < 0) {
			return file_failed_fd("file.write.failed", fd);
		}
		done += (size_t)count;
	}
	return ST_OK;
}

/* Never tried again: after a failure the kernel may have dropped the pages and a second sync would lie. */
enum status file_sync_data(int fd)
{
	int result = fault_hit(FAULT_SYNC) ? -1 : fdatasync(fd);
	return result != 0 ? file_failed_fd("file.sync.failed", fd) : ST_OK;
}

enum status file_sync(int fd)
{
	int result = fault_hit(FAULT_SYNC) ? -1 : fsync(fd);
	return result != 0 ? file_failed_fd("file.sync.failed", fd) : ST_OK;
}

enum status file_size(int fd, uint64_t *out)
{
	struct stat stat;
	if (fstat(fd, &stat) != 0) {
		return file_failed_fd("file.size.failed", fd);
	}
	*out = (uint64_t)stat.st_size;
	return ST_OK;
}

enum status file_truncate(int fd, uint64_t size)
{
	int result = -1;
	must(fits_off_t(size, 0));
	do {
		result = fault_hit(FAULT_TRUNCATE) ? -1 : ftruncate(fd, (off_t)size);
	} while (result != 0 && errno == EINTR);
	return result != 0 ? file_failed_fd("file.truncate.failed", fd) : ST_OK;
}

static enum status change_blocks(int fd, enum fault kind, int mode, uint64_t offset, uint64_t len)
{
	int result = -1;
	must(fits_off_t(offset, len));
	do {
		result = fault_hit(kind) ? -1 : fallocate(fd, mode, (off_t)offset, (off_t)len);
	} while (result != 0 && errno == EINTR);
	if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
		return ST_UNSUPPORTED;
	}
	return result != 0 ? file_failed_fd("file.blocks.failed", fd) : ST_OK;
}

/* The file grows at once, so that later writes change no size and fdatasync has no metadata to wait for. */
enum status file_allocate(int fd, uint64_t offset, uint64_t len)
{
	return change_blocks(fd, FAULT_ALLOCATE_SPACE, 0, offset, len);
}

enum status file_punch(int fd, uint64_t offset, uint64_t len)
{
	return change_blocks(fd, FAULT_TRUNCATE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
}

enum status file_rename(int dir_fd, const char *from, const char *to)
{
	int result = fault_hit(FAULT_RENAME) ? -1 : renameat(dir_fd, from, dir_fd, to);
	return result != 0 ? file_failed("file.rename.failed", from) : ST_OK;
}

enum status file_unlink(int dir_fd, const char *name)
{
	int result = fault_hit(FAULT_UNLINK) ? -1 : unlinkat(dir_fd, name, 0);
	return result != 0 ? file_failed("file.unlink.failed", name) : ST_OK;
}

enum status file_lock(int fd)
{
	int result = -1;
	do {
		result = flock(fd, LOCK_EX | LOCK_NB);
	} while (result != 0 && errno == EINTR);
	if (result != 0 && errno == EWOULDBLOCK) {
		return ST_BUSY;
	}
	return result != 0 ? file_failed_fd("file.lock.failed", fd) : ST_OK;
}

bool file_is_linked(int fd)
{
	struct stat stat;
	return fstat(fd, &stat) == 0 && stat.st_nlink > 0;
}

enum status file_free_bytes(int fd, uint64_t *out)
{
	struct statvfs stat;
	if (fstatvfs(fd, &stat) != 0) {
		return file_failed_fd("file.free.failed", fd);
	}
	if (!num_mul_u64(stat.f_bavail, stat.f_frsize, out)) {
		*out = UINT64_MAX;
	}
	return ST_OK;
}
