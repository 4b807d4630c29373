/* http.h - route table, handlers, reply writer, OpenAPI.
 *
 * CivetWeb gets one catch-all handler; the route table (src/http/routes.c) is
 * the only router.  The dispatcher, in this order: request id, match,
 * authenticate, permission, rate, body limit, handler, reply, one access-log
 * line.  Handlers parse, call one layer-3 function, and write the reply.
 *
 * Threads: http_start() makes CivetWeb's; everything else is its own.
 */
#ifndef DARKROOM_HTTP_H
#define DARKROOM_HTTP_H

#include "access.h"
#include "fetch.h"
#include "gate.h"
#include "ingest.h"
#include "purge.h"
#include "query.h"

struct http; /* opaque */

struct http_options {
	struct access *access; /* all borrowed */
	struct ingest *ingest;
	struct fetch *fetch;
	struct purge *purge;
	struct query *query;
	struct catalog *catalog;
	struct commit *commit;
	struct gate *gate;
	struct clock *clock;
	struct budget *budget;
	const char *listen; /* "127.0.0.1:8443", "[::1]:0" */
	const char *certificate_path;
	uint32_t threads;
	uint64_t image_bytes_max;
	int64_t rate_per_s;
	bool (*is_ready)(void *context, const char **why); /* for /readyz; app's */
	void (*on_erase)(
		void *context, const uint8_t *id); /* children that hold this image are to be killed; app's */
	void *context;
};

/* Listens and serves.  BUSY: the address is taken.  INVALID: it is no address. */
enum status http_start(const struct http_options *options, struct http **out) MUST_CHECK;
/* The port really bound (for port 0). */
int http_port(const struct http *h);
/* Takes nothing new, answers what is running within `drain_ms`, then cuts. */
void http_stop(struct http *h, int64_t drain_ms);

/* The route table as text, or as OpenAPI 3.1; for `darkroom routes` and docs. */
void http_routes_text(struct buf *out);
enum status http_openapi(struct buf *out) MUST_CHECK;

#endif
