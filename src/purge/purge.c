/* purge.c - the moment of forgetting, and the erase of one image. */
#include "poison.h"

#include "purge.h"

#include "clock.h"
#include "json.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "purge_private.h"

enum { EPOCHS_AT_ONCE = 1024, PUBLIC_KEY_MAX = 1024 };

enum status purge_new(const struct purge_options *options, struct purge **out)
{
	struct purge *p = memory_alloc(sizeof *p);
	if (!p)
		return ST_FULL;
	p->options = *options;
	lock_init(&p->lock, "purge.owed");
	atomic_store(&p->has_residue, true); /* of a process that was killed after its rows went */
	enum status st = receipt_key_load(options->control, options->keyring, &p->receipt_key);
	if (st != ST_OK) {
		log_event(LOG_ERROR, "purge.receipt_key.unusable", LOG_STATUS("status", st));
		purge_free(p);
		return st;
	}
	*out = p;
	return ST_OK;
}

void purge_free(struct purge *p)
{
	if (!p)
		return;
	sign_key_free(p->receipt_key);
	lock_fini(&p->lock);
	memory_free(p);
}

static uint32_t last_due_epoch(int64_t now_ms)
{
	return (uint32_t)(now_ms / EPOCH_MS);
}

static void note_destroyed(struct purge *p, const uint32_t *epochs, size_t count)
{
	int64_t now = clock_now_ms(p->options.clock);
	for (size_t i = 0; i < count; i++)
		p->destroyed[epochs[i] % DESTROYED_KEPT] = (struct destroyed_epoch){ epochs[i], now };
}

int64_t purge_destroyed_at(struct purge *p, uint32_t epoch)
{
	const struct destroyed_epoch *d = &p->destroyed[epoch % DESTROYED_KEPT];
	return d->epoch == epoch ? d->at : clock_now_ms(p->options.clock);
}

/* Keys first: nothing that can fail for lack of space or a sick catalog stands before this.  `p` NULL: it is
 * too early for receipts. */
static enum status destroy_due(
	struct keyring *keyring, struct clock *clock, struct purge *p, uint64_t *destroyed)
{
	uint32_t epochs[EPOCHS_AT_ONCE];
	size_t count = EPOCHS_AT_ONCE;
	enum status st = ST_OK;
	*destroyed = 0;
	metrics_set(METRIC_PURGE_HELD, clock_is_held(clock));
	if (clock_is_held(clock))
		return ST_OK;
	uint32_t last = last_due_epoch(clock_now_ms(clock));
	while (st == ST_OK && count == EPOCHS_AT_ONCE) {
		st = keyring_destroy_due(keyring, last, epochs, EPOCHS_AT_ONCE, &count);
		if (st == ST_OK)
			*destroyed += count;
		if (st == ST_OK && p)
			note_destroyed(p, epochs, count);
	}
	metrics_add(METRIC_EPOCHS_DESTROYED, *destroyed);
	if (st != ST_OK)
		log_event(LOG_ERROR, "purge.keys.not_destroyed", LOG_U64("up_to_epoch", last),
			LOG_STATUS("status", st));
	return st;
}

enum status purge_due_keys(struct keyring *keyring, struct clock *clock, uint64_t *destroyed)
{
	return destroy_due(keyring, clock, NULL, destroyed);
}

enum status purge_due(struct purge *p, uint64_t *destroyed)
{
	return destroy_due(p->options.keyring, p->options.clock, p, destroyed);
}

int64_t purge_lag_ms(struct purge *p)
{
	uint32_t oldest = keyring_oldest_live(p->options.keyring);
	int64_t late = clock_now_ms(p->options.clock) - keyring_epoch_due_ms(oldest);
	return oldest == 0 || late < 0 ? 0 : late;
}

int64_t purge_backlog_ms(struct purge *p)
{
	int64_t late = clock_now_ms(p->options.clock) - p->oldest_due_ms;
	return p->oldest_due_ms == 0 || late < 0 ? 0 : late;
}

static bool owe(struct purge *p, const struct receipt_facts *facts)
{
	lock_acquire(&p->lock);
	bool has_room = p->owed_count < OWED_MAX;
	if (has_room)
		p->owed[p->owed_count++] = *facts;
	lock_release(&p->lock);
	return has_room;
}

static bool take_owed(struct purge *p, struct receipt_facts *out)
{
	lock_acquire(&p->lock);
	bool is_owed = p->owed_count > 0;
	if (is_owed)
		*out = p->owed[--p->owed_count];
	lock_release(&p->lock);
	return is_owed;
}

enum status purge_write_owed(struct purge *p)
{
	struct receipt_facts facts;
	while (take_owed(p, &facts)) {
		enum status st = receipt_append(p->options.control, p->receipt_key, &facts);
		if (st != ST_OK)
			return owe(p, &facts) ? st : ST_FULL;
	}
	return ST_OK;
}

/* The image is gone whether or not its receipt can be written now: the caller hears OK, it follows. */
enum status purge_erase(struct purge *p, const struct catalog_image *image)
{
	enum status st = commit_erase(p->options.commit, image->id);
	if (st != ST_OK)
		return st;
	metrics_add(METRIC_IMAGES_ERASED, 1);
	atomic_store(&p->has_residue, true);
	struct receipt_facts facts = {
		.kind = CONTROL_RECEIPT_ERASE,
		.epoch = image->epoch,
		.images = 1,
		.due_at = clock_now_ms(p->options.clock),
		.destroyed_at = clock_now_ms(p->options.clock),
	};
	st = receipt_append(p->options.control, p->receipt_key, &facts);
	return st == ST_OK || owe(p, &facts) ? ST_OK : st;
}

enum status purge_public_key(struct purge *p, struct buf *out)
{
	return sign_public_to_pem(p->receipt_key, out);
}

enum status purge_receipts(struct purge *p, uint64_t after, uint32_t limit, struct buf *out)
{
	struct json_writer w = json_writer_of(out);
	enum status st = ST_OK;
	json_begin_array(&w, NULL);
	for (uint32_t i = 0; i < limit; i++) {
		struct control_receipt r = { 0 };
		st = control_next_receipt(p->options.control, after, &r);
		if (st != ST_OK)
			break;
		receipt_put_json(&r, &w);
		after = r.number;
		buf_fini(&r.body);
		buf_fini(&r.signature);
	}
	json_end_array(&w);
	return st == ST_OK || st == ST_NOT_FOUND ? buf_status(out) : st;
}
