#include "poison.h"
#include "store_private.h"

#include "clock.h"
#include "file.h"
#include "log.h"
#include "must.h"

/* What the writer found to do. */
struct work {
	struct store_batch *batch; /* NULL: nothing waits */
	uint64_t bytes;            /* of its records */
	bool is_roll_wanted, is_end;
};

/* Takes what waits, in order, while it fits a batch.  Called under the inbox lock. */
static void take_entries(struct store *st, struct work *work)
{
	struct store_entry **tail = &work->batch->entries;
	while (st->first && work->batch->entry_count < BATCH_ENTRIES_MAX) {
		struct store_entry *entry = st->first;
		/* The test comes before the add; one entry alone may be larger than a batch. */
		if (work->batch->entry_count > 0 && work->bytes + entry->bytes > BATCH_BYTES_MAX) {
			break;
		}
		st->first = entry->next;
		st->inbox_bytes -= entry->bytes;
		entry->next = NULL;
		*tail = entry;
		tail = &entry->next;
		work->batch->entry_count++;
		work->bytes += entry->bytes;
	}
	if (!st->first) {
		st->last = NULL;
	}
}

static struct work wait_for_work(struct store *st)
{
	struct work work = { .batch = NULL };
	lock_acquire(&st->inbox);
	for (;;) {
		work.is_roll_wanted = st->rolls_wanted != st->rolls_done;
		work.is_end = st->is_stopping && !st->first;
		if (work.is_roll_wanted || work.is_end || (st->first && st->batches_free > 0)) {
			break;
		}
		signal_wait(&st->inbox_changed, &st->inbox);
	}
	if (st->first && st->batches_free > 0) {
		work.batch = st->batches[--st->batches_free];
		*work.batch = (struct store_batch){ .store = st };
		take_entries(st, &work);
	}
	lock_release(&st->inbox);
	return work;
}

static bool is_old(const struct store *st)
{
	return clock_monotonic_ms() - st->open.born_ms >= st->options.segment_age_ms;
}

static bool has_room(const struct store *st, uint64_t bytes)
{
	return st->open.fd >= 0 && bytes <= st->open.capacity - st->open.end;
}

/* A segment past its age is used on if there is no space for another. */
static enum status make_room(struct store *st, uint64_t bytes)
{
	bool is_fit = has_room(st, bytes);
	if (is_fit && !(st->open.is_used && is_old(st))) {
		return ST_OK;
	}
	enum status status = store_segment_begin(st, bytes);
	return is_fit ? ST_OK : status;
}

/* Writes the records and the COMMIT behind the open segment's end; fills in the places. */
static enum status write_records(struct store *st, struct store_batch *batch, struct batch_maker *maker)
{
	enum status status = ST_OK;
	store_stage_begin(st, maker->at);
	for (struct store_entry *entry = batch->entries; status == ST_OK && entry; entry = entry->next) {
		for (size_t i = 0; status == ST_OK && i < entry->record_count; i++) {
			status = store_make_record(st, maker, &entry->records[i]);
			entry->records[i].at.segment = st->open.number;
		}
	}
	return status == ST_OK ? store_make_commit(st, maker) : status;
}

/* After a failed write nothing of the batch may stay: it could be whole, and its callers are told that
 * it is not there. */
static void close_after_failure(struct store *st)
{
	log_event(LOG_ERROR, "store.write.failed", LOG_TEXT("store", st->options.name),
		LOG_U64("segment", st->open.number), LOG_U64("from", st->open.end));
	if (file_truncate(st->open.fd, st->open.end) != ST_OK || file_sync(st->open.fd) != ST_OK) {
		must_end("store.cut.failed");
	}
	store_segment_end(st);
}

static void note_told(struct store *st, uint64_t sequence)
{
	lock_acquire(&st->inbox);
	st->told_end = sequence;
	lock_release(&st->inbox);
}

static enum status write_batch(struct store *st, struct store_batch *batch, uint64_t bytes)
{
	enum status status = make_room(st, bytes);
	for (int attempt = 0; status == ST_OK; attempt++) {
		struct batch_maker maker = {
			.fd = st->open.fd,
			.generation = st->open.generation,
			.sequence = st->end.sequence + 1,
			.begin = st->open.end,
			.at = st->open.end,
		};
		status = write_records(st, batch, &maker);
		if (status == ST_OK) {
			must(maker.at == maker.begin + bytes);
			if (file_sync_data(st->open.fd) != ST_OK) {
				must_end("store.sync.failed");
			}
			st->open.is_used = true;
			store_publish_end(st, maker.begin, maker.at, maker.sequence);
			note_told(st, maker.sequence);
			batch->end = st->end;
			return ST_OK;
		}
		close_after_failure(st);
		if (attempt == 0) {
			status = store_segment_begin(st, bytes);
		}
	}
	return status;
}

static void handle_batch(struct store *st, struct work *work)
{
	struct store_batch *batch = work->batch;
	int64_t begin_ms = clock_monotonic_ms();
	batch->status = write_batch(st, batch, store_batch_bytes(work->bytes));
	batch->written_ms = clock_monotonic_ms() - begin_ms;
	/* Whatever it was, callers hear one of two things: no room, or the disk. */
	if (batch->status != ST_OK && batch->status != ST_NO_SPACE) {
		batch->status = ST_IO;
	}
	enum status status = queue_put(st->options.synced, batch);
	must(status == ST_OK); /* the queue outlives the writer */
}

static void handle_roll(struct store *st)
{
	enum status status = ST_OK;
	if (st->open.fd < 0 || st->open.is_used) {
		status = store_segment_begin(st, 0);
	}
	lock_acquire(&st->inbox);
	st->rolls_done = st->rolls_wanted;
	st->roll_status = status;
	signal_wake_all(&st->rolled);
	lock_release(&st->inbox);
}

void store_writer_run(void *argument)
{
	struct store *st = argument;
	for (;;) {
		struct work work = wait_for_work(st);
		if (work.batch) {
			handle_batch(st, &work);
		}
		if (work.is_roll_wanted) {
			handle_roll(st);
		}
		if (work.is_end) {
			break;
		}
	}
	store_segment_seal(st);
	lock_acquire(&st->inbox);
	st->is_writer_gone = true;
	signal_wake_all(&st->rolled);
	lock_release(&st->inbox);
}
