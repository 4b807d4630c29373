/* Keyring slots, heads and image ids.  What is taken must be exactly what the encoder would have
 * written: there is one way only to write a slot, so nothing can hide in it. */
#include "keyring.h"

#include <string.h>

#include "digest.h"
#include "must.h"
#include "num.h"

#include "../../src/keyring/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_slot(const uint8_t bytes[SLOT_BYTES])
{
	struct slot s;
	uint8_t again[SLOT_BYTES];
	uint32_t index = num_get_u32(bytes + 12);
	format_get_slot(bytes, index % KEYRING_SLOTS, bytes + 16, &s);
	must(s.state <= SLOT_TORN);
	if (s.state == SLOT_TORN)
		return;
	must(index < KEYRING_SLOTS);
	must(s.state == SLOT_EMPTY ? s.epoch == 0 : s.epoch % KEYRING_SLOTS == index);
	format_put_slot(&s, index, bytes + 16, again);
	must(memcmp(bytes, again, SLOT_BYTES) == 0);
}

static void check_head(const uint8_t bytes[SLOT_BLOCK_BYTES])
{
	struct keyring_head head, second;
	uint8_t again[SLOT_BLOCK_BYTES];
	if (format_get_keyring_head(bytes, &head) != ST_OK)
		return;
	format_put_keyring_head(&head, again);
	must(format_get_keyring_head(again, &second) == ST_OK);
	must(memcmp(&head, &second, sizeof head) == 0);
}

static void check_id(struct span text)
{
	struct image_id id;
	char again[IMAGE_ID_TEXT + 1];
	if (image_id_parse(text, &id) != ST_OK)
		return;
	image_id_text(&id, again);
	must(span_equal_text(text, again));
}

static void put_crc(uint8_t *bytes, size_t len)
{
	num_put_u32(bytes + len - 4, digest_crc32c(0, span_make(bytes, len - 4)));
}

/* Once as it is, once with the checksum made right, or nothing would ever get past it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t block[SLOT_BLOCK_BYTES];
	memset(block, 0, sizeof block);
	if (size > 0)
		memcpy(block, data, num_min(size, sizeof block));
	check_id(span_make(data, size));
	check_slot(block);
	check_head(block);
	put_crc(block, SLOT_BYTES);
	check_slot(block);
	put_crc(block, SLOT_BLOCK_BYTES);
	check_head(block);
	return 0;
}
