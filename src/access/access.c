/* access.c - what is held in memory, and who a token stands for. */
#include "poison.h"

#include <string.h>

#include "access_private.h"
#include "clock.h"
#include "digest.h"
#include "limits.h"
#include "log.h"
#include "memory.h"
#include "must.h"

enum { PREFIX_TEXT = 12, SECRET_TEXT = 43, TOUCH_MS = 60000 };

/* --- what is held --- */

/* Opens the keys of `rows` into locked memory; what has no key yet was left by a process that ended, and is
 * removed. */
static enum status open_collections(struct access *a, const struct control_collection *rows, size_t row_count,
	struct access_collection *out, size_t *count)
{
	enum status st = ST_OK;
	*count = 0;
	for (size_t i = 0; st == ST_OK && i < row_count; i++) {
		if (!rows[i].has_key) {
			log_event(
				LOG_WARN, "access.collection.unfinished", LOG_U64("number", rows[i].number));
			st = control_forget_collection(a->control, rows[i].number);
			continue;
		}
		out[*count].row = rows[i];
		st = keyring_open_collection_key(
			a->keyring, rows[i].number, rows[i].wrapped_key, &out[*count].key);
		++*count;
	}
	return st;
}

static void free_collections(struct access_collection *collections)
{
	if (collections)
		memory_free_locked(collections, COLLECTIONS_MAX * sizeof *collections);
}

static enum status read_collections(struct access *a, struct access_collection **out, size_t *count)
{
	struct control_collection *rows = NULL;
	size_t row_count = 0;
	enum status st = control_list_collections(a->control, &rows, &row_count);
	if (st != ST_OK)
		return st;
	struct access_collection *collections = memory_alloc_locked(COLLECTIONS_MAX * sizeof *collections);
	st = collections ? open_collections(a, rows, row_count, collections, count) : ST_FULL;
	memory_free(rows);
	if (st == ST_OK)
		*out = collections;
	else
		free_collections(collections);
	return st;
}

/* Puts the new in place of the old and frees the old. */
static void replace(struct access *a, struct control_key *keys, size_t key_count,
	struct access_collection *collections, size_t collection_count)
{
	lock_acquire(&a->cache);
	struct control_key *old_keys = a->keys;
	struct access_collection *old_collections = a->collections;
	a->keys = keys;
	a->key_count = key_count;
	a->collections = collections;
	a->collection_count = collection_count;
	a->is_stale = !collections;
	a->is_changing = false;
	signal_wake_all(&a->changed);
	lock_release(&a->cache);
	memory_free(old_keys);
	free_collections(old_collections);
}

void access_change_begin(struct access *a)
{
	lock_acquire(&a->cache);
	while (a->is_changing)
		signal_wait(&a->changed, &a->cache);
	a->is_changing = true;
	lock_release(&a->cache);
}

enum status access_change_end(struct access *a, enum status st)
{
	struct control_key *keys = NULL;
	struct access_collection *collections = NULL;
	size_t key_count = 0, collection_count = 0;
	enum status read = read_collections(a, &collections, &collection_count);
	if (read == ST_OK)
		read = control_list_keys(a->control, &keys, &key_count);
	if (read != ST_OK) {
		log_event(LOG_ERROR, "access.cache.lost", LOG_STATUS("status", read));
		free_collections(collections);
		collections = NULL;
		key_count = collection_count = 0;
	}
	replace(a, keys, key_count, collections, collection_count);
	return st != ST_OK ? st : read;
}

static void refresh_if_stale(struct access *a)
{
	lock_acquire(&a->cache);
	bool is_stale = a->is_stale;
	lock_release(&a->cache);
	if (!is_stale)
		return;
	access_change_begin(a);
	enum status st = access_change_end(a, ST_OK);
	(void)st; /* it stays stale, and everybody denied */
}

/* --- life --- */

enum status access_open(
	struct control *control, struct keyring *keyring, struct clock *clock, struct access **out)
{
	struct access *a = memory_alloc(sizeof *a);
	if (!a)
		return ST_FULL;
	a->control = control;
	a->keyring = keyring;
	a->clock = clock;
	a->retention_max_ms = RETENTION_MAX_MS;
	a->retention_default_ms = RETENTION_MAX_MS;
	lock_init(&a->cache, "access.cache");
	signal_init(&a->changed);
	access_change_begin(a);
	enum status st = access_change_end(a, ST_OK);
	if (st == ST_OK)
		*out = a;
	else
		access_close(a);
	return st;
}

