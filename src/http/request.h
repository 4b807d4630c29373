/* request.h - one request on its way through the dispatcher and its handler.
 *
 * A handler parses, calls one layer-3 function, and replies (reply.h); or it
 * returns a status and leaves a sentence in `why`, and the dispatcher writes
 * the problem.  Everything in `arena` dies with the request.
 */
#ifndef DARKROOM_HTTP_REQUEST_H
#define DARKROOM_HTTP_REQUEST_H

#include "arena.h"
#include "gate.h"
#include "http.h"

struct json;
struct mg_connection;
struct route;

enum { REQUEST_ID_TEXT = 16, PATH_PARAMETERS_MAX = 2 };

struct request {
	struct http *http;
	const struct http_options *services;
	struct mg_connection *connection;
	const struct gate_head *head;
	const struct gate_peer *peer;
	const struct route *route;
	struct span path_parameters[PATH_PARAMETERS_MAX];
	struct access_caller caller;
	struct arena *arena;
	char id[REQUEST_ID_TEXT + 1];
	bool is_head_method, is_body_begun, is_body_done;

	const char *why;    /* a sentence for the problem; constant or in the arena */
	int http_status;    /* what was sent; set by reply.c */
	int problem_status; /* overrides the code that the status stands for; 0: no */
	const char *
		/* lines that the problem's head has besides; constant or in the arena; may be NULL */
		problem_headers;
	uint64_t reply_bytes;
	bool must_close;
};

/* A query parameter, percent-decoded into the arena.  NOT_FOUND: absent.  INVALID: bad encoding (why is
 * set). */
enum status request_parameter(struct request *rq, const char *name, struct span *out) MUST_CHECK;
/* The same as a number, a time, a size.  NOT_FOUND leaves *out alone. */
enum status request_number(struct request *rq, const char *name, uint64_t max, uint64_t *out) MUST_CHECK;
enum status request_time(struct request *rq, const char *name, int64_t *out) MUST_CHECK;

/* Reads at most `len` bytes of the body; 0 at its end.  Answers Expect: 100-continue before the first.
 * IO: the peer broke off or was too slow; the connection will be closed. */
enum status request_read(struct request *rq, uint8_t *out, size_t len, size_t *got) MUST_CHECK;

/* The whole body as JSON, within the route's limit.  Sets why. */
enum status request_json(struct request *rq, struct json **out) MUST_CHECK;

/* The caller's collections for catalog filters: NULL and 0 when they may see all. */
const uint32_t *request_collections(const struct request *rq, size_t *count);

/* Sets why and returns the status, for one-line refusals. */
enum status request_refuse(struct request *rq, enum status st, const char *why);

#endif
