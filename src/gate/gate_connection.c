#include "poison.h"

#include "gate_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/uio.h>

#include "clock.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "must.h"
#include "num.h"

/* How long an answered peer may go on sending before we close.  A close with unread bytes resets the
 * connection, and the reset can overtake the answer. */
enum { LINGER_MS = 2000, LINGER_MS_SHORT = 250, GOODBYE_MS = 500 };

/* The connection that this thread serves. */
static _Thread_local struct gate_connection *current;

static int send_raw(void *context, const unsigned char *bytes, size_t len)
{
	const struct gate_connection *c = context;
	ssize_t sent = send(c->fd, bytes, len, MSG_NOSIGNAL);
	if (sent < 0) {
		return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE
							 : MBEDTLS_ERR_SSL_CONN_EOF;
	}
	return (int)sent;
}

/* mbedTLS gets what it asks for at once, what came behind it waits in `raw`. */
static int receive_more(struct gate_connection *c, unsigned char *out, size_t len)
{
	struct iovec parts[] = { { out, len }, { c->raw, sizeof c->raw } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t got = recvmsg(c->fd, &message, 0);
	if (got < 0) {
		return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ
							 : MBEDTLS_ERR_SSL_CONN_EOF;
	}
	size_t direct = (size_t)num_min((uint64_t)got, len);
	c->raw_taken = 0;
	c->raw_len = (size_t)got - direct;
	return (int)direct;
}

static int receive_raw(void *context, unsigned char *out, size_t len)
{
	struct gate_connection *c = context;
	size_t part = (size_t)num_min(len, c->raw_len - c->raw_taken);
	if (part == 0) {
		return receive_more(c, out, len);
	}
	memcpy(out, c->raw + c->raw_taken, part);
	c->raw_taken += part;
	return (int)part;
}

/* What to wait for after a call that could not go on; 0 when it failed for good. */
static short events_after(int code)
{
	if (code == MBEDTLS_ERR_SSL_WANT_READ) {
		return POLLIN;
	}
	return code == MBEDTLS_ERR_SSL_WANT_WRITE ? POLLOUT : 0;
}

bool gate_connection_has_more(const struct gate_connection *c)
{
	return c->raw_taken < c->raw_len || mbedtls_ssl_check_pending(&c->ssl) != 0;
}

enum status gate_connection_try_receive(
	struct gate_connection *c, uint8_t *out, size_t len, size_t *got, short *events)
{
	int code = c->is_broken ? MBEDTLS_ERR_SSL_CONN_EOF : mbedtls_ssl_read(&c->ssl, out, len);
	if (code > 0) {
		*got = (size_t)code;
		return ST_OK;
	}
	*events = events_after(code);
	return *events ? ST_BUSY : ST_IO;
}

enum status gate_connection_receive(
	struct gate_connection *c, uint8_t *out, size_t len, int64_t deadline_ms, size_t *got)
{
	enum status st;
	short events;
	while ((st = gate_connection_try_receive(c, out, len, got, &events)) == ST_BUSY) {
		st = gate_wait_peer(c, events, deadline_ms);
		if (st != ST_OK) {
			break;
		}
	}
	return st;
}

/* Waits for the peer to take more of a reply, within what the reply has left of its time. */
static enum status wait_for_reader(struct gate_connection *c, short events)
{
	const struct gate_options *o = &c->gate->options;
	int64_t allowance_ms = o->body_ms_base + (int64_t)(c->reply_bytes * 1000 / o->reply_rate_min);
	int64_t start_ms = clock_monotonic_ms();
	enum status st = gate_wait_peer(c, events, start_ms + allowance_ms - c->reply_waited_ms);
	c->reply_waited_ms += clock_monotonic_ms() - start_ms;
	if (st == ST_TIMEOUT) {
		metrics_add(METRIC_PEER_TIMEOUTS, 1);
	}
	return st;
}

enum status gate_connection_send(struct gate_connection *c, struct span bytes)
{
	enum status st = c->is_broken ? ST_IO : ST_OK;
	while (bytes.len > 0 && st == ST_OK) {
		int code = mbedtls_ssl_write(&c->ssl, bytes.data, bytes.len);
		if (code > 0) {
			bytes = span_slice(bytes, (size_t)code, bytes.len);
			c->reply_bytes += (uint64_t)code;
		} else {
			short events = events_after(code);
			st = events ? wait_for_reader(c, events) : ST_IO;
		}
	}
	/* What mbedTLS still holds of a cut record cannot be followed by anything. */
	c->is_broken = c->is_broken || st != ST_OK;
	return st;
}

static enum status shake_hands(struct gate_connection *c, int64_t deadline_ms)
{
	int code;
	while ((code = mbedtls_ssl_handshake(&c->ssl)) != 0) {
		short events = events_after(code);
		if (!events) {
			log_event(LOG_DEBUG, "gate.handshake.failed", LOG_TEXT("peer", c->peer.address),
				LOG_I64("mbedtls", code));
			return ST_INVALID;
		}
		enum status st = gate_wait_peer(c, events, deadline_ms);
		if (st != ST_OK) {
			return st;
		}
	}
	return ST_OK;
}

/* With optional certificates mbedTLS lets a wrong one pass and leaves the judgement to us: it is refused as
 * with required ones, only none at all is fine. */
static enum status judge_certificate(struct gate_connection *c)
{
	const mbedtls_x509_crt *certificate = mbedtls_ssl_get_peer_cert(&c->ssl);
	if (c->gate->options.client_certificate == GATE_CLIENT_NONE || !certificate) {
		return c->gate->options.client_certificate == GATE_CLIENT_REQUIRED ? ST_INVALID : ST_OK;
	}
	uint32_t flaws = mbedtls_ssl_get_verify_result(&c->ssl);
	if (flaws != 0 ||
		mbedtls_x509_dn_gets(c->peer.subject, sizeof c->peer.subject, &certificate->subject) < 0) {
		log_event(LOG_DEBUG, "gate.client_certificate.refused", LOG_TEXT("peer", c->peer.address),
			LOG_U64("flaws", flaws));
		return ST_INVALID;
	}
	c->peer.has_certificate = true;
	c->peer.certificate_der = span_make(certificate->raw.p, certificate->raw.len);
	return ST_OK;
}

/* CivetWeb's sockets come non-blocking; to be sure costs one call.  A reply's last record must not wait for
 * the peer's delayed acknowledgement, hence no Nagle. */
static void prepare_socket(int fd)
{
	int on = 1, flags = fcntl(fd, F_GETFL);
	if (flags >= 0 && !(flags & O_NONBLOCK)) {
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static enum status begin_tls(struct gate_connection *c)
{
	int64_t handshake_ms = c->gate->options.handshake_ms;
	int64_t deadline_ms = clock_monotonic_ms() + handshake_ms;
	prepare_socket(c->fd);
	if (mbedtls_ssl_setup(&c->ssl, &c->gate->tls.settings) != 0) {
		return ST_FULL;
	}
	mbedtls_ssl_set_user_data_p(&c->ssl, c);
	mbedtls_ssl_set_bio(&c->ssl, c, send_raw, receive_raw, NULL);
	enum status st = gate_wait_idle(c, handshake_ms);
	if (st == ST_OK) {
		st = shake_hands(c, deadline_ms);
	}
	if (st == ST_OK) {
		st = judge_certificate(c);
	}
	if (st == ST_TIMEOUT) {
		metrics_add(METRIC_PEER_TIMEOUTS, 1);
	}
	metrics_add(st == ST_OK ? METRIC_HANDSHAKES : METRIC_HANDSHAKES_FAILED, 1);
	return st;
}

/* An IPv4 peer of a socket that serves both families is named as IPv4. */
static void describe_peer(struct gate_peer *peer, const struct sockaddr_storage *from)
{
	struct gate_address address = gate_caps_address(from);
	const void *bytes = &address.bytes;
	int family = AF_INET6;
	if (IN6_IS_ADDR_V4MAPPED(&address.bytes)) {
		bytes = &address.bytes.s6_addr[12];
		family = AF_INET;
	} else if (from->ss_family == AF_INET6) {
		bytes = &((const struct sockaddr_in6 *)from)->sin6_addr;
	}
	const char *text = inet_ntop(family, bytes, peer->address, sizeof peer->address);
	must(text);
}

enum status gate_connection_open(int fd, struct gate_connection **out)
{
	struct gate *g = gate_installed();
	struct sockaddr_storage from = { 0 };
	socklen_t from_len = sizeof from;
	struct gate_credentials *credentials;
	if (getpeername(fd, (struct sockaddr *)&from, &from_len) != 0) {
		return ST_IO;
	}
	struct gate_address address = gate_caps_address(&from);
	enum status st = gate_enter(g, address, &credentials);
	if (st != ST_OK) {
		return st;
	}
	struct gate_connection *c = memory_alloc(sizeof *c);
	if (!c) {
		gate_credentials_release(credentials);
		gate_leave(g, address, false);
		return ST_FULL;
	}
	c->gate = g;
	c->credentials = credentials;
	c->address = address;
	c->fd = fd;
	mbedtls_ssl_init(&c->ssl);
	describe_peer(&c->peer, &from);
	must(!current);
	current = c;
	st = begin_tls(c);
	if (st != ST_OK) {
		/* After the alert that mbedTLS may have sent there is no goodbye to say. */
		c->is_broken = true;
		gate_connection_close(c);
		return st;
	}
	*out = c;
	return ST_OK;
}

size_t gate_connection_read(struct gate_connection *c, void *out, size_t len)
{
	return gate_request_read(c, out, len);
}

size_t gate_connection_write(struct gate_connection *c, const void *bytes, size_t len)
{
	return gate_connection_send(c, span_make(bytes, len)) == ST_OK ? len : 0;
}

static void say_goodbye(const struct gate_connection *c, mbedtls_ssl_context *ssl)
{
	int64_t deadline_ms = clock_monotonic_ms() + GOODBYE_MS;
	short events;
	while ((events = events_after(mbedtls_ssl_close_notify(ssl))) != 0) {
		if (gate_wait_peer(c, events, deadline_ms) != ST_OK) {
			return;
		}
	}
}

/* Reads away what still comes, without deciphering it. */
static void linger(const struct gate_connection *c, uint8_t *scratch, size_t size)
{
	bool is_short = atomic_load(&c->gate->is_short_of_room);
	int64_t deadline_ms = clock_monotonic_ms() + (is_short ? LINGER_MS_SHORT : LINGER_MS);
	shutdown(c->fd, SHUT_WR);
	while (gate_wait_peer(c, POLLIN, deadline_ms) == ST_OK && clock_monotonic_ms() < deadline_ms) {
		ssize_t got = recv(c->fd, scratch, size, 0);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
			return;
		}
	}
}

void gate_connection_close(struct gate_connection *c)
{
	if (!c) {
		return;
	}
	must(c == current);
	if (!c->is_broken) {
		say_goodbye(c, &c->ssl);
		if (c->is_refused || gate_request_has_body_left(c)) {
			linger(c, c->bytes, sizeof c->bytes);
		}
	}
	current = NULL;
	mbedtls_ssl_free(&c->ssl);
	gate_credentials_release(c->credentials);
	gate_leave(c->gate, c->address, c->is_leaving);
	memory_free(c);
}

const struct gate_head *gate_head(void)
{
	return current && current->phase != GATE_BETWEEN ? &current->head : NULL;
}

const struct gate_peer *gate_peer(void)
{
	return current ? &current->peer : NULL;
}

enum status gate_body_status(void)
{
	return current ? current->body_status : ST_OK;
}

void gate_close_after_reply(void)
{
	if (current) {
		current->is_last = true;
		current->head.keeps_alive = false;
	}
}

void gate_cut(void)
{
	if (current) {
		current->is_broken = true;
		shutdown(current->fd, SHUT_RDWR);
	}
}
