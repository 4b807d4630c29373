/* process_result.c - seals renditions under keys of their own and commits one RESULT. */
#include "poison.h"

#include "process_result.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "fields.h"
#include "imaging.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"

enum { PRIVATE_JSON_MAX = 4096 };

/* Everything one commit needs, so that one place releases it. */
struct draft {
	struct commit_result_in in;
	struct commit_rendition renditions[RENDITIONS_MAX];
	struct buf sealed[RENDITIONS_MAX], private_json;
	struct commit_opened opened;
};

static void draft_init(struct draft *d)
{
	memset(d, 0, sizeof *d);
	buf_init(&d->private_json, PRIVATE_JSON_MAX);
	for (size_t i = 0; i < RENDITIONS_MAX; i++)
		buf_init(&d->sealed[i], blob_sealed_len(RENDITION_BYTES_MAX));
}

static void draft_fini(struct draft *d)
{
	for (size_t i = 0; i < RENDITIONS_MAX; i++) {
		buf_fini(&d->sealed[i]);
		memory_wipe(&d->renditions[i].key, sizeof d->renditions[i].key);
	}
	buf_wipe(&d->private_json);
	commit_opened_fini(&d->opened);
}

static enum status seal_bytes(
	const struct blob_key *key, const struct blob_id *id, struct span plain, struct buf *out)
{
	struct blob_cipher *cipher = NULL;
	enum status st = blob_cipher_new(key, id, plain.len, &cipher);
	uint64_t chunks = blob_chunk_count(plain.len);
	for (uint64_t i = 0; st == ST_OK && i < chunks; i++) {
		struct span part = span_slice(plain, i * SEAL_CHUNK, SEAL_CHUNK);
		uint8_t *to = buf_extend(out, part.len + CHUNK_TAG);
		st = to ? blob_cipher_seal(cipher, i, part, to) : ST_FULL;
	}
	blob_cipher_free(cipher);
	return st;
}

static enum status seal_rendition(struct draft *d, size_t i, const struct image_rendition *from)
{
	struct commit_rendition *to = &d->renditions[i];
	struct blob_id id;
	struct span bytes = buf_span(&from->bytes);
	if (bytes.len > RENDITION_BYTES_MAX)
		return ST_INVALID;
	enum status st = keyring_new_blob(&to->key, &id);
	if (st == ST_OK)
		st = seal_bytes(&to->key, &id, bytes, &d->sealed[i]);
	if (st == ST_OK)
		st = span_to_text(span_of(from->name), to->row.name, sizeof to->row.name);
	if (st == ST_OK)
		st = span_to_text(
			span_of(imaging_format_text(from->format)), to->row.format, sizeof to->row.format);
	to->row.width = from->width;
	to->row.height = from->height;
	to->row.bytes = bytes.len;
	memcpy(to->row.blob_id, id.bytes, sizeof to->row.blob_id);
	to->sealed = buf_span(&d->sealed[i]);
	return st;
}

static enum status commit_draft(
	const struct process_options *o, const struct catalog_job *job, struct draft *d)
{
	struct catalog_result *r = &d->in.result;
	memcpy(r->id, job->image.id, CATALOG_ID);
	r->ready_at = clock_now_ms(o->clock);
	d->in.id = job->image.id;
	d->in.renditions = d->renditions;
	d->in.private_json = buf_span(&d->private_json);
	for (size_t i = 0; i < d->in.rendition_count; i++)
		r->renditions[i] = d->renditions[i].row;
	r->rendition_count = d->in.rendition_count;
	enum status st = commit_open_image(o->commit, &job->image, &d->opened);
	if (st != ST_OK)
		return st;
	d->in.key = d->opened.key;
	st = commit_result(o->commit, &d->in);
	if (st == ST_OK) {
		metrics_add(METRIC_JOBS_DONE, 1);
		metrics_observe_ms(METRIC_READY_TIME, r->ready_at - job->image.received_at);
	}
	return st;
}

enum status process_commit_success(
	const struct process_options *o, const struct catalog_job *job, struct span answer)
{
	struct image_result result = { 0 };
	struct draft d;
	draft_init(&d);
	enum status st = imaging_result_read(answer, &result);
	if (st != ST_OK)
		goto out;
	d.in.result.is_good = true;
	d.in.result.width = result.meta.width;
	d.in.result.height = result.meta.height;
	fields_plain(&result.meta, &d.in.result.meta);
	fields_sealed(&result.meta, &d.private_json);
	d.in.rendition_count = result.rendition_count;
	for (size_t i = 0; st == ST_OK && i < result.rendition_count; i++)
		st = seal_rendition(&d, i, &result.renditions[i]);
	if (st == ST_OK)
		st = commit_draft(o, job, &d);
out:
	imaging_result_fini(&result);
	draft_fini(&d);
	return st;
}

enum status process_commit_failure(
	const struct process_options *o, const struct catalog_job *job, const char *reason)
{
	struct draft d;
	draft_init(&d);
	d.in.result.width = job->image.width;
	d.in.result.height = job->image.height;
	d.in.result.meta.taken_at = -1;
	(void)snprintf(d.in.result.reason, sizeof d.in.result.reason, "%s", reason);
	enum status st = commit_draft(o, job, &d);
	log_event(LOG_INFO, "process.image.failed", LOG_I64("image", job->image_number),
		LOG_TEXT("reason", reason));
	draft_fini(&d);
	return st;
}
