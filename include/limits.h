/* limits.h - every bound in the program, its reason, and how they relate.
 *
 * A bound that an operator may move is a default here and a setting in
 * config; the rest are fixed by a format or by what was measured.
 */
/* Where include/ is searched for <limits.h> too (foreign headers ask for it), this file hides the C
 * library's: pass on, outside the guard, for the first pass may have come by another way. */
#include_next <limits.h>

#ifndef DARKROOM_LIMITS_H
#define DARKROOM_LIMITS_H

#include <assert.h>
#include <stdint.h>

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

/* Images.  64 MiB holds a 100-megapixel camera JPEG; 100 megapixels bound the
 * decoder's memory; a progressive JPEG keeps coefficients of the whole picture;
 * the GIF decoder takes 9 bytes a pixel. */
enum { IMAGE_PIXELS_MAX = 100000000, IMAGE_PIXELS_PROGRESSIVE_MAX = 50000000, IMAGE_SIDE_MAX = 65535 };
enum { IMAGE_PIXELS_GIF_MAX = 25000000 };
#define IMAGE_BYTES_MAX MIB(64)
#define IMAGE_BYTES_CEILING MIB(256) /* the most the setting allows */
#define IMAGE_PROBE_MAX KIB(64)      /* header bytes the server itself looks at */
enum { FILE_NAME_MAX_BYTES = 255, MULTIPART_FILES_MAX = 64, MULTIPART_HEAD_MAX = 8192 };
enum {
	IDEMPOTENCY_KEY_MAX = 255,
	RENDITION_NAME_MAX = 32,
	COLLECTION_NAME_MAX = 63,
	PRINCIPAL_NAME_MAX = 63
};

/* Retention.  Seven days is the policy; the keyring's slots bound it. */
#define RETENTION_MIN_MS ((int64_t)60 * 1000)
#define RETENTION_MAX_MS ((int64_t)7 * 24 * 3600 * 1000)
enum { EPOCH_MS = 30000, KEYRING_SLOTS = 24576, KEYRING_BLOCK = 128, CLOCK_SCALE_MAX = 1000 };
#define KEYRING_SPAN_MS ((int64_t)KEYRING_SLOTS * EPOCH_MS)
static_assert(KEYRING_SPAN_MS > RETENTION_MAX_MS + 24 * 3600 * 1000,
	"a day of slack before a slot is needed again");

/* Stores.  One MB a sync reaches full bandwidth; a larger batch makes the next wait. */
#define SEGMENT_BYTES MIB(256)
#define SEGMENT_BYTES_CEILING \
	GIB(1) /* a single entry that is larger than a segment gets one of its own size, up to this */
#define STATE_BYTES_MAX MIB(1)
#define SEGMENT_AGE_MS ((int64_t)3600 * 1000)
#define BATCH_BYTES_MAX MIB(8)
enum {
	BATCH_ENTRIES_MAX = 1000,
	BATCH_RING = 4,
	BLOCK_BYTES = 4096,
	SEGMENTS_MAX = 65536,
	ENTRY_RECORDS_MAX = 16
};
#define INBOX_BYTES_MAX MIB(256)
#define PUNCH_RUN_MIN MIB(1)
#define SEAL_CHUNK KIB(64)
static_assert(IMAGE_BYTES_CEILING * 2 <= GIB(1), "a record's length fits its 32 bits with room");

/* Requests. */
enum { HEAD_BYTES_MAX = 16384, HEAD_HEADERS_MAX = 64, TARGET_BYTES_MAX = 2048, HTTP_THREADS = 256 };
enum {
	HANDSHAKE_MS_MAX = 5000,
	HEAD_MS_MAX = 10000,
	KEEP_ALIVE_MS = 5000,
	BODY_MS_BASE = 5000,
	BODY_RATE_MIN = 16384
};
enum { ADDRESS_CONNECTIONS_MAX = 64, JSON_DEPTH_MAX = 64, PAGE_ROWS_MAX = 500, PAGE_ROWS = 100 };
#define JSON_INPUT_MAX MIB(1)
#define REQUEST_ARENA_MAX MIB(4)
#define REPLY_BYTES_MAX MIB(8)
#define BODY_BUDGET MIB(512)

/* SQL over HTTP (facts: what each guard stops). */
enum { SQL_BYTES_MAX = 100000, SQL_ROWS_MAX = 10000, SQL_MS_MAX = 900, SQL_CONCURRENT_MAX = 4 };
#define SQL_MEMORY_MAX MIB(64)
#define SQL_REPLY_MAX MIB(8)

/* Processing. */
enum { WORKERS = 2, JOB_ATTEMPTS_MAX = 3, JOB_LEASE_MS = 120000, CHILD_WALL_MS = 60000, CHILD_CPU_S = 60 };
#define CHILD_MEMORY_MAX GIB(1)
#define JOB_RETRY_MS ((int64_t)30 * 1000)
enum {
	JOBS_QUEUED_MAX = 100000,
	RENDITION_THUMB_SIDE = 320,
	RENDITION_PREVIEW_SIDE = 1600,
	RENDITION_QUALITY = 80
};
enum { RENDITIONS_MAX = 8 };
#define RENDITION_BYTES_MAX MIB(16)
#define CATALOG_ROWS_MAX INT64_C(20000000)

/* What the administrator makes is held in memory whole; no page of rows holds a read transaction for
 * longer. */
enum { KEYS_MAX = 10000, KEY_COLLECTIONS_MAX = 64, COLLECTIONS_MAX = 1000, CATALOG_READ_MS_MAX = 1000 };
#define RECEIPT_BYTES_MAX KIB(64)

/* Purge. */
enum { PURGE_ROWS_BATCH = 500, TICK_MS = 1000, RECEIPT_KEEP_DAYS = 400 };

/* Before this much is left, ingest answers 507, so that purging never lacks room. */
#define DISK_RESERVE_BYTES MIB(64)

#endif
