/* metrics.h - named atomic counters, gauges and histograms, rendered as text; also the tests' oracle.
 *
 * Every metric is one row of the table; the Prometheus text format (0.0.4) is
 * rendered from it.  Durations are observed in ms and rendered in seconds.
 * Threads: any, lock-free.
 */
#ifndef DARKROOM_METRICS_H
#define DARKROOM_METRICS_H

#include "buf.h"

/*  id                         type       name                                        sentence */
/* clang-format off */
#define METRIC_TABLE(X) \
	X(UPLOADS,                COUNTER,   "darkroom_uploads_total",                   "images acknowledged") \
	X(UPLOADS_REFUSED,        COUNTER,   "darkroom_uploads_refused_total",           "uploads answered with an error") \
	X(UPLOAD_BYTES,           COUNTER,   "darkroom_upload_bytes_total",              "bytes of images acknowledged") \
	X(UPLOADS_DUPLICATE,      COUNTER,   "darkroom_uploads_duplicate_total",         "images whose bytes were stored already") \
	X(UPLOADS_REPEATED,       COUNTER,   "darkroom_uploads_repeated_total",          "retries answered with the first answer") \
	X(REQUESTS,               COUNTER,   "darkroom_http_requests_total",             "requests dispatched") \
	X(REQUESTS_4XX,           COUNTER,   "darkroom_http_requests_4xx_total",         "requests answered 4xx") \
	X(REQUESTS_5XX,           COUNTER,   "darkroom_http_requests_5xx_total",         "requests answered 5xx") \
	X(REQUEST_TIME,           HISTOGRAM, "darkroom_http_request_seconds",            "from head to end of reply") \
	X(BATCHES,                COUNTER,   "darkroom_store_batches_total",             "batches synced") \
	X(BATCH_TIME,             HISTOGRAM, "darkroom_store_batch_seconds",             "write and sync of one batch") \
	X(APPLY_TIME,             HISTOGRAM, "darkroom_catalog_apply_seconds",           "one batch into the catalog") \
	X(REPLAYED,               COUNTER,   "darkroom_replayed_batches_total",          "batches applied again at start") \
	X(JOBS_DONE,              COUNTER,   "darkroom_jobs_done_total",                 "jobs that ended with a result") \
	X(JOBS_FAILED,            COUNTER,   "darkroom_jobs_failed_total",               "attempts that failed") \
	X(JOBS_DEAD,              COUNTER,   "darkroom_jobs_dead_total",                 "jobs given up") \
	X(JOBS_QUEUED,            GAUGE,     "darkroom_jobs_queued",                     "jobs waiting or running") \
	X(JOB_TIME,               HISTOGRAM, "darkroom_job_seconds",                     "one attempt of one job") \
	X(READY_TIME,             HISTOGRAM, "darkroom_upload_to_ready_seconds",         "from received to renditions committed") \
	X(READS,                  COUNTER,   "darkroom_reads_total",                     "originals and renditions read") \
	X(READS_CUT,              COUNTER,   "darkroom_reads_cut_total",                 "replies cut because the image expired") \
	X(EPOCHS_DESTROYED,       COUNTER,   "darkroom_epochs_destroyed_total",          "epoch keys destroyed") \
	X(IMAGES_PURGED,          COUNTER,   "darkroom_images_purged_total",             "images whose rows were forgotten") \
	X(IMAGES_ERASED,          COUNTER,   "darkroom_images_erased_total",             "early erases completed") \
	X(PURGE_LAG_MS,           GAUGE_MS,  "darkroom_purge_lag_seconds",               "age of the oldest key that is due and not destroyed") \
	X(PURGE_HELD,             GAUGE,     "darkroom_purge_held",                      "1 while the clock is not trusted") \
	X(CLOCK_SKEW_MS,          GAUGE_MS,  "darkroom_clock_skew_seconds",              "wall time minus trusted time") \
	X(BYTES_FREED,            COUNTER,   "darkroom_bytes_freed_total",               "disk space given back") \
	X(SEGMENTS_DROPPED,       COUNTER,   "darkroom_segments_dropped_total",          "segment files unlinked") \
	X(IMAGES,                 GAUGE,     "darkroom_images",                          "images in the catalog") \
	X(BLOB_BYTES,             GAUGE,     "darkroom_blob_bytes",                      "bytes in live blobs") \
	X(DISK_FREE_BYTES,        GAUGE,     "darkroom_disk_free_bytes",                 "free on the data directory's file system") \
	X(BODY_BUDGET_USED,       GAUGE,     "darkroom_body_budget_used_bytes",          "memory held by bodies and pixels") \
	X(SQL_QUERIES,            COUNTER,   "darkroom_sql_queries_total",               "analysts' queries answered") \
	X(SQL_REFUSED,            COUNTER,   "darkroom_sql_refused_total",               "analysts' queries refused or cut") \
	X(CONNECTIONS,            GAUGE,     "darkroom_connections",                     "connections open") \
	X(CONNECTIONS_ACCEPTED,   COUNTER,   "darkroom_connections_accepted_total",      "connections let in") \
	X(CONNECTIONS_REFUSED,    COUNTER,   "darkroom_connections_refused_total",       "connections over a cap, closed unanswered") \
	X(CONNECTIONS_DROPPED,    COUNTER,   "darkroom_connections_dropped_total",       "idle connections ended early to make room") \
	X(HANDSHAKES,             COUNTER,   "darkroom_handshakes_total",                "TLS handshakes completed") \
	X(HANDSHAKES_FAILED,      COUNTER,   "darkroom_handshakes_failed_total",         "TLS handshakes that failed") \
	X(HEADS_REFUSED,          COUNTER,   "darkroom_heads_refused_total",             "request heads refused by the gate") \
	X(PEER_TIMEOUTS,          COUNTER,   "darkroom_peer_timeouts_total",             "peers cut because they were too slow") \
	X(LOCK_CONTENDED,         COUNTER,   "darkroom_lock_contended_total",            "lock acquisitions that had to wait")

enum metric {
#define X(id, type, name, sentence) METRIC_##id,
	METRIC_TABLE(X)
#undef X
	METRIC_COUNT
};
/* clang-format on */

void metrics_add(enum metric m, uint64_t n);        /* counters and gauges */
void metrics_set(enum metric m, int64_t value);     /* gauges, and counters mirrored from elsewhere */
void metrics_observe_ms(enum metric m, int64_t ms); /* histograms */
int64_t metrics_get(enum metric m);                 /* a histogram's count */

/* The exposition text of all metrics. */
void metrics_render(struct buf *out);

#endif
