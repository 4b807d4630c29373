/* fetcher.h - outgoing HTTPS, the only door to libcurl.
 *
 * HTTPS only, one pinned CA file or the given ones, no redirects, a deadline,
 * a cap on the answer.  Used by the command line's client commands now; by
 * object storage and key sets later.
 *
 * Threads: a fetcher belongs to one thread; connections are kept alive in it.
 */
#ifndef DARKROOM_FETCHER_H
#define DARKROOM_FETCHER_H

#include "buf.h"

struct fetcher; /* opaque */

struct fetcher_options {
	const char *ca_path; /* PEM; NULL: the system's */
	int64_t connect_ms, total_ms;
};

enum status fetcher_new(const struct fetcher_options *options, struct fetcher **out) MUST_CHECK;

struct fetcher_request {
	const char *method, *url;
	const char *const *headers; /* "Name: value", ended by NULL; may be NULL */
	struct span body;           /* sent as it is */
	int body_fd;                /* instead of body when >= 0: sent from offset 0 */
	uint64_t body_len;
	int reply_fd; /* a 2xx reply's body goes here instead of reply->body when >= 0 */
	void (*progress)(void *context, uint64_t done, uint64_t total); /* may be NULL */
	void *progress_context;
};

struct fetcher_reply {
	int http_status;
	struct buf headers, body;
	char error[256];
	int64_t retry_after_s;
};

/* OK: an HTTP answer came, whatever its code.  IO/TIMEOUT/TOO_BIG/INVALID: none; reply->error says why.
 * `reply` is initialised by the call; end it with fetcher_reply_fini() in every case. */
enum status fetcher_send(struct fetcher *f, const struct fetcher_request *request, uint64_t reply_max,
	struct fetcher_reply *reply) MUST_CHECK;
void fetcher_reply_fini(struct fetcher_reply *reply);
void fetcher_free(struct fetcher *f);

#endif
