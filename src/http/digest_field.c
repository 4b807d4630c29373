/* digest_field.c - reads one member of the dictionary: sha-256=:base64: */
#include "poison.h"

#include "digest_field.h"

#include "text.h"

static enum status read_member(struct span value, uint8_t out[32])
{
	size_t len = 0;
	if (value.len < 2 || value.data[0] != ':' || value.data[value.len - 1] != ':')
		return ST_INVALID;
	if (text_from_base64(span_slice(value, 1, value.len - 2), out, 32, &len) != ST_OK)
		return ST_INVALID;
	return len == 32 ? ST_OK : ST_INVALID;
}

enum status digest_field_sha256(const struct gate_head *head, uint8_t out[32])
{
	struct span rest = gate_head_field(head, "repr-digest");
	if (rest.len == 0)
		rest = gate_head_field(head, "content-digest");
	while (rest.len > 0) {
		size_t comma = span_find(rest, ',');
		struct span member = span_trim(span_slice(rest, 0, comma));
		size_t equals = span_find(member, '=');
		if (span_equal_nocase(span_slice(member, 0, equals), "sha-256"))
			return read_member(span_slice(member, equals + 1, member.len), out);
		rest = span_slice(rest, comma + 1, rest.len);
	}
	return ST_NOT_FOUND;
}
