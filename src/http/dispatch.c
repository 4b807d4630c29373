/* dispatch.c - request id, match, authenticate, permission, rate, body limit, handler, reply, one log
 * line. */
#include "poison.h"

#include "dispatch.h"

#include <stdio.h>

#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "must.h"
#include "random.h"
#include "reply.h"
#include "request.h"
#include "route.h"

/* Does `path` fit the pattern?  "{…}" takes one non-empty segment. */
static bool matches(const char *pattern, struct span path, struct span parameters[PATH_PARAMETERS_MAX])
{
	struct span want = span_of(pattern);
	size_t count = 0;
	while (want.len > 0 && path.len > 0) {
		size_t want_end = span_find(span_slice(want, 1, want.len), '/') + 1;
		size_t path_end = span_find(span_slice(path, 1, path.len), '/') + 1;
		struct span want_segment = span_slice(want, 0, want_end),
			    segment = span_slice(path, 0, path_end);
		if (want_segment.len > 1 && want_segment.data[1] == '{') {
			if (segment.len < 2 || count == PATH_PARAMETERS_MAX)
				return false;
			parameters[count++] = span_slice(segment, 1, segment.len);
		} else if (!span_equal(want_segment, segment)) {
			return false;
		}
		want = span_slice(want, want_end, want.len);
		path = span_slice(path, path_end, path.len);
	}
	return want.len == 0 && path.len == 0;
}

static const struct route *match(struct request *rq)
{
	struct span method = rq->is_head_method ? SPAN_LIT("GET") : rq->head->method;
	for (const struct route *r = route_table; r->method; r++) {
		if (span_equal_text(method, r->method) &&
			matches(r->path, rq->head->path, rq->path_parameters))
			return r;
	}
	return NULL;
}

/* Which methods the path would take. */
static void list_methods(struct request *rq, char allowed[128])
{
	size_t len = 0;
	allowed[0] = '\0';
	for (const struct route *r = route_table; r->method; r++) {
		if (!matches(r->path, rq->head->path, rq->path_parameters))
			continue;
		int n = snprintf(allowed + len, 128 - len, "%s%s", len ? ", " : "", r->method);
		len += n > 0 ? (size_t)n : 0;
		must(len < 128);
	}
}

static void refuse_unmatched(struct request *rq)
{
	char allowed[128];
	list_methods(rq, allowed);
	if (allowed[0] == '\0') {
		reply_problem(rq, 404, "not_found", "there is no such route; GET /openapi.json lists them");
		return;
	}
	rq->problem_headers = arena_printf(rq->arena, "Allow: %s\r\n", allowed);
	if (span_equal_text(rq->head->method, "OPTIONS")) {
		if (reply_empty(rq, 204, rq->problem_headers) != ST_OK)
			rq->must_close = true;
		return;
	}
	reply_problem(rq, 405, "method_not_allowed",
		"this route does not take that method; OPTIONS says which it takes");
}

/* The bearer token of the request; empty when there is none. */
static struct span token_of(const struct request *rq)
{
	struct span value = gate_head_field(rq->head, "authorization");
	size_t space = span_find(value, ' ');
	if (!span_equal_nocase(span_slice(value, 0, space), "bearer"))
		return span_make(NULL, 0);
	return span_trim(span_slice(value, space, value.len));
}

/* What these do knows no collections: a query sees all rows, a new key may reach anything. */
static bool is_for_all_collections(enum permission p)
{
	return p == PERM_SQL || p == PERM_KEY_EDIT;
}

/* False when the reply is written already. */
static bool admit(struct request *rq)
{
	const struct http_options *o = rq->services;
	must(rq->route->permission != PERM_UNSET);
	if (rq->route->permission == PERM_PUBLIC)
		return true;
	if (access_authenticate(o->access, token_of(rq), &rq->caller) != ST_OK) {
		reply_problem(rq, 401, "unauthenticated", "send a valid key: \"Authorization: Bearer dr_…\"");
		return false;
	}
	if (!access_may(&rq->caller, rq->route->permission)) {
		reply_problem(rq, 403, "denied", "this key's role does not allow that");
		return false;
	}
	if (is_for_all_collections(rq->route->permission) && !rq->caller.is_for_all_collections) {
		reply_problem(rq, 403, "denied", "this needs a key that reaches all collections");
		return false;
	}
	if (!rate_take(rq->http->rate, rq->caller.key_prefix, clock_monotonic_ms())) {
		reply_problem(
			rq, 429, "rate_limited", "this key makes more requests than it may; wait a second");
		return false;
	}
	return true;
}

static bool fits(struct request *rq)
{
	uint64_t max = rq->route->body_max;
	if (rq->route->handler == image_post)
		max = rq->services->image_bytes_max + MULTIPART_HEAD_MAX * 8;
	if (!rq->head->has_length || rq->head->content_length <= max)
		return true;
	reply_problem(rq, 413, "too_big", "the body is larger than this route takes");
	return false;
}

static void handle(struct request *rq)
{
	enum status st = rq->route->handler(rq);
	if (st == ST_OK || rq->http_status != 0) {
		/* A reply that began cannot be taken back: the peer sees it cut. */
		if (st != ST_OK)
			gate_cut();
		return;
	}
	int code = rq->problem_status ? rq->problem_status : reply_code_of(st);
	reply_problem(rq, code, reply_word_of(st), rq->why ? rq->why : status_text(st));
}

static void serve(struct request *rq)
{
	rq->route = match(rq);
	if (!rq->route) {
		refuse_unmatched(rq);
		return;
	}
	if (admit(rq) && fits(rq))
		handle(rq);
}

static void make_id(char out[REQUEST_ID_TEXT + 1])
{
	uint64_t number = (uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX);
	for (size_t i = 0; i < REQUEST_ID_TEXT; i++)
		out[i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
	out[REQUEST_ID_TEXT] = '\0';
}

static void account(const struct request *rq, int64_t began_ms)
{
	int64_t ms = clock_monotonic_ms() - began_ms;
	metrics_add(METRIC_REQUESTS, 1);
	if (rq->http_status >= 500)
		metrics_add(METRIC_REQUESTS_5XX, 1);
	else if (rq->http_status >= 400)
		metrics_add(METRIC_REQUESTS_4XX, 1);
	metrics_observe_ms(METRIC_REQUEST_TIME, ms);
	log_event(LOG_INFO, "http.request.done", LOG_SPAN("method", rq->head->method),
		LOG_SPAN("path", rq->head->path), LOG_I64("status", rq->http_status),
		LOG_U64("bytes", rq->reply_bytes), LOG_I64("ms", ms), LOG_TEXT("key", rq->caller.key_prefix));
}

void dispatch(struct http *h, struct mg_connection *connection)
{
	int64_t began_ms = clock_monotonic_ms();
	struct request rq = { .http = h,
		.services = &h->options,
		.connection = connection,
		.head = gate_head(),
		.peer = gate_peer(),
		.arena = arena_new(REQUEST_ARENA_MAX) };
	must(rq.head && rq.peer);
	rq.is_head_method = span_equal_text(rq.head->method, "HEAD");
	make_id(rq.id);
	log_set_request(rq.id);
	if (rq.arena)
		serve(&rq);
	else
		reply_problem(&rq, 503, "full", "there is no memory for this request now");
	if (rq.must_close)
		gate_close_after_reply();
	account(&rq, began_ms);
	log_set_request(NULL);
	arena_free(rq.arena);
}
