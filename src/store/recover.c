#include "poison.h"
#include "store_private.h"

#include "file.h"
#include "log.h"
#include "memory.h"
#include "num.h"

/* Where a segment's sound batches end. */
struct tail {
	bool is_found;          /* there is a valid batch */
	struct position end;    /* behind the last one */
	uint64_t begin;         /* where that one begins */
	bool is_void;           /* that one is torn in a body, if nothing was begun after it */
	struct position before; /* and what would be the end without the last */
	uint64_t before_begin;
	bool is_damaged; /* what lies behind is no torn tail */
};

/* Follows the batches of one file up to its last valid one. */
static enum status find_tail(struct walk *w, struct tail *t)
{
	uint64_t at = SEGMENT_HEAD_BYTES;
	bool are_last_sound = true;
	*t = (struct tail){ .is_found = false };
	for (;;) {
		struct walk_batch batch;
		struct walk_gap gap;
		enum status status = store_walk_batch(w, at, &batch);
		if (status == ST_OK && (!t->is_found || batch.sequence > t->end.sequence)) {
			t->before = t->end;
			t->before_begin = t->begin;
			t->end = (struct position){ w->segment, (uint32_t)batch.end, batch.sequence };
			t->begin = batch.begin;
			t->is_found = true;
			are_last_sound = batch.are_bodies_sound;
			at = batch.end;
			continue;
		}
		if (status != ST_OK && status != ST_CORRUPT) {
			return status;
		}
		status = store_walk_find(w, at, w->size, t->end.sequence, &gap);
		if (status != ST_OK) {
			return status;
		}
		if (gap.is_found) {
			at = gap.end;
			continue;
		}
		t->is_damaged = t->is_found && gap.sequence_seen > t->end.sequence + 1;
		t->is_void = t->is_found && !are_last_sound && gap.sequence_seen <= t->end.sequence;
		return ST_OK;
	}
}

/* A file that was never used holds at most its head and its STATE batch: no other batch begins, and
 * zeros are behind. */
static enum status is_untouched(struct walk *w, bool *out)
{
	struct walk_gap gap;
	uint64_t room = SEGMENT_HEAD_BYTES +
			store_batch_bytes(format_record_bytes(0, STATE_BODY_BYTES + STATE_BYTES_MAX));
	room = num_min(room, w->size);
	enum status status = store_walk_find(w, SEGMENT_HEAD_BYTES + BLOCK_BYTES, room, UINT64_MAX, &gap);
	*out = status == ST_OK && gap.sequence_seen == 0;
	if (*out) {
		status = store_walk_find(w, room, w->size, UINT64_MAX, &gap);
		*out = status == ST_OK && gap.is_zero;
	}
	return status;
}

static enum status remove_unused(struct store *st, uint32_t number)
{
	char name[SEGMENT_NAME_BYTES];
	store_segment_name(number, name);
	log_event(LOG_INFO, "store.segment.unmade", LOG_TEXT("store", st->options.name),
		LOG_U64("segment", number));
	enum status status = file_unlink(st->options.dir_fd, name);
	return status == ST_OK ? file_sync(st->options.dir_fd) : status;
}

/* Cuts the file behind `end` if it is longer; what is left is on disk then.  What was found may never have
 * been synced by the process that wrote it. */
static enum status cut(struct store *st, uint32_t number, uint64_t end)
{
	int fd = -1;
	uint64_t size = 0;
	enum status status = store_segment_open(st, number, FILE_WRITE, &fd);
	if (status == ST_OK) {
		status = file_size(fd, &size);
	}
	if (status == ST_OK && size > end) {
		status = file_truncate(fd, end);
	}
	if (status == ST_OK) {
		status = file_sync(fd);
	}
	file_close(&fd);
	return status;
}

/* The process died after the newest segment was made and before the one ahead of it gave back its tail. */
static enum status cut_predecessor(struct store *st, struct walk *newest)
{
	struct position before;
	struct walk walk;
	struct walk_gap gap;
	enum status status = store_walk_predecessor(newest, &before);
	if (status != ST_OK || before.segment == 0) {
		return status == ST_CORRUPT ? ST_OK : status;
	}
	status = store_walk_open(st, before.segment, &walk);
	if (status != ST_OK) {
		return status == ST_NOT_FOUND ? ST_OK : status;
	}
	if (walk.size > before.offset) {
		status = store_walk_find(&walk, before.offset, walk.size, UINT64_MAX, &gap);
		if (status == ST_OK && gap.is_zero) {
			status = cut(st, before.segment, before.offset);
		}
	}
	store_walk_close(&walk);
	return status;
}

