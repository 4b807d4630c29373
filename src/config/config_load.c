/* config_load.c - settings from a file, the environment and the command line. */
#include "poison.h"

#include "config.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "config_table.h"
#include "file.h"
#include "json.h"

enum { CONFIG_FILE_MAX = 65536, WHERE_MAX = CONFIG_TEXT_MAX + 64 };

static enum status put_member(
	struct config *c, const struct json *member, const struct setting_source *from, struct buf *why)
{
	const struct setting *s = config_find(span_of(json_key(member)));
	if (!s) {
		buf_printf(why, "%s: there is no setting \"", from->where);
		buf_put_log(why, span_of(json_key(member)));
		buf_put_text(why, "\"; `darkroom config --explain` lists them all");
		return ST_INVALID;
	}
	struct span text;
	int64_t number;
	if (json_text(member, &text) == ST_OK)
		return config_put(c, s, from, text, why);
	if (json_i64(member, &number) != ST_OK || config_put_number(c, s, number) != ST_OK) {
		config_refuse(s, from, why);
		return ST_INVALID;
	}
	c->origin[s - config_table] = (uint8_t)from->origin;
	return ST_OK;
}

static enum status put_members(
	struct config *c, const struct json *object, const char *path, struct span text, struct buf *why)
{
	for (size_t i = 0; i < json_count(object); i++) {
		const struct json *member = json_at(object, i);
		char where[WHERE_MAX];
		(void)snprintf(where, sizeof where, "%s line %u", path, json_line_of(text, json_key(member)));
		struct setting_source from = { CONFIG_FROM_FILE, where };
		enum status st = put_member(c, member, &from, why);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

enum status config_load_file(struct config *c, const char *path, struct buf *why)
{
	struct buf text;
	struct json *root = NULL;
	unsigned line = 0;
	buf_init(&text, CONFIG_FILE_MAX);
	enum status st = file_load(AT_FDCWD, path, &text);
	if (st != ST_OK) {
		buf_printf(why, "%s: the configuration file cannot be read: %s", path, status_text(st));
		goto out;
	}
	st = json_parse_commented(buf_span(&text), &root, &line);
	if (st != ST_OK || !json_is_object(root)) {
		buf_printf(why,
			"%s line %u: this is not one JSON object without repeated names (comments are "
			"allowed)",
			path, line > 0 ? line : 1);
		st = ST_INVALID;
		goto out;
	}
	st = put_members(c, root, path, buf_span(&text), why);
out:
	json_free(root);
	buf_fini(&text);
	return st;
}

/* "DARKROOM_LISTEN" to "listen" in `out`; false if it is no variable of ours. */
static bool key_of_variable(struct span name, char *out, size_t size)
{
	if (!span_starts_with(name, "DARKROOM_") || name.len - 9 >= size)
		return false;
	for (size_t i = 9; i < name.len; i++)
		out[i - 9] = (char)tolower(name.data[i]);
	out[name.len - 9] = '\0';
	return true;
}

/* Variables of the client commands and of the build, which are no settings. */
static bool is_reserved(const char *key)
{
	static const char *const reserved[] = { "url", "key", "ca", "cache", "config", "key_file", NULL };
	for (size_t i = 0; reserved[i]; i++)
		if (strcmp(key, reserved[i]) == 0)
			return true;
	return false;
}

static bool is_number(struct span s)
{
	uint64_t number;
	return span_to_u64(s, UINT16_MAX, &number) == ST_OK;
}

/* What follows "PORT_<number>_<protocol>" in a link's name: nothing, or what of it the value is. */
static bool is_link_part(struct span rest)
{
	return rest.len == 0 || span_equal_text(rest, "_proto") || span_equal_text(rest, "_port") ||
	       span_equal_text(rest, "_addr");
}

static bool is_address(struct span value)
{
	return span_starts_with(value, "tcp://") || span_starts_with(value, "udp://") ||
	       span_starts_with(value, "sctp://");
}

/* "port_8443_tcp" and its parts. */
static bool is_port_link(struct span key)
{
	static const char *const protocols[] = { "tcp", "udp", "sctp", NULL };
	struct span rest = span_slice(key, 5, key.len); /* behind "port_" */
	size_t end = span_find(rest, '_');
	if (!span_starts_with(key, "port_") || !is_number(span_slice(rest, 0, end)))
		return false;
	rest = span_slice(rest, end + 1, rest.len);
	for (size_t i = 0; protocols[i]; i++)
		if (span_starts_with(rest, protocols[i]) &&
			is_link_part(span_slice(rest, strlen(protocols[i]), rest.len)))
			return true;
	return false;
}

/* The variables that Kubernetes gives each pod about a Service named "darkroom", by name and shape of
 * value; DARKROOM_PORT=8443 is somebody's mistake and no link. */
static bool is_service_link(struct span key, struct span value)
{
	if (span_equal_text(key, "service_host"))
		return true;
	if (span_equal_text(key, "service_port") || span_starts_with(key, "service_port_"))
		return is_number(value);
	return span_equal_text(key, "port") ? is_address(value) : is_port_link(key);
}

enum status config_load_environment(struct config *c, char *const *environment, struct buf *why)
{
	for (; *environment; environment++) {
		struct span line = span_of(*environment);
		size_t equals = span_find(line, '=');
		char key[64], where[80];
		if (!key_of_variable(span_slice(line, 0, equals), key, sizeof key) || is_reserved(key))
			continue;
		(void)snprintf(where, sizeof where, "%.*s", (int)(equals < 70 ? equals : 70), *environment);
		struct setting_source from = { CONFIG_FROM_ENVIRONMENT, where };
		const struct setting *s = config_find(span_of(key));
		if (!s && is_service_link(span_of(key), span_slice(line, equals + 1, line.len))) {
			c->service_links++;
			continue;
		}
		if (!s) {
			buf_printf(why,
				"%s: there is no such setting; `darkroom config --explain` lists them all "
				"(if Kubernetes set it for a Service: enableServiceLinks: false in the pod "
				"stops that)",
				where);
			return ST_INVALID;
		}
		enum status st = config_put(c, s, &from, span_slice(line, equals + 1, line.len), why);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* The setting that "--key…" names, with '-' read as '_'; NULL when it is none. */
static const struct setting *setting_of_flag(struct span flag)
{
	char key[64];
	if (!span_starts_with(flag, "--") || flag.len - 2 >= sizeof key)
		return NULL;
	for (size_t i = 2; i < flag.len; i++)
		key[i - 2] = flag.data[i] == '-' ? '_' : (char)flag.data[i];
	key[flag.len - 2] = '\0';
	return config_find(span_of(key));
}

/* One flag at argv[at]; how many words it took in *taken (0: it is no setting). */
static enum status load_flag(struct config *c, char **argv, int left, int *taken, struct buf *why)
{
	struct span word = span_of(argv[0]);
	size_t equals = span_find(word, '=');
	struct span flag = span_slice(word, 0, equals);
	const struct setting *s = setting_of_flag(flag);
	*taken = 0;
	if (!s)
		return ST_OK;
	char where[80];
	(void)snprintf(where, sizeof where, "%.*s", (int)(flag.len < 70 ? flag.len : 70), argv[0]);
	struct setting_source from = { CONFIG_FROM_FLAG, where };
	if (equals < word.len) {
		*taken = 1;
		return config_put(c, s, &from, span_slice(word, equals + 1, word.len), why);
	}
	if (left < 2) {
		buf_printf(why, "%s: a value must follow", where);
		return ST_INVALID;
	}
	*taken = 2;
	return config_put(c, s, &from, span_of(argv[1]), why);
}

enum status config_load_flags(struct config *c, int *argc, char **argv, struct buf *why)
{
	int kept = 0;
	for (int i = 0; i < *argc;) {
		int taken;
		if (strcmp(argv[i], "--") == 0) {
			while (i < *argc)
				argv[kept++] = argv[i++];
			break;
		}
		enum status st = load_flag(c, argv + i, *argc - i, &taken, why);
		if (st != ST_OK)
			return st;
		if (taken == 0)
			argv[kept++] = argv[i++];
		i += taken;
	}
	*argc = kept;
	return ST_OK;
}
