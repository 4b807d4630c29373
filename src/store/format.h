/* format.h - segment files, byte by byte.  Version 1.  Little-endian throughout.
 *
 * A store directory holds segment files named by their number, eight lower-case
 * hex digits and ".seg": "00000001.seg".  Numbers only grow; a file that was
 * dropped leaves a gap.
 *
 *   segment := head block, batch, batch, ...     (each begins on a 4,096-byte block)
 *   batch   := record, record, ..., COMMIT record, zero padding to the next block
 *   record  := head (48 bytes), key area (0 or 60 bytes), body, zero padding to 8 bytes
 *
 * Head block (4,096 bytes, zero where nothing is drawn):
 *    0  8  magic "DRSEG1\r\n"          detects text-mode and version mistakes
 *    8  4  version, 1
 *   12  1  store number                originals 1, processed 2
 *   13  3  zero
 *   16  4  segment number              equals the file's name
 *   20  4  zero
 *   24  8  generation                  random; every record of the segment repeats it
 *   32  8  created, ms since 1970 UTC, trusted time or wall time: for people, never for decisions
 *   40 16  data directory id           equal in all files of one data directory
 *   56  4  zero
 *   60  4  CRC32C of bytes 0..59
 *
 * Record head (48 bytes):
 *    0  4  magic "DRR1"
 *    4  1  version, 1
 *    5  1  kind                        enum record_kind
 *    6  2  key area length             0 or 60
 *    8  8  generation                  the segment's
 *   16  8  sequence                    the batch's number; grows by one from batch to batch across segments
 *   24  4  index                       of this record in its batch, from 0
 *   28  4  body length
 *   32  4  CRC32C of the body
 *   36  4  offset of this head in the segment
 *   40  4  zero
 *   44  4  CRC32C of bytes 0..43
 *
 * The key area stands outside both checksums: an early erase overwrites it in
 * place.  It is guarded by the AEAD tag that it ends with.
 *
 * COMMIT body (32 bytes):
 *    0  8  sequence
 *    8  4  offset of the batch's first head
 *   12  4  number of records before the COMMIT
 *   16  4  CRC32C over the heads (48 bytes each) of those records, in order
 *   20  4  zero
 *   24  8  end of the batch: offset of the next block
 *
 * STATE body: the first record of the first batch of every segment:
 *    0  4  predecessor's segment number, 0 for the first ever
 *    4  4  predecessor's end offset (of its last synced batch)
 *    8  8  predecessor's last sequence
 *   16  .  what the applier asked to be kept (store_set_state): offsets, chain heads
 *
 * An empty batch (a COMMIT alone, 0 records) is the seal of a clean stop: with it, damage to the last
 * acknowledged batch cannot be taken for a torn tail.
 *
 * A batch is valid if and only if: it begins on a block boundary; its records
 * follow each other without a gap; every head's CRC, magic, version, generation,
 * offset and index are right; all share one sequence, one more than the valid
 * batch before it (in this segment, or in the predecessor as STATE says); and a
 * COMMIT ends it whose fields all agree.  Bodies' checksums are not part of
 * this: the body of a dead record may have been punched.
 *
 * A batch at the log's very end is torn, hence void, if it is not valid or if one
 * of its bodies disagrees with its checksum and no valid batch with a higher
 * sequence follows, and no later segment file exists (a segment is begun only
 * between synced batches).  A batch without a valid COMMIT was never acknowledged.
 * Invalid bytes before a valid batch with a higher sequence are damage: they are
 * reported, kept, and what follows is still read (every block boundary is tried).
 * At most one batch is ever in flight: a sound head behind the end whose sequence
 * is not the next one proves damage too, and such a tail is never cut.
 *
 * For that last check no body of the log's last synced batch is ever punched.
 *
 * A segment whose head block is damaged is read with the generation of its first
 * sound record head.  A newest segment without any valid batch was being made
 * when the process died if nothing but zeros lies behind the room of its STATE
 * batch (STATE_BYTES_MAX): it is removed; otherwise it is damage.  A closed
 * segment ends where its successor's STATE says: what is missing before is
 * damage, and so is what is not zero behind.
 *
 * A batch found valid at start may never have been synced (the process died in
 * between): the file is synced before anything is built on it.
 *
 * Why a torn batch can't pass as whole: the bytes of a fresh segment are zeros
 * (fallocate, no reuse of files), each head is bound to its place and generation,
 * and the last batch's bodies are checked.
 */
#ifndef DARKROOM_STORE_FORMAT_H
#define DARKROOM_STORE_FORMAT_H

#include "limits.h"
#include "store.h"

enum {
	SEGMENT_HEAD_BYTES = 4096,
	RECORD_HEAD_BYTES = 48,
	RECORD_ALIGN = 8,
	COMMIT_BODY_BYTES = 32,
	STATE_BODY_BYTES = 16
};

struct segment_head {
	uint8_t store_number;
	uint32_t number;
	uint64_t generation;
	int64_t created_ms;
	uint8_t directory_id[16];
};
struct record_head {
	uint8_t kind;
	uint16_t key_len;
	uint64_t generation, sequence;
	uint32_t index, body_len, body_crc, offset;
};
struct commit_body {
	uint64_t sequence, end;
	uint32_t begin, record_count, heads_crc;
};

/* Encoders write exactly their size.  Decoders: CORRUPT unless every rule above that concerns the bytes
 * alone holds. */
void format_put_segment_head(const struct segment_head *h, uint8_t out[64]);
enum status format_get_segment_head(const uint8_t in[64], struct segment_head *out) MUST_CHECK;
void format_put_record_head(const struct record_head *h, uint8_t out[RECORD_HEAD_BYTES]);
enum status format_get_record_head(const uint8_t in[RECORD_HEAD_BYTES], struct record_head *out) MUST_CHECK;
void format_put_commit(const struct commit_body *c, uint8_t out[COMMIT_BODY_BYTES]);
enum status format_get_commit(const uint8_t in[COMMIT_BODY_BYTES], struct commit_body *out) MUST_CHECK;

/* Head, key area and body with their padding. */
uint64_t format_record_bytes(uint16_t key_len, uint64_t body_len);

#endif
