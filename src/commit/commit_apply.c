/* commit_apply.c - the applier: synced batches into the catalog, in log order, and the answers. */
#include "poison.h"

#include "inside.h"

#include "clock.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "must.h"

struct pending *pending_new(void)
{
	struct pending *p = memory_alloc(sizeof *p);
	if (!p)
		return NULL;
	p->entry.records = p->records;
	p->entry.owner = p;
	return p;
}

void pending_free(struct pending *p)
{
	if (!p)
		return;
	memory_wipe(p, sizeof *p);
	memory_free(p);
}

size_t pending_add(struct pending *p, enum record_kind kind, enum catalog_change_kind change)
{
	size_t i = p->entry.record_count++;
	must(i < ENTRY_RECORDS_MAX);
	p->records[i].kind = kind;
	p->changes[i].kind = change;
	switch (change) {
	case CATALOG_ADD_BLOB: p->changes[i].blob = &p->blobs[i]; break;
	case CATALOG_ADD_IMAGE: p->changes[i].image = &p->image; break;
	case CATALOG_ADD_RESULT: p->changes[i].result = &p->result; break;
	case CATALOG_ERASE_IMAGE: p->changes[i].erased_id = p->erase.id; break;
	}
	return i;
}

enum status commit_submit(struct commit *c, int store, struct pending *p)
{
	p->shard = &c->shards[((uintptr_t)p >> 6) % SHARDS];
	enum status st = atomic_load(&c->lack);
	if (st != ST_OK)
		return st;
	signal_init(&p->answered);
	st = store_submit(commit_store(c, store), &p->entry);
	if (st == ST_OK) {
		lock_acquire(p->shard);
		while (!p->is_answered)
			signal_wait(&p->answered, p->shard);
		st = p->status;
		lock_release(p->shard);
	}
	signal_fini(&p->answered);
	return st;
}

/* From here on the pending may be freed at any moment. */
static void answer(struct pending *p, enum status st)
{
	struct lock *shard = p->shard;
	lock_acquire(shard);
	p->status = st;
	p->is_answered = true;
	signal_wake_one(&p->answered);
	lock_release(shard);
}

static void fill_places(struct pending *p)
{
	for (size_t i = 0; i < p->entry.record_count; i++) {
		struct catalog_place at = catalog_place_of(p->records[i].at);
		switch (p->changes[i].kind) {
		case CATALOG_ADD_BLOB: p->blobs[i].at = at; break;
		case CATALOG_ADD_IMAGE: p->image.record_at = at; break;
		case CATALOG_ADD_RESULT: p->result.at = at; break;
		case CATALOG_ERASE_IMAGE: break;
		}
	}
	/* A RESULT's renditions stand before it in their order. */
	for (size_t i = 0; i < p->result.rendition_count; i++)
		p->result.renditions[i].blob_at = p->blobs[i].at;
}

/* Space, memory and descriptors come back: meanwhile the batch waits, and readers and the destruction of
 * keys, which need none of them, go on.  False: it is no such lack, or we stop. */
static bool wait_for_room(struct commit *c, enum status st)
{
	bool is_lack = st == ST_NO_SPACE || st == ST_FULL || st == ST_BUSY;
	lock_acquire(&c->wait_lock);
	bool is_stopping = c->is_stopping;
	lock_release(&c->wait_lock);
	if (!is_lack || is_stopping)
		return false;
	if (atomic_exchange(&c->lack, st == ST_BUSY ? ST_FULL : st) == ST_OK)
		log_event(LOG_ERROR, "commit.apply.waits", LOG_STATUS("status", st));
	clock_sleep_ms(APPLY_RETRY_MS);
	return true;
}

/* An ERASE is never applied before its key is gone.  If the disk refuses, neither is the batch: the next
 * start tries again before it opens a port.  NOT_FOUND: the segment is unlinked, and the key with it. */
static void erase_keys(struct commit *c, struct pending *p)
{
	for (size_t i = 0; i < p->entry.record_count; i++) {
		if (p->changes[i].kind != CATALOG_ERASE_IMAGE)
			continue;
		enum status st;
		do
			st = store_erase_key(commit_store(c, CATALOG_ORIGINALS), p->erase.target);
		while (st != ST_OK && wait_for_room(c, st));
		if (st == ST_CORRUPT)
			log_event(LOG_ERROR, "commit.erase.unsound",
				LOG_U64("segment", p->erase.target.segment),
				LOG_U64("offset", p->erase.target.offset));
		else if (st != ST_OK && st != ST_NOT_FOUND)
			must_end("commit.erase.failed");
	}
}

