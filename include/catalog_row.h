/* catalog_row.h - rows of the catalog and changes to them, as values.
 *
 * What one reader of one image needs is one struct, joined; a change is what
 * one record of the log does to the catalog.
 */
#ifndef DARKROOM_CATALOG_ROW_H
#define DARKROOM_CATALOG_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

enum { CATALOG_ORIGINALS = 1, CATALOG_PROCESSED = 2, CATALOG_STORES = 2, CATALOG_ID = 25, CATALOG_TEXT = 64 };

struct catalog_place {
	uint32_t segment, offset, length;
};
struct catalog_position {
	uint32_t segment, offset;
	uint64_t sequence;
};

enum catalog_state { CATALOG_RECEIVED, CATALOG_READY, CATALOG_FAILED };

/* What describes a picture once processed; absent: "" or 0, taken_at -1. */
struct catalog_meta {
	char camera[CATALOG_TEXT], lens[CATALOG_TEXT], colour[8], blurhash[CATALOG_TEXT];
	double exposure_s, aperture, focal_mm, brightness, sharpness;
	uint32_t iso;
	int64_t taken_at;
	bool has_gps;
};

/* A row of image joined with its blob and job: what every reader of one image needs. */
struct catalog_image {
	int64_t number;
	uint8_t id[CATALOG_ID];
	uint32_t collection, epoch, width, height;
	enum catalog_state state;
	char format[8], source[8], reason[128];
	uint64_t bytes;
	int64_t received_at, expires_at, ready_at; /* ready_at -1: not yet */
	bool has_uploader, has_idempotency;
	uint8_t uploader[16], idempotency[16];
	uint8_t blob_id[16];
	int64_t blob_number;
	/* Its blob's content address.  Adding an image gives it to a blob that has none yet: on a rebuild
	 * the image that came with the blob may be destroyed, and a later one, linked to it, is the first
	 * that can tell. */
	bool has_address;
	uint8_t address[32];
	struct catalog_place blob_at, record_at, result_at;
	struct catalog_meta meta;
	uint32_t attempts; /* of its job; 0 when there is none */
	bool is_job_dead;
};

struct catalog_rendition {
	char name[RENDITION_NAME_MAX + 1], format[8];
	uint32_t width, height;
	uint64_t bytes;
	uint8_t blob_id[16];
	struct catalog_place blob_at;
};

/* --- changes, as the applier makes them: one batch of the log is one transaction --- */

struct catalog_blob {
	uint8_t blob_id[16];
	uint32_t collection;
	bool has_address;
	uint8_t address[32];
	uint64_t bytes;
	struct catalog_place at;
};

struct catalog_result {
	uint8_t id[CATALOG_ID];
	struct catalog_place at;
	bool is_good;
	char reason[128];
	int64_t ready_at;
	uint32_t width, height;
	struct catalog_meta meta;
	struct catalog_rendition renditions[RENDITIONS_MAX];
	size_t rendition_count;
};

enum catalog_change_kind { CATALOG_ADD_BLOB, CATALOG_ADD_IMAGE, CATALOG_ADD_RESULT, CATALOG_ERASE_IMAGE };
struct catalog_change {
	enum catalog_change_kind kind;
	union {
		const struct catalog_blob *blob;
		/* number, blob_number, meta, job fields ignored; blob by blob_id */
		const struct catalog_image *image;
		const struct catalog_result *result;
		const uint8_t *erased_id;
	};
	/* Out.  Void, and without effect: an image whose id is there already, or whose idempotency hash
	 * was held by an earlier one still alive at its received_at; a result or erase whose image is not
	 * there (any more); a second result; an image or result whose blob is unknown; a blob that is
	 * there; anything in a batch that was applied before. */
	bool is_void;
	int64_t image_number; /* of the image added (or of the first one, when void); 0: none */
	struct catalog_change *next;
};

/* One batch of a store's log: its end, and what its records do, in their order. */
struct catalog_batch {
	int store;
	struct catalog_position end;
	struct catalog_change *changes;
};

#endif
