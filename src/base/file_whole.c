#include "poison.h"

#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file_private.h"
#include "log.h"
#include "memory.h"
#include "num.h"

enum { READ_STEP = 65536, NAME_ROOM = 256 };

/* True if `len` bytes of `path` name a directory that is there now. */
static bool make_dir(const char *path, size_t len, enum status *st)
{
	char part[PATH_MAX];
	*st = span_to_text(span_make(path, len), part, sizeof part);
	if (!*st && mkdir(part, 0700) != 0 && errno != EEXIST) {
		*st = file_failed("file.directory.failed", part);
	}
	return !*st;
}

enum status file_make_dirs(const char *path)
{
	enum status st = ST_OK;
	struct stat stat_of;
	for (size_t at = 1; path[0] != '\0' && path[at] != '\0'; at++) {
		if (path[at] == '/' && path[at - 1] != '/' && !make_dir(path, at, &st)) {
			return st;
		}
	}
	if (!make_dir(path, strlen(path), &st)) {
		return st;
	}
	/* Something was there already: only a directory will do. */
	if (stat(path, &stat_of) != 0 || !S_ISDIR(stat_of.st_mode)) {
		log_event(LOG_ERROR, "file.directory.taken", LOG_TEXT("path", path));
		return ST_EXISTS;
	}
	return ST_OK;
}

static enum status refuse_more(int fd, uint64_t offset)
{
	uint8_t byte;
	size_t got = 0;
	enum status st = file_read_some(fd, &byte, 1, offset, &got);
	return st ? st : got > 0 ? ST_TOO_BIG : ST_OK;
}

/* Sized by what the file says of itself, but read to its end: /proc's files say 0. */
static enum status load_all(int fd, struct buf *out)
{
	uint64_t size = 0, offset = 0;
	enum status st = file_size(fd, &size);
	while (!st) {
		uint64_t room = out->max - out->len;
		uint64_t want = num_min(room, size > offset ? size - offset : READ_STEP);
		size_t got = 0;
		if (size > offset && size - offset > room) {
			return ST_TOO_BIG;
		}
		if (want == 0) {
			return refuse_more(fd, offset);
		}
		uint8_t *at = buf_extend(out, (size_t)want);
		if (!at) {
			return ST_FULL;
		}
		st = file_read_some(fd, at, (size_t)want, offset, &got);
		out->len -= (size_t)want - got;
		offset += got;
		if (!st && got < want) {
			return ST_OK;
		}
	}
	return st;
}

enum status file_load(int dir_fd, const char *name, struct buf *out)
{
	int fd = -1;
	enum status st = file_open(dir_fd, name, FILE_READ, &fd);
	if (!st) {
		st = load_all(fd, out);
	}
	file_close(&fd);
	return st;
}

/* A rename is durable when the directory is: its descriptor is opened before anything is changed. */
static enum status open_parent(int dir_fd, const char *name, int *out)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(name, '/');
	if (!slash) {
		return file_open_dir(dir_fd, ".", out);
	}
	size_t len = slash == name ? 1 : (size_t)(slash - name);
	enum status st = span_to_text(span_make(name, len), parent, sizeof parent);
	return st ? st : file_open_dir(dir_fd, parent, out);
}

static enum status write_new(int dir_fd, const char *name, struct span content, mode_t mode)
{
	int fd = -1;
	enum status st = file_open(dir_fd, name, FILE_WRITE | FILE_CREATE, &fd);
	if (st) {
		return st;
	}
	if (fchmod(fd, mode) != 0) {
		st = file_failed("file.mode.failed", name);
		goto out;
	}
	st = file_write_at(fd, content, 0);
	if (!st) {
		st = file_sync(fd);
	}
out:
	file_close(&fd);
	return st;
}

/* The sibling's name is fixed, so that a crash leaves at most one behind and the next call removes it. */
enum status file_replace(int dir_fd, const char *name, struct span content, mode_t mode)
{
	char sibling[PATH_MAX];
	int parent_fd = -1;
	int len = snprintf(sibling, sizeof sibling, "%s.new", name);
	if (len < 0 || (size_t)len >= sizeof sibling) {
		return ST_TOO_BIG;
	}
	enum status st = open_parent(dir_fd, name, &parent_fd);
	if (st) {
		return st;
	}
	st = file_unlink(dir_fd, sibling);
	if (st && st != ST_NOT_FOUND) {
		goto out;
	}
	st = write_new(dir_fd, sibling, content, mode);
	if (!st) {
		st = file_rename(dir_fd, sibling, name);
	}
	if (st) {
		(void)unlinkat(dir_fd, sibling, 0);
		goto out;
	}
	st = file_sync(parent_fd);
out:
	file_close(&parent_fd);
	return st;
}

static bool is_self_or_parent(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Gathers the names, each with its NUL, one after the other. */
static enum status gather_names(DIR *dir, size_t max, struct buf *out, size_t *count)
{
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (!entry) {
			return errno != 0 ? file_failed("file.list.failed", "(directory)") : ST_OK;
		}
		if (is_self_or_parent(entry->d_name)) {
			continue;
		}
		if (*count == max) {
			return ST_TOO_BIG;
		}
		buf_put(out, entry->d_name, strlen(entry->d_name) + 1);
		if (!buf_ok(out)) {
			return ST_FULL;
		}
		(*count)++;
	}
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One block: the pointers, a NULL after the last, then what they point at. */
static char **lay_out(struct span packed, size_t count)
{
	size_t table = 0, total = 0, more = 0;
	if (!num_add(count, 1, &more) || !num_mul(more, sizeof(char *), &table) ||
		!num_add(table, packed.len, &total)) {
		return NULL;
	}
	char **names = memory_alloc(total);
	if (!names) {
		return NULL;
	}
	char *at = (char *)names + table;
	if (packed.len > 0) {
		memcpy(at, packed.data, packed.len);
	}
	for (size_t i = 0; i < count; i++) {
		names[i] = at;
		at += strlen(at) + 1;
	}
	qsort(names, count, sizeof *names, compare_names);
	return names;
}

enum status file_list(int dir_fd, size_t max, char ***names, size_t *count)
{
	struct buf packed;
	DIR *dir = NULL;
	int fd = -1;
	size_t bytes_max = 0, found = 0;
	*names = NULL;
	*count = 0;
	buf_init(&packed, num_mul(max, NAME_ROOM, &bytes_max) ? bytes_max : SIZE_MAX);
	/* A descriptor of its own: the caller's keeps its place in the directory. */
	enum status st = file_open_dir(dir_fd, ".", &fd);
	if (st) {
		goto out;
	}
	dir = fdopendir(fd);
	if (!dir) {
		st = file_failed("file.list.failed", "(directory)");
		goto out;
	}
	fd = -1;
	st = gather_names(dir, max, &packed, &found);
	if (st) {
		goto out;
	}
	*names = lay_out(buf_span(&packed), found);
	*count = *names ? found : 0;
	st = *names ? ST_OK : ST_FULL;
out:
	if (dir) {
		(void)closedir(dir);
	}
	file_close(&fd);
	buf_fini(&packed);
	return st;
}

enum status file_sealed(const char *name, struct span content, int *out)
{
	*out = fault_hit(FAULT_OPEN) ? -1 : memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*out < 0) {
		return file_failed("file.sealed.failed", name);
	}
	enum status st = file_write_at(*out, content, 0);
	if (!st && fcntl(*out, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
		st = file_failed("file.sealed.failed", name);
	}
	if (st) {
		file_close(out);
	}
	return st;
}
