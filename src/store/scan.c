#include "poison.h"
#include "store_private.h"

#include "file.h"
#include "memory.h"
#include "num.h"

struct store_scan {
	struct store *store;
	uint32_t *numbers;
	size_t count, next;   /* numbers[next] is opened next */
	struct position end;  /* of the log, when the scan began */
	bool is_live;         /* the segment of the end was being written then */
	struct position last; /* behind the last valid batch, or where the scan began */
	bool is_ahead;        /* it began behind the log's end; not yet said */

	bool is_open;
	struct walk walk;
	uint64_t at, limit;
	bool is_end_known; /* `closing` says where the segment ends */
	struct position closing;
	bool may_skip; /* the next batch's number need not be the next one */
	bool is_hurt;  /* damage was reported in this segment */
};

enum status store_scan_open(struct store *st, struct position from, struct store_scan **out)
{
	struct store_scan *scan = memory_alloc(sizeof *scan);
	if (!scan) {
		return ST_FULL;
	}
	scan->store = st;
	scan->walk.fd = -1;
	lock_acquire(&st->inbox);
	scan->end = st->end;
	scan->is_live = st->open_number == st->end.segment;
	lock_release(&st->inbox);
	enum status status = store_segments(st, &scan->numbers, &scan->count);
	if (status != ST_OK) {
		memory_free(scan);
		return status;
	}
	if (from.sequence != 0) {
		scan->last = from;
		scan->is_ahead = from.sequence > scan->end.sequence || from.segment > scan->end.segment;
		while (scan->next < scan->count && scan->numbers[scan->next] < from.segment) {
			scan->next++;
		}
	}
	*out = scan;
	return ST_OK;
}

static enum status report(
	struct store_scan *scan, uint64_t from, uint64_t end, const char *why, struct scan_batch *out)
{
	*out = (struct scan_batch){
		.finding = SCAN_DAMAGED,
		.why = why,
		.from = (uint32_t)from,
		.end = { scan->walk.segment, (uint32_t)end, scan->last.sequence },
	};
	scan->is_hurt = true;
	return ST_OK;
}

/* Where the open segment ends: the log's end for the last one, else as its successor says. */
static enum status find_closing(struct store_scan *scan)
{
	struct walk successor;
	scan->is_end_known = scan->walk.segment == scan->end.segment;
	scan->closing = scan->end;
	if (scan->is_end_known || scan->next >= scan->count) {
		return ST_OK;
	}
	enum status status = store_walk_open(scan->store, scan->numbers[scan->next], &successor);
	if (status != ST_OK) {
		return status == ST_NOT_FOUND ? ST_OK : status;
	}
	status = store_walk_predecessor(&successor, &scan->closing);
	scan->is_end_known = status == ST_OK && scan->closing.segment == scan->walk.segment;
	store_walk_close(&successor);
	return status == ST_CORRUPT ? ST_OK : status;
}

/* NOT_FOUND: there is none left. */
static enum status open_next(struct store_scan *scan)
{
	enum status status = ST_NOT_FOUND;
	while (status == ST_NOT_FOUND && scan->next < scan->count) {
		status = store_walk_open(scan->store, scan->numbers[scan->next], &scan->walk);
		/* Dropped since the list was made: as if it had not been listed. */
		scan->next += status == ST_OK || status == ST_NOT_FOUND;
	}
	if (status != ST_OK) {
		return status;
	}
	status = find_closing(scan);
	if (status != ST_OK) {
		store_walk_close(&scan->walk);
		scan->next--;
		return status;
	}
	bool is_continued = scan->last.sequence != 0 && scan->last.segment == scan->walk.segment;
	scan->at = is_continued ? scan->last.offset : SEGMENT_HEAD_BYTES;
	scan->limit = scan->is_end_known ? num_min(scan->closing.offset, scan->walk.size) : scan->walk.size;
	scan->may_skip = !is_continued;
	scan->is_hurt = false;
	scan->is_open = true;
	return ST_OK;
}

static enum status give_batch(struct store_scan *scan, const struct walk_batch *batch, struct scan_batch *out)
{
	scan->may_skip = false;
	scan->at = batch->end;
	scan->last = (struct position){ scan->walk.segment, (uint32_t)batch->end, batch->sequence };
	*out = (struct scan_batch){
		.finding = SCAN_SOUND,
		.end = scan->last,
		.from = (uint32_t)batch->begin,
		.records = scan->walk.records,
		.record_count = batch->record_count,
	};
	return ST_OK;
}

