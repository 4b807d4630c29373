/* commit_write.c - one image, one result, one erase: sealed by the caller's thread, committed, answered. */
#include "poison.h"

#include "inside.h"

#include "memory.h"
#include "must.h"

/* The fields are bounded far below RECORD_SEALED_MAX: a buffer that failed found no memory. */
static enum status full_if_big(enum status st)
{
	return st == ST_TOO_BIG ? ST_FULL : st;
}

static enum status seal_image(struct image_key *key, const struct record_image *what, struct buf *sealed)
{
	struct buf plain;
	buf_init(&plain, RECORD_SEALED_MAX);
	enum status st = record_put_image(what, &plain);
	if (st == ST_OK)
		st = image_key_seal(key, "image", buf_span(&plain), sealed);
	buf_wipe(&plain);
	return full_if_big(st);
}

static enum status seal_result(struct image_key *key, const struct record_result *what, struct buf *sealed)
{
	struct buf plain;
	buf_init(&plain, RECORD_SEALED_MAX);
	enum status st = record_put_result(what, &plain);
	if (st == ST_OK)
		st = image_key_seal(key, "result", buf_span(&plain), sealed);
	buf_wipe(&plain);
	return full_if_big(st);
}

static void add_blob(
	struct pending *p, const struct record_blob *blob, struct span sealed, uint8_t head[RECORD_BLOB_HEAD])
{
	size_t i = pending_add(p, RECORD_BLOB, CATALOG_ADD_BLOB);
	record_put_blob(blob, head);
	must(sealed.len == blob_sealed_len(blob->plain_len));
	p->records[i].body[0] = span_make(head, RECORD_BLOB_HEAD);
	p->records[i].body[1] = sealed;
	memcpy(p->blobs[i].blob_id, blob->blob_id, BLOB_ID_BYTES);
	p->blobs[i].collection = blob->collection;
	p->blobs[i].bytes = blob->plain_len;
}

/* A new content: its BLOB stands right before its IMAGE. */
static void add_content(struct pending *p, const struct commit_upload *in, uint8_t head[RECORD_BLOB_HEAD])
{
	struct record_blob blob = { .plain_len = in->image.bytes, .collection = in->image.collection };
	memcpy(blob.blob_id, in->image.blob_id, BLOB_ID_BYTES);
	add_blob(p, &blob, in->blob_sealed, head);
	p->blobs[0].has_address = true;
	memcpy(p->blobs[0].address, in->address, sizeof in->address);
}

enum status commit_image(struct commit *c, const struct commit_upload *in, struct commit_answer *answer)
{
	uint8_t blob_head[RECORD_BLOB_HEAD], image_head[RECORD_IMAGE_HEAD];
	struct record_image what = { .image = in->image, .blob_key = in->blob_key, .person = in->person };
	struct record_clear clear = { 0 };
	struct buf sealed;
	struct pending *p = pending_new();
	buf_init(&sealed, RECORD_SEALED_MAX);
	what.image.has_address = true;
	memcpy(what.image.address, in->address, sizeof in->address);
	enum status st = p ? seal_image(in->key, &what, &sealed) : ST_FULL;
	if (st != ST_OK)
		goto out;
	if (in->blob_sealed.len > 0)
		add_content(p, in, blob_head);
	size_t i = pending_add(p, RECORD_IMAGE, CATALOG_ADD_IMAGE);
	memcpy(clear.id, in->image.id, sizeof clear.id);
	memcpy(clear.blob_id, in->image.blob_id, sizeof clear.blob_id);
	record_put_image_head(&clear, image_head);
	p->image = what.image;
	p->records[i].key = span_make(in->wrapped, sizeof in->wrapped);
	p->records[i].body[0] = span_make(image_head, sizeof image_head);
	p->records[i].body[1] = buf_span(&sealed);
	st = commit_submit(c, CATALOG_ORIGINALS, p);
	if (st == ST_OK)
		*answer = (struct commit_answer){ p->changes[i].is_void, p->changes[i].image_number };
out:
	memory_wipe(&what, sizeof what);
	buf_fini(&sealed);
	pending_free(p);
	return st;
}

