/* ingest.c - admission, the body, and what is decided before anything is stored. */
#include "poison.h"

#include "inside.h"

#include "clock.h"
#include "file.h"
#include "memory.h"
#include "metrics.h"
#include "num.h"
#include "text.h"

enum status ingest_new(const struct ingest_options *options, struct ingest **out)
{
	struct ingest *in = memory_alloc(sizeof *in);
	if (!in)
		return ST_FULL;
	in->options = *options;
	claims_init(&in->idempotency, "ingest.idempotency");
	claims_init(&in->contents, "ingest.contents");
	lock_init(&in->lock, "ingest.admission");
	*out = in;
	return ST_OK;
}

void ingest_free(struct ingest *in)
{
	if (!in)
		return;
	claims_fini(&in->idempotency);
	claims_fini(&in->contents);
	lock_fini(&in->lock);
	memory_free(in);
}

enum status ingest_refuse(enum status st, const char *sentence, const char **why)
{
	*why = sentence;
	return st;
}

/* One thread looks again after ADMISSION_MS; the others go by what was seen last. */
static enum status free_bytes(struct ingest *in, uint64_t *out)
{
	int64_t now = clock_monotonic_ms();
	lock_acquire(&in->lock);
	bool is_stale = !in->has_looked || now - in->looked_at >= ADMISSION_MS;
	if (is_stale)
		in->looked_at = now;
	*out = in->free_bytes;
	lock_release(&in->lock);
	if (!is_stale)
		return ST_OK;
	enum status st = file_free_bytes(in->options.data_fd, out);
	if (st != ST_OK)
		return st;
	lock_acquire(&in->lock);
	in->free_bytes = *out;
	in->has_looked = true;
	lock_release(&in->lock);
	return ST_OK;
}

/* Free space, rows and jobs allow one more image of `bytes`. */
static enum status admit(struct ingest *in, uint64_t bytes, const char **why)
{
	uint64_t have = 0, need;
	struct catalog_load load = catalog_load(in->options.catalog);
	if (load.images >= in->options.catalog_rows_max)
		return ingest_refuse(ST_FULL, "the catalog holds as many images as it may", why);
	if (load.jobs >= in->options.jobs_queued_max)
		return ingest_refuse(ST_FULL, "too many images wait to be processed", why);
	enum status st = free_bytes(in, &have);
	if (st != ST_OK)
		return ingest_refuse(st, "the free space could not be looked at", why);
	if (!num_add_u64(in->options.disk_reserve, bytes, &need) || have < need)
		return ingest_refuse(
			ST_NO_SPACE, "the disk is full up to the reserve that purging needs", why);
	return ST_OK;
}

/* --- the body --- */

enum status ingest_body(struct ingest_upload *up, struct span bytes, const char **why)
{
	size_t need;
	uint64_t max = up->in->options.image_bytes_max;
	if (!num_add(up->body.len, bytes.len, &need) || need > max)
		return ingest_refuse(ST_TOO_BIG, "the image is larger than this server takes", why);
	if (up->length_wanted > 0 && need > up->length_wanted)
		return ingest_refuse(ST_INVALID, "the body is longer than its length", why);
	if (bytes.len == 0)
		return ST_OK;
	enum status st = body_append(&up->body, bytes, max);
	if (st != ST_OK)
		return ingest_refuse(st, "too many uploads at once", why);
	digest_update(up->addressing, bytes);
	if (up->hashing)
		digest_update(up->hashing, bytes);
	return ST_OK;
}

/* --- beginning --- */

static enum status read_names(struct ingest_upload *up, const struct ingest_request *r, const char **why)
{
	if (!text_is_clean_utf8(r->file_name) ||
		span_to_text(r->file_name, up->person.file_name, sizeof up->person.file_name) != ST_OK)
		return ingest_refuse(ST_INVALID, "the file name is too long or not plain text", why);
	if (span_to_text(r->principal, up->person.uploader, sizeof up->person.uploader) != ST_OK ||
		span_to_text(span_of(r->source), up->source, sizeof up->source) != ST_OK)
		return ingest_refuse(ST_INVALID, "the uploader's name is too long", why);
	if (r->idempotency_key.len > IDEMPOTENCY_KEY_MAX)
		return ingest_refuse(ST_INVALID, "the Idempotency-Key is too long", why);
	return ST_OK;
}

static enum status find_collection(struct ingest_upload *up, struct span name, const char **why)
{
	enum status st = access_find_collection(up->in->options.access, name, &up->collection);
	if (st == ST_NOT_FOUND || (st == ST_OK && up->collection.row.is_removed))
		return ingest_refuse(ST_NOT_FOUND, "there is no such collection", why);
	return st == ST_OK ? ST_OK : ingest_refuse(st, "the collection could not be looked up", why);
}

/* Waits for another request with this key, then looks whether the key has an image already. */
static enum status claim_key(struct ingest_upload *up, const struct ingest_request *r, const char **why)
{
	struct ingest *in = up->in;
	if (r->idempotency_key.len == 0)
		return ST_OK;
	enum status st = claims_acquire(&in->idempotency, &up->idempotency, IDEMPOTENCY_WAIT_MS);
	if (st != ST_OK)
		return ingest_refuse(st, "a request with this Idempotency-Key is still under way", why);
	up->has_idempotency = true;
	st = catalog_find_idempotency(in->options.catalog, up->idempotency.bytes, &up->first);
	if (st != ST_OK && st != ST_NOT_FOUND)
		return ingest_refuse(st, "the Idempotency-Key could not be looked up", why);
	up->has_first = st == ST_OK;
	return ST_OK;
}

