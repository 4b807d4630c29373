/* gate.h - sockets, TLS, deadlines, per-address caps, strict request heads; CivetWeb's TLS module.
 *
 * CivetWeb includes mod_mbedtls.inl by name; ours lies in src/gate/ and calls
 * what is declared there.  So the gate sees every byte before CivetWeb does:
 * it shakes hands within a deadline (poll, never a spin), reads one complete
 * request head, refuses whatever is ambiguous with a canned problem and closes,
 * then hands CivetWeb exactly that head and exactly its body, each byte within
 * an absolute deadline.  What follows on the connection stays in the gate until
 * the next head is due.
 *
 * A peer is charged for the time that we wait for it, not for the time that we
 * work: waiting for a body may take body_ms_base plus a second for each
 * body_rate_min bytes that came, a reply the same with reply_rate_min.  When more
 * than 3/4 of connections_max are open, idle connections get 1/8 of their time.
 *
 * One gate per process (CivetWeb's seam has no argument to carry one).
 *
 * Threads: gate_head() and gate_peer() speak of the request that this thread
 * (one of CivetWeb's) is serving; the rest from any thread.
 */
#ifndef DARKROOM_GATE_H
#define DARKROOM_GATE_H

#include "gate_head.h"
#include "span.h"
#include "status.h"

struct gate; /* opaque */

enum gate_client_certificate { GATE_CLIENT_NONE, GATE_CLIENT_OPTIONAL, GATE_CLIENT_REQUIRED };

struct gate_options {
	const char *certificate_path, *key_path; /* PEM; borrowed for the call, copied */
	const char *client_ca_path;              /* PEM; NULL with GATE_CLIENT_NONE */
	enum gate_client_certificate client_certificate;
	int64_t handshake_ms, head_ms, keep_alive_ms, body_ms_base;
	uint32_t body_rate_min;           /* bytes per second, > 0; a body has base + bytes / rate */
	uint32_t reply_rate_min;          /* the same for a peer that reads a reply */
	uint32_t address_connections_max; /* per peer address (IPv6: per /64) */
	uint32_t connections_max;         /* in all; past it the handshake is refused */
};

/* Loads the certificate and installs the gate.  INVALID: certificate or key unusable, logged with the path.
 * FULL: no memory, descriptors or random bytes.  UNSUPPORTED: libcrypto lacks AES-GCM. */
enum status gate_open(const struct gate_options *options, struct gate **out) MUST_CHECK;

/* Reads the files again for connections to come; a pair that does not fit leaves the old one in force. */
enum status gate_reload(struct gate *g) MUST_CHECK;

struct gate_peer {
	char address[64];            /* numeric, without port */
	bool has_certificate;        /* verified against client_ca */
	char subject[256];           /* RFC 4514 text */
	struct span certificate_der; /* lent for the connection's life */
};

/* The head that this thread is serving; NULL outside a request. */
const struct gate_head *gate_head(void);
const struct gate_peer *gate_peer(void);

/* Why this request's body ended before its end: OK while it has not, TIMEOUT: the peer was too slow,
 * INVALID: broken chunks, IO: the peer is gone, STOPPED: gate_stop(). */
enum status gate_body_status(void) MUST_CHECK;

/* This request's reply will be the last on its connection (after an error that leaves the body unread). */
void gate_close_after_reply(void);

/* Cuts the connection of this thread's request without a word: what is sent so far is all the peer gets. */
void gate_cut(void);

struct gate_counts {
	uint64_t connections, handshakes, handshakes_failed, heads_refused, timeouts, refused_by_cap;
	uint64_t open_connections;
};
struct gate_counts gate_counts(struct gate *g);

/* From now on no request begins: idle connections end at once, those in hand go on and are the last. */
void gate_drain(struct gate *g);

/* Ends every wait for a peer, so that mg_stop() returns soon.  Implies gate_drain(). */
void gate_stop(struct gate *g);

/* No connection may be open any more: after mg_stop().  NULL is fine. */
void gate_close(struct gate *g);

#endif
