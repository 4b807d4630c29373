/* fetch.h - find, open and stream one image for a reader. The only way to look.
 *
 * Due or not is decided by trusted time at each read, never by the sweeper.  A
 * stream whose image expires or is erased on the way answers GONE at its next
 * chunk: the caller cuts the connection.  Metrics count what readers open; the memfd for a child is no read.
 *
 * Threads: any; a fetch_stream belongs to one thread.
 */
#ifndef DARKROOM_FETCH_H
#define DARKROOM_FETCH_H

#include "commit.h"

struct fetch;        /* opaque */
struct fetch_stream; /* opaque */
struct fetch_options {
	struct keyring *keyring;
	struct catalog *catalog;
	struct commit *commit;
	struct clock *clock;
};
enum status fetch_new(const struct fetch_options *options, struct fetch **out) MUST_CHECK;
void fetch_free(struct fetch *f);

/* `text` is an id as in a path.  NOT_FOUND: no id of ours.  GONE: it was ours and is destroyed, expired or
 * erased (*collection is set, so that the caller can hide it from who may not read there).  OK: *out is its
 * row, not expired now. */
enum status fetch_find(
	struct fetch *f, struct span text, struct catalog_image *out, uint32_t *collection) MUST_CHECK;

/* Opens the original's bytes; rendition: by name (NOT_FOUND: none of that name, BUSY: not processed yet). */
enum status fetch_open_original(
	struct fetch *f, const struct catalog_image *image, struct fetch_stream **out) MUST_CHECK;
enum status fetch_open_rendition(struct fetch *f, const struct catalog_image *image, const char *name,
	struct fetch_stream **out) MUST_CHECK;
uint64_t fetch_length(const struct fetch_stream *s);
const char *fetch_media_type(const struct fetch_stream *s);
/* Opaque, stable for these bytes, says nothing about them: hex of the first 16 bytes of HMAC(blob id …). */
const char *fetch_etag(const struct fetch_stream *s);
/* At most `len` bytes from `from`, each chunk authenticated.  GONE, CORRUPT (never gives a byte of a bad
 * chunk), IO. */
enum status fetch_read(
	struct fetch_stream *s, uint64_t from, uint8_t *out, size_t len, size_t *got) MUST_CHECK;
void fetch_close(struct fetch_stream *s); /* NULL is fine */

/* The whole original in a sealed memfd, for a child; the caller closes it. */
enum status fetch_to_memfd(struct fetch *f, const struct catalog_image *image, int *out) MUST_CHECK;

/* What is sealed about an image for its owner: file name, uploader, private JSON of its result ("" when
 * none). */
struct fetch_private {
	struct commit_private person;
	struct buf private_json;
};
enum status fetch_private(
	struct fetch *f, const struct catalog_image *image, struct fetch_private *out) MUST_CHECK;
void fetch_private_fini(struct fetch_private *p);

#endif
