/* commands.c - the administration commands: JSON in, JSON out. */
#include "poison.h"

#include "admin.h"

#include "access_json.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "memory.h"
#include "purge.h"

enum { RECEIPTS_AT_ONCE = 500, PUBLIC_KEY_MAX = 1024 };
#define RECEIPTS_BYTES_MAX MIB(1)

struct command_context {
	const struct admin_services *services;
	const struct json *request;
	struct json_writer *reply;
};

struct command {
	const char *name;
	/* Puts members into the reply's object.  Not OK: `why` may be set to a constant sentence. */
	enum status (*run)(struct command_context *c, const char **why);
};

/* --- keys --- */

static enum status key_create(struct command_context *c, const char **why)
{
	return access_json_make_key(c->services->access, c->request, c->reply, why);
}

static enum status key_list(struct command_context *c, const char **why)
{
	struct control_key *rows = NULL;
	size_t count = 0;
	(void)why;
	enum status st = access_list_keys(c->services->access, &rows, &count);
	json_begin_array(c->reply, "keys");
	for (size_t i = 0; st == ST_OK && i < count; i++)
		access_json_put_key(c->reply, &rows[i]);
	json_end_array(c->reply);
	memory_free(rows);
	return st;
}

static enum status key_revoke(struct command_context *c, const char **why)
{
	struct span prefix;
	*why = "\"prefix\" names the key: the 12 characters between dr_ and the next _";
	if (json_get_text(c->request, "prefix", &prefix) != ST_OK)
		return ST_INVALID;
	return access_revoke_key(c->services->access, prefix);
}

/* --- collections --- */

static enum status collection_create(struct command_context *c, const char **why)
{
	struct control_collection row;
	enum status st = access_json_make_collection(c->services->access, c->request, &row, why);
	if (st == ST_OK)
		access_json_put_collection(c->reply, "collection", &row);
	if (st == ST_EXISTS)
		*why = "a collection of that name is there already";
	return st;
}

static enum status collection_list(struct command_context *c, const char **why)
{
	struct control_collection *rows = NULL;
	size_t count = 0;
	(void)why;
	enum status st = access_list_collections(c->services->access, &rows, &count);
	json_begin_array(c->reply, "collections");
	for (size_t i = 0; st == ST_OK && i < count; i++)
		access_json_put_collection(c->reply, NULL, &rows[i]);
	json_end_array(c->reply);
	memory_free(rows);
	return st;
}

static enum status find_collection(struct command_context *c, struct access_collection *out, const char **why)
{
	struct span name;
	*why = "\"name\" names the collection";
	if (json_get_text(c->request, "name", &name) != ST_OK)
		return ST_INVALID;
	*why = "there is no collection of that name";
	return access_find_collection(c->services->access, name, out);
}

static enum status collection_change(struct command_context *c, const char **why)
{
	struct access_collection found;
	enum status st = find_collection(c, &found, why);
	if (st != ST_OK)
		return st;
	st = access_json_change_collection(c->services->access, c->request, &found.row, why);
	access_collection_wipe(&found);
	return st;
}

static enum status collection_remove(struct command_context *c, const char **why)
{
	struct access_collection found;
	enum status st = find_collection(c, &found, why);
	if (st != ST_OK)
		return st;
	st = access_remove_collection(c->services->access, found.row.number);
	access_collection_wipe(&found);
	return st;
}

/* --- receipts, clock, server --- */

static enum status receipt_list(struct command_context *c, const char **why)
{
	int64_t after = 0;
	struct buf list;
	*why = "\"after\" is the number of a receipt";
	if (json_get_i64(c->request, "after", &after) == ST_INVALID || after < 0)
		return ST_INVALID;
	buf_init(&list, RECEIPTS_BYTES_MAX);
	enum status st = purge_receipts(c->services->purge, (uint64_t)after, RECEIPTS_AT_ONCE, &list);
	if (st == ST_OK)
		json_put_raw(c->reply, "receipts", buf_span(&list));
	buf_fini(&list);
	return st;
}

static enum status receipt_key(struct command_context *c, const char **why)
{
	struct buf pem;
	(void)why;
	buf_init(&pem, PUBLIC_KEY_MAX);
	enum status st = purge_public_key(c->services->purge, &pem);
	if (st == ST_OK)
		json_put_text(c->reply, "public_key", buf_span(&pem));
	buf_fini(&pem);
	return st;
}

static enum status clock_status(struct command_context *c, const char **why)
{
	struct clock *clock = c->services->clock;
	(void)why;
	json_put_time(c->reply, "trusted", clock_now_ms(clock));
	json_put_time(c->reply, "wall", clock_wall_ms());
	json_put_bool(c->reply, "held", clock_is_held(clock));
	json_put_i64(c->reply, "scale", clock_scale(clock));
	return ST_OK;
}

static enum status confirm_clock(struct command_context *c, const char **why)
{
	clock_confirm(c->services->clock);
	log_event(LOG_WARN, "admin.clock.confirmed", LOG_I64("trusted_ms", clock_now_ms(c->services->clock)));
	return clock_status(c, why);
}

static enum status reload(struct command_context *c, const char **why)
{
	*why = "the server is not running";
	if (!c->services->reload)
		return ST_UNSUPPORTED;
	*why = "the certificate could not be loaded; the old one stays in force (see the log)";
	return c->services->reload(c->services->context);
}

static const struct command commands[] = {
	{ "key.create", key_create },
	{ "key.list", key_list },
	{ "key.revoke", key_revoke },
	{ "collection.create", collection_create },
	{ "collection.list", collection_list },
	{ "collection.change", collection_change },
	{ "collection.remove", collection_remove },
	{ "receipt.list", receipt_list },
	{ "receipt.key", receipt_key },
	{ "clock.status", clock_status },
	{ "clock.confirm", confirm_clock },
	{ "server.reload", reload },
};

static const struct command *find_command(struct span name)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (span_equal_text(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static void put_failure(struct buf *reply, enum status st, const char *why)
{
	struct json_writer w = json_writer_of(reply);
	buf_clear(reply);
	json_begin_object(&w, NULL);
	json_put_bool(&w, "ok", false);
	json_put_text(&w, "status", span_of(status_name(st)));
	json_put_text(&w, "error", span_of(why && why[0] ? why : status_text(st)));
	json_end_object(&w);
}

void admin_execute(const struct admin_services *services, struct span request, struct buf *reply)
{
	struct json *object = NULL;
	struct span name;
	const char *why = "a request is one JSON object with \"command\"";
	enum status st = json_parse(request, &object, NULL);
	if (st == ST_OK)
		st = json_get_text(object, "command", &name);
	if (st == ST_OK) {
		const struct command *command = find_command(name);
		struct json_writer w = json_writer_of(reply);
		struct command_context c = { services, object, &w };
		why = command ? NULL : "there is no such command";
		json_begin_object(&w, NULL);
		json_put_bool(&w, "ok", true);
		st = command ? command->run(&c, &why) : ST_NOT_FOUND;
		json_end_object(&w);
	}
	if (st == ST_OK && !buf_ok(reply))
		st = ST_TOO_BIG;
	if (st != ST_OK)
		put_failure(reply, st, why);
	json_free(object);
}
