/* directory.h - the data directory itself: its lock, its identity, its places.
 *
 * CURRENT holds two lines: "darkroom data 1" and the directory's id, 32 hex digits.  It is
 * written first, so that a directory whose making was cut short is finished by the next start.
 */
#ifndef DARKROOM_APP_DIRECTORY_H
#define DARKROOM_APP_DIRECTORY_H

#include "buf.h"
#include "config.h"

struct directory {
	int fd, lock_fd, keys_fd; /* -1: not open; keys_fd may equal no other */
	uint8_t id[16];
	bool is_new;
	char root_key_path[CONFIG_TEXT_MAX], originals_path[CONFIG_TEXT_MAX], processed_path[CONFIG_TEXT_MAX];
	char catalog_path[CONFIG_TEXT_MAX], control_path[CONFIG_TEXT_MAX], socket_path[CONFIG_TEXT_MAX];
	char tls_path[CONFIG_TEXT_MAX];
};

/* Opens and locks; makes it when `may_make` and there is none.
 * BUSY: another process has it.  NOT_FOUND: there is none.  INVALID: it is something else. */
enum status directory_open(
	const struct config *config, bool may_make, struct directory *out, struct buf *why) MUST_CHECK;
/* A file that takes room while there is some, so that a start on a full disk can give it up and destroy what
 * is due. */
void directory_keep_reserve(struct directory *d);
/* True if there was one: what failed for lack of space may succeed now. */
bool directory_spend_reserve(struct directory *d);
void directory_close(struct directory *d);

#endif
