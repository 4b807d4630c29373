/* commit_read.h - opening what commit sealed: an image's private part, its result's keys, a blob's
 * ciphertext.
 *
 * The catalog's row says where the records lie; here they are read, checked and opened under the image's
 * key.  Whoever opens an image holds its key's handle, which tells when the image is destroyed.
 *
 * Threads: any. */
#ifndef DARKROOM_COMMIT_READ_H
#define DARKROOM_COMMIT_READ_H

#include "catalog.h"
#include "keyring.h"

struct commit;

/* Private to people and sealed: never in the catalog. */
struct commit_private {
	char file_name[FILE_NAME_MAX_BYTES + 1];
	char uploader[PRINCIPAL_NAME_MAX + 1];
};

/* Opens an image's sealed parts.  GONE: its key is destroyed, or its segment dropped while we
 * looked.  CORRUPT, IO. */
struct commit_opened {
	struct image_key *key;
	struct blob_key blob_key;
	struct commit_private person;
};
enum status commit_open_image(
	struct commit *c, const struct catalog_image *image, struct commit_opened *out) MUST_CHECK;
void commit_opened_fini(struct commit_opened *o); /* releases and wipes */

/* Opens a RESULT: keys of its renditions in the order of `names` as stored, and the private JSON. */
struct commit_opened_result {
	struct {
		char name[RENDITION_NAME_MAX + 1];
		uint8_t blob_id[BLOB_ID_BYTES];
		struct blob_key key;
	} renditions[RENDITIONS_MAX];
	size_t rendition_count;
	struct buf private_json;
};
/* NOT_FOUND: it has no RESULT yet; else as commit_open_image(). */
enum status commit_open_result(struct commit *c, const struct catalog_image *image, struct image_key *key,
	struct commit_opened_result *out) MUST_CHECK;
void commit_opened_result_fini(struct commit_opened_result *o);

/* Reads part of a blob's ciphertext body.  `store` is CATALOG_ORIGINALS or CATALOG_PROCESSED. */
enum status commit_read_blob(struct commit *c, int store, struct catalog_place at, uint64_t from,
	uint8_t *out, size_t len) MUST_CHECK;

#endif
