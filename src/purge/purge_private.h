/* purge_private.h - what the files of the purge module share. */
#ifndef DARKROOM_PURGE_PRIVATE_H
#define DARKROOM_PURGE_PRIVATE_H

#include "purge.h"
#include "receipt.h"

struct purge {
	struct purge_options options;
	struct sign_key *receipt_key;
};

#endif
