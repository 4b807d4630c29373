/* ingest_keep.c - the bytes become a new content or a link to one that is there, and an image. */
#include "poison.h"

#include "inside.h"

#include "clock.h"
#include "log.h"
#include "memory.h"

/* A link may lose its content to an erase while it is made; each time the next look decides anew. */
enum { KEEP_TRIES = 5 };

/* One attempt's state, so that one place releases it. */
struct keep {
	struct ingest_upload *up;
	struct commit_upload draft;
	bool is_pinned;
	bool is_link;
};

static void make_content_key(const struct ingest_upload *up, struct claim_key *out)
{
	memcpy(out->bytes, up->address, sizeof up->address);
	memcpy(out->bytes + sizeof up->address, &up->collection.row.number, sizeof up->collection.row.number);
}

static enum status describe(struct keep *k, const struct image_probe *probe)
{
	struct ingest_upload *up = k->up;
	struct catalog_image *image = &k->draft.image;
	image->collection = up->collection.row.number;
	image->width = probe->width;
	image->height = probe->height;
	image->bytes = up->body.len;
	image->received_at = clock_now_ms(up->in->options.clock);
	image->expires_at = image->received_at + up->collection.row.retention_ms;
	image->epoch = keyring_epoch_of(image->expires_at);
	image->ready_at = -1;
	image->meta.taken_at = -1;
	image->has_uploader = up->has_uploader;
	image->has_idempotency = up->has_idempotency;
	memcpy(image->uploader, up->uploader, sizeof image->uploader);
	memcpy(image->idempotency, up->idempotency.bytes, sizeof image->idempotency);
	memcpy(image->source, up->source, sizeof up->source);
	image->has_address = true;
	memcpy(image->address, up->address, sizeof image->address);
	memcpy(k->draft.address, up->address, sizeof up->address);
	k->draft.person = up->person;
	return span_to_text(span_of(imaging_format_text(probe->format)), image->format, sizeof image->format);
}

/* --- a content that is there --- */

/* The image through which the content is known gives the blob's key.  It may be erased between the look and
 * the pin; so it counts only if it is still there once the pin holds. */
static enum status take_link(struct keep *k, const struct catalog_image *first)
{
	struct ingest_options *o = &k->up->in->options;
	struct commit_opened opened;
	struct catalog_image again;
	enum status st = commit_pin(o->commit, first->blob_id);
	if (st != ST_OK)
		return st;
	st = catalog_find_image(o->catalog, first->id, &again);
	if (st == ST_OK)
		st = commit_open_image(o->commit, &again, &opened);
	if (st != ST_OK) {
		commit_unpin(o->commit, first->blob_id);
		return st;
	}
	k->is_pinned = k->is_link = true;
	memcpy(k->draft.image.blob_id, first->blob_id, BLOB_ID_BYTES);
	k->draft.blob_key = opened.blob_key;
	commit_opened_fini(&opened);
	return ST_OK;
}

/* NOT_FOUND: these bytes are not there, or only in an image that cannot be opened: they are stored again. */
static enum status find_link(struct keep *k)
{
	struct ingest_options *o = &k->up->in->options;
	struct catalog_image first;
	int64_t now = clock_now_ms(o->clock);
	enum status st =
		catalog_find_content(o->catalog, k->draft.image.collection, k->up->address, now, &first);
	if (st == ST_OK)
		st = take_link(k, &first);
	return st == ST_GONE || st == ST_CORRUPT ? ST_NOT_FOUND : st;
}

/* --- a new content --- */

/* Another attempt takes a new key and id: the log may hold the first one's BLOB, whose fate is its own. */
static enum status make_content(struct keep *k)
{
	struct body *body = &k->up->body;
	enum status st = body->is_sealed ? body_unseal(body) : ST_OK;
	if (st == ST_OK)
		st = body_seal(body);
	if (st != ST_OK)
		return st;
	k->draft.blob_key = body->key;
	k->draft.blob_sealed = body_span(body);
	memcpy(k->draft.image.blob_id, body->id.bytes, BLOB_ID_BYTES);
	return ST_OK;
}

