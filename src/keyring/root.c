/* root.c - the root key file, and the keys that are derived from it. */
#include "poison.h"

#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "digest.h"
#include "file.h"
#include "keyring.h"
#include "log.h"
#include "memory.h"
#include "random.h"
#include "text.h"

enum { ROOT_TEXT = 2 * AEAD_KEY + 1, PATH_BYTES_MAX = 4096 };

static enum status refuse(const char *path, const char *why)
{
	log_event(LOG_ERROR, "keyring.root.denied", LOG_TEXT("path", path), LOG_TEXT("why", why));
	return ST_DENIED;
}

/* The group may read only a file that is not ours: then the group is how we ourselves get at it, as with
 * a secret that Kubernetes mounts for a user who is not root. */
static enum status check_file(const char *path, const struct stat *s)
{
	if (S_ISLNK(s->st_mode))
		return refuse(path, "it is a symbolic link");
	if (!S_ISREG(s->st_mode))
		return refuse(path, "it is not a regular file");
	if (s->st_mode & (S_IRWXO | S_IWGRP | S_IXGRP))
		return refuse(path, "others may read or write it; chmod 0600");
	if ((s->st_mode & S_IRGRP) && s->st_uid == geteuid())
		return refuse(path, "its group may read it; chmod 0600");
	return ST_OK;
}

/* Looks before it opens, then makes sure that it opened what it looked at. */
static enum status open_root(const char *path, int *out)
{
	struct stat seen, opened;
	int fd = -1;
	if (lstat(path, &seen) != 0) {
		log_event(LOG_ERROR, "keyring.root.missing", LOG_TEXT("path", path), LOG_ERRNO());
		return status_of_errno(errno);
	}
	enum status st = check_file(path, &seen);
	if (st == ST_OK)
		st = file_open(AT_FDCWD, path, FILE_READ, &fd);
	if (st == ST_OK && (fstat(fd, &opened) != 0 || opened.st_ino != seen.st_ino ||
				   opened.st_dev != seen.st_dev || check_file(path, &opened) != ST_OK))
		st = refuse(path, "it was exchanged while it was opened");
	if (st != ST_OK)
		file_close(&fd);
	*out = fd;
	return st;
}

static enum status read_root(const char *path, uint8_t root[AEAD_KEY])
{
	uint8_t text[ROOT_TEXT + 1];
	size_t got = 0;
	int fd = -1;
	enum status st = open_root(path, &fd);
	if (st == ST_OK)
		st = file_read_some(fd, text, sizeof text, 0, &got);
	if (st == ST_OK && (got != ROOT_TEXT || text[ROOT_TEXT - 1] != '\n' ||
				   text_from_hex(span_make(text, ROOT_TEXT - 1), root, AEAD_KEY) != ST_OK)) {
		log_event(LOG_ERROR, "keyring.root.malformed", LOG_TEXT("path", path),
			LOG_TEXT("why", "it must be 64 hex digits and a newline"));
		st = ST_INVALID;
	}
	memory_wipe(text, sizeof text);
	file_close(&fd);
	return st;
}

static void derive(const uint8_t root[AEAD_KEY], const char *info, uint8_t out[AEAD_KEY])
{
	digest_hkdf(span_make(root, AEAD_KEY), span_of(info), out, AEAD_KEY);
}

enum status root_load(const char *path, struct root_keys **out)
{
	struct root_keys *keys = NULL;
	uint8_t *root = memory_alloc_locked(AEAD_KEY);
	enum status st = root ? read_root(path, root) : ST_FULL;
	if (st == ST_OK) {
		keys = memory_alloc_locked(sizeof *keys);
		st = keys ? ST_OK : ST_FULL;
	}
	if (st == ST_OK) {
		derive(root, "darkroom epoch wrap", keys->epoch_wrap);
		derive(root, "darkroom collection wrap", keys->collection_wrap);
		derive(root, "darkroom image id", keys->image_id);
		derive(root, "darkroom secret hash", keys->secret_hash);
		derive(root, "darkroom small secrets", keys->small_secrets);
		struct digest id = digest_hmac(span_make(root, AEAD_KEY), SPAN_LIT("darkroom root id"));
		memcpy(keys->id, id.bytes, ROOT_ID_BYTES);
		*out = keys;
	}
	if (root)
		memory_free_locked(root, AEAD_KEY);
	return st;
}

void root_free(struct root_keys *keys)
{
	if (keys)
		memory_free_locked(keys, sizeof *keys);
}

/* So that the name of the new file survives a power cut. */
static enum status sync_parent(const char *path)
{
	char parent[PATH_BYTES_MAX];
	int fd = -1;
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	struct span name = !slash ? SPAN_LIT(".") : len == 0 ? SPAN_LIT("/") : span_make(path, len);
	enum status st = span_to_text(name, parent, sizeof parent);
	if (st == ST_OK)
		st = file_open_dir(AT_FDCWD, parent, &fd);
	if (st == ST_OK)
		st = file_sync(fd);
	file_close(&fd);
	return st;
}

static enum status root_text(uint8_t out[ROOT_TEXT])
{
	uint8_t root[AEAD_KEY];
	struct buf text;
	buf_init(&text, ROOT_TEXT);
	enum status st = random_bytes(root, sizeof root);
	if (st == ST_OK) {
		text_put_hex(&text, span_make(root, sizeof root));
		buf_put_byte(&text, '\n');
		st = buf_status(&text);
	}
	if (st == ST_OK)
		memcpy(out, text.data, ROOT_TEXT);
	memory_wipe(root, sizeof root);
	buf_wipe(&text);
	return st;
}

enum status keyring_make_root_key(const char *path)
{
	uint8_t text[ROOT_TEXT];
	int fd = -1;
	enum status st = root_text(text);
	if (st == ST_OK)
		st = file_open(AT_FDCWD, path, FILE_WRITE | FILE_CREATE, &fd);
	if (st == ST_OK) {
		st = file_write_at(fd, span_make(text, sizeof text), 0);
		if (st == ST_OK)
			st = file_sync(fd);
		if (st == ST_OK)
			st = sync_parent(path);
		/* A half-written file is removed, or the next try would find that there is one. */
		if (st != ST_OK && file_unlink(AT_FDCWD, path) != ST_OK)
			log_event(LOG_ERROR, "keyring.root.left_half_made", LOG_TEXT("path", path));
	}
	memory_wipe(text, sizeof text);
	file_close(&fd);
	return st;
}
