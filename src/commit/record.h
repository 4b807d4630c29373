/* record.h - the bodies of commit's records, byte by byte.  Version 1.  Little-endian throughout.
 *
 * The store frames a record (src/store/format.h): head, key area, body, and a
 * checksum over the body.  Here is what the bodies hold.
 *
 * BLOB, in either store; no key area:
 *    0 16  blob id                     random
 *   16  8  length of the plaintext
 *   24  4  collection number
 *   28  4  zero
 *   32  .  chunks: AES-256-GCM of SEAL_CHUNK bytes each (the last one shorter) and its tag (keyring.h)
 * Valid if and only if: the zeros are zero, the collection is not 0, and the chunks
 * take exactly blob_sealed_len(length) bytes.  That the chunks are these bytes of this
 * blob in this order, only the blob's key can tell.
 *
 * IMAGE, in originals; key area: the wrapped image key, zeros once it was erased early:
 *    0  1  version, 1
 *    1 25  image id
 *   26 16  id of the blob it refers to; the blob's record stands before it in the log
 *   42  .  sealed under the image key, kind "image": the fields of `image_fields`
 * Valid if and only if: the version is 1, the seal opens, its fields are valid, and the
 * sealed collection, expiry and blob id are those that the clear part names.
 *
 * RESULT, in processed; no key area; its renditions' BLOBs stand before it in the same batch:
 *    0  1  version, 1
 *    1 25  image id
 *   26  .  sealed under the image key, kind "result": the fields of `result_fields`
 * Valid if and only if: the version is 1, the seal opens and its fields are valid.
 *
 * ERASE, in originals; no key area:
 *    0  1  version, 1
 *    1 25  image id
 *   26  2  zero
 *   28 12  place of the IMAGE record: segment, offset, length (4 each)
 * Valid if and only if: it is 40 bytes long, the version is 1, the zeros are zero and
 * the place has a length.
 *
 * Fields (inside a seal):
 *    0  1  tag
 *    1  2  length of the value
 *    3  .  value: numbers little-endian (4, 8), real numbers as IEEE 754 bits (8, finite),
 *          claims (1: 0 or 1), bytes of a fixed length, text without NUL or end
 * Fields are valid if and only if: tags ascend, each stands at most once (RENDITION: at
 * most RENDITIONS_MAX times), all required ones are there, every length is the one its
 * tag has (a text fits its room and is not empty), and nothing is left.  So there is one
 * encoding of each content, and an unknown tag is refused: a new field is a new version.
 *
 *   IMAGE, tag and length (? may be absent, ~ text of at most that):
 *     1 collection 4, 2 format ~7, 3 bytes 8, 4 width 4, 5 height 4, 6 received_at 8, 7 expires_at 8,
 *     8 source ~7, 9 uploader's pseudonym 16?, 10 hash of the Idempotency-Key 16?, 11 content address 32,
 *     12 blob id 16, 13 blob key 32, 14 file name ~255?, 15 uploader ~63?
 *   RESULT:
 *     1 is_good 1, 2 reason ~127?, 3 ready_at 8, 4 width 4, 5 height 4, 6 camera ~63?, 7 lens ~63?,
 *     8 colour ~7?, 9 blurhash ~63?, 10 to 14 exposure_s, aperture, focal_mm, brightness, sharpness 8,
 *     15 iso 4, 16 taken_at 8 (-1: not known), 17 has_gps 1, 32 RENDITION, in the order of their BLOBs,
 *     33 private JSON, 1 to RECORD_PRIVATE_MAX?
 *   RENDITION:
 *     1 name ~32, 2 format ~7, 3 width 4, 4 height 4, 5 bytes 8, 6 blob id 16, 7 blob key 32
 *
 * Threads: pure functions on what they are lent.
 */
#ifndef DARKROOM_COMMIT_RECORD_H
#define DARKROOM_COMMIT_RECORD_H

#include "commit.h"

enum {
	RECORD_BODY_VERSION = 1,
	RECORD_BLOB_HEAD = 32,
	RECORD_IMAGE_HEAD = 42,
	RECORD_RESULT_HEAD = 26,
	RECORD_ERASE_BODY = 40
};
/* The most that a sealed part may take, and what is private in a RESULT. */
enum { RECORD_SEALED_MAX = 65536, RECORD_PRIVATE_MAX = 16384 };

struct record_blob {
	uint8_t blob_id[BLOB_ID_BYTES];
	uint64_t plain_len;
	uint32_t collection;
};
void record_put_blob(const struct record_blob *in, uint8_t out[RECORD_BLOB_HEAD]);
/* `head` is the body's beginning (RECORD_BLOB_HEAD bytes or more), `body_len` its whole length.  CORRUPT. */
enum status record_get_blob(struct span head, uint64_t body_len, struct record_blob *out) MUST_CHECK;

/* The clear parts of IMAGE and RESULT; `sealed` lends the rest of the body.  CORRUPT. */
struct record_clear {
	uint8_t id[CATALOG_ID];
	uint8_t blob_id[BLOB_ID_BYTES]; /* IMAGE only */
	struct span sealed;
};
void record_put_image_head(const struct record_clear *in, uint8_t out[RECORD_IMAGE_HEAD]);
enum status record_get_image_head(struct span body, struct record_clear *out) MUST_CHECK;
void record_put_result_head(const struct record_clear *in, uint8_t out[RECORD_RESULT_HEAD]);
enum status record_get_result_head(struct span body, struct record_clear *out) MUST_CHECK;

struct record_erase {
	uint8_t id[CATALOG_ID];
	struct place target;
};
void record_put_erase(const struct record_erase *in, uint8_t out[RECORD_ERASE_BODY]);
enum status record_get_erase(struct span body, struct record_erase *out) MUST_CHECK;

/* What an IMAGE seals.  `image` as a catalog row just made: id and epoch are not in the seal (the decoder
 * leaves them zero), number, state, result and job fields are at rest.  It holds the blob's key: wipe it. */
struct record_image {
	struct catalog_image image;
	struct blob_key blob_key;
	struct commit_private person;
};
/* INVALID: a text or number that the format cannot hold; TOO_BIG: `out` is too small. */
enum status record_put_image(const struct record_image *in, struct buf *out) MUST_CHECK;
enum status record_get_image(struct span plain, struct record_image *out) MUST_CHECK; /* CORRUPT */

/* What a RESULT seals.  Renditions' places and the id are not in it.  `private_json` is lent. */
struct record_result {
	struct catalog_result result;
	struct blob_key keys[RENDITIONS_MAX]; /* of result.renditions[] */
	struct span private_json;
};
enum status record_put_result(const struct record_result *in, struct buf *out) MUST_CHECK;
enum status record_get_result(struct span plain, struct record_result *out) MUST_CHECK; /* CORRUPT */

/* CORRUPT unless the clear part names what the seal holds; fills in id and epoch. */
enum status record_join_image(const struct record_clear *clear, struct record_image *io) MUST_CHECK;

#endif
