/* housekeeping.c - what follows the destruction of keys: receipts, rows, blocks, segments.
 *
 * None of it is needed for an image to be unreadable; all of it is needed for
 * the disk to come back.  Each round is bounded, so that a stop never waits long. */
#include "poison.h"

#include "purge.h"

#include "clock.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "purge_private.h"

enum { EPOCHS_A_ROUND = 256, DEAD_A_ROUND = 512, DROPS_A_ROUND = 16, RUN_GAP = 16384 };

/* A checkpoint syncs, and one that a reader holds back keeps the applier waiting for a moment. */
enum { CHECKPOINT_EVERY_MS = 1000 };

/* The highest epoch below which every key is destroyed; 0 when that is not so for any. */
static uint32_t last_destroyed(struct purge *p)
{
	uint32_t due = (uint32_t)(clock_now_ms(p->options.clock) / EPOCH_MS);
	uint32_t oldest = keyring_oldest_live(p->options.keyring);
	return oldest != 0 && oldest <= due ? oldest - 1 : due;
}

static enum status write_receipt(struct purge *p, const struct catalog_epoch_count *counted)
{
	bool has_receipt = false;
	enum status st = control_has_epoch_receipt(p->options.control, counted->epoch, &has_receipt);
	if (st != ST_OK || has_receipt)
		return st;
	struct receipt_facts facts = {
		.kind = CONTROL_RECEIPT_EPOCH,
		.epoch = counted->epoch,
		.images = counted->images,
		.due_at = keyring_epoch_due_ms(counted->epoch),
		.destroyed_at = purge_destroyed_at(p, counted->epoch),
	};
	return receipt_append(p->options.control, p->receipt_key, &facts);
}

/* A receipt stands before its rows go: a crash in between writes none twice and forgets none.  Counting walks
 * all rows that wait, so it is done once for all rounds that forget what was counted. */
static enum status write_receipts(struct purge *p)
{
	struct catalog_epoch_count epochs[EPOCHS_A_ROUND];
	size_t count = 0;
	uint32_t last = last_destroyed(p);
	if (p->oldest_due_ms != 0)
		return ST_OK;
	enum status st = catalog_count_epochs(p->options.catalog, last, epochs, EPOCHS_A_ROUND, &count);
	for (size_t i = 0; st == ST_OK && i < count; i++)
		st = write_receipt(p, &epochs[i]);
	if (st != ST_OK)
		return st;
	p->covered = count < EPOCHS_A_ROUND ? last : epochs[count - 1].epoch;
	p->oldest_due_ms = count > 0 ? keyring_epoch_due_ms(epochs[0].epoch) : 0;
	return ST_OK;
}

/* Rows of epochs that have their receipts, or else blobs that nothing refers to. */
static enum status forget(
	struct purge *p, const uint8_t (*pins)[16], size_t pin_count, uint64_t *images, uint64_t *blobs)
{
	struct catalog *catalog = p->options.catalog;
	*images = *blobs = 0;
	if (p->oldest_due_ms == 0)
		return catalog_forget_unused(catalog, pins, pin_count, blobs);
	return catalog_forget(catalog, p->covered, PURGE_ROWS_BATCH, pins, pin_count, images);
}

static enum status forget_rows(struct purge *p)
{
	const uint8_t(*pins)[16] = NULL;
	size_t pin_count = 0;
	uint64_t images = 0, blobs = 0;
	enum status st = commit_pins_acquire(p->options.commit, &pins, &pin_count);
	if (st != ST_OK)
		return st;
	st = forget(p, pins, pin_count, &images, &blobs);
	commit_pins_release(p->options.commit);
	if (st != ST_OK)
		return st;
	if (images + blobs > 0)
		atomic_store(&p->has_residue, true);
	if (images < PURGE_ROWS_BATCH)
		p->oldest_due_ms = 0;
	metrics_add(METRIC_IMAGES_PURGED, images);
	return ST_OK;
}

static enum status punch_one(struct purge *p, const struct catalog_dead *dead)
{
	uint64_t freed = 0;
	struct place at = { dead->at.segment, dead->at.offset, dead->at.length };
	enum status st = store_punch(commit_store(p->options.commit, dead->store), at, &freed);
	if (st == ST_BUSY)
		/* it is in the log's last batch, whose bodies recovery looks at: an hour later, then */
		return ST_OK;
	if (st != ST_OK && st != ST_NOT_FOUND)
		return st;
	metrics_add(METRIC_BYTES_FREED, freed);
	return catalog_body_punched(p->options.catalog, dead->store, dead->at);
}

/* True if b lies so close behind a that one run of dead blocks goes through both. */
static bool continues_run(const struct catalog_dead *a, const struct catalog_dead *b)
{
	return a->store == b->store && a->at.segment == b->at.segment &&
	       (uint64_t)b->at.offset <= (uint64_t)a->at.offset + a->at.length + RUN_GAP;
}

