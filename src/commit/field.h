/* field.h - tagged values between bytes and a struct, driven by one table for both ways.
 *
 * A table lists the fields of one struct by ascending tag; record.h draws the
 * encoding.  Decoding walks the table, so order, repetition, missing and unknown
 * fields need no code of their own.
 */
#ifndef DARKROOM_COMMIT_FIELD_H
#define DARKROOM_COMMIT_FIELD_H

#include "buf.h"
#include "reader.h"
#include "status.h"

enum field_type { FIELD_U32, FIELD_U64, FIELD_I64, FIELD_REAL, FIELD_BOOL, FIELD_BYTES, FIELD_TEXT };

struct field {
	uint8_t tag;
	uint8_t type;      /* enum field_type */
	bool is_optional;  /* TEXT: left out when empty; others: by `presence` */
	uint16_t size;     /* of the member: room of a text with its NUL, length of bytes */
	uint16_t offset;   /* of the member in the struct */
	uint16_t presence; /* offset of the bool that says an optional value is there */
};

/* Appends the fields of *from.  INVALID: a text without end, or a number that is not finite. */
enum status field_put_all(
	const struct field *table, size_t count, const void *from, struct buf *out) MUST_CHECK;
/* Appends one value of `len` bytes under `tag`; at most 65,535. */
void field_put(uint8_t tag, const void *value, uint16_t len, struct buf *out);

/* Takes the table's fields off `r` into the zeroed *to; what follows stays in `r`.  CORRUPT. */
enum status field_get_all(const struct field *table, size_t count, struct reader *r, void *to) MUST_CHECK;
/* True if `tag` is next; then its value is taken and lent.  CORRUPT shows as reader failure. */
bool field_get(uint8_t tag, struct reader *r, struct span *value);

#endif
