/* Chunked bodies.  The verdict does not depend on how the bytes arrive; nothing behind the body is taken. */
#include "gate_head.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct verdict {
	enum status st;
	size_t used;
	bool is_done;
	uint64_t data_bytes;
};

static struct verdict follow(struct span raw, size_t step)
{
	struct gate_chunks c = { 0 };
	struct verdict v = { .st = ST_OK };
	while (v.used < raw.len && !v.is_done && v.st == ST_OK) {
		struct span piece = span_slice(raw, v.used, step);
		size_t used;
		v.st = gate_chunks_feed(&c, piece, &used, &v.is_done);
		must(used <= piece.len);
		must(used == piece.len || v.is_done || v.st != ST_OK);
		v.used += used;
	}
	must((gate_chunks_wanted(&c) == 0) == (v.is_done && v.st == ST_OK));
	v.data_bytes = c.data_bytes;
	return v;
}

/* The gate's own way to read: never more than is wanted. */
static struct verdict follow_wanted(struct span raw)
{
	struct gate_chunks c = { 0 };
	struct verdict v = { .st = ST_OK };
	size_t wanted;
	while (v.used < raw.len && v.st == ST_OK && (wanted = gate_chunks_wanted(&c)) > 0) {
		struct span piece = span_slice(raw, v.used, wanted);
		size_t used;
		v.st = gate_chunks_feed(&c, piece, &used, &v.is_done);
		must(used == piece.len || v.st != ST_OK);
		v.used += used;
	}
	v.data_bytes = c.data_bytes;
	return v;
}

static void check_same(struct verdict a, struct verdict b)
{
	must(a.st == b.st);
	must(a.used == b.used);
	must(a.is_done == b.is_done);
	must(a.data_bytes == b.data_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span raw = span_make(data, size);
	struct verdict whole = follow(raw, size + 1);
	must(whole.data_bytes <= whole.used);
	check_same(whole, follow(raw, 1));
	check_same(whole, follow(raw, 3));
	check_same(whole, follow_wanted(raw));
	return 0;
}
