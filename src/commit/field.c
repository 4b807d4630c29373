/* field.c - the tagged values of record.h. */
#include "poison.h"

#include "field.h"

#include <math.h>

#include "must.h"
#include "num.h"

enum { NUMBER_BYTES_MAX = 8 };

void field_put(uint8_t tag, const void *value, uint16_t len, struct buf *out)
{
	buf_put_byte(out, tag);
	buf_put_u16(out, len);
	buf_put(out, value, len);
}

bool field_get(uint8_t tag, struct reader *r, struct span *value)
{
	if (r->is_failed || r->rest.len == 0 || r->rest.data[0] != tag)
		return false;
	(void)reader_u8(r);
	*value = reader_bytes(r, reader_u16(r));
	return reader_ok(r);
}

static size_t wire_len(const struct field *f)
{
	switch ((enum field_type)f->type) {
	case FIELD_U32: return 4;
	case FIELD_U64:
	case FIELD_I64:
	case FIELD_REAL: return 8;
	case FIELD_BOOL: return 1;
	case FIELD_BYTES:
	case FIELD_TEXT: return f->size;
	}
	return 0;
}

/* A number's bytes as they go on disk; false when the format cannot hold it. */
static bool number_to_wire(const struct field *f, const uint8_t *member, uint8_t out[NUMBER_BYTES_MAX])
{
	uint32_t narrow;
	uint64_t wide;
	double real;
	bool claim;
	switch ((enum field_type)f->type) {
	case FIELD_U32:
		memcpy(&narrow, member, sizeof narrow);
		num_put_u32(out, narrow);
		return true;
	case FIELD_BOOL:
		memcpy(&claim, member, sizeof claim);
		out[0] = claim;
		return true;
	case FIELD_REAL:
		memcpy(&real, member, sizeof real);
		memcpy(&wide, &real, sizeof wide);
		num_put_u64(out, wide);
		return isfinite(real);
	default:
		memcpy(&wide, member, sizeof wide);
		num_put_u64(out, wide);
		return true;
	}
}

static bool number_from_wire(const struct field *f, const uint8_t *in, uint8_t *member)
{
	uint32_t narrow;
	uint64_t wide;
	double real;
	switch ((enum field_type)f->type) {
	case FIELD_U32:
		narrow = num_get_u32(in);
		memcpy(member, &narrow, sizeof narrow);
		return true;
	case FIELD_BOOL: member[0] = in[0] == 1; return in[0] <= 1;
	case FIELD_REAL:
		wide = num_get_u64(in);
		memcpy(&real, &wide, sizeof real);
		memcpy(member, &real, sizeof real);
		return isfinite(real);
	default:
		wide = num_get_u64(in);
		memcpy(member, &wide, sizeof wide);
		return true;
	}
}

static bool is_present(const struct field *f, const void *from)
{
	bool claim;
	const uint8_t *base = from;
	if (!f->is_optional)
		return true;
	if (f->type == FIELD_TEXT)
		return base[f->offset] != 0;
	memcpy(&claim, base + f->presence, sizeof claim);
	return claim;
}

static enum status put_one(const struct field *f, const uint8_t *member, struct buf *out)
{
	uint8_t number[NUMBER_BYTES_MAX];
	if (f->type == FIELD_TEXT) {
		size_t len = strnlen((const char *)member, f->size);
		if (len == 0 || len == f->size)
			return ST_INVALID;
		field_put(f->tag, member, (uint16_t)len, out);
		return ST_OK;
	}
	if (f->type == FIELD_BYTES) {
		field_put(f->tag, member, f->size, out);
		return ST_OK;
	}
	if (!number_to_wire(f, member, number))
		return ST_INVALID;
	field_put(f->tag, number, (uint16_t)wire_len(f), out);
	return ST_OK;
}

enum status field_put_all(const struct field *table, size_t count, const void *from, struct buf *out)
{
	enum status st = ST_OK;
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		must(i == 0 || table[i].tag > table[i - 1].tag);
		if (is_present(&table[i], from))
			st = put_one(&table[i], (const uint8_t *)from + table[i].offset, out);
	}
	return st == ST_OK ? buf_status(out) : st;
}

static bool get_one(const struct field *f, struct span value, uint8_t *base)
{
	uint8_t *member = base + f->offset;
	if (f->type == FIELD_TEXT)
		return value.len > 0 && span_to_text(value, (char *)member, f->size) == ST_OK;
	if (value.len != wire_len(f))
		return false;
	if (f->is_optional)
		base[f->presence] = true;
	if (f->type != FIELD_BYTES)
		return number_from_wire(f, value.data, member);
	memcpy(member, value.data, f->size);
	return true;
}

enum status field_get_all(const struct field *table, size_t count, struct reader *r, void *to)
{
	for (size_t i = 0; i < count; i++) {
		struct span value;
		bool is_there = field_get(table[i].tag, r, &value);
		if (!is_there && (!table[i].is_optional || !reader_ok(r)))
			return ST_CORRUPT;
		if (is_there && !get_one(&table[i], value, to))
			return ST_CORRUPT;
	}
	return ST_OK;
}
