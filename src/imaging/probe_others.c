#include "poison.h"

#include "probe.h"

#include "bytes.h"

/* Which bit depths each colour type may have, as bits (PNG 3rd edition, table 12). */
static const uint32_t png_depths[7] = {
	[0] = 1u << 1 | 1u << 2 | 1u << 4 | 1u << 8 | 1u << 16,
	[2] = 1u << 8 | 1u << 16,
	[3] = 1u << 1 | 1u << 2 | 1u << 4 | 1u << 8,
	[4] = 1u << 8 | 1u << 16,
	[6] = 1u << 8 | 1u << 16,
};

enum status imaging_probe_png(struct span head, struct image_probe *out)
{
	enum { IHDR_LEN = 13, IHDR_AT = 16 };
	if (!bytes_has(head, 8, 8 + IHDR_LEN + 4) || bytes_big32(head, 8) != IHDR_LEN ||
		!bytes_are(head, 12, "IHDR")) {
		return ST_INVALID;
	}
	const uint8_t *rest =
		head.data + IHDR_AT + 8; /* depth, colour type, compression, filter, interlace */
	if (rest[1] > 6 || rest[0] > 16 || !(png_depths[rest[1]] >> rest[0] & 1)) {
		return ST_INVALID;
	}
	if (rest[2] != 0 || rest[3] != 0 || rest[4] > 1) {
		return ST_INVALID;
	}
	out->width = bytes_big32(head, IHDR_AT);
	out->height = bytes_big32(head, IHDR_AT + 4);
	return ST_OK;
}

/* Key frame header, RFC 6386 9.1. */
static enum status probe_vp8(struct span chunk, struct image_probe *out)
{
	if (!bytes_has(chunk, 0, 10) || chunk.data[0] & 1 || memcmp(chunk.data + 3, "\x9d\x01\x2a", 3) != 0) {
		return ST_INVALID;
	}
	out->width = bytes_little16(chunk, 6) & 0x3fff;
	out->height = bytes_little16(chunk, 8) & 0x3fff;
	return ST_OK;
}

/* Lossless header, RFC 9649 3.4: signature, 14 and 14 bits of size minus one, alpha hint, version 0. */
static enum status probe_vp8l(struct span chunk, struct image_probe *out)
{
	if (!bytes_has(chunk, 0, 5) || chunk.data[0] != 0x2f || chunk.data[4] >> 5 != 0) {
		return ST_INVALID;
	}
	uint32_t bits = bytes_little32(chunk, 1);
	out->width = (bits & 0x3fff) + 1;
	out->height = (bits >> 14 & 0x3fff) + 1;
	return ST_OK;
}

static enum status probe_vp8x(struct span chunk, struct image_probe *out)
{
	if (!bytes_has(chunk, 0, 10)) {
		return ST_INVALID;
	}
	out->width = bytes_little24(chunk, 4) + 1;
	out->height = bytes_little24(chunk, 7) + 1;
	return ST_OK;
}

enum status imaging_probe_webp(struct span head, struct image_probe *out)
{
	enum { CHUNK_AT = 20 };
	if (!bytes_has(head, 0, CHUNK_AT)) {
		return ST_INVALID;
	}
	uint32_t riff_len = bytes_little32(head, 4), chunk_len = bytes_little32(head, 16);
	if (riff_len < 12 || chunk_len > riff_len - 12) {
		return ST_INVALID;
	}
	struct span chunk = span_slice(head, CHUNK_AT, chunk_len);
	if (bytes_are(head, 12, "VP8 ")) {
		return probe_vp8(chunk, out);
	}
	if (bytes_are(head, 12, "VP8L")) {
		return probe_vp8l(chunk, out);
	}
	return bytes_are(head, 12, "VP8X") ? probe_vp8x(chunk, out) : ST_INVALID;
}

enum status imaging_probe_gif(struct span head, struct image_probe *out)
{
	if (!bytes_has(head, 0, 13)) {
		return ST_INVALID;
	}
	out->width = bytes_little16(head, 6);
	out->height = bytes_little16(head, 8);
	return ST_OK;
}

/* The header of OS/2 1.x: 16-bit sides. */
static void bmp_core_size(struct span head, struct image_probe *out)
{
	out->width = bytes_little16(head, 18);
	out->height = bytes_little16(head, 20);
}

/* Windows headers: signed sides, a negative height means that rows run from the top. */
static enum status bmp_info_size(struct span head, struct image_probe *out)
{
	int32_t width = (int32_t)bytes_little32(head, 18), height = (int32_t)bytes_little32(head, 22);
	uint32_t compression = bytes_little32(head, 30);
	if (width <= 0 || height == 0 || height == INT32_MIN) {
		return ST_INVALID;
	}
	out->width = (uint32_t)width;
	out->height = (uint32_t)(height < 0 ? -height : height);
	return compression == 0 || compression == 3 ? ST_OK : ST_UNSUPPORTED;
}

static bool is_bmp_depth(uint16_t bits)
{
	return bits == 1 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32;
}

enum status imaging_probe_bmp(struct span head, struct image_probe *out)
{
	enum { HEADER_AT = 14, CORE_LEN = 12, INFO_LEN = 40, V4_LEN = 108, V5_LEN = 124 };
	uint32_t len = bytes_little32(head, HEADER_AT);
	if (!bytes_has(head, HEADER_AT, CORE_LEN) || len < CORE_LEN || !bytes_has(head, HEADER_AT, len)) {
		return ST_INVALID;
	}
	if (len != CORE_LEN && len != INFO_LEN && len != 56 && len != V4_LEN && len != V5_LEN) {
		return ST_UNSUPPORTED;
	}
	size_t planes_at = len == CORE_LEN ? 22 : 26;
	if (bytes_little16(head, planes_at) != 1 || !is_bmp_depth(bytes_little16(head, planes_at + 2))) {
		return ST_INVALID;
	}
	if (len == CORE_LEN) {
		bmp_core_size(head, out);
		return ST_OK;
	}
	return bmp_info_size(head, out);
}
