#include "poison.h"

#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>

#include "buf.h"
#include "clock.h"
#include "text.h"
#include "thread.h"

/* A line is built on the stack, so that a process without memory can still say so.  Below PIPE_BUF a
 * write to a pipe is whole, so that lines of two threads or processes never mix. */
enum { LINE_MAX_BYTES = 4096, TAIL_ROOM = 32 };

static atomic_int least_level = LOG_INFO;
static atomic_int line_format = LOG_FORMAT_TEXT;
static atomic_ullong counts[LOG_ERROR + 1];
static _Thread_local const char *request;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

struct line {
	struct buf buf;
	bool is_json;
	bool is_cut;
};

static void put_key(struct line *l, const char *key)
{
	struct buf *b = &l->buf;
	if (l->is_json) {
		buf_put_text(b, b->len > 1 ? ",\"" : "\"");
		buf_put_json(b, span_of(key));
		buf_put_text(b, "\":");
	} else {
		buf_put_text(b, b->len > 0 ? " " : "");
		buf_put_text(b, key);
		buf_put_byte(b, '=');
	}
}

static void put_value(struct line *l, struct span value)
{
	if (l->is_json) {
		buf_put_byte(&l->buf, '"');
		buf_put_json(&l->buf, value);
		buf_put_byte(&l->buf, '"');
	} else {
		buf_put_log(&l->buf, value);
	}
}

/* A field that does not fit is left out whole: half an escape would break the line. */
static void end_field(struct line *l, size_t before)
{
	if (!buf_ok(&l->buf)) {
		l->buf.len = before;
		l->buf.is_failed = false;
		l->is_cut = true;
	}
}

static void put_pair(struct line *l, const char *key, struct span value)
{
	size_t before = l->buf.len;
	put_key(l, key);
	put_value(l, value);
	end_field(l, before);
}

static void put_number(struct line *l, const struct log_field *field)
{
	size_t before = l->buf.len;
	put_key(l, field->key);
	if (field->type == LOG_TYPE_I64) {
		buf_put_decimal(&l->buf, field->i64);
	} else {
		buf_printf(&l->buf, "%" PRIu64, field->u64);
	}
	end_field(l, before);
}

static void put_field(struct line *l, const struct log_field *field)
{
	switch (field->type) {
	case LOG_TYPE_TEXT: put_pair(l, field->key, span_of(field->text ? field->text : "(none)")); break;
	case LOG_TYPE_SPAN: put_pair(l, field->key, field->span); break;
	case LOG_TYPE_STATUS: put_pair(l, field->key, span_of(status_name((enum status)field->i64))); break;
	case LOG_TYPE_I64:
	case LOG_TYPE_U64: put_number(l, field); break;
	case LOG_END: break;
	}
}

static void put_head(struct line *l, enum log_level level, const char *event)
{
	char time[TEXT_TIME_MAX];
	text_time(clock_wall_ms(), time);
	if (l->is_json) {
		buf_put_byte(&l->buf, '{');
	}
	put_pair(l, "time", span_of(time));
	put_pair(l, "level", span_of(level_names[level]));
	put_pair(l, "event", span_of(event));
	put_pair(l, "thread", span_of(thread_name()));
	if (request) {
		put_pair(l, "request", span_of(request));
	}
}

/* The room for this was kept back, so it always fits. */
static void put_tail(struct line *l)
{
	l->buf.max += TAIL_ROOM;
	if (l->is_cut) {
		buf_put_text(&l->buf, l->is_json ? ",\"cut\":true" : " cut=true");
	}
	buf_put_text(&l->buf, l->is_json ? "}\n" : "\n");
}

static void write_line(struct span line)
{
	while (line.len > 0) {
		ssize_t written = write(STDERR_FILENO, line.data, line.len);
		if (written < 0 && errno != EINTR) {
			return;
		}
		line = span_slice(line, written > 0 ? (size_t)written : 0, line.len);
	}
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	uint8_t room[LINE_MAX_BYTES];
	int saved = errno;
	if ((int)level < atomic_load(&least_level)) {
		return;
	}
	/* The capacity is above the maximum from the start, so the buf never allocates and is never freed. */
	struct line l = {
		.buf = { .data = room, .capacity = sizeof room, .max = sizeof room - TAIL_ROOM - 1 },
		.is_json = atomic_load(&line_format) == LOG_FORMAT_JSON,
	};
	put_head(&l, level, event);
	for (const struct log_field *field = fields; field->type != LOG_END; field++) {
		put_field(&l, field);
	}
	put_tail(&l);
	write_line(buf_span(&l.buf));
	(void)atomic_fetch_add(&counts[level], 1);
	errno = saved;
}

void log_configure(enum log_level least, enum log_format format)
{
	atomic_store(&least_level, (int)least);
	atomic_store(&line_format, (int)format);
}

void log_set_request(const char *request_id)
{
	request = request_id;
}

const char *log_errno_text(void)
{
	static _Thread_local char text[128];
	int saved = errno;
	const char *said = strerror_r(saved, text, sizeof text);
	errno = saved;
	return said;
}

uint64_t log_count(enum log_level level)
{
	uint64_t total = 0;
	for (int at = (int)level; at <= LOG_ERROR; at++) {
		total += atomic_load(&counts[at]);
	}
	return total;
}
