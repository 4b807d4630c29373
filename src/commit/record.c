/* record.c - the bodies that record.h draws. */
#include "poison.h"

#include "record.h"

#include "field.h"
#include "memory.h"
#include "num.h"
#include "reader.h"

enum { TAG_RENDITION = 32, TAG_PRIVATE = 33 };

#define MEMBER(owner, m) .size = sizeof((owner *)NULL)->m, .offset = offsetof(owner, m)
#define NEED(number, kind, owner, m) \
	{ \
		.tag = (number), .type = FIELD_##kind, MEMBER(struct owner, m) \
	}
#define TEXT_IF(number, owner, m) \
	{ \
		.tag = (number), .type = FIELD_TEXT, .is_optional = true, MEMBER(struct owner, m) \
	}
#define BYTES_IF(number, owner, m, claim) \
	{ \
		.tag = (number), .type = FIELD_BYTES, .is_optional = true, MEMBER(struct owner, m), \
		.presence = offsetof(struct owner, claim) \
	}

static const struct field image_fields[] = {
	NEED(1, U32, record_image, image.collection),
	NEED(2, TEXT, record_image, image.format),
	NEED(3, U64, record_image, image.bytes),
	NEED(4, U32, record_image, image.width),
	NEED(5, U32, record_image, image.height),
	NEED(6, I64, record_image, image.received_at),
	NEED(7, I64, record_image, image.expires_at),
	NEED(8, TEXT, record_image, image.source),
	BYTES_IF(9, record_image, image.uploader, image.has_uploader),
	BYTES_IF(10, record_image, image.idempotency, image.has_idempotency),
	NEED(11, BYTES, record_image, image.address),
	NEED(12, BYTES, record_image, image.blob_id),
	NEED(13, BYTES, record_image, blob_key),
	TEXT_IF(14, record_image, person.file_name),
	TEXT_IF(15, record_image, person.uploader),
};

static const struct field result_fields[] = {
	NEED(1, BOOL, record_result, result.is_good),
	TEXT_IF(2, record_result, result.reason),
	NEED(3, I64, record_result, result.ready_at),
	NEED(4, U32, record_result, result.width),
	NEED(5, U32, record_result, result.height),
	TEXT_IF(6, record_result, result.meta.camera),
	TEXT_IF(7, record_result, result.meta.lens),
	TEXT_IF(8, record_result, result.meta.colour),
	TEXT_IF(9, record_result, result.meta.blurhash),
	NEED(10, REAL, record_result, result.meta.exposure_s),
	NEED(11, REAL, record_result, result.meta.aperture),
	NEED(12, REAL, record_result, result.meta.focal_mm),
	NEED(13, REAL, record_result, result.meta.brightness),
	NEED(14, REAL, record_result, result.meta.sharpness),
	NEED(15, U32, record_result, result.meta.iso),
	NEED(16, I64, record_result, result.meta.taken_at),
	NEED(17, BOOL, record_result, result.meta.has_gps),
};

/* The value of a RENDITION is a list of fields again. */
struct rendition {
	struct catalog_rendition row;
	struct blob_key key;
};
static const struct field rendition_fields[] = {
	NEED(1, TEXT, rendition, row.name),
	NEED(2, TEXT, rendition, row.format),
	NEED(3, U32, rendition, row.width),
	NEED(4, U32, rendition, row.height),
	NEED(5, U64, rendition, row.bytes),
	NEED(6, BYTES, rendition, row.blob_id),
	NEED(7, BYTES, rendition, key),
};
enum { RENDITION_FIELDS_MAX = 256 };

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* --- BLOB --- */

void record_put_blob(const struct record_blob *in, uint8_t out[RECORD_BLOB_HEAD])
{
	memcpy(out, in->blob_id, BLOB_ID_BYTES);
	num_put_u64(out + 16, in->plain_len);
	num_put_u32(out + 24, in->collection);
	num_put_u32(out + 28, 0);
}

