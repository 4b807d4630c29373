/* commit_read.c - opening what commit_write.c sealed. */
#include "poison.h"

#include "inside.h"

#include "memory.h"

enum { BODY_MAX = RECORD_SEALED_MAX + RECORD_IMAGE_HEAD + SEAL_OVERHEAD };

/* A segment that was dropped while we looked held nothing alive any more. */
static enum status gone_if_dropped(enum status st)
{
	return st == ST_NOT_FOUND ? ST_GONE : st;
}

static enum status open_image_seal(
	struct image_key *key, const struct record_clear *clear, struct record_image *out)
{
	struct buf plain;
	buf_init(&plain, RECORD_SEALED_MAX);
	enum status st = image_key_open(key, "image", clear->sealed, &plain);
	if (st == ST_OK)
		st = record_get_image(buf_span(&plain), out);
	if (st == ST_OK)
		st = record_join_image(clear, out);
	buf_wipe(&plain);
	return st;
}

enum status commit_unseal_image(
	struct commit *c, struct record_parts parts, struct image_key **key, struct record_image *out)
{
	struct record_clear clear;
	struct image_id id;
	struct image_key *opened = NULL;
	enum status st = record_get_image_head(parts.body, &clear);
	memcpy(id.bytes, clear.id, sizeof id.bytes);
	if (st == ST_OK && (parts.key.len != WRAPPED_KEY_BYTES || !keyring_is_genuine(c->keyring, &id)))
		st = ST_CORRUPT;
	if (st == ST_OK)
		st = keyring_open_image(c->keyring, &id, parts.key.data, &opened);
	if (st == ST_OK)
		st = open_image_seal(opened, &clear, out);
	if (st == ST_OK) {
		*key = opened;
		return ST_OK;
	}
	image_key_release(opened);
	memory_wipe(out, sizeof *out);
	return st;
}

enum status commit_unseal_result(
	struct image_key *key, struct span body, struct buf *plain, struct record_result *out)
{
	struct record_clear clear;
	enum status st = record_get_result_head(body, &clear);
	if (st == ST_OK)
		st = image_key_open(key, "result", clear.sealed, plain);
	if (st == ST_OK)
		st = record_get_result(buf_span(plain), out);
	memcpy(out->result.id, clear.id, CATALOG_ID);
	return st;
}

enum status commit_image_key(struct commit *c, const struct catalog_image *image, struct image_key **out)
{
	struct store_head head;
	struct image_id id;
	memcpy(id.bytes, image->id, sizeof id.bytes);
	enum status st =
		store_read_head(commit_store(c, CATALOG_ORIGINALS), place_of(image->record_at), &head);
	if (st != ST_OK)
		return gone_if_dropped(st);
	if (head.kind != RECORD_IMAGE || head.key_len != WRAPPED_KEY_BYTES)
		return ST_CORRUPT;
	return keyring_open_image(c->keyring, &id, head.key, out);
}

enum status commit_open_image(struct commit *c, const struct catalog_image *image, struct commit_opened *out)
{
	struct store_head head;
	struct buf body;
	struct record_image *what = memory_alloc(sizeof *what);
	memset(out, 0, sizeof *out);
	if (!what)
		return ST_FULL;
	buf_init(&body, BODY_MAX);
	enum status st = store_read_checked(
		commit_store(c, CATALOG_ORIGINALS), place_of(image->record_at), &head, &body);
	st = gone_if_dropped(st);
	if (st == ST_OK && head.kind != RECORD_IMAGE)
		st = ST_CORRUPT;
	if (st == ST_OK)
		st = commit_unseal_image(c,
			(struct record_parts){ span_make(head.key, head.key_len), buf_span(&body) },
			&out->key, what);
	if (st == ST_OK && memcmp(what->image.id, image->id, CATALOG_ID) != 0)
		st = ST_CORRUPT;
	if (st == ST_OK) {
		out->blob_key = what->blob_key;
		out->person = what->person;
	} else {
		commit_opened_fini(out);
	}
	memory_wipe(what, sizeof *what);
	memory_free(what);
	buf_fini(&body);
	return st;
}

void commit_opened_fini(struct commit_opened *o)
{
	image_key_release(o->key);
	memory_wipe(o, sizeof *o);
}

static void copy_result(const struct record_result *from, struct commit_opened_result *out)
{
	out->rendition_count = from->result.rendition_count;
	for (size_t i = 0; i < out->rendition_count; i++) {
		const struct catalog_rendition *row = &from->result.renditions[i];
		memcpy(out->renditions[i].name, row->name, sizeof row->name);
		memcpy(out->renditions[i].blob_id, row->blob_id, sizeof row->blob_id);
		out->renditions[i].key = from->keys[i];
	}
	buf_put_span(&out->private_json, from->private_json);
}

static enum status open_result(struct commit *c, const struct catalog_image *image, struct image_key *key,
	struct commit_opened_result *out)
{
	struct store_head head;
	struct buf body, plain;
	struct record_result *what = memory_alloc(sizeof *what);
	if (!what)
		return ST_FULL;
	buf_init(&body, BODY_MAX);
	buf_init(&plain, RECORD_SEALED_MAX);
	enum status st = store_read_checked(
		commit_store(c, CATALOG_PROCESSED), place_of(image->result_at), &head, &body);
	st = gone_if_dropped(st);
	if (st == ST_OK && head.kind != RECORD_RESULT)
		st = ST_CORRUPT;
	if (st == ST_OK)
		st = commit_unseal_result(key, buf_span(&body), &plain, what);
	if (st == ST_OK && memcmp(what->result.id, image->id, CATALOG_ID) != 0)
		st = ST_CORRUPT;
	if (st == ST_OK) {
		copy_result(what, out);
		st = buf_status(&out->private_json);
	}
	memory_wipe(what, sizeof *what);
	memory_free(what);
	buf_fini(&body);
	buf_wipe(&plain);
	return st;
}

enum status commit_open_result(struct commit *c, const struct catalog_image *image, struct image_key *key,
	struct commit_opened_result *out)
{
	memset(out, 0, sizeof *out);
	buf_init(&out->private_json, RECORD_PRIVATE_MAX);
	enum status st = image->result_at.length == 0 ? ST_NOT_FOUND : open_result(c, image, key, out);
	if (st != ST_OK)
		commit_opened_result_fini(out);
	return st;
}

void commit_opened_result_fini(struct commit_opened_result *o)
{
	buf_wipe(&o->private_json);
	memory_wipe(o, sizeof *o);
}

enum status commit_read_blob(
	struct commit *c, int store, struct catalog_place at, uint64_t from, uint8_t *out, size_t len)
{
	if (from > UINT32_MAX)
		return ST_CORRUPT;
	enum status st =
		store_read_body(commit_store(c, store), place_of(at), RECORD_BLOB_HEAD + from, out, len);
	return gone_if_dropped(st);
}
