/* app.h - owns every long-lived object; the only place modules are wired together.
 *
 * A data directory holds: darkroom.lock, root.key (unless elsewhere), keyring.a
 * and .b, control.db, catalog.db, originals/, processed/, tls/ (local CA and
 * certificate), admin.sock, CURRENT (format version, directory id).
 *
 * Threads: main only.
 */
#ifndef DARKROOM_APP_H
#define DARKROOM_APP_H

#include "admin.h"
#include "commit.h"
#include "config.h"

struct app; /* opaque */

/* How much of it is needed. */
enum app_use { APP_SERVE, APP_ADMINISTER, APP_REBUILD, APP_VERIFY };

/* Opens (APP_SERVE also makes) the data directory of `config`, replays and prepares.  `why` gets one whole
 * sentence when it is not OK: what, why, what to do.  BUSY: another process has the directory.  `progress`
 * is told of the replay; NULL is fine. */
enum status app_open(const struct config *config, enum app_use use, const struct commit_progress *progress,
	struct app **out, struct buf *why) MUST_CHECK;

struct app_welcome {
	bool is_new;
	char admin_key[ACCESS_KEY_TEXT + 1];
	char ca_path[CONFIG_TEXT_MAX];
	int port;
};
/* Starts every thread and the listener. */
enum status app_serve(struct app *app, struct app_welcome *welcome, struct buf *why) MUST_CHECK;

/* Everything that is served by the admin socket, for commands on a stopped directory. */
const struct admin_services *app_admin(struct app *app);
struct commit *app_commit(struct app *app);
struct catalog *app_catalog(struct app *app);
struct keyring *app_keyring(struct app *app);

/* Reads certificate files again (SIGHUP). */
void app_reload(struct app *app);

/* Stop order: listener, requests, workers, retention, commit, catalog.  NULL is fine. */
void app_close(struct app *app);

#endif
