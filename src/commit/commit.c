/* commit.c - opening, starting and stopping of what commit joins. */
#include "poison.h"

#include "inside.h"

#include "clock.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "must.h"

static enum status open_stores(struct commit *c, const struct commit_options *o)
{
	struct store_options options = {
		.name = "originals",
		.store_number = CATALOG_ORIGINALS,
		.dir_fd = o->originals_fd,
		.segment_bytes = o->segment_bytes,
		.segment_age_ms = o->segment_age_ms,
		.inbox_bytes_max = o->inbox_bytes_max,
		.synced = c->synced,
	};
	int other_fd = o->processed_fd;
	memcpy(options.directory_id, o->directory_id, sizeof options.directory_id);
	enum status st = store_open(&options, &c->stores[CATALOG_ORIGINALS - 1]);
	if (st != ST_OK) {
		file_close(&other_fd);
		return st;
	}
	options.name = "processed";
	options.store_number = CATALOG_PROCESSED;
	options.dir_fd = o->processed_fd;
	return store_open(&options, &c->stores[CATALOG_PROCESSED - 1]);
}

static void init(struct commit *c, const struct commit_options *o)
{
	c->keyring = o->keyring;
	c->catalog = o->catalog;
	c->clock = o->clock;
	for (size_t i = 0; i < SHARDS; i++)
		lock_init(&c->shards[i], "commit.answers");
	lock_init(&c->wait_lock, "commit.processed");
	signal_init(&c->processed);
	pins_init(&c->pins);
}

enum status commit_open(const struct commit_options *options, struct commit **out)
{
	int fds[] = { options->originals_fd, options->processed_fd };
	enum status st = ST_FULL;
	struct commit *c = memory_alloc(sizeof *c);
	if (!c)
		goto out;
	init(c, options);
	st = queue_new("commit.synced", BATCH_RING, &c->synced);
	if (st == ST_OK)
		st = queue_new("commit.bell", BELL_MAX, &c->bell);
	if (st != ST_OK)
		goto out;
	fds[0] = fds[1] = -1; /* the stores take them, also when they fail */
	st = open_stores(c, options);
out:
	file_close(&fds[0]);
	file_close(&fds[1]);
	if (st == ST_OK)
		*out = c;
	else
		commit_close(c);
	return st;
}

enum status commit_start(struct commit *c)
{
	enum status st = thread_start(&c->applier, "applier", commit_apply, c);
	for (size_t i = 0; st == ST_OK && i < CATALOG_STORES; i++) {
		st = store_start(c->stores[i], (struct span){ 0 });
		c->is_started[i] = st == ST_OK;
	}
	if (st != ST_OK)
		commit_stop(c);
	return st;
}

void commit_drain(struct commit *c)
{
	lock_acquire(&c->wait_lock);
	c->is_stopping = true;
	lock_release(&c->wait_lock);
	signal_wake_all(&c->processed);
}

/* Writers first: what they pass on is still applied and answered; then the applier finds its queue ended. */
void commit_stop(struct commit *c)
{
	commit_drain(c);
	for (size_t i = 0; i < CATALOG_STORES; i++) {
		if (c->is_started[i])
			store_stop(c->stores[i]);
		c->is_started[i] = false;
	}
	queue_stop(c->synced);
	queue_stop(c->bell);
	thread_join(&c->applier);
}

void commit_close(struct commit *c)
{
	if (!c)
		return;
	must(!c->is_started[0] && !c->is_started[1]);
	for (size_t i = 0; i < CATALOG_STORES; i++)
		store_close(c->stores[i]);
	queue_free(c->synced);
	queue_free(c->bell);
	pins_fini(&c->pins);
	signal_fini(&c->processed);
	lock_fini(&c->wait_lock);
	for (size_t i = 0; i < SHARDS; i++)
		lock_fini(&c->shards[i]);
	memory_free(c);
}

struct store *commit_store(struct commit *c, int store)
{
	must(store == CATALOG_ORIGINALS || store == CATALOG_PROCESSED);
	return c->stores[store - 1];
}

struct queue *commit_bell(struct commit *c)
{
	return c->bell;
}

/* One look at the row, and how many results there were before it. */
static enum status look(struct commit *c, const uint8_t *id, uint64_t *seen)
{
	struct catalog_image image;
	lock_acquire(&c->wait_lock);
	*seen = c->processed_count;
	bool is_stopping = c->is_stopping;
	lock_release(&c->wait_lock);
	if (is_stopping)
		return ST_STOPPED;
	enum status st = catalog_find_image(c->catalog, id, &image);
	if (st == ST_NOT_FOUND || (st == ST_OK && image.expires_at <= clock_now_ms(c->clock)))
		return ST_GONE;
	if (st != ST_OK)
		return st;
	return image.state == CATALOG_RECEIVED ? ST_BUSY : ST_OK;
}

enum status commit_wait_processed(struct commit *c, const uint8_t id[CATALOG_ID], int64_t wait_ms)
{
	int64_t deadline = clock_monotonic_ms() + wait_ms;
	uint64_t seen;
	enum status st;
	while ((st = look(c, id, &seen)) == ST_BUSY) {
		bool is_in_time = true;
		lock_acquire(&c->wait_lock);
		while (is_in_time && !c->is_stopping && c->processed_count == seen)
			is_in_time = signal_wait_until(&c->processed, &c->wait_lock, deadline);
		lock_release(&c->wait_lock);
		if (!is_in_time)
			return ST_TIMEOUT;
	}
	return st;
}
