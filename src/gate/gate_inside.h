/* gate_inside.h - the gate and its connections, as the gate's own files see them.
 *
 * A connection belongs to one of CivetWeb's threads from accept to close; what
 * is shared between threads is in struct gate.
 */
#ifndef DARKROOM_GATE_INSIDE_H
#define DARKROOM_GATE_INSIDE_H

#include <stdatomic.h>

#include "gate.h"
#include "gate_caps.h"
#include "gate_connection.h"
#include "gate_credentials.h"
#include "gate_tls.h"
#include "lock.h"

struct gate {
	struct gate_options options; /* constant, as the rest of this block; paths are copies */
	struct gate_tls tls;
	int stop_bell, drain_bell, room_bell; /* eventfds that wake who waits: readable while ... */
	atomic_bool is_stopping, is_draining, is_short_of_room; /* ... these are true */

	struct lock state; /* guards what follows */
	struct gate_credentials *credentials;
	struct gate_caps caps;
	uint32_t leaving; /* open connections that have promised to end, to make room */
};

/* Two full records with their framing: a body of 20 KB comes in one call, though mbedTLS asks for each
 * record's frame and content apart. */
enum { GATE_RAW_BYTES = 2 * (16384 + 256) };

/* Between two requests, while CivetWeb takes a head, while it takes a body (also an empty one). */
enum gate_phase { GATE_BETWEEN, GATE_HEAD, GATE_BODY };

struct gate_connection {
	struct gate *gate;
	struct gate_credentials *credentials;
	struct gate_address address;
	struct gate_peer peer;
	mbedtls_ssl_context ssl;
	int fd;

	enum gate_phase phase;
	bool is_broken;  /* nothing more can be sent */
	bool is_last;    /* nothing more is read */
	bool is_refused; /* the gate itself has answered */
	bool is_leaving; /* counted in gate->leaving */

	uint8_t raw[GATE_RAW_BYTES]; /* what came from the socket, as records, ... */
	size_t raw_len, raw_taken;   /* ... and how much of it mbedTLS has */

	uint8_t bytes[HEAD_BYTES_MAX]; /* a head, what came behind it, ... */
	size_t len, taken;             /* ... and how much of it CivetWeb has */
	struct gate_head head;         /* of the request in hand; points into `bytes` */
	struct gate_chunks chunks;
	uint64_t body_left, body_bytes, reply_bytes;
	int64_t body_waited_ms, reply_waited_ms;
	enum status body_status;
};

/* --- gate.c --- */

/* The installed gate; there is one whenever CivetWeb runs. */
struct gate *gate_installed(void);

/* Lets a connection in and gives it the credentials in force.  FULL: a cap is reached. */
enum status gate_enter(struct gate *g, struct gate_address address, struct gate_credentials **out) MUST_CHECK;
void gate_leave(struct gate *g, struct gate_address address, bool is_leaving);

/* True while room is short, once for each connection that must end: of many that ask at once only as many are
 * told to as are needed.  Who is told so ends, and says it to gate_leave(). */
bool gate_must_make_room(struct gate *g);

/* --- gate_wait.c --- */

/* Waits until the socket has one of `events`.  TIMEOUT: `deadline_ms` (monotonic) passed.  STOPPED. */
enum status gate_wait_peer(const struct gate_connection *c, short events, int64_t deadline_ms) MUST_CHECK;

/* Waits for the first byte of what the peer sends next, `allowance_ms` at most, an eighth of it while room is
 * short.  TIMEOUT, STOPPED: also when the gate drains. */
enum status gate_wait_idle(struct gate_connection *c, int64_t allowance_ms) MUST_CHECK;

/* --- gate_connection.c --- */

/* True while something that came is not taken yet, so that the socket need not be waited for. */
bool gate_connection_has_more(const struct gate_connection *c);

/* What is there now, at most `len`, over 0.  BUSY: nothing yet, wait for *events.  IO: no more will come. */
enum status gate_connection_try_receive(
	struct gate_connection *c, uint8_t *out, size_t len, size_t *got, short *events) MUST_CHECK;

/* The same, waiting until `deadline_ms`.  TIMEOUT, STOPPED, IO. */
enum status gate_connection_receive(
	struct gate_connection *c, uint8_t *out, size_t len, int64_t deadline_ms, size_t *got) MUST_CHECK;

/* All of it, within the time that a reply may take.  After a failure the connection is broken. */
enum status gate_connection_send(struct gate_connection *c, struct span bytes) MUST_CHECK;

/* --- gate_request.c --- */

/* True while bytes of this request's body are still to be taken. */
bool gate_request_has_body_left(const struct gate_connection *c);

/* Gives the next bytes of the head or body that CivetWeb is due; 0 when it gets no more. */
size_t gate_request_read(struct gate_connection *c, uint8_t *out, size_t len);

#endif
