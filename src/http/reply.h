/* reply.h - the one place where status lines and headers are written. */
#ifndef DARKROOM_HTTP_REPLY_H
#define DARKROOM_HTTP_REPLY_H

#include "buf.h"
#include "request.h"

/* What a status stands for in HTTP: a code and a stable word for programs. */
int reply_code_of(enum status st);
const char *reply_word_of(enum status st);

/* Extra header lines, each ended by CRLF, may be given to all of these; NULL: none. */
enum status reply_json(struct request *rq, int http_status, const char *headers, struct buf *body) MUST_CHECK;
enum status reply_text(
	struct request *rq, int http_status, const char *content_type, struct span body) MUST_CHECK;
enum status reply_empty(struct request *rq, int http_status, const char *headers) MUST_CHECK;

/* RFC 9457.  `why` may be NULL. */
void reply_problem(struct request *rq, int http_status, const char *word, const char *why);

struct reply_head {
	int http_status;
	const char *content_type;
	uint64_t length;
	const char *headers; /* more lines, each ended by CRLF; NULL: none */
};

/* Sends a head and `first`, with which a body of `length` bytes begins; the rest follows through
 * reply_bytes().  IO: the peer is gone. */
enum status reply_begin(struct request *rq, const struct reply_head *head, struct span first) MUST_CHECK;
/* IO: the peer is gone. */
enum status reply_bytes(struct request *rq, struct span bytes) MUST_CHECK;

void reply_continue(struct request *rq);

#endif