/* Chains all changes of the batch in log order. */
static struct catalog_change *prepare(struct commit *c, struct store_batch *batch)
{
	struct catalog_change *first = NULL, **tail = &first;
	for (struct store_entry *e = batch->entries; e; e = e->next) {
		struct pending *p = e->owner;
		fill_places(p);
		erase_keys(c, p);
		for (size_t i = 0; i < e->record_count; i++) {
			*tail = &p->changes[i];
			tail = &p->changes[i].next;
		}
	}
	*tail = NULL;
	return first;
}

/* The bell for new images, the condition for those who wait for results. */
static void tell(struct commit *c, const struct catalog_change *changes)
{
	uint64_t processed = 0;
	for (const struct catalog_change *x = changes; x; x = x->next) {
		processed += x->kind == CATALOG_ADD_RESULT || x->kind == CATALOG_ERASE_IMAGE;
		if (x->kind == CATALOG_ADD_IMAGE && !x->is_void)
			(void)!queue_offer(
				c->bell, (void *)(uintptr_t)x->image_number); /* FULL loses nothing */
	}
	if (processed == 0)
		return;
	lock_acquire(&c->wait_lock);
	c->processed_count += processed;
	lock_release(&c->wait_lock);
	signal_wake_all(&c->processed);
}

/* Batches that wait are applied together: one transaction costs about as much as the rows of a batch. */
struct group {
	struct store_batch *batches[BATCH_RING];
	struct catalog_batch changes[BATCH_RING];
	size_t count;   /* of batches */
	size_t applied; /* of changes: a batch that could not be written has none */
};

/* A synced batch is never answered with an error: if the catalog cannot take it for good, the process
 * ends. */
static void apply_synced(struct commit *c, struct group *g)
{
	int64_t began = clock_monotonic_ms();
	enum status st;
	do
		st = catalog_apply(c->catalog, g->changes, g->applied, clock_wall_ms());
	while (st != ST_OK && wait_for_room(c, st));
	if (st != ST_OK)
		must_end("commit.apply.failed");
	if (atomic_exchange(&c->lack, ST_OK) != ST_OK)
		log_event(LOG_WARN, "commit.apply.resumed");
	metrics_observe_ms(METRIC_APPLY_TIME, clock_monotonic_ms() - began);
	for (size_t i = 0; i < g->applied; i++)
		tell(c, g->changes[i].changes);
}

static void add_batch(struct commit *c, struct group *g, struct store_batch *batch)
{
	g->batches[g->count++] = batch;
	if (batch->status != ST_OK)
		return;
	metrics_add(METRIC_BATCHES, 1);
	metrics_observe_ms(METRIC_BATCH_TIME, batch->written_ms);
	g->changes[g->applied++] = (struct catalog_batch){
		.store = batch->store == c->stores[0] ? CATALOG_ORIGINALS : CATALOG_PROCESSED,
		.end = catalog_position_of(batch->end),
		.changes = prepare(c, batch),
	};
}

/* Waits for one batch, and takes those that stand behind it. */
static bool take_group(struct commit *c, struct group *g)
{
	void *item;
	g->count = g->applied = 0;
	if (queue_take(c->synced, -1, &item) != ST_OK)
		return false;
	do
		add_batch(c, g, item);
	while (g->count < BATCH_RING && queue_take(c->synced, 0, &item) == ST_OK);
	return true;
}

static void answer_batch(struct store_batch *batch)
{
	struct store_entry *next;
	for (struct store_entry *e = batch->entries; e; e = next) {
		next = e->next;
		answer(e->owner, batch->status);
	}
	store_batch_free(batch);
}

void commit_apply(void *commit)
{
	struct commit *c = commit;
	struct group group;
	while (take_group(c, &group)) {
		if (group.applied > 0)
			apply_synced(c, &group);
		for (size_t i = 0; i < group.count; i++)
			answer_batch(group.batches[i]);
	}
}