/* There is no valid batch where one should be.  NOT_FOUND: only unused room follows. */
static enum status skip_damage(struct store_scan *scan, const char *why, struct scan_batch *out)
{
	struct walk_gap gap;
	uint64_t from = scan->at;
	enum status status = store_walk_find(&scan->walk, from, scan->limit, scan->last.sequence, &gap);
	if (status != ST_OK) {
		return status;
	}
	scan->at = gap.end;
	scan->may_skip = true;
	if (!gap.is_found && gap.is_zero && !scan->is_end_known) {
		return ST_NOT_FOUND;
	}
	return report(scan, from, gap.end, why, out);
}

/* What a batch at the place must be.  NOT_FOUND: nothing is there any more. */
static enum status read_batch(struct store_scan *scan, struct scan_batch *out)
{
	struct walk_batch batch;
	enum status status = store_walk_batch(&scan->walk, scan->at, &batch);
	if (status == ST_CORRUPT) {
		return skip_damage(scan, batch.why ? batch.why : "there is no batch", out);
	}
	if (status != ST_OK) {
		return status;
	}
	if (batch.end > scan->limit) {
		return skip_damage(scan, "a batch lies across the segment's end", out);
	}
	if (batch.sequence <= scan->last.sequence) {
		return skip_damage(scan, "a batch repeats a sequence number", out);
	}
	if (batch.sequence != scan->last.sequence + 1 && !scan->may_skip) {
		scan->may_skip = true;
		return report(scan, scan->at, scan->at, "sequence numbers are missing", out);
	}
	return give_batch(scan, &batch, out);
}

/* The segment is read.  NOT_FOUND: and it ended as it should. */
static enum status end_segment(struct store_scan *scan, struct scan_batch *out)
{
	struct walk_gap gap;
	uint64_t size = scan->walk.size, from = scan->at;
	enum status status = ST_NOT_FOUND;
	bool is_short = scan->last.sequence < scan->closing.sequence &&
			(!scan->is_hurt || from < scan->closing.offset);
	bool is_written = scan->is_live && scan->walk.segment == scan->end.segment;
	if (scan->is_end_known && is_short) {
		status = report(
			scan, from, scan->closing.offset, "the segment ends before its last batch", out);
	} else if (scan->is_end_known && !is_written && size > scan->closing.offset) {
		status = store_walk_find(&scan->walk, scan->closing.offset, size, UINT64_MAX, &gap);
		if (status != ST_OK) {
			return status;
		}
		status = gap.is_zero ? ST_NOT_FOUND
				     : report(scan, scan->closing.offset, size,
					       "there are bytes behind the segment's end", out);
	}
	store_walk_close(&scan->walk);
	scan->is_open = false;
	return status;
}

static enum status scan_step(struct store_scan *scan, struct scan_batch *out)
{
	if (!scan->is_open) {
		enum status status = open_next(scan);
		if (status != ST_OK) {
			return status;
		}
		if (!scan->walk.is_head_sound) {
			return report(
				scan, 0, SEGMENT_HEAD_BYTES, "the segment's head block is unsound", out);
		}
	}
	if (scan->at < scan->limit) {
		enum status status = read_batch(scan, out);
		if (status != ST_NOT_FOUND) {
			return status;
		}
	}
	return end_segment(scan, out);
}

enum status store_scan_next(struct store_scan *scan, struct scan_batch *out)
{
	*out = (struct scan_batch){ .finding = SCAN_SOUND };
	if (scan->is_ahead) {
		scan->is_ahead = false;
		scan->walk.segment = scan->end.segment;
		return report(scan, scan->end.offset, scan->end.offset,
			"the log ends before the place it was read to", out);
	}
	for (;;) {
		bool is_last = !scan->is_open && scan->next >= scan->count;
		enum status status = is_last ? ST_NOT_FOUND : scan_step(scan, out);
		if (is_last || status != ST_NOT_FOUND) {
			return status;
		}
	}
}

void store_scan_close(struct store_scan *scan)
{
	if (!scan) {
		return;
	}
	store_walk_close(&scan->walk);
	memory_free(scan->numbers);
	memory_free(scan);
}
