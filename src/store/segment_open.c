#include "poison.h"
#include "store_private.h"

#include "clock.h"
#include "file.h"
#include "log.h"
#include "must.h"
#include "num.h"
#include "random.h"

void store_publish_end(struct store *st, uint64_t begin, uint64_t end, uint64_t sequence)
{
	st->open.end = end;
	lock_acquire(&st->inbox);
	st->end = (struct position){ st->open.number, (uint32_t)end, sequence };
	st->end_begin = (uint32_t)begin;
	lock_release(&st->inbox);
}

/* The predecessor's end and what the applier wants kept; the bytes stay as they are until the next call. */
static struct span take_state(struct store *st)
{
	lock_acquire(&st->inbox);
	num_put_u32(st->state_taken, st->end.segment);
	num_put_u32(st->state_taken + 4, st->end.offset);
	num_put_u64(st->state_taken + 8, st->end.sequence);
	size_t len = STATE_BODY_BYTES + st->state_len;
	if (st->state_len > 0) {
		memcpy(st->state_taken + STATE_BODY_BYTES, st->state, st->state_len);
	}
	lock_release(&st->inbox);
	return span_make(st->state_taken, len);
}

static enum status write_head_block(struct store *st, const struct open_segment *s)
{
	uint8_t bytes[64];
	struct segment_head head = {
		.store_number = st->options.store_number,
		.number = s->number,
		.generation = s->generation,
		.created_ms = clock_wall_ms(),
	};
	memcpy(head.directory_id, st->options.directory_id, sizeof head.directory_id);
	format_put_segment_head(&head, bytes);
	store_stage_begin(st, 0);
	enum status status = store_stage_put(st, s->fd, span_make(bytes, sizeof bytes));
	return status == ST_OK ? store_stage_flush(st, s->fd) : status;
}

static enum status write_first_batch(
	struct store *st, struct open_segment *s, struct span state, uint64_t sequence)
{
	struct batch_maker maker = {
		.fd = s->fd,
		.generation = s->generation,
		.sequence = sequence,
		.begin = SEGMENT_HEAD_BYTES,
		.at = SEGMENT_HEAD_BYTES,
	};
	struct store_record record = { .kind = RECORD_STATE, .body = { state } };
	record.body_crc = store_body_crc(&record);
	store_stage_begin(st, maker.at);
	enum status status = store_make_record(st, &maker, &record);
	if (status == ST_OK) {
		status = store_make_commit(st, &maker);
	}
	s->end = maker.at;
	return status;
}

/* A name that exists was left by an attempt that failed and could not be removed: numbers above the
 * newest are free. */
static enum status create_file(struct store *st, uint32_t number, int *fd)
{
	char name[SEGMENT_NAME_BYTES];
	unsigned flags = FILE_WRITE | FILE_CREATE | FILE_DIRECT;
	enum status status = store_segment_open(st, number, flags, fd);
	if (status != ST_EXISTS) {
		return status;
	}
	store_segment_name(number, name);
	status = file_unlink(st->options.dir_fd, name);
	return status == ST_OK ? store_segment_open(st, number, flags, fd) : status;
}

static enum status reserve(struct open_segment *s)
{
	enum status status = file_allocate(s->fd, 0, s->capacity);
	return status == ST_UNSUPPORTED ? ST_OK : status;
}

static enum status make_segment(
	struct store *st, struct open_segment *s, struct span state, uint64_t sequence)
{
	enum status status = create_file(st, s->number, &s->fd);
	if (status == ST_OK) {
		status = random_bytes(&s->generation, sizeof s->generation);
		s->generation |= s->generation == 0;
	}
	if (status == ST_OK) {
		status = reserve(s);
	}
	if (status == ST_OK) {
		status = write_head_block(st, s);
	}
	if (status == ST_OK) {
		status = write_first_batch(st, s, state, sequence);
	}
	if (status == ST_OK) {
		status = file_sync(s->fd);
	}
	return status == ST_OK ? file_sync(st->options.dir_fd) : status;
}

/* Nothing was acknowledged from it; if even this fails, the next attempt or the next start removes it. */
static void abandon(struct store *st, struct open_segment *s)
{
	char name[SEGMENT_NAME_BYTES];
	if (s->fd < 0) {
		return;
	}
	file_close(&s->fd);
	store_segment_name(s->number, name);
	if (file_unlink(st->options.dir_fd, name) != ST_OK) {
		log_event(LOG_WARN, "store.segment.left", LOG_TEXT("store", st->options.name),
			LOG_U64("segment", s->number));
	}
}

enum status store_segment_begin(struct store *st, uint64_t need)
{
	struct span state = take_state(st);
	uint64_t first = SEGMENT_HEAD_BYTES + store_batch_bytes(format_record_bytes(0, state.len));
	uint64_t sequence = st->end.sequence + 1;
	struct open_segment s = {
		.fd = -1,
		.number = st->newest + 1,
		.capacity = num_max(st->options.segment_bytes, first + need),
		.born_ms = clock_monotonic_ms(),
	};
	enum status status = make_segment(st, &s, state, sequence);
	if (status != ST_OK) {
		log_event(LOG_WARN, "store.segment.refused", LOG_TEXT("store", st->options.name),
			LOG_U64("segment", s.number), LOG_STATUS("status", status));
		abandon(st, &s);
		return status;
	}
	must(s.end == first);
	store_segment_end(st);
	st->open = s;
	lock_acquire(&st->inbox);
	st->open_number = st->newest = s.number;
	lock_release(&st->inbox);
	store_publish_end(st, SEGMENT_HEAD_BYTES, s.end, sequence);
	log_event(LOG_INFO, "store.segment.opened", LOG_TEXT("store", st->options.name),
		LOG_U64("segment", s.number));
	return ST_OK;
}

/* Without the cut the file keeps blocks that it does not need, nothing worse: behind its end are zeros. */
void store_segment_end(struct store *st)
{
	if (st->open.fd < 0) {
		return;
	}
	if (file_truncate(st->open.fd, st->open.end) != ST_OK) {
		log_event(LOG_WARN, "store.segment.uncut", LOG_TEXT("store", st->options.name),
			LOG_U64("segment", st->open.number));
	}
	file_close(&st->open.fd);
	lock_acquire(&st->inbox);
	st->open_number = 0;
	lock_release(&st->inbox);
}

void store_segment_seal(struct store *st)
{
	struct open_segment *s = &st->open;
	if (s->fd < 0) {
		return;
	}
	struct batch_maker maker = {
		.fd = s->fd,
		.generation = s->generation,
		.sequence = st->end.sequence + 1,
		.begin = s->end,
		.at = s->end,
	};
	store_stage_begin(st, maker.at);
	if (store_make_commit(st, &maker) == ST_OK && file_sync_data(s->fd) == ST_OK) {
		store_publish_end(st, maker.begin, maker.at, maker.sequence);
	}
	store_segment_end(st);
}
