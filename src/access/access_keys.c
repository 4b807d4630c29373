/* access_keys.c - making, revoking and listing keys. */
#include "poison.h"

#include <string.h>

#include "access_private.h"
#include "clock.h"
#include "memory.h"
#include "must.h"
#include "random.h"
#include "text.h"

enum { PREFIX_TEXT = 12, SECRET_BYTES = 32, ATTEMPTS = 4 };
#define VALID_MS_MAX ((int64_t)100 * 366 * 24 * 3600 * 1000)

static bool is_good_principal(const char *name)
{
	struct span text = span_of(name);
	return text.len > 0 && text.len <= PRINCIPAL_NAME_MAX && text_is_clean_utf8(text);
}

/* Names to numbers.  NOT_FOUND: unknown or removed.  INVALID: more than a key reaches. */
static enum status find_reach(struct access *a, const char *const *names, struct control_key *key)
{
	key->is_for_all_collections = !names;
	for (size_t i = 0; names && names[i]; i++) {
		struct access_collection found;
		if (key->collection_count == KEY_COLLECTIONS_MAX)
			return ST_INVALID;
		enum status st = access_find_collection(a, span_of(names[i]), &found);
		if (st != ST_OK)
			return st;
		access_collection_wipe(&found);
		if (found.row.is_removed)
			return ST_NOT_FOUND;
		key->collections[key->collection_count++] = found.row.number;
	}
	return ST_OK;
}

/* "dr_" prefix "_" secret, the secret in base64 with - and _ for + and /. */
static enum status make_text(struct buf *text)
{
	uint8_t random[SECRET_BYTES + 8];
	enum status st = random_bytes(random, sizeof random);
	if (st != ST_OK)
		return st;
	buf_put_text(text, "dr_");
	text_put_base32(text, span_make(random + SECRET_BYTES, 8));
	if (buf_ok(text))
		text->len = 3 + PREFIX_TEXT; /* the 13th carries less */
	buf_put_byte(text, '_');
	text_put_base64(text, span_make(random, SECRET_BYTES));
	memory_wipe(random, sizeof random);
	if (!buf_ok(text))
		return ST_FULL;
	must(text->len == ACCESS_KEY_TEXT + 1); /* one sign of padding */
	text->len = ACCESS_KEY_TEXT;
	for (size_t i = 3 + PREFIX_TEXT + 1; i < text->len; i++)
		text->data[i] = text->data[i] == '+' ? '-' : text->data[i] == '/' ? '_' : text->data[i];
	return ST_OK;
}

/* One attempt; EXISTS: the prefix is taken. */
static enum status add_key(struct access *a, struct control_key *key, char out[ACCESS_KEY_TEXT + 1])
{
	struct buf text;
	buf_init(&text, ACCESS_KEY_TEXT + 8);
	enum status st = make_text(&text);
	if (st == ST_OK) {
		struct span secret = span_slice(buf_span(&text), 3 + PREFIX_TEXT + 1, ACCESS_KEY_TEXT);
		struct digest hash = keyring_hash_secret(a->keyring, secret);
		memcpy(key->secret_hash, hash.bytes, sizeof key->secret_hash);
		memcpy(key->prefix, text.data + 3, PREFIX_TEXT);
		st = control_add_key(a->control, key);
	}
	if (st == ST_OK)
		st = span_to_text(buf_span(&text), out, ACCESS_KEY_TEXT + 1);
	buf_wipe(&text);
	return st;
}

enum status access_make_key(struct access *a, const struct access_new_key *in, char out[ACCESS_KEY_TEXT + 1])
{
	struct control_key key = {
		.created_at = clock_now_ms(a->clock), .expires_at = -1, .revoked_at = -1, .last_used_at = -1
	};
	const struct access_role *role = access_find_role(span_of(in->role));
	if (!role || !is_good_principal(in->principal) || in->valid_ms < 0 || in->valid_ms > VALID_MS_MAX)
		return ST_INVALID;
	if (in->valid_ms > 0)
		key.expires_at = key.created_at + in->valid_ms;
	enum status st = span_to_text(span_of(in->principal), key.principal, sizeof key.principal);
	if (st == ST_OK)
		st = span_to_text(span_of(role->name), key.role, sizeof key.role);
	if (st == ST_OK)
		st = find_reach(a, in->collections, &key);
	if (st != ST_OK)
		return st;
	access_change_begin(a);
	st = ST_EXISTS;
	for (int attempt = 0; st == ST_EXISTS && attempt < ATTEMPTS; attempt++)
		st = add_key(a, &key, out);
	st = access_change_end(a, st);
	if (st != ST_OK)
		memory_wipe(out, ACCESS_KEY_TEXT + 1);
	return st;
}

enum status access_revoke_key(struct access *a, struct span prefix)
{
	char text[PREFIX_TEXT + 1];
	if (prefix.len != PREFIX_TEXT || span_to_text(prefix, text, sizeof text) != ST_OK)
		return ST_NOT_FOUND;
	access_change_begin(a);
	return access_change_end(a, control_revoke_key(a->control, text, clock_now_ms(a->clock)));
}

enum status access_list_keys(struct access *a, struct control_key **out, size_t *count)
{
	return control_list_keys(a->control, out, count);
}
