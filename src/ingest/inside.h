/* inside.h - what ingest's own files share. */
#ifndef DARKROOM_INGEST_INSIDE_H
#define DARKROOM_INGEST_INSIDE_H

#include "body.h"
#include "claims.h"
#include "imaging.h"
#include "ingest.h"

/* How long the second request with an Idempotency-Key waits for the first; then it is told to come again. */
enum { IDEMPOTENCY_WAIT_MS = 30000 };
/* How long equal bytes in flight wait for the one that stores them: its commit, no body. */
enum { CONTENT_WAIT_MS = 10000 };
/* Free space is looked at this often. */
enum { ADMISSION_MS = 1000 };

struct ingest {
	struct ingest_options options;
	struct claims idempotency, contents;
	struct lock lock; /* guards what follows */
	bool has_looked;
	int64_t looked_at; /* monotonic */
	uint64_t free_bytes;
};

struct ingest_upload {
	struct ingest *in;
	struct access_collection collection;
	struct commit_private person;
	char source[8];
	bool has_idempotency, has_first, has_sha256, has_uploader;
	struct claim_key idempotency; /* the keyed hash, then zeros; claimed while has_idempotency */
	struct catalog_image first;   /* this key's, while has_first */
	uint8_t uploader[16], sha256[32];
	uint64_t length_wanted; /* 0: not known */
	struct body body;
	struct digest_stream *addressing, *hashing;
	uint8_t address[32]; /* after ingest_accept() finished the digest */
};

/* Says why; gives `st`. */
enum status ingest_refuse(enum status st, const char *sentence, const char **why);

/* Stores the upload whose head was probed, as a new content or linked to one that is there. */
enum status ingest_keep(struct ingest_upload *up, const struct image_probe *probe, struct ingest_receipt *out,
	const char **why) MUST_CHECK;

/* OK and is_repeat, or MISMATCH, from the first image of this upload's key. */
enum status ingest_repeat(struct ingest_upload *up, const struct catalog_image *first,
	struct ingest_receipt *out, const char **why) MUST_CHECK;

#endif