/* --- the commit --- */

/* Retention makes slots ahead of time; that this one is missing means that it is far behind. */
static enum status make_key(struct keep *k)
{
	struct image_id id;
	struct catalog_image *image = &k->draft.image;
	enum status st = keyring_new_image(k->up->in->options.keyring, image->collection, image->expires_at,
		&id, k->draft.wrapped, &k->draft.key);
	if (st == ST_GONE) {
		log_event(LOG_ERROR, "ingest.epoch.missing", LOG_U64("epoch", image->epoch));
		return ST_FULL;
	}
	memcpy(image->id, id.bytes, sizeof image->id);
	return st;
}

static enum status commit_once(struct keep *k, struct ingest_receipt *out, const char **why)
{
	struct catalog_image first;
	struct ingest_options *o = &k->up->in->options;
	struct commit_answer answer;
	enum status st = make_key(k);
	if (st == ST_OK)
		st = commit_image(o->commit, &k->draft, &answer);
	if (st == ST_OK && !answer.is_void) {
		*out = (struct ingest_receipt){ .image = k->draft.image, .is_duplicate = k->is_link };
		out->image.number = answer.image_number;
		return ST_OK;
	}
	if (st == ST_GONE)
		return ST_BUSY; /* its epoch ended while it was sealed: the next try gets a later one */
	if (st != ST_OK)
		return st;
	if (answer.image_number == 0 || !k->up->has_idempotency)
		return ST_BUSY; /* the blob went after all: look again */
	st = catalog_find_idempotency(o->catalog, k->up->idempotency.bytes, &first);
	return st == ST_OK ? ingest_repeat(k->up, &first, out, why) : ST_BUSY;
}

/* Looks and stores new bytes under a claim, so that equal bytes in flight wait for the first; a link needs
 * its pin only. */
static enum status keep_once(struct keep *k, struct ingest_receipt *out, const char **why)
{
	struct claims *contents = &k->up->in->contents;
	struct claim_key key;
	make_content_key(k->up, &key);
	enum status st = claims_acquire(contents, &key, 0);
	if (st == ST_BUSY)
		return claims_wait(contents, &key, CONTENT_WAIT_MS) == ST_OK ? ST_BUSY : ST_FULL;
	if (st != ST_OK)
		return st;
	st = find_link(k);
	if (st == ST_OK) {
		claims_release(contents, &key);
		return commit_once(k, out, why);
	}
	if (st == ST_NOT_FOUND)
		st = make_content(k);
	if (st == ST_OK)
		st = commit_once(k, out, why);
	claims_release(contents, &key);
	return st;
}

static void keep_fini(struct keep *k)
{
	if (k->is_pinned)
		commit_unpin(k->up->in->options.commit, k->draft.image.blob_id);
	image_key_release(k->draft.key);
	memory_wipe(&k->draft, sizeof k->draft);
	k->is_pinned = k->is_link = false;
}

static const char *sentence_of(enum status st)
{
	switch (st) {
	case ST_NO_SPACE: return "the disk is full";
	case ST_FULL: return "the server has too much to do";
	case ST_STOPPED: return "the server is shutting down";
	case ST_BUSY: return "the same bytes are being stored or erased right now";
	default: return "the image could not be stored";
	}
}

enum status ingest_keep(struct ingest_upload *up, const struct image_probe *probe, struct ingest_receipt *out,
	const char **why)
{
	struct keep k = { .up = up };
	enum status st = ST_BUSY;
	for (int tries = 0; st == ST_BUSY && tries < KEEP_TRIES; tries++) {
		st = describe(&k, probe);
		if (st == ST_OK)
			st = keep_once(&k, out, why);
		keep_fini(&k);
	}
	if (st == ST_OK || st == ST_MISMATCH)
		return st;
	return ingest_refuse(st, sentence_of(st), why);
}
