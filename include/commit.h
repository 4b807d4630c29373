/* commit.h - joins keyring, stores and catalog: one batch in, applied and answered; owns the applier thread.
 *
 * A change to what is kept goes one way: its records are made and sealed by the
 * caller's thread (this module's record codec), the store's writer syncs them in
 * a batch, the applier puts the batch into the catalog in one transaction and
 * wakes those who waited.  At start the same decoding replays what the catalog
 * has not seen.  Whoever got OK has read-your-own-write.
 *
 * Record bodies (src/commit/record.h draws them): BLOB is ciphertext under a
 * blob key; IMAGE, RESULT and ERASE carry the image id in the clear and
 * everything else sealed under the image key.
 *
 * Pins: a blob that a caller is about to refer to must not be forgotten in
 * between; commit keeps the pins in memory, purge asks for them.
 *
 * Threads: any for the calls; one applier.
 */
#ifndef DARKROOM_COMMIT_H
#define DARKROOM_COMMIT_H

#include "commit_read.h"
#include "control.h"
#include "keyring.h"
#include "store.h"

struct commit; /* opaque */
struct clock;

struct commit_options {
	int originals_fd, processed_fd; /* the stores' directories; taken */
	uint8_t directory_id[16];
	uint64_t segment_bytes;
	int64_t segment_age_ms;
	uint64_t inbox_bytes_max;
	struct keyring *keyring; /* borrowed, as are the next two */
	struct catalog *catalog;
	struct clock *clock;
};

/* Opens both stores.  Nothing can be committed yet. */
enum status commit_open(const struct commit_options *options, struct commit **out) MUST_CHECK;

/* Told of a long look at the stores by the thread that looks, after each batch or image: how many bytes of
 * how many are behind it, and images so far.  Often: whoever shows it takes what it wants. */
struct commit_progress {
	void (*tell)(void *context, uint64_t done, uint64_t total, uint64_t images);
	void *context;
};

struct commit_replay_report {
	uint64_t batches, images, results, erases, voided, damaged;
};
/* Applies what the catalog has not seen, voids what cannot be opened, and carries out every ERASE whose
 * target is not zero yet.  Damage is logged and counted, never a reason to stop.  With an empty catalog this
 * is the rebuild.  `progress` may be NULL. */
enum status commit_replay(struct commit *c, const struct commit_progress *progress,
	struct commit_replay_report *out) MUST_CHECK;

/* Starts writers and applier.  From here on the calls below work. */
enum status commit_start(struct commit *c) MUST_CHECK;

/* One upload.  `image->id`, expiry, epoch, collection … are filled in by the caller (ingest); `key` and
 * `wrapped` come from keyring_new_image().  With `blob_sealed` the content is new: `blob` is its id, key,
 * address and length, and the ciphertext goes into the same batch.  Without, `blob` names one that is there
 * (pinned). */
struct commit_upload {
	struct catalog_image image;
	struct commit_private person;
	struct image_key *key; /* borrowed */
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	struct blob_key blob_key;
	uint8_t address[32];
	struct span blob_sealed; /* empty: link to image.blob_id */
};
struct commit_answer {
	bool is_void;
	int64_t image_number; /* the first one's when void */
};

/* OK: durable and visible; look at answer->is_void.  GONE: the epoch was destroyed meanwhile.  FULL,
 * NO_SPACE, STOPPED, IO: nothing was kept. */
enum status commit_image(
	struct commit *c, const struct commit_upload *in, struct commit_answer *answer) MUST_CHECK;

/* What processing made of an image: renditions sealed by the caller under keys of their own. */
struct commit_rendition {
	struct catalog_rendition row;
	struct blob_key key;
	struct span sealed;
};
struct commit_result_in {
	const uint8_t *id;
	struct image_key *key;        /* borrowed */
	struct catalog_result result; /* renditions' blob ids filled in */
	struct span private_json;     /* sealed beside it: GPS and what else is private */
	const struct commit_rendition *renditions;
	size_t rendition_count;
};
/* GONE: the image was destroyed meanwhile, or has a RESULT; this one is void.  TOO_BIG: the private
 * JSON.  FULL, NO_SPACE, STOPPED, IO: nothing was kept. */
enum status commit_result(struct commit *c, const struct commit_result_in *in) MUST_CHECK;

/* Early erase: the ERASE record is durable, the wrapped key in the segment is zero, synced and read back, the
 * row is gone, and the key's handles are revoked, in this order: nobody is told that the image is gone while
 * a crash could bring it back.  NOT_FOUND: no such row (any more).
 *
 * The applier overwrites the key before it applies the ERASE's batch.  So an ERASE below the applied
 * position is carried out, whatever crashed when, and replay, which does the same, needs no list of
 * unfinished ones.  FULL, NO_SPACE, STOPPED: not erased; to be tried again. */
enum status commit_erase(struct commit *c, const uint8_t id[CATALOG_ID]) MUST_CHECK;

/* --- pins --- */
enum status commit_pin(struct commit *c, const uint8_t blob_id[BLOB_ID_BYTES]) MUST_CHECK; /* FULL */
void commit_unpin(struct commit *c, const uint8_t blob_id[BLOB_ID_BYTES]);
/* Copies of the pins, and the lock that no new pin passes until commit_pins_release(): purge forgets blobs
 * in between. */
enum status commit_pins_acquire(struct commit *c, const uint8_t (**pins)[16], size_t *count) MUST_CHECK;
void commit_pins_release(struct commit *c);

struct store *commit_store(struct commit *c, int store);

/* Waits until an image is ready or failed, at most wait_ms.  GONE: it expired or was erased.  TIMEOUT,
 * STOPPED. */
enum status commit_wait_processed(struct commit *c, const uint8_t id[CATALOG_ID], int64_t wait_ms) MUST_CHECK;

/* The bell: image numbers with work; worker threads take from it.  Rings for each image committed; a full
 * bell loses nothing. */
struct queue *commit_bell(struct commit *c);

/* damaged: records and gaps that disagree with themselves · dangling: rows whose bytes do not open · lost:
 * images that open and have no row · orphans: blobs without a row, garbage that waits for its blocks to be
 * given back, no finding · blobs: those with a row, at its place and sound, however many images share one. */
struct commit_verify_report {
	uint64_t batches, records, images, blobs, bytes, damaged, dangling, lost, orphans;
};
/* Reads every record of both stores, checks every checksum, opens every live image's seal and every chunk
 * of every live blob, and compares with the catalog (which commit_replay() brought up to date).  Each
 * finding is one line through `say`.  `progress` may be NULL.  INVALID: something is hurt. */
enum status commit_verify(struct commit *c, void (*say)(void *context, const char *line), void *context,
	const struct commit_progress *progress, struct commit_verify_report *out) MUST_CHECK;

/* Nobody is kept waiting from here on: not for processing, not for a full disk.  Commits still work. */
void commit_drain(struct commit *c);
/* Ends writers and applier after all that is queued was answered. */
void commit_stop(struct commit *c);
void commit_close(struct commit *c);

#endif
