/* local_ca.h - a certificate authority of this data directory's own, for a start without any.
 *
 * DIR/tls/ holds ca.pem, ca.key, server.pem, server.key (0600).  The server's
 * certificate names localhost, the host, its addresses and the listen address; it is
 * made again when it is missing or more than 300 days old.
 */
#ifndef DARKROOM_APP_LOCAL_CA_H
#define DARKROOM_APP_LOCAL_CA_H

#include "status.h"

/* `listen_host` is an address or name without port. */
enum status local_ca_prepare(const char *tls_path, const char *listen_host) MUST_CHECK;

#endif
