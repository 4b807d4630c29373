/* Request heads.  What is accepted must be what everybody else would read: its parts lie inside the head,
 * nothing in them could end a line or hide a path, and the bytes behind the head change nothing. */
#include "gate_head.h"

#include <string.h>

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct span part, struct span head)
{
	if (part.len == 0) {
		return;
	}
	must(part.data >= head.data);
	must(part.data + part.len <= head.data + head.len);
	must(memchr(part.data, '\r', part.len) == NULL);
	must(memchr(part.data, '\n', part.len) == NULL);
	must(memchr(part.data, 0, part.len) == NULL);
}

static void check_accepted(const struct gate_head *h, struct span head)
{
	size_t hosts = 0, lengths = 0, codings = 0;
	must(h->head_len == head.len);
	must(h->path.len > 0 && h->path.data[0] == '/');
	must(h->target.len <= TARGET_BYTES_MAX);
	must(memmem(h->path.data, h->path.len, "//", 2) == NULL);
	must(memmem(h->path.data, h->path.len, "%00", 3) == NULL);
	must(memmem(h->path.data, h->path.len, "/../", 4) == NULL);
	check_inside(h->method, head);
	check_inside(h->target, head);
	check_inside(h->path, head);
	check_inside(h->query, head);
	for (size_t i = 0; i < h->field_count; i++) {
		check_inside(h->fields[i].name, head);
		check_inside(h->fields[i].value, head);
		hosts += span_equal_nocase(h->fields[i].name, "host");
		lengths += span_equal_nocase(h->fields[i].name, "content-length");
		codings += span_equal_nocase(h->fields[i].name, "transfer-encoding");
	}
	must(hosts == 1);
	must(lengths + codings <= 1);
	must(h->has_length == (lengths == 1));
	must(h->is_chunked == (codings == 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gate_head h, again;
	int http_status = 0;
	const char *why = NULL;
	struct span bytes = span_make(data, size);
	size_t end = gate_head_find_end(bytes);
	must(end <= size);
	enum status st = gate_head_parse(bytes, &h, &http_status, &why);
	if (st != ST_OK) {
		must(http_status >= 400 && http_status <= 505);
		must(why != NULL);
		return 0;
	}
	check_accepted(&h, span_make(data, end));
	must(gate_head_parse(span_make(data, end), &again, &http_status, &why) == ST_OK);
	must(again.field_count == h.field_count && again.content_length == h.content_length);
	return 0;
}
