/* system.c - handlers: health, metrics, who am I, counts, receipts. */
#include "poison.h"

#include "budget.h"
#include "clock.h"
#include "json.h"
#include "metrics.h"
#include "reply.h"
#include "request.h"
#include "route.h"
#include "sandbox.h"

enum { SMALL_MAX = 16384, RECEIPTS_A_PAGE = 100 };

enum status health_get(struct request *rq)
{
	struct buf body;
	struct sandbox_features features = sandbox_probe();
	buf_init(&body, SMALL_MAX);
	struct json_writer w = json_writer_of(&body);
	json_begin_object(&w, NULL);
	json_put_text(&w, "status", SPAN_LIT("alive"));
	json_put_i64(&w, "landlock_abi", features.landlock_abi);
	json_put_bool(&w, "seccomp", features.has_seccomp);
	json_end_object(&w);
	enum status st = reply_json(rq, 200, NULL, &body);
	buf_fini(&body);
	return st;
}

enum status ready_get(struct request *rq)
{
	struct buf body;
	const char *why = NULL;
	if (!rq->services->is_ready(rq->services->context, &why))
		return request_refuse(rq, ST_BUSY, why);
	buf_init(&body, SMALL_MAX);
	struct json_writer w = json_writer_of(&body);
	json_begin_object(&w, NULL);
	json_put_text(&w, "status", SPAN_LIT("ready"));
	json_put_time(&w, "time", clock_now_ms(rq->services->clock));
	json_end_object(&w);
	enum status st = reply_json(rq, 200, NULL, &body);
	buf_fini(&body);
	return st;
}

enum status metrics_get_text(struct request *rq)
{
	struct buf body;
	buf_init(&body, REPLY_BYTES_MAX);
	metrics_set(METRIC_CONNECTIONS, (int64_t)gate_counts(rq->services->gate).open_connections);
	metrics_set(METRIC_BODY_BUDGET_USED, (int64_t)budget_used(rq->services->budget));
	metrics_render(&body);
	enum status st = buf_status(&body);
	if (st == ST_OK)
		st = reply_text(rq, 200, "text/plain; version=0.0.4; charset=utf-8", buf_span(&body));
	buf_fini(&body);
	return st;
}

enum status openapi_get(struct request *rq)
{
	struct buf body;
	buf_init(&body, REPLY_BYTES_MAX);
	enum status st = http_openapi(&body);
	if (st == ST_OK)
		st = reply_json(rq, 200, NULL, &body);
	buf_fini(&body);
	return st;
}

static const char *const permission_names[PERM_COUNT] = { [PERM_UNSET] = "UNSET",
#define X(name, sentence) [PERM_##name] = #name,
	PERMISSION_TABLE(X)
#undef X
};

enum status me_get(struct request *rq)
{
	struct buf body;
	buf_init(&body, SMALL_MAX);
	struct json_writer w = json_writer_of(&body);
	json_begin_object(&w, NULL);
	json_put_text(&w, "principal", span_of(rq->caller.principal));
	json_put_text(&w, "key", span_of(rq->caller.key_prefix));
	json_begin_array(&w, "permissions");
	for (int p = PERM_UNSET + 1; p < PERM_COUNT; p++)
		if (access_may(&rq->caller, (enum permission)p))
			json_put_text(&w, NULL, span_of(permission_names[p]));
	json_end_array(&w);
	json_put_bool(&w, "all_collections", rq->caller.is_for_all_collections);
	json_end_object(&w);
	enum status st = reply_json(rq, 200, NULL, &body);
	buf_fini(&body);
	return st;
}

enum status stats_get(struct request *rq)
{
	struct buf body;
	struct catalog_stats s;
	size_t count = 0;
	int64_t now = clock_now_ms(rq->services->clock);
	const uint32_t *collections = request_collections(rq, &count);
	enum status st = catalog_stats(rq->services->catalog, collections, count, now, &s);
	if (st != ST_OK)
		return st;
	buf_init(&body, SMALL_MAX);
	struct json_writer w = json_writer_of(&body);
	json_begin_object(&w, NULL);
	json_put_i64(&w, "images", s.images);
	json_put_i64(&w, "received", s.received);
	json_put_i64(&w, "ready", s.ready);
	json_put_i64(&w, "failed", s.failed);
	json_put_i64(&w, "bytes", s.bytes);
	json_put_i64(&w, "stored_bytes", s.blob_bytes);
	json_put_i64(&w, "jobs_queued", s.jobs_queued);
	json_put_i64(&w, "jobs_dead", s.jobs_dead);
	if (s.oldest_received_at > 0)
		json_put_time(&w, "oldest_received_at", s.oldest_received_at);
	if (s.next_expires_at > 0)
		json_put_time(&w, "next_expires_at", s.next_expires_at);
	json_put_time(&w, "now", now);
	json_end_object(&w);
	st = reply_json(rq, 200, NULL, &body);
	buf_fini(&body);
	return st;
}

enum status receipt_list(struct request *rq)
{
	struct buf body;
	uint64_t after = 0;
	enum status st = request_number(rq, "after", INT64_MAX, &after);
	if (st != ST_OK && st != ST_NOT_FOUND)
		return st;
	buf_init(&body, REPLY_BYTES_MAX);
	st = purge_receipts(rq->services->purge, after, RECEIPTS_A_PAGE, &body);
	if (st == ST_OK)
		st = reply_json(rq, 200, NULL, &body);
	buf_fini(&body);
	return st;
}

enum status receipt_key_get(struct request *rq)
{
	struct buf pem;
	buf_init(&pem, SMALL_MAX);
	enum status st = purge_public_key(rq->services->purge, &pem);
	if (st == ST_OK)
		st = reply_text(rq, 200, "application/x-pem-file", buf_span(&pem));
	buf_fini(&pem);
	return st;
}