static enum status begin_digests(struct ingest_upload *up, const struct ingest_request *r, const char **why)
{
	up->addressing = collection_key_address(&up->collection.key);
	up->has_sha256 = r->has_sha256;
	memcpy(up->sha256, r->sha256, sizeof up->sha256);
	if (r->has_sha256)
		up->hashing = digest_begin();
	bool is_good = up->addressing && (up->hashing || !r->has_sha256);
	return is_good ? ST_OK : ingest_refuse(ST_FULL, "there is no memory for the upload", why);
}

static enum status reserve_length(struct ingest_upload *up, uint64_t length, const char **why)
{
	up->length_wanted = length;
	if (length > up->in->options.image_bytes_max)
		return ingest_refuse(ST_TOO_BIG, "the image is larger than this server takes", why);
	if (length == 0 || body_reserve(&up->body, (size_t)length) == ST_OK)
		return ST_OK;
	return ingest_refuse(ST_FULL, "too many uploads at once", why);
}

static enum status begin(struct ingest_upload *up, const struct ingest_request *r, const char **why)
{
	enum status st = read_names(up, r, why);
	if (st == ST_OK)
		st = find_collection(up, r->collection, why);
	if (st == ST_OK)
		st = reserve_length(up, r->length, why);
	if (st == ST_OK)
		st = begin_digests(up, r, why);
	if (st != ST_OK)
		return st;
	up->has_uploader = r->principal.len > 0;
	if (up->has_uploader)
		collection_key_pseudonym(&up->collection.key, r->principal, up->uploader);
	collection_key_idempotency(
		&up->collection.key, r->principal, r->idempotency_key, up->idempotency.bytes);
	access_collection_wipe(&up->collection); /* the key has done its work */
	return claim_key(up, r, why);
}

enum status ingest_begin(
	struct ingest *in, const struct ingest_request *request, struct ingest_upload **out, const char **why)
{
	enum status st = admit(in, request->length, why);
	if (st != ST_OK)
		return st;
	struct ingest_upload *up = memory_alloc(sizeof *up);
	if (!up)
		return ingest_refuse(ST_FULL, "there is no memory for the upload", why);
	up->in = in;
	up->body.budget = in->options.budget;
	st = begin(up, request, why);
	if (st == ST_OK)
		*out = up;
	else
		ingest_end(up);
	return st;
}

void ingest_end(struct ingest_upload *up)
{
	if (!up)
		return;
	if (up->has_idempotency)
		claims_release(&up->in->idempotency, &up->idempotency);
	digest_abandon(up->addressing);
	digest_abandon(up->hashing);
	body_free(&up->body);
	access_collection_wipe(&up->collection);
	memory_wipe(up, sizeof *up);
	memory_free(up);
}

/* --- accepting --- */

static enum status finish_digests(struct ingest_upload *up, const char **why)
{
	struct digest address = digest_end(up->addressing);
	up->addressing = NULL;
	memcpy(up->address, address.bytes, sizeof up->address);
	if (!up->has_sha256)
		return ST_OK;
	struct digest hash = digest_end(up->hashing);
	up->hashing = NULL;
	if (digest_equal_bytes(hash.bytes, up->sha256, sizeof up->sha256))
		return ST_OK;
	return ingest_refuse(ST_MISMATCH, "the bytes do not have the digest that was sent with them", why);
}

enum status ingest_repeat(struct ingest_upload *up, const struct catalog_image *first,
	struct ingest_receipt *out, const char **why)
{
	if (!first->has_address || !digest_equal_bytes(first->address, up->address, sizeof up->address))
		return ingest_refuse(ST_MISMATCH, "this Idempotency-Key was used with another body", why);
	*out = (struct ingest_receipt){ .image = *first, .is_repeat = true };
	metrics_add(METRIC_UPLOADS_REPEATED, 1);
	return ST_OK;
}

static enum status probe(struct ingest_upload *up, struct image_probe *out, const char **why)
{
	enum status st = imaging_probe(body_span(&up->body), out);
	switch (st) {
	case ST_OK: break;
	case ST_UNSUPPORTED: return ingest_refuse(st, "the bytes are in none of the formats taken here", why);
	case ST_TOO_BIG: return ingest_refuse(st, "the picture has too many pixels", why);
	default: return ingest_refuse(ST_INVALID, "the picture's header is broken", why);
	}
	if ((up->collection.row.formats & 1u << out->format) == 0)
		return ingest_refuse(
			ST_UNSUPPORTED, "this collection does not take pictures of this format", why);
	return ST_OK;
}

enum status ingest_accept(struct ingest_upload *up, struct ingest_receipt *out, const char **why)
{
	struct image_probe head;
	if (up->length_wanted > 0 && up->body.len != up->length_wanted)
		return ingest_refuse(ST_INVALID, "the body is shorter than its length", why);
	enum status st = finish_digests(up, why);
	if (st != ST_OK)
		return st;
	if (up->has_first && up->first.expires_at > clock_now_ms(up->in->options.clock))
		return ingest_repeat(up, &up->first, out, why);
	st = probe(up, &head, why);
	if (st == ST_OK)
		st = ingest_keep(up, &head, out, why);
	if (st != ST_OK)
		return st;
	metrics_add(METRIC_UPLOADS, !out->is_repeat);
	metrics_add(METRIC_UPLOAD_BYTES, out->is_repeat ? 0 : up->body.len);
	metrics_add(METRIC_UPLOADS_DUPLICATE, out->is_duplicate);
	return ST_OK;
}