enum status record_get_blob(struct span head, uint64_t body_len, struct record_blob *out)
{
	struct reader r = reader_of(span_slice(head, 0, RECORD_BLOB_HEAD));
	reader_copy(&r, out->blob_id, sizeof out->blob_id);
	out->plain_len = reader_u64(&r);
	out->collection = reader_u32(&r);
	uint32_t zero = reader_u32(&r);
	if (!reader_at_end(&r) || zero != 0 || out->collection == 0)
		return ST_CORRUPT;
	/* The bound comes first: the sealed length of a wild number could wrap into a fitting one. */
	if (out->plain_len > body_len || body_len != RECORD_BLOB_HEAD + blob_sealed_len(out->plain_len))
		return ST_CORRUPT;
	return ST_OK;
}

/* --- clear parts --- */

void record_put_image_head(const struct record_clear *in, uint8_t out[RECORD_IMAGE_HEAD])
{
	out[0] = RECORD_BODY_VERSION;
	memcpy(out + 1, in->id, CATALOG_ID);
	memcpy(out + 1 + CATALOG_ID, in->blob_id, BLOB_ID_BYTES);
}

enum status record_get_image_head(struct span body, struct record_clear *out)
{
	struct reader r = reader_of(body);
	uint8_t version = reader_u8(&r);
	reader_copy(&r, out->id, sizeof out->id);
	reader_copy(&r, out->blob_id, sizeof out->blob_id);
	out->sealed = r.rest;
	return reader_ok(&r) && version == RECORD_BODY_VERSION ? ST_OK : ST_CORRUPT;
}

void record_put_result_head(const struct record_clear *in, uint8_t out[RECORD_RESULT_HEAD])
{
	out[0] = RECORD_BODY_VERSION;
	memcpy(out + 1, in->id, CATALOG_ID);
}

enum status record_get_result_head(struct span body, struct record_clear *out)
{
	struct reader r = reader_of(body);
	uint8_t version = reader_u8(&r);
	memset(out, 0, sizeof *out);
	reader_copy(&r, out->id, sizeof out->id);
	out->sealed = r.rest;
	return reader_ok(&r) && version == RECORD_BODY_VERSION ? ST_OK : ST_CORRUPT;
}

/* --- ERASE --- */

void record_put_erase(const struct record_erase *in, uint8_t out[RECORD_ERASE_BODY])
{
	out[0] = RECORD_BODY_VERSION;
	memcpy(out + 1, in->id, CATALOG_ID);
	num_put_u16(out + 26, 0);
	num_put_u32(out + 28, in->target.segment);
	num_put_u32(out + 32, in->target.offset);
	num_put_u32(out + 36, in->target.length);
}

enum status record_get_erase(struct span body, struct record_erase *out)
{
	struct reader r = reader_of(body);
	uint8_t version = reader_u8(&r);
	reader_copy(&r, out->id, sizeof out->id);
	uint16_t zero = reader_u16(&r);
	out->target.segment = reader_u32(&r);
	out->target.offset = reader_u32(&r);
	out->target.length = reader_u32(&r);
	bool is_valid =
		reader_at_end(&r) && version == RECORD_BODY_VERSION && zero == 0 && out->target.length > 0;
	return is_valid ? ST_OK : ST_CORRUPT;
}

/* --- IMAGE --- */

enum status record_put_image(const struct record_image *in, struct buf *out)
{
	return field_put_all(image_fields, COUNT(image_fields), in, out);
}

enum status record_get_image(struct span plain, struct record_image *out)
{
	struct reader r = reader_of(plain);
	memset(out, 0, sizeof *out);
	enum status st = field_get_all(image_fields, COUNT(image_fields), &r, out);
	if (st == ST_OK && !reader_at_end(&r))
		st = ST_CORRUPT;
	if (st != ST_OK)
		memory_wipe(out, sizeof *out);
	out->image.has_address = st == ST_OK;
	out->image.state = CATALOG_RECEIVED;
	out->image.ready_at = -1;
	out->image.meta.taken_at = -1;
	return st;
}

