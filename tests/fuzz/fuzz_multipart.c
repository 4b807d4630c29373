/* fuzz_multipart.c - forms: the same parts come out however the bytes arrive, and no more than came in. */
#include "http/multipart.h"

#include <string.h>

#include "digest.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first line of the input is the Content-Type, the rest is the body. */
struct input {
	struct span type, body;
};

struct outcome {
	struct digest said;
	uint64_t data_len;
	enum multipart_event last;
};

static void tell(struct digest_stream *s, struct span text)
{
	digest_update(s, text);
	digest_update(s, SPAN_LIT("\n"));
}

static void check_part(const struct multipart *m, struct digest_stream *said)
{
	must(strnlen(m->name, sizeof m->name) < sizeof m->name);
	must(strnlen(m->file_name, sizeof m->file_name) < sizeof m->file_name);
	tell(said, span_of(m->name));
	tell(said, span_of(m->file_name));
}

/* False: the body is at its end. */
static bool feed(struct multipart *m, struct span *body, size_t step)
{
	size_t room = 0;
	uint8_t *to = multipart_room(m, &room);
	must(room > 0);
	size_t len = step < room ? step : room;
	len = len < body->len ? len : body->len;
	if (len > 0)
		memcpy(to, body->data, len);
	multipart_fed(m, len);
	*body = span_slice(*body, len, body->len);
	return len > 0;
}

static struct outcome follow(struct input in, size_t step)
{
	static struct multipart m;
	struct outcome o = { .last = MULTIPART_BAD };
	struct digest_stream *said = digest_begin();
	bool goes_on = multipart_init(&m, in.type) == ST_OK;
	must(said);
	while (goes_on) {
		o.last = multipart_next(&m);
		if (o.last == MULTIPART_PART) {
			check_part(&m, said);
		} else if (o.last == MULTIPART_DATA) {
			must(m.data.len > 0);
			o.data_len += m.data.len;
			digest_update(said, m.data);
		} else if (o.last == MULTIPART_PART_END) {
			tell(said, SPAN_LIT("."));
		} else {
			goes_on = o.last == MULTIPART_MORE && feed(&m, &in.body, step);
		}
	}
	must(o.last != MULTIPART_BAD || m.why || in.body.len > 0 || o.data_len == 0);
	o.said = digest_end(said);
	return o;
}

static void check_same(struct outcome a, struct outcome b)
{
	must(a.last == b.last);
	/* What a refused form said before is of no account: nothing of it is kept. */
	if (a.last == MULTIPART_BAD)
		return;
	must(a.last != MULTIPART_END || a.data_len == b.data_len);
	must(a.last != MULTIPART_END || memcmp(a.said.bytes, b.said.bytes, sizeof a.said.bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_make(data, size);
	size_t line = span_find(all, '\n');
	struct input in = { span_slice(all, 0, line), span_slice(all, line + 1, all.len) };
	if (digest_init() != ST_OK)
		return 0;
	struct outcome whole = follow(in, size + 1);
	must(whole.data_len <= in.body.len);
	check_same(whole, follow(in, 1));
	check_same(whole, follow(in, 7));
	return 0;
}
