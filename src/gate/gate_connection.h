/* gate_connection.h - one TLS connection, as CivetWeb's seam sees it.
 *
 * The only header of the gate that mod_mbedtls.inl, and so civetweb.c, includes.
 * Between open and close all calls come from one thread, and that thread's
 * gate_head() and gate_peer() speak of this connection.
 */
#ifndef DARKROOM_GATE_CONNECTION_H
#define DARKROOM_GATE_CONNECTION_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct gate_connection; /* opaque */

/* Shakes hands on an accepted socket, which the caller keeps and closes.
 * FULL: over a cap, or no memory.  TIMEOUT, INVALID: no handshake.  STOPPED. */
enum status gate_connection_open(int fd, struct gate_connection **out) MUST_CHECK;

/* Bytes of a head or of its body, never of the next request; 0 when there are no more. */
size_t gate_connection_read(struct gate_connection *c, void *out, size_t len);

/* All of it, or 0: the connection is of no use any more. */
size_t gate_connection_write(struct gate_connection *c, const void *bytes, size_t len);

/* Says goodbye, reads away for a moment what an answered peer still sends, frees.  NULL is fine. */
void gate_connection_close(struct gate_connection *c);

#endif
