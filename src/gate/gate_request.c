#include "poison.h"

#include "gate_inside.h"

#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "must.h"
#include "num.h"

static const struct problem {
	int http_status;
	const char *title, *code, *field; /* `field`: what this status obliges us to send beside it */
} problems[] = {
	{ 400, "Bad Request", "malformed_request", "" },
	{ 405, "Method Not Allowed", "method_not_allowed",
		"Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n" },
	{ 408, "Request Timeout", "request_too_slow", "" },
	{ 411, "Length Required", "length_required", "" },
	{ 414, "URI Too Long", "target_too_long", "" },
	{ 417, "Expectation Failed", "expectation_failed", "" },
	{ 431, "Request Header Fields Too Large", "head_too_large", "" },
	{ 501, "Not Implemented", "method_not_implemented", "" },
	{ 505, "HTTP Version Not Supported", "version_not_supported", "" },
};

static const struct problem *problem_of(int http_status)
{
	size_t i = 0;
	while (i < sizeof problems / sizeof *problems && problems[i].http_status != http_status) {
		i++;
	}
	must(i < sizeof problems / sizeof *problems);
	return &problems[i];
}

/* Answers in CivetWeb's place.  Titles, codes and reasons are constants of ours: nothing needs escaping. */
static void refuse(struct gate_connection *c, int http_status, const char *why)
{
	const struct problem *p = problem_of(http_status);
	char body[512], reply[1024];
	int body_len = snprintf(body, sizeof body,
		"{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\","
		"\"detail\":\"%s\"}\n",
		p->title, http_status, p->code, why);
	int len = snprintf(reply, sizeof reply,
		"HTTP/1.1 %d %s\r\n%sContent-Type: application/problem+json\r\nContent-Length: %d\r\n"
		"Cache-Control: no-store\r\nConnection: close\r\n\r\n%s",
		http_status, p->title, p->field, body_len, body);
	must(body_len > 0 && (size_t)body_len < sizeof body);
	must(len > 0 && (size_t)len < sizeof reply);
	c->is_refused = c->is_last = true;
	log_event(LOG_DEBUG, "gate.head.refused", LOG_TEXT("peer", c->peer.address),
		LOG_I64("status", http_status), LOG_TEXT("why", why));
	metrics_add(METRIC_HEADS_REFUSED, 1);
	/* If it cannot be sent, the connection is broken and closes all the same. */
	if (gate_connection_send(c, span_make(reply, (size_t)len)) != ST_OK) {
		c->is_broken = true;
	}
}

/* Receives what has come of a head, waiting for its first byte: as long as for a whole head after the
 * handshake, later as long as a connection may idle.  A peer sends its next head once it has our reply, so
 * there is hardly ever something to take before the wait.  STOPPED: none came; it ends without a word. */
static enum status receive_first(struct gate_connection *c, size_t *got)
{
	const struct gate_options *o = &c->gate->options;
	bool is_first = c->head.head_len == 0;
	enum status st = ST_BUSY;
	short events;
	while (st == ST_BUSY) {
		if (!gate_connection_has_more(c)) {
			st = gate_wait_idle(c, is_first ? o->head_ms : o->keep_alive_ms);
			if (st != ST_OK) {
				return st == ST_TIMEOUT ? ST_STOPPED : st;
			}
		}
		st = gate_connection_try_receive(c, c->bytes, sizeof c->bytes, got, &events);
	}
	return st;
}

/* Fills `bytes` until they hold a whole head or are full.  A head's time starts with its first byte.
 * TIMEOUT: it was begun and not ended in time. */
static enum status collect_head(struct gate_connection *c)
{
	int64_t deadline_ms = 0;
	enum status st = ST_OK;
	while (c->len < sizeof c->bytes && gate_head_find_end(span_make(c->bytes, c->len)) == 0) {
		size_t got = 0;
		if (c->len == 0) {
			st = receive_first(c, &got);
		} else {
			deadline_ms =
				deadline_ms ? deadline_ms : clock_monotonic_ms() + c->gate->options.head_ms;
			st = gate_connection_receive(
				c, c->bytes + c->len, sizeof c->bytes - c->len, deadline_ms, &got);
		}
		if (st != ST_OK) {
			return st;
		}
		c->len += got;
	}
	return ST_OK;
}

/* CivetWeb refuses heads with tabs, which the standard allows around and inside values, as spaces. */
static void replace_tabs(uint8_t *head, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		head[i] = head[i] == '\t' ? ' ' : head[i];
	}
}

