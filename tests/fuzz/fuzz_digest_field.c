/* fuzz_digest_field.c - Repr-Digest and Content-Digest: a digest that is taken stands there, written in the
 * one way that gives it. */
#include "http/digest_field.h"

#include <string.h>

#include "buf.h"
#include "must.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_written_in(struct span text, const uint8_t digest[32])
{
	struct buf member;
	buf_init(&member, 64);
	buf_put_byte(&member, ':');
	text_put_base64(&member, span_make(digest, 32));
	buf_put_byte(&member, ':');
	must(buf_ok(&member));
	bool is_there = text.len > 0 && memmem(text.data, text.len, member.data, member.len);
	buf_fini(&member);
	return is_there;
}

/* A request as the gate would hand it on; the input's first byte says which field, the rest is its value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gate_head head;
	struct buf text;
	uint8_t digest[32];
	int http_status = 0;
	const char *why = NULL;
	if (size == 0 || size > HEAD_BYTES_MAX / 2)
		return 0;
	struct span value = span_make(data + 1, size - 1);
	buf_init(&text, HEAD_BYTES_MAX);
	buf_printf(&text, "POST /v1/images HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n%s: ",
		data[0] & 1 ? "Repr-Digest" : "Content-Digest");
	buf_put(&text, value.data, value.len);
	buf_put_text(&text, "\r\n\r\n");
	must(buf_ok(&text));
	if (gate_head_parse(buf_span(&text), &head, &http_status, &why) == ST_OK) {
		enum status st = digest_field_sha256(&head, digest);
		must(st == ST_OK || st == ST_INVALID || st == ST_NOT_FOUND);
		must(st != ST_OK || is_written_in(value, digest));
	}
	buf_fini(&text);
	return 0;
}