/* Punching costs a journal entry each and slows the unlink of the segment: only long runs are worth it. */
static enum status punch_runs(struct purge *p)
{
	struct catalog_dead *dead = memory_alloc_array(DEAD_A_ROUND, sizeof *dead);
	size_t count = 0;
	if (!dead)
		return ST_FULL;
	enum status st = catalog_dead_bodies(p->options.catalog, dead, DEAD_A_ROUND, &count);
	for (size_t first = 0, next; st == ST_OK && first < count; first = next) {
		uint64_t bytes = dead[first].at.length;
		for (next = first + 1; next < count && continues_run(&dead[next - 1], &dead[next]); next++)
			bytes += dead[next].at.length;
		for (size_t i = first; st == ST_OK && bytes >= PUNCH_RUN_MIN && i < next; i++)
			st = punch_one(p, &dead[i]);
	}
	memory_free(dead);
	return st;
}

static enum status drop_one(struct purge *p, int store, uint32_t segment, size_t *dropped)
{
	bool is_used = true;
	uint64_t freed = 0;
	enum status st = catalog_segment_is_used(p->options.catalog, store, segment, &is_used);
	if (st != ST_OK || is_used)
		return st;
	st = store_drop(commit_store(p->options.commit, store), segment, &freed);
	if (st == ST_BUSY)
		return ST_OK;
	if (st != ST_OK && st != ST_NOT_FOUND)
		return st;
	++*dropped;
	metrics_add(METRIC_BYTES_FREED, freed);
	metrics_add(METRIC_SEGMENTS_DROPPED, 1);
	log_event(LOG_INFO, "purge.segment.dropped", LOG_I64("store", store), LOG_U64("segment", segment),
		LOG_U64("bytes", freed));
	return catalog_segment_dropped(p->options.catalog, store, segment);
}

/* A segment goes once no row names it and the catalog's own position is durably beyond it.  The open one
 * stays (store_drop says BUSY).  At most DROPS_A_ROUND: unlinking a large file takes its time. */
static enum status drop_segments(struct purge *p, int number, size_t *dropped)
{
	struct catalog_position applied;
	struct store *store = commit_store(p->options.commit, number);
	uint32_t *numbers = NULL;
	size_t count = 0;
	enum status st = catalog_applied(p->options.catalog, number, &applied);
	if (st == ST_OK)
		st = store_segments(store, &numbers, &count);
	bool is_told = st == ST_OK && store_is_told(store, (struct position){ applied.segment, applied.offset,
								   applied.sequence });
	for (size_t i = 0; st == ST_OK && i < count && *dropped < DROPS_A_ROUND; i++)
		if (is_told || numbers[i] < applied.segment)
			st = drop_one(p, number, numbers[i], dropped);
	memory_free(numbers);
	return st;
}

/* A removed collection dies with its last image: its key goes, so nothing is left to link its addresses
 * by. */
static enum status drop_collections(struct purge *p)
{
	struct control_collection *rows = NULL;
	size_t count = 0;
	enum status st = control_list_collections(p->options.control, &rows, &count);
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		if (!rows[i].is_removed)
			continue;
		st = access_forget_collection(p->options.access, rows[i].number);
		if (st == ST_BUSY)
			st = ST_OK;
	}
	memory_free(rows);
	return st;
}

static enum status hourly(struct purge *p)
{
	enum status st = ST_OK;
	for (int store = CATALOG_ORIGINALS; st == ST_OK && store <= CATALOG_PROCESSED; store++)
		st = store_roll(commit_store(p->options.commit, store));
	if (st == ST_OK)
		st = punch_runs(p);
	if (st == ST_OK)
		st = drop_collections(p);
	int64_t keep_ms = (int64_t)RECEIPT_KEEP_DAYS * 24 * 3600 * 1000;
	if (st == ST_OK)
		st = control_drop_receipts(p->options.control, clock_now_ms(p->options.clock) - keep_ms);
	return st;
}

/* What rows left behind, once none waits to go any more: pages of the write-ahead log, and segments in which
 * nothing is left.  What a reader, an error or its size holds back is tried again. */
static enum status give_back(struct purge *p)
{
	size_t dropped = 0;
	int64_t now = clock_monotonic_ms();
	if (now < p->checkpoint_at_ms || !atomic_exchange(&p->has_residue, false))
		return ST_OK;
	p->checkpoint_at_ms = now + CHECKPOINT_EVERY_MS;
	enum status st = catalog_checkpoint(p->options.catalog);
	for (int store = CATALOG_ORIGINALS; st == ST_OK && store <= CATALOG_PROCESSED; store++)
		st = drop_segments(p, store, &dropped);
	if (st != ST_OK || dropped >= DROPS_A_ROUND)
		atomic_store(&p->has_residue, true);
	return st;
}

enum status purge_housekeeping(struct purge *p, bool is_hourly, bool *has_more)
{
	*has_more = false;
	enum status st = purge_write_owed(p);
	if (st == ST_OK)
		st = write_receipts(p);
	if (st == ST_OK)
		st = forget_rows(p);
	if (st == ST_OK && is_hourly) {
		st = hourly(p);
		atomic_store(&p->has_residue, true);
	}
	if (st == ST_OK)
		*has_more = p->oldest_due_ms != 0 || p->covered < last_destroyed(p);
	if (st == ST_OK && !*has_more)
		st = give_back(p);
	if (st != ST_OK && st != ST_BUSY)
		log_event(LOG_ERROR, "purge.housekeeping.failed", LOG_STATUS("status", st));
	return st;
}
