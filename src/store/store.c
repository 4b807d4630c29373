#include "poison.h"
#include "store_private.h"

#include "file.h"
#include "memory.h"
#include "must.h"
#include "num.h"

static enum status allocate_batches(struct store *st)
{
	while (st->batches_free < BATCHES_MAX) {
		struct store_batch *batch = memory_alloc(sizeof *batch);
		if (!batch) {
			return ST_FULL;
		}
		st->batches[st->batches_free++] = batch;
	}
	return ST_OK;
}

/* What only a writer needs. */
static enum status allocate_staging(struct store *st)
{
	st->staging = memory_alloc_aligned(STAGING_BYTES);
	st->state_taken = memory_alloc(STATE_BODY_BYTES + STATE_BYTES_MAX);
	return st->staging && st->state_taken ? ST_OK : ST_FULL;
}

enum status store_open(const struct store_options *options, struct store **out)
{
	struct store *st = memory_alloc(sizeof *st);
	int dir_fd = options->dir_fd;
	if (!st) {
		file_close(&dir_fd);
		return ST_FULL;
	}
	must(options->segment_bytes <= SEGMENT_BYTES_CEILING);
	st->options = *options;
	st->open.fd = -1;
	lock_init(&st->inbox, "store.inbox");
	lock_init(&st->upkeep, "store.upkeep");
	signal_init(&st->inbox_changed);
	signal_init(&st->rolled);
	enum status status = allocate_batches(st);
	if (status == ST_OK) {
		status = store_recover(st);
		st->told_end = st->end.sequence;
	}
	if (status != ST_OK) {
		store_close(st);
		return status;
	}
	*out = st;
	return ST_OK;
}

enum status store_set_state(struct store *st, struct span state)
{
	if (state.len > STATE_BYTES_MAX) {
		return ST_TOO_BIG;
	}
	uint8_t *copy = memory_alloc(state.len + 1);
	if (!copy) {
		return ST_FULL;
	}
	if (state.len > 0) {
		memcpy(copy, state.data, state.len);
	}
	lock_acquire(&st->inbox);
	uint8_t *old = st->state;
	st->state = copy;
	st->state_len = state.len;
	lock_release(&st->inbox);
	memory_free(old);
	return ST_OK;
}

enum status store_start(struct store *st, struct span state)
{
	must(!st->staging);
	enum status status = allocate_staging(st);
	if (status == ST_OK) {
		status = store_set_state(st, state);
	}
	if (status == ST_OK) {
		status = store_segment_begin(st, 0);
	}
	if (status == ST_OK) {
		status = thread_start(&st->writer, "store writer", store_writer_run, st);
	}
	if (status != ST_OK) {
		store_segment_end(st);
		return status;
	}
	lock_acquire(&st->inbox);
	st->is_started = true;
	lock_release(&st->inbox);
	return ST_OK;
}

/* The entry's bytes in a batch; TOO_BIG before anything is read of bodies that no segment could hold. */
static enum status measure(struct store_entry *entry)
{
	uint64_t bytes = 0;
	must(entry->record_count >= 1 && entry->record_count <= ENTRY_RECORDS_MAX);
	for (size_t i = 0; i < entry->record_count; i++) {
		const struct store_record *r = &entry->records[i];
		must(r->kind > RECORD_STATE && r->kind < RECORD_COMMIT);
		must(r->key.len == 0 || r->key.len == RECORD_KEY_MAX);
		uint64_t len = store_body_len(r);
		if (len > SEGMENT_BYTES_CEILING) {
			return ST_TOO_BIG;
		}
		bytes += format_record_bytes((uint16_t)r->key.len, len);
	}
	entry->bytes = bytes;
	return bytes > SEGMENT_BYTES_CEILING ? ST_TOO_BIG : ST_OK;
}

enum status store_submit(struct store *st, struct store_entry *entry)
{
	enum status status = measure(entry);
	if (status != ST_OK) {
		return status;
	}
	/* Here and not in the writer: every caller's core does its own. */
	for (size_t i = 0; i < entry->record_count; i++) {
		entry->records[i].body_crc = store_body_crc(&entry->records[i]);
	}
	entry->next = NULL;
	lock_acquire(&st->inbox);
	if (!st->is_started || st->is_stopping) {
		status = ST_STOPPED;
	} else if (st->first &&
		   entry->bytes > st->options.inbox_bytes_max -
					  num_min(st->inbox_bytes, st->options.inbox_bytes_max)) {
		status = ST_FULL;
	} else {
		*(st->first ? &st->last->next : &st->first) = entry;
		st->last = entry;
		st->inbox_bytes += entry->bytes;
		signal_wake_one(&st->inbox_changed);
	}
	lock_release(&st->inbox);
	return status;
}

void store_batch_free(struct store_batch *batch)
{
	struct store *st = batch->store;
	lock_acquire(&st->inbox);
	must(st->batches_free < BATCHES_MAX);
	st->batches[st->batches_free++] = batch;
	signal_wake_one(&st->inbox_changed);
	lock_release(&st->inbox);
}

struct position store_end(struct store *st)
{
	lock_acquire(&st->inbox);
	struct position end = st->end;
	lock_release(&st->inbox);
	return end;
}

bool store_is_told(struct store *st, struct position handled)
{
	lock_acquire(&st->inbox);
	bool is_told = handled.sequence >= st->told_end;
	lock_release(&st->inbox);
	return is_told;
}

enum status store_roll(struct store *st)
{
	enum status status = ST_STOPPED;
	lock_acquire(&st->inbox);
	if (st->is_started && !st->is_stopping) {
		uint64_t mine = ++st->rolls_wanted;
		signal_wake_one(&st->inbox_changed);
		while (st->rolls_done < mine && !st->is_writer_gone) {
			signal_wait(&st->rolled, &st->inbox);
		}
		status = st->rolls_done >= mine ? st->roll_status : ST_STOPPED;
	}
	lock_release(&st->inbox);
	return status;
}

enum status store_segments(struct store *st, uint32_t **numbers, size_t *count)
{
	enum status status = store_segment_list(st, numbers, count);
	if (status != ST_OK) {
		return status;
	}
	/* One that is being made is not there yet. */
	lock_acquire(&st->inbox);
	uint32_t newest = st->newest;
	lock_release(&st->inbox);
	while (*count > 0 && (*numbers)[*count - 1] > newest) {
		(*count)--;
	}
	return ST_OK;
}

void store_stop(struct store *st)
{
	lock_acquire(&st->inbox);
	st->is_stopping = true;
	signal_wake_all(&st->inbox_changed);
	lock_release(&st->inbox);
	thread_join(&st->writer);
}

void store_close(struct store *st)
{
	if (!st) {
		return;
	}
	must(!st->is_started || st->is_writer_gone);
	for (size_t i = 0; i < st->batches_free; i++) {
		memory_free(st->batches[i]);
	}
	file_close(&st->options.dir_fd);
	signal_fini(&st->rolled);
	signal_fini(&st->inbox_changed);
	lock_fini(&st->upkeep);
	lock_fini(&st->inbox);
	memory_free(st->state_taken);
	memory_free(st->state);
	memory_free(st->staging);
	memory_free(st);
}