void access_close(struct access *a)
{
	if (!a)
		return;
	must(!a->is_changing);
	memory_free(a->keys);
	free_collections(a->collections);
	signal_fini(&a->changed);
	lock_fini(&a->cache);
	memory_free(a);
}

void access_set_retention_max(struct access *a, int64_t retention_max_ms)
{
	must(retention_max_ms >= RETENTION_MIN_MS);
	must(retention_max_ms <= RETENTION_MAX_MS);
	a->retention_max_ms = retention_max_ms;
}

void access_set_retention_default(struct access *a, int64_t retention_ms)
{
	must(retention_ms >= RETENTION_MIN_MS);
	must(retention_ms <= RETENTION_MAX_MS);
	a->retention_default_ms = retention_ms;
}

/* --- who --- */

struct token {
	char prefix[PREFIX_TEXT + 1];
	struct span secret;
	bool is_formed;
};

/* What is no key at all gets a prefix and a secret that nobody has, so that it costs the same. */
static struct token token_of(struct span text)
{
	static const char nobody[] = "-------------------------------------------";
	static_assert(sizeof nobody == SECRET_TEXT + 1, "as long as a secret");
	struct token token = { .prefix = "------------", .secret = SPAN_LIT(nobody) };
	if (text.len != ACCESS_KEY_TEXT || !span_starts_with(text, "dr_") ||
		text.data[3 + PREFIX_TEXT] != '_')
		return token;
	if (span_to_text(span_slice(text, 3, PREFIX_TEXT), token.prefix, sizeof token.prefix) != ST_OK)
		return token;
	token.secret = span_slice(text, 3 + PREFIX_TEXT + 1, SECRET_TEXT);
	token.is_formed = true;
	return token;
}

struct control_key *access_cached_key(struct access *a, const char *prefix)
{
	size_t low = 0, high = a->key_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(a->keys[middle].prefix, prefix);
		if (order == 0)
			return &a->keys[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool is_valid(const struct control_key *key, int64_t now_ms)
{
	return key->revoked_at < 0 && (key->expires_at < 0 || now_ms < key->expires_at);
}

/* At most once a minute for each key: a note for people, not worth a sync with each request. */
static void touch(struct access *a, const char *prefix, int64_t now_ms)
{
	bool is_due = false;
	lock_acquire(&a->cache);
	struct control_key *key = access_cached_key(a, prefix);
	if (key && now_ms - key->last_used_at >= TOUCH_MS) {
		key->last_used_at = now_ms;
		is_due = true;
	}
	lock_release(&a->cache);
	if (is_due && control_touch_key(a->control, prefix, now_ms) != ST_OK)
		log_event(LOG_WARN, "access.key.untouched"); /* why was logged below; the request goes on */
}

static void fill_caller(
	const struct control_key *key, const struct access_role *role, struct access_caller *out)
{
	*out = (struct access_caller){ .permissions = role->permissions,
		.collection_count = key->collection_count,
		.is_for_all_collections = key->is_for_all_collections };
	memcpy(out->principal, key->principal, sizeof out->principal);
	memcpy(out->key_prefix, key->prefix, sizeof out->key_prefix);
	memcpy(out->collections, key->collections, sizeof out->collections);
}

enum status access_authenticate(struct access *a, struct span token, struct access_caller *out)
{
	static const struct control_key nobody = { .revoked_at = 0 };
	struct token parts = token_of(token);
	struct control_key key;
	refresh_if_stale(a);
	lock_acquire(&a->cache);
	const struct control_key *found = access_cached_key(a, parts.prefix);
	key = found ? *found : nobody;
	lock_release(&a->cache);
	struct digest hash = keyring_hash_secret(a->keyring, parts.secret);
	bool is_right = digest_equal_bytes(hash.bytes, key.secret_hash, sizeof key.secret_hash);
	int64_t now_ms = clock_now_ms(a->clock);
	const struct access_role *role = access_find_role(span_of(key.role));
	memory_wipe(&hash, sizeof hash);
	if (!is_right || !parts.is_formed || !is_valid(&key, now_ms) || !role)
		return ST_DENIED;
	fill_caller(&key, role, out);
	touch(a, key.prefix, now_ms);
	return ST_OK;
}

bool access_reaches(const struct access_caller *caller, uint32_t collection)
{
	if (caller->is_for_all_collections)
		return true;
	for (size_t i = 0; i < caller->collection_count; i++)
		if (caller->collections[i] == collection)
			return true;
	return false;
}
