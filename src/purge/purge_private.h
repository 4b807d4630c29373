/* purge_private.h - what the files of the purge module share. */
#ifndef DARKROOM_PURGE_PRIVATE_H
#define DARKROOM_PURGE_PRIVATE_H

#include "lock.h"
#include "purge.h"
#include "receipt.h"

enum { OWED_MAX = 1024 };

struct purge {
	struct purge_options options;
	struct sign_key *receipt_key;
	struct lock lock;                     /* "purge.owed"; guards what follows */
	struct receipt_facts owed[OWED_MAX];  /* erases whose receipt could not be written yet */
	size_t owed_count;
};

/* Writes what is owed; what cannot be written stays owed. */
enum status purge_write_owed(struct purge *p) MUST_CHECK;

#endif