/* The end of the log is in this segment. */
static enum status take_tail(struct store *st, struct walk *w, const struct tail *t, bool is_newest)
{
	bool is_void = t->is_void && is_newest;
	struct position end = is_void ? t->before : t->end;
	enum status status;
	if (t->is_damaged) {
		log_event(LOG_ERROR, "store.tail.damaged", LOG_TEXT("store", st->options.name),
			LOG_U64("segment", w->segment), LOG_U64("from", end.offset));
		status = cut(st, w->segment, UINT64_MAX);
	} else {
		if (w->size > end.offset) {
			log_event(LOG_INFO, "store.tail.cut", LOG_TEXT("store", st->options.name),
				LOG_U64("segment", w->segment), LOG_U64("from", end.offset),
				LOG_U64("bytes", w->size - end.offset));
		}
		status = cut(st, w->segment, end.offset);
		w->size = num_min(w->size, end.offset);
	}
	if (status == ST_OK) {
		st->end = end;
		st->end_begin = (uint32_t)(is_void ? t->before_begin : t->begin);
		status = cut_predecessor(st, w);
	}
	return status;
}

/* One segment, from the newest down.  *is_end: the log's end is known now. */
static enum status recover_segment(struct store *st, uint32_t number, bool *is_newest, bool *is_end)
{
	struct walk walk;
	struct tail tail;
	bool is_unused = false;
	enum status status = store_walk_open(st, number, &walk);
	if (status != ST_OK) {
		return status;
	}
	status = find_tail(&walk, &tail);
	if (status != ST_OK) {
		goto out;
	}
	/* Its first batch alone, torn in its body, is one that was being made too, if nothing else was
	 * written. */
	bool is_first_void = tail.is_void && tail.before.sequence == 0;
	if (*is_newest && (!tail.is_found || is_first_void)) {
		status = is_untouched(&walk, &is_unused);
	}
	if (status == ST_OK && tail.is_found && !is_unused) {
		*is_end = true;
		status = take_tail(st, &walk, &tail, *is_newest && !is_first_void);
		goto out;
	}
	if (status == ST_OK && is_unused) {
		status = remove_unused(st, number);
	} else if (status == ST_OK) {
		st->newest = st->newest ? st->newest : number;
		log_event(LOG_ERROR, "store.segment.damaged", LOG_TEXT("store", st->options.name),
			LOG_U64("segment", number), LOG_TEXT("why", "it holds no valid batch"));
	}
out:
	*is_newest = false;
	store_walk_close(&walk);
	return status;
}

/* A directory that holds another store's segments is not opened at all. */
static enum status check_owner(struct store *st, const uint32_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct segment_head head;
		int fd = -1;
		enum status status = store_segment_open(st, numbers[i], FILE_READ, &fd);
		if (status == ST_OK) {
			status = store_segment_head(st, fd, numbers[i], &head);
		}
		file_close(&fd);
		if (status == ST_MISMATCH) {
			log_event(LOG_ERROR, "store.directory.foreign", LOG_TEXT("store", st->options.name),
				LOG_U64("segment", numbers[i]));
			return ST_CORRUPT;
		}
		if (status != ST_OK && status != ST_CORRUPT) {
			return status;
		}
	}
	return ST_OK;
}

enum status store_recover(struct store *st)
{
	uint32_t *numbers = NULL;
	size_t count = 0;
	bool is_newest = true, is_end = false;
	enum status status = store_segment_list(st, &numbers, &count);
	if (status == ST_OK) {
		status = check_owner(st, numbers, count);
	}
	for (size_t i = count; status == ST_OK && !is_end && i > 0; i--) {
		status = recover_segment(st, numbers[i - 1], &is_newest, &is_end);
		if (is_end && st->newest == 0) {
			st->newest = numbers[i - 1];
		}
	}
	memory_free(numbers);
	return status;
}
