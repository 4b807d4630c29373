/* log.h - one line per fact on stderr.
 *
 * A line is key=value (or one JSON object, --log-format json): time, level,
 * event, thread, request id, then the fields.  Events are constant
 * "module.noun.verb" strings.  Values are escaped.  Never secrets, image bytes
 * or user text.  A fact is logged once, where it is first seen.
 *
 *   log_event(LOG_WARN, "store.segment.damaged", LOG_U64("segment", n), LOG_TEXT("why", "crc"));
 */
#ifndef DARKROOM_LOG_H
#define DARKROOM_LOG_H

#include "span.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
enum log_type { LOG_END, LOG_TYPE_TEXT, LOG_TYPE_SPAN, LOG_TYPE_I64, LOG_TYPE_U64, LOG_TYPE_STATUS };

struct log_field {
	enum log_type type;
	const char *key;
	const char *text;
	struct span span;
	int64_t i64;
	uint64_t u64;
};

#define LOG_TEXT(k, v) ((struct log_field){ .type = LOG_TYPE_TEXT, .key = (k), .text = (v) })
#define LOG_SPAN(k, v) ((struct log_field){ .type = LOG_TYPE_SPAN, .key = (k), .span = (v) })
#define LOG_I64(k, v) ((struct log_field){ .type = LOG_TYPE_I64, .key = (k), .i64 = (int64_t)(v) })
#define LOG_U64(k, v) ((struct log_field){ .type = LOG_TYPE_U64, .key = (k), .u64 = (uint64_t)(v) })
/* A status as its name. */
#define LOG_STATUS(k, v) ((struct log_field){ .type = LOG_TYPE_STATUS, .key = (k), .i64 = (int64_t)(v) })
/* The present errno as text. */
#define LOG_ERRNO() LOG_TEXT("errno", log_errno_text())

#define log_event(level, event, ...) \
	log_write((level), (event), \
		(const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ .type = LOG_END } })

void log_write(enum log_level level, const char *event, const struct log_field *fields);
void log_configure(enum log_level least, enum log_format format);

/* Tags all lines of this thread until cleared with NULL; borrowed. */
void log_set_request(const char *request_id);

const char *log_errno_text(void);

/* How many lines of at least `level` were written; for tests and metrics. */
uint64_t log_count(enum log_level level);

#endif