static enum status seal_result_of(const struct commit_result_in *in, struct buf *sealed)
{
	struct record_result *what = memory_alloc(sizeof *what);
	if (!what)
		return ST_FULL;
	what->result = in->result;
	what->result.rendition_count = in->rendition_count;
	what->private_json = in->private_json;
	for (size_t i = 0; i < in->rendition_count; i++) {
		what->result.renditions[i] = in->renditions[i].row;
		what->keys[i] = in->renditions[i].key;
	}
	enum status st = seal_result(in->key, what, sealed);
	memory_wipe(what, sizeof *what);
	memory_free(what);
	return st;
}

static void add_renditions(
	struct pending *p, const struct commit_result_in *in, uint8_t heads[RENDITIONS_MAX][RECORD_BLOB_HEAD])
{
	struct image_id id;
	memcpy(id.bytes, in->id, sizeof id.bytes);
	for (size_t i = 0; i < in->rendition_count; i++) {
		const struct commit_rendition *r = &in->renditions[i];
		struct record_blob blob = { .plain_len = r->row.bytes,
			.collection = image_id_collection(&id) };
		memcpy(blob.blob_id, r->row.blob_id, BLOB_ID_BYTES);
		add_blob(p, &blob, r->sealed, heads[i]);
		p->result.renditions[i] = r->row;
	}
	p->result.rendition_count = in->rendition_count;
}

enum status commit_result(struct commit *c, const struct commit_result_in *in)
{
	uint8_t heads[RENDITIONS_MAX][RECORD_BLOB_HEAD], result_head[RECORD_RESULT_HEAD];
	struct record_clear clear = { 0 };
	struct buf sealed;
	must(in->rendition_count <= RENDITIONS_MAX);
	if (in->private_json.len > RECORD_PRIVATE_MAX)
		return ST_TOO_BIG;
	struct pending *p = pending_new();
	buf_init(&sealed, RECORD_SEALED_MAX);
	enum status st = p ? seal_result_of(in, &sealed) : ST_FULL;
	if (st != ST_OK)
		goto out;
	p->result = in->result;
	memcpy(p->result.id, in->id, CATALOG_ID);
	add_renditions(p, in, heads);
	size_t i = pending_add(p, RECORD_RESULT, CATALOG_ADD_RESULT);
	memcpy(clear.id, in->id, sizeof clear.id);
	record_put_result_head(&clear, result_head);
	p->records[i].body[0] = span_make(result_head, sizeof result_head);
	p->records[i].body[1] = buf_span(&sealed);
	st = commit_submit(c, CATALOG_PROCESSED, p);
	if (st == ST_OK && p->changes[i].is_void)
		st = ST_GONE;
out:
	buf_fini(&sealed);
	pending_free(p);
	return st;
}

/* Readers are cut once the ERASE is durable and applied, and before the caller hears of it.  Earlier would
 * tell them that the image is gone, and a crash could still bring it back. */
enum status commit_erase(struct commit *c, const uint8_t id[CATALOG_ID])
{
	uint8_t body[RECORD_ERASE_BODY];
	struct image_id revoked;
	struct catalog_image image;
	enum status st = catalog_find_image(c->catalog, id, &image);
	if (st != ST_OK)
		return st;
	struct pending *p = pending_new();
	if (!p)
		return ST_FULL;
	memcpy(p->erase.id, id, sizeof p->erase.id);
	p->erase.target = place_of(image.record_at);
	record_put_erase(&p->erase, body);
	size_t i = pending_add(p, RECORD_ERASE, CATALOG_ERASE_IMAGE);
	p->records[i].body[0] = span_make(body, sizeof body);
	st = commit_submit(c, CATALOG_ORIGINALS, p);
	if (st == ST_OK) {
		memcpy(revoked.bytes, id, sizeof revoked.bytes);
		keyring_revoke(c->keyring, &revoked);
	}
	if (st == ST_OK && p->changes[i].is_void)
		st = ST_NOT_FOUND;
	pending_free(p);
	return st;
}