static void start_request(struct gate_connection *c)
{
	replace_tabs(c->bytes, c->head.head_len);
	c->phase = GATE_HEAD;
	c->taken = 0;
	c->chunks = (struct gate_chunks){ 0 };
	c->body_left = c->head.content_length;
	c->body_bytes = c->reply_bytes = 0;
	c->body_waited_ms = c->reply_waited_ms = 0;
	c->body_status = ST_OK;
	c->head.keeps_alive = c->head.keeps_alive && !atomic_load(&c->gate->is_draining);
}

/* Reads and judges the next head; false when there will be none. */
static bool begin_request(struct gate_connection *c)
{
	int http_status;
	const char *why;
	bool is_first = c->head.head_len == 0;
	if (c->is_last || c->is_broken || (!is_first && !c->head.keeps_alive) ||
		atomic_load(&c->gate->is_draining)) {
		return false;
	}
	c->phase = GATE_BETWEEN;
	memmove(c->bytes, c->bytes + c->taken, c->len - c->taken);
	c->len -= c->taken;
	c->taken = 0;
	enum status st = collect_head(c);
	if (st == ST_TIMEOUT) {
		metrics_add(METRIC_PEER_TIMEOUTS, 1);
		refuse(c, 408, "the head took too long");
		return false;
	}
	if (st != ST_OK) {
		c->is_last = true;
		return false;
	}
	if (gate_head_parse(span_make(c->bytes, c->len), &c->head, &http_status, &why) != ST_OK) {
		refuse(c, http_status, why);
		return false;
	}
	start_request(c);
	return true;
}

static size_t give_buffered(struct gate_connection *c, uint8_t *out, size_t len, size_t end)
{
	size_t part = num_min(len, end - c->taken);
	memcpy(out, c->bytes + c->taken, part);
	c->taken += part;
	return part;
}

bool gate_request_has_body_left(const struct gate_connection *c)
{
	if (c->phase != GATE_BODY) {
		return c->phase == GATE_HEAD;
	}
	return c->head.is_chunked ? gate_chunks_wanted(&c->chunks) > 0 : c->body_left > 0;
}

/* Receives a part of the body, charging the peer for the wait. */
static enum status receive_body(struct gate_connection *c, uint8_t *out, size_t len, size_t *got)
{
	const struct gate_options *o = &c->gate->options;
	enum status st;
	short events;
	while ((st = gate_connection_try_receive(c, out, len, got, &events)) == ST_BUSY) {
		int64_t allowance_ms = o->body_ms_base + (int64_t)(c->body_bytes * 1000 / o->body_rate_min);
		int64_t start_ms = clock_monotonic_ms();
		st = gate_wait_peer(c, events, start_ms + allowance_ms - c->body_waited_ms);
		c->body_waited_ms += clock_monotonic_ms() - start_ms;
		if (st != ST_OK) {
			break;
		}
	}
	return st;
}

/* Accounts for a part of the body.  INVALID: its framing is broken. */
static enum status follow_body(struct gate_connection *c, struct span part)
{
	size_t used;
	bool is_done;
	if (!c->head.is_chunked) {
		c->body_left -= part.len;
		c->body_bytes += part.len;
		return ST_OK;
	}
	enum status st = gate_chunks_feed(&c->chunks, part, &used, &is_done);
	c->body_bytes = c->chunks.data_bytes;
	must(st != ST_OK || used == part.len);
	return st;
}

static size_t read_body(struct gate_connection *c, uint8_t *out, size_t len)
{
	uint64_t wanted = c->head.is_chunked ? gate_chunks_wanted(&c->chunks) : c->body_left;
	size_t got = 0;
	if (c->is_last || c->body_status != ST_OK) {
		return 0;
	}
	len = num_min(len, wanted);
	enum status st = ST_OK;
	if (c->taken < c->len) {
		got = give_buffered(c, out, len, c->len);
	} else {
		st = receive_body(c, out, len, &got);
	}
	if (st == ST_OK) {
		st = follow_body(c, span_make(out, got));
	}
	if (st == ST_TIMEOUT) {
		metrics_add(METRIC_PEER_TIMEOUTS, 1);
	}
	if (st != ST_OK) {
		/* The reply may still go out, but where the next request would begin is unknown. */
		c->body_status = st;
		c->head.keeps_alive = false;
		return 0;
	}
	return got;
}

size_t gate_request_read(struct gate_connection *c, uint8_t *out, size_t len)
{
	if (c->phase == GATE_BODY && gate_request_has_body_left(c)) {
		return read_body(c, out, len);
	}
	if (c->phase != GATE_HEAD && !begin_request(c)) {
		return 0;
	}
	size_t got = give_buffered(c, out, len, c->head.head_len);
	if (c->taken == c->head.head_len) {
		c->phase = GATE_BODY;
	}
	return got;
}
