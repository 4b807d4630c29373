/* fuzz_parameters.c - query strings: what is taken is clean, and the same when every byte is encoded. */
#include "http/request.h"

#include <string.h>

#include "buf.h"
#include "must.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = { "collection", "limit", "from", "id" };

static void init(struct request *rq, struct gate_head *head, struct span query)
{
	memset(head, 0, sizeof *head);
	head->query = query;
	*rq = (struct request){ .head = head, .arena = arena_new(KIB(64)) };
	must(rq->arena);
}

/* "name=%XX%XX…" must give `value` back. */
static void check_encoded(const char *name, struct span value)
{
	static struct gate_head head;
	struct request rq;
	struct buf query;
	struct span again;
	buf_init(&query, KIB(16));
	buf_printf(&query, "x=%%41&%s=", name);
	for (size_t i = 0; i < value.len; i++)
		buf_printf(&query, "%%%02X", value.data[i]);
	must(buf_ok(&query));
	init(&rq, &head, buf_span(&query));
	must(request_parameter(&rq, name, &again) == ST_OK);
	must(span_equal(value, again));
	arena_free(rq.arena);
	buf_fini(&query);
}

static void check_one(struct request *rq, const char *name)
{
	struct span value;
	uint64_t number = 0;
	int64_t time = 0;
	enum status st = request_parameter(rq, name, &value);
	if (st == ST_OK) {
		must(text_is_clean_utf8(value) && value.len <= rq->head->query.len);
		check_encoded(name, value);
	} else {
		must(st == ST_NOT_FOUND || (st == ST_INVALID && rq->why));
	}
	enum status numbered = request_number(rq, name, 500, &number);
	enum status timed = request_time(rq, name, &time);
	must(number <= 500);
	must(st == ST_OK ? numbered != ST_NOT_FOUND && timed != ST_NOT_FOUND : numbered == st && timed == st);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gate_head head;
	struct request rq;
	if (size > TARGET_BYTES_MAX)
		return 0;
	init(&rq, &head, span_make(data, size));
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		check_one(&rq, names[i]);
	arena_free(rq.arena);
	return 0;
}
