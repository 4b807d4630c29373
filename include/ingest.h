/* ingest.h - accept one image from any source: check, seal, commit, queue. The only way in.
 *
 * Order, so that a refusal costs as little as possible:
 *   ingest_begin()   room on disk and in the catalog, the collection's rules, the Idempotency-Key reserved
 *   ingest_body()    bytes as they arrive: counted, hashed (content address, sha-256), kept
 *   ingest_accept()  probe, duplicate or seal, commit; the receipt
 *   ingest_end()     always; releases reservation, memory and pins
 *
 * The body lies in memory counted by the budget, at most image_bytes_max.
 *
 * Threads: any; an ingest_upload belongs to one thread.
 */
#ifndef DARKROOM_INGEST_H
#define DARKROOM_INGEST_H

#include "access.h"
#include "budget.h"
#include "commit.h"

struct ingest;        /* opaque */
struct ingest_upload; /* opaque */

struct ingest_options {
	struct access *access; /* all borrowed */
	struct keyring *keyring;
	struct catalog *catalog;
	struct commit *commit;
	struct clock *clock;
	struct budget *budget;
	int data_fd; /* for free space */
	uint64_t image_bytes_max, disk_reserve;
	int64_t catalog_rows_max, jobs_queued_max;
};
enum status ingest_new(const struct ingest_options *options, struct ingest **out) MUST_CHECK;
void ingest_free(struct ingest *in);

struct ingest_request {
	struct span collection;      /* name */
	struct span principal;       /* who; sealed, and as a pseudonym in the catalog */
	const char *source;          /* "http" or "kafka" */
	struct span idempotency_key; /* empty: none */
	struct span file_name;       /* empty: none; sealed */
	bool has_sha256;             /* Repr-Digest or Content-Digest of the bytes */
	uint8_t sha256[32];
	uint64_t length; /* when known, else 0 */
};

/* Everything that is refused is a status and a constant sentence in *why: NOT_FOUND no such collection ·
 * NO_SPACE · FULL · TOO_BIG · INVALID · BUSY: a request with this Idempotency-Key is under way and did not
 * end in time.  A key whose first image is known does not end here: ingest_accept() after the body tells
 * whether the body agrees.  A key lives as long as its image. */
enum status ingest_begin(struct ingest *in, const struct ingest_request *request, struct ingest_upload **out,
	const char **why) MUST_CHECK;
/* TOO_BIG past the limit, FULL past the budget. */
enum status ingest_body(struct ingest_upload *up, struct span bytes, const char **why) MUST_CHECK;

struct ingest_receipt {
	struct catalog_image image;
	bool is_repeat;    /* of an earlier upload with the same key */
	bool is_duplicate; /* bytes were there */
};
/* OK: durable.  MISMATCH: the digest sent disagrees, or the same Idempotency-Key came with another body.
 * UNSUPPORTED format (or not allowed in this collection), INVALID picture head or length, TOO_BIG dimensions.
 * FULL, NO_SPACE, IO, STOPPED, BUSY: nothing was kept. */
enum status ingest_accept(struct ingest_upload *up, struct ingest_receipt *out, const char **why) MUST_CHECK;
void ingest_end(struct ingest_upload *up); /* NULL is fine */

#endif
