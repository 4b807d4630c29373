/* num.h - arithmetic on numbers that came from outside, and bytes as numbers.
 *
 * A number from disk, wire or user is added and multiplied only here: each
 * helper says false instead of wrapping.  All formats are little-endian.
 */
#ifndef DARKROOM_NUM_H
#define DARKROOM_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool num_add(size_t a, size_t b, size_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}
static inline bool num_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}
static inline bool num_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}
static inline bool num_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

static inline uint64_t num_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}
static inline uint64_t num_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Up to the next multiple of `align`, a power of two; saturates at its largest multiple. */
static inline uint64_t num_align(uint64_t value, uint64_t align)
{
	return value > UINT64_MAX - (align - 1) ? UINT64_MAX & ~(align - 1)
						: (value + align - 1) & ~(align - 1);
}

static inline uint16_t num_get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t num_get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t num_get_u64(const uint8_t *p)
{
	return (uint64_t)num_get_u32(p) | (uint64_t)num_get_u32(p + 4) << 32;
}
static inline void num_put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}
static inline void num_put_u32(uint8_t *p, uint32_t v)
{
	num_put_u16(p, (uint16_t)v);
	num_put_u16(p + 2, (uint16_t)(v >> 16));
}
static inline void num_put_u64(uint8_t *p, uint64_t v)
{
	num_put_u32(p, (uint32_t)v);
	num_put_u32(p + 4, (uint32_t)(v >> 32));
}

#endif
