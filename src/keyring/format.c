/* format.c - slots and heads as bytes. */
#include "poison.h"

#include "format.h"

#include "digest.h"
#include "must.h"
#include "num.h"

enum {
	AT_MAGIC = 0,
	AT_VERSION = 4,
	AT_STATE = 5,
	AT_EPOCH = 8,
	AT_INDEX = 12,
	AT_ROOT = 16,
	AT_WRAPPED = 24
};
enum {
	AT_HEAD_VERSION = 8,
	AT_HEAD_SLOTS = 12,
	AT_HEAD_EPOCH_MS = 16,
	AT_HEAD_DIRECTORY = 24,
	AT_HEAD_ROOT = 40
};
enum { FORMAT_VERSION = 1, CRC_BYTES = 4 };

static const uint8_t slot_magic[4] = { 'D', 'R', 'S', 'L' };
static const uint8_t head_magic[8] = { 'D', 'R', 'K', 'E', 'Y', 'S', '1', '\n' };

static uint32_t crc_of(const uint8_t *bytes, size_t len)
{
	return digest_crc32c(0, span_make(bytes, len));
}

void format_put_slot(
	const struct slot *s, uint32_t index, const uint8_t root_id[ROOT_ID_BYTES], uint8_t out[SLOT_BYTES])
{
	must(s->state <= SLOT_DESTROYED);
	memset(out, 0, SLOT_BYTES);
	memcpy(out + AT_MAGIC, slot_magic, sizeof slot_magic);
	out[AT_VERSION] = FORMAT_VERSION;
	out[AT_STATE] = (uint8_t)s->state;
	num_put_u32(out + AT_EPOCH, s->epoch);
	num_put_u32(out + AT_INDEX, index);
	memcpy(out + AT_ROOT, root_id, ROOT_ID_BYTES);
	if (s->state == SLOT_LIVE)
		memcpy(out + AT_WRAPPED, s->wrapped, SLOT_WRAPPED);
	num_put_u32(out + SLOT_BYTES - CRC_BYTES, crc_of(out, SLOT_BYTES - CRC_BYTES));
}

static bool belongs_here(const struct slot *s, uint32_t index)
{
	if (s->state == SLOT_EMPTY)
		return s->epoch == 0;
	return s->state <= SLOT_DESTROYED && s->epoch != 0 && s->epoch % KEYRING_SLOTS == index;
}

/* Encoding what was read and comparing all of it leaves no byte unchecked: a destroyed slot has no room
 * to hide a key in. */
void format_get_slot(
	const uint8_t in[SLOT_BYTES], uint32_t index, const uint8_t root_id[ROOT_ID_BYTES], struct slot *out)
{
	uint8_t again[SLOT_BYTES];
	memset(out, 0, sizeof *out);
	out->state = in[AT_STATE] <= SLOT_DESTROYED ? (enum slot_state)in[AT_STATE] : SLOT_TORN;
	out->epoch = num_get_u32(in + AT_EPOCH);
	if (out->state == SLOT_LIVE)
		memcpy(out->wrapped, in + AT_WRAPPED, SLOT_WRAPPED);
	if (belongs_here(out, index)) {
		format_put_slot(out, index, root_id, again);
		if (memcmp(in, again, SLOT_BYTES) == 0)
			return;
	}
	memset(out, 0, sizeof *out);
	out->state = SLOT_TORN;
}

void format_put_keyring_head(const struct keyring_head *h, uint8_t out[SLOT_BLOCK_BYTES])
{
	memset(out, 0, SLOT_BLOCK_BYTES);
	memcpy(out, head_magic, sizeof head_magic);
	num_put_u32(out + AT_HEAD_VERSION, FORMAT_VERSION);
	num_put_u32(out + AT_HEAD_SLOTS, h->slots);
	num_put_u32(out + AT_HEAD_EPOCH_MS, h->epoch_ms);
	memcpy(out + AT_HEAD_DIRECTORY, h->directory_id, DIRECTORY_ID_BYTES);
	memcpy(out + AT_HEAD_ROOT, h->root_id, ROOT_ID_BYTES);
	num_put_u32(out + SLOT_BLOCK_BYTES - CRC_BYTES, crc_of(out, SLOT_BLOCK_BYTES - CRC_BYTES));
}

enum status format_get_keyring_head(const uint8_t in[SLOT_BLOCK_BYTES], struct keyring_head *out)
{
	uint32_t crc = crc_of(in, SLOT_BLOCK_BYTES - CRC_BYTES);
	if (memcmp(in, head_magic, sizeof head_magic) != 0 ||
		num_get_u32(in + SLOT_BLOCK_BYTES - CRC_BYTES) != crc)
		return ST_CORRUPT;
	if (num_get_u32(in + AT_HEAD_VERSION) != FORMAT_VERSION)
		return ST_UNSUPPORTED;
	out->slots = num_get_u32(in + AT_HEAD_SLOTS);
	out->epoch_ms = num_get_u32(in + AT_HEAD_EPOCH_MS);
	memcpy(out->directory_id, in + AT_HEAD_DIRECTORY, DIRECTORY_ID_BYTES);
	memcpy(out->root_id, in + AT_HEAD_ROOT, ROOT_ID_BYTES);
	return ST_OK;
}
