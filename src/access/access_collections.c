/* access_collections.c - collections with their keys opened. */
#include "poison.h"

#include <string.h>

#include "access_private.h"
#include "clock.h"
#include "imaging.h"
#include "log.h"
#include "memory.h"

/* A bit for each format; none for IMAGE_FORMAT_NONE. */
static const uint32_t all_formats = (1U << IMAGE_FORMAT_COUNT) - 1 - (1U << IMAGE_FORMAT_NONE);

enum status access_find_collection(struct access *a, struct span name, struct access_collection *out)
{
	enum status st = ST_NOT_FOUND;
	lock_acquire(&a->cache);
	for (size_t i = 0; st != ST_OK && i < a->collection_count; i++)
		if (span_equal_text(name, a->collections[i].row.name)) {
			*out = a->collections[i];
			st = ST_OK;
		}
	lock_release(&a->cache);
	return st;
}

enum status access_collection_by_number(struct access *a, uint32_t number, struct access_collection *out)
{
	enum status st = ST_NOT_FOUND;
	lock_acquire(&a->cache);
	for (size_t i = 0; st != ST_OK && i < a->collection_count; i++)
		if (a->collections[i].row.number == number) {
			*out = a->collections[i];
			st = ST_OK;
		}
	lock_release(&a->cache);
	return st;
}

void access_collection_wipe(struct access_collection *c)
{
	memory_wipe(&c->key, sizeof c->key);
}

static bool is_letter_or_digit(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_good_name(struct span name)
{
	if (name.len == 0 || name.len > COLLECTION_NAME_MAX || !is_letter_or_digit(name.data[0]))
		return false;
	for (size_t i = 1; i < name.len; i++)
		if (!is_letter_or_digit(name.data[i]) && name.data[i] != '-')
			return false;
	return true;
}

static enum status check_rules(
	const struct access *a, int64_t retention_ms, uint32_t formats, const char **why)
{
	if (retention_ms < RETENTION_MIN_MS || retention_ms > a->retention_max_ms) {
		*why = "the retention must be from one minute to the configured maximum";
		return ST_INVALID;
	}
	if (formats == 0 || (formats & ~all_formats) != 0) {
		*why = "the formats must be one or more of those that the server knows";
		return ST_INVALID;
	}
	return ST_OK;
}

/* Row, then key.  If the process ends in between, the next start finds a row without a key and removes it;
 * if the second step fails here, the row goes now. */
static enum status make(struct access *a, struct control_collection *row)
{
	enum status st = control_add_collection(a->control, row, &row->number);
	if (st != ST_OK)
		return st;
	st = keyring_new_collection_key(a->keyring, row->number, row->wrapped_key);
	if (st == ST_OK)
		st = control_set_collection_key(a->control, row->number, row->wrapped_key);
	if (st != ST_OK && control_forget_collection(a->control, row->number) != ST_OK)
		log_event(LOG_WARN, "access.collection.unfinished", LOG_U64("number", row->number));
	row->has_key = st == ST_OK;
	return st;
}

enum status access_make_collection(struct access *a, const struct access_new_collection *in,
	struct control_collection *out, const char **why)
{
	struct control_collection row = { .retention_ms = in->retention_ms != 0 ? in->retention_ms
										: a->retention_default_ms,
		.created_at = clock_now_ms(a->clock),
		.formats = in->formats != 0 ? in->formats : all_formats };
	*why = NULL;
	if (!is_good_name(in->name) || span_to_text(in->name, row.name, sizeof row.name) != ST_OK) {
		*why = "the name must be 1 to 63 of a-z, 0-9 and -, and not begin with -";
		return ST_INVALID;
	}
	enum status st = check_rules(a, row.retention_ms, row.formats, why);
	if (st != ST_OK)
		return st;
	access_change_begin(a);
	st = access_change_end(a, access_mirror(a, make(a, &row)));
	if (st == ST_OK)
		*out = row;
	return st;
}

enum status access_change_collection(
	struct access *a, uint32_t number, int64_t retention_ms, uint32_t formats, const char **why)
{
	*why = NULL;
	enum status st = check_rules(a, retention_ms, formats, why);
	if (st != ST_OK)
		return st;
	access_change_begin(a);
	return access_change_end(
		a, access_mirror(a, control_change_collection(a->control, number, retention_ms, formats)));
}

enum status access_remove_collection(struct access *a, uint32_t number)
{
	access_change_begin(a);
	return access_change_end(a, control_remove_collection(a->control, number));
}

enum status access_list_collections(struct access *a, struct control_collection **out, size_t *count)
{
	return control_list_collections(a->control, out, count);
}
