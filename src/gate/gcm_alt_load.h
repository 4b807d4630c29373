/* gcm_alt_load.h - libcrypto's ciphers for the GCM seam, looked up when the gate opens.
 *
 * Apart from gcm_alt.h, which mbedTLS's own build sees.
 */
#ifndef DARKROOM_GATE_GCM_ALT_LOAD_H
#define DARKROOM_GATE_GCM_ALT_LOAD_H

#include <stdbool.h>

/* False: libcrypto has no AES-GCM, and no handshake could end well.  Any thread, any number of times. */
bool gcm_alt_load(void);

#endif