enum status record_join_image(const struct record_clear *clear, struct record_image *io)
{
	struct image_id id;
	struct catalog_image *image = &io->image;
	memcpy(id.bytes, clear->id, sizeof id.bytes);
	if (memcmp(image->blob_id, clear->blob_id, BLOB_ID_BYTES) != 0 ||
		image->collection != image_id_collection(&id))
		return ST_CORRUPT;
	if (image->expires_at <= image->received_at || image->received_at < 0 ||
		keyring_epoch_of(image->expires_at) != image_id_epoch(&id))
		return ST_CORRUPT;
	memcpy(image->id, clear->id, CATALOG_ID);
	image->epoch = image_id_epoch(&id);
	return ST_OK;
}

/* --- RESULT --- */

static enum status put_rendition(
	const struct catalog_rendition *row, const struct blob_key *key, struct buf *out)
{
	struct buf value;
	struct rendition both = { *row, *key };
	buf_init(&value, RENDITION_FIELDS_MAX);
	enum status st = field_put_all(rendition_fields, COUNT(rendition_fields), &both, &value);
	if (st == ST_OK)
		field_put(TAG_RENDITION, value.data, (uint16_t)value.len, out);
	memory_wipe(&both, sizeof both);
	buf_wipe(&value);
	return st;
}

static enum status get_rendition(struct span value, struct catalog_rendition *row, struct blob_key *key)
{
	struct rendition both = { 0 };
	struct reader r = reader_of(value);
	enum status st = field_get_all(rendition_fields, COUNT(rendition_fields), &r, &both);
	if (st == ST_OK && !reader_at_end(&r))
		st = ST_CORRUPT;
	if (st == ST_OK) {
		*row = both.row;
		*key = both.key;
	}
	memory_wipe(&both, sizeof both);
	return st;
}

enum status record_put_result(const struct record_result *in, struct buf *out)
{
	if (in->result.rendition_count > RENDITIONS_MAX)
		return ST_INVALID;
	if (in->private_json.len > RECORD_PRIVATE_MAX)
		return ST_TOO_BIG;
	enum status st = field_put_all(result_fields, COUNT(result_fields), in, out);
	for (size_t i = 0; st == ST_OK && i < in->result.rendition_count; i++)
		st = put_rendition(&in->result.renditions[i], &in->keys[i], out);
	if (st != ST_OK)
		return st;
	if (in->private_json.len > 0)
		field_put(TAG_PRIVATE, in->private_json.data, (uint16_t)in->private_json.len, out);
	return buf_status(out);
}

static enum status get_result(struct reader *r, struct record_result *out)
{
	struct span value;
	size_t *count = &out->result.rendition_count;
	enum status st = field_get_all(result_fields, COUNT(result_fields), r, out);
	while (st == ST_OK && field_get(TAG_RENDITION, r, &value)) {
		st = *count < RENDITIONS_MAX
			     ? get_rendition(value, &out->result.renditions[*count], &out->keys[*count])
			     : ST_CORRUPT;
		*count += st == ST_OK;
	}
	if (st == ST_OK && field_get(TAG_PRIVATE, r, &out->private_json) &&
		(out->private_json.len == 0 || out->private_json.len > RECORD_PRIVATE_MAX))
		st = ST_CORRUPT;
	return st == ST_OK && !reader_at_end(r) ? ST_CORRUPT : st;
}

enum status record_get_result(struct span plain, struct record_result *out)
{
	struct reader r = reader_of(plain);
	memset(out, 0, sizeof *out);
	enum status st = get_result(&r, out);
	if (st != ST_OK)
		memory_wipe(out, sizeof *out);
	return st;
}
