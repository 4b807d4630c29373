/* config_explain.c - all settings for people and for programs. */
#include "poison.h"

#include "config.h"

#include <stdio.h>

#include "config_table.h"
#include "json.h"

static const char *const origin_texts[] = { "default", "file", "environment", "flag" };

static bool is_textual(const struct setting *s)
{
	return s->type == SETTING_TEXT || s->type == SETTING_CHOICE;
}

static const char *text_of(const struct config *c, const struct setting *s)
{
	return (const char *)c + s->offset;
}

static int64_t number_of(const struct config *c, const struct setting *s)
{
	return *(const int64_t *)(const void *)((const char *)c + s->offset);
}

static void explain_json(const struct config *c, struct buf *out)
{
	struct json_writer w = json_writer_of(out);
	json_begin_array(&w, NULL);
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
		const struct setting *s = &config_table[i];
		json_begin_object(&w, NULL);
		json_put_text(&w, "key", span_of(s->key));
		if (is_textual(s)) {
			json_put_text(&w, "value", span_of(text_of(c, s)));
			json_put_text(&w, "default", span_of(s->text));
		} else {
			json_put_i64(&w, "value", number_of(c, s));
			json_put_i64(&w, "default", s->number);
			json_put_i64(&w, "minimum", s->min);
			json_put_i64(&w, "maximum", s->max);
		}
		json_put_text(&w, "unit", span_of(s->unit));
		json_put_text(&w, "origin", span_of(origin_texts[c->origin[i]]));
		json_put_text(&w, "sentence", span_of(s->sentence));
		json_end_object(&w);
	}
	json_end_array(&w);
	buf_put_byte(out, '\n');
}

static void explain_row(const struct config *c, const struct setting *s, const char *origin, struct buf *out)
{
	char value[64], standard[64];
	if (is_textual(s)) {
		buf_printf(out, "%-24s %-20s %-20s %-9s %-11s %s\n", s->key,
			text_of(c, s)[0] ? text_of(c, s) : "-", s->text[0] ? s->text : "-", s->unit, origin,
			s->sentence);
		return;
	}
	(void)snprintf(value, sizeof value, "%lld", (long long)number_of(c, s));
	(void)snprintf(standard, sizeof standard, "%lld", (long long)s->number);
	buf_printf(out, "%-24s %-20s %-20s %-9s %-11s %s\n", s->key, value, standard, s->unit, origin,
		s->sentence);
}

void config_explain(const struct config *c, bool as_json, struct buf *out)
{
	if (as_json) {
		explain_json(c, out);
		return;
	}
	buf_printf(out, "%-24s %-20s %-20s %-9s %-11s %s\n", "SETTING", "VALUE", "DEFAULT", "UNIT", "FROM",
		"WHAT IT DOES");
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++)
		explain_row(c, &config_table[i], origin_texts[c->origin[i]], out);
	buf_put_text(out,
		"\nEach is also a flag (--listen VALUE) and a variable (DARKROOM_LISTEN=VALUE); flags win "
		"over variables,\n"
		"variables over the file named by --config, the file over defaults.\n");
}
