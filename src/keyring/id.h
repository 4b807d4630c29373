/* id.h - where the parts of an image id lie (drawn in keyring.h). */
#ifndef DARKROOM_KEYRING_ID_H
#define DARKROOM_KEYRING_ID_H

#include "keyring.h"

enum {
	ID_VERSION = 1,
	ID_AT_NODE = 1,
	ID_AT_COLLECTION = 3,
	ID_AT_EPOCH = 7,
	ID_AT_RANDOM = 11, /* the first two: its ms within the epoch */
	ID_AT_MAC = 21
};
enum { ID_MAC_BYTES = IMAGE_ID_BYTES - ID_AT_MAC };

#endif
