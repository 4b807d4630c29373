/* admin.h - administration over DIR/admin.sock, and the same on a stopped directory.
 *
 * One request is one line of JSON ({"command":"key.create", …}), one reply is one line of
 * JSON ({"ok":true, …} or {"ok":false,"error":"…"}).  The socket is 0600: who may open
 * it administers.  A stopped directory runs the very same function directly.
 *
 * Threads: one listener thread; admin_execute() from any.
 */
#ifndef DARKROOM_ADMIN_H
#define DARKROOM_ADMIN_H

#include "access.h"
#include "catalog.h"
#include "purge.h"

struct admin; /* opaque */

struct admin_services { /* borrowed; catalog, purge, gate may be NULL on a stopped directory */
	struct access *access;
	struct catalog *catalog;
	struct purge *purge;
	struct clock *clock;
	enum status (*reload)(void *context); /* certificate reload; NULL when not serving */
	void *context;
};

/* Appends one JSON object to `reply`, whatever happens. */
void admin_execute(const struct admin_services *services, struct span request, struct buf *reply);

/* Listens on `path` (an old socket file is replaced). */
enum status admin_start(
	const struct admin_services *services, const char *path, struct admin **out) MUST_CHECK;
void admin_stop(struct admin *a);

/* The other end: sends one request to a running server.  NOT_FOUND: nobody listens. */
enum status admin_call(const char *path, struct span request, struct buf *reply) MUST_CHECK;

#endif
