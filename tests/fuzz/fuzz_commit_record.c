/* fuzz_commit_record.c - bodies of records as a hostile or hurt disk might give them.
 *
 * The first byte chooses the decoder.  Whatever decodes must encode to the very
 * bytes it came from. */
#include "../../src/commit/record.h"

#include "memory.h"
#include "must.h"
#include "span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_image(struct span plain)
{
	static struct record_image out;
	struct buf again;
	if (record_get_image(plain, &out) != ST_OK)
		return;
	buf_init(&again, RECORD_SEALED_MAX);
	must(record_put_image(&out, &again) == ST_OK);
	must(span_equal(buf_span(&again), plain));
	buf_fini(&again);
}

static void check_result(struct span plain)
{
	static struct record_result out;
	struct buf again;
	if (record_get_result(plain, &out) != ST_OK)
		return;
	must(out.result.rendition_count <= RENDITIONS_MAX);
	buf_init(&again, RECORD_SEALED_MAX);
	must(record_put_result(&out, &again) == ST_OK);
	must(span_equal(buf_span(&again), plain));
	buf_fini(&again);
}

static void check_erase(struct span body)
{
	struct record_erase out;
	uint8_t again[RECORD_ERASE_BODY];
	if (record_get_erase(body, &out) != ST_OK)
		return;
	record_put_erase(&out, again);
	must(span_equal(span_make(again, sizeof again), body));
}

static void check_heads(struct span body)
{
	struct record_blob blob;
	struct record_clear clear;
	uint8_t again[RECORD_IMAGE_HEAD];
	if (record_get_blob(body, body.len, &blob) == ST_OK) {
		must(body.len == RECORD_BLOB_HEAD + blob_sealed_len(blob.plain_len));
		record_put_blob(&blob, again);
		must(span_equal(span_make(again, RECORD_BLOB_HEAD), span_slice(body, 0, RECORD_BLOB_HEAD)));
	}
	if (record_get_image_head(body, &clear) == ST_OK) {
		record_put_image_head(&clear, again);
		must(span_equal(span_make(again, RECORD_IMAGE_HEAD), span_slice(body, 0, RECORD_IMAGE_HEAD)));
		must(clear.sealed.len == body.len - RECORD_IMAGE_HEAD);
	}
	if (record_get_result_head(body, &clear) == ST_OK)
		must(clear.sealed.len == body.len - RECORD_RESULT_HEAD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > RECORD_SEALED_MAX)
		return 0;
	struct span rest = span_make(data + 1, size - 1);
	switch (data[0] % 4) {
	case 0: check_image(rest); break;
	case 1: check_result(rest); break;
	case 2: check_erase(rest); break;
	default: check_heads(rest); break;
	}
	return 0;
}
