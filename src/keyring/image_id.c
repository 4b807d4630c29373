/* image_id.c - the 25 bytes that name an image.  Big-endian, so that ids of one collection sort by expiry. */
#include "poison.h"

#include "keyring_private.h"

#include "text.h"

/* Not text.h's encoder: that one fills a buffer that may find no memory, and naming an image must not
 * fail. */
void image_id_text(const struct image_id *id, char out[IMAGE_ID_TEXT + 1])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	for (size_t i = 0; i < IMAGE_ID_TEXT; i++) {
		size_t bit = i * 5, byte = bit / 8, shift = bit % 8;
		unsigned pair = (unsigned)id->bytes[byte] << 8;
		if (byte + 1 < IMAGE_ID_BYTES)
			pair |= id->bytes[byte + 1];
		out[i] = digits[(pair >> (11 - shift)) & 31];
	}
	out[IMAGE_ID_TEXT] = 0;
}

enum status image_id_parse(struct span text, struct image_id *out)
{
	struct image_id id;
	if (text.len != IMAGE_ID_TEXT || text_from_base32(text, id.bytes, IMAGE_ID_BYTES) != ST_OK)
		return ST_INVALID;
	if (id.bytes[0] != ID_VERSION)
		return ST_INVALID;
	*out = id;
	return ST_OK;
}

static uint32_t get_big(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

uint32_t image_id_collection(const struct image_id *id)
{
	return get_big(id->bytes + ID_AT_COLLECTION);
}

uint32_t image_id_epoch(const struct image_id *id)
{
	return get_big(id->bytes + ID_AT_EPOCH);
}
