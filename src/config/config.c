/* config.c - the table of settings and what may be put into it. */
#include "poison.h"

#include "config.h"

#include <stdio.h>

#include "config_table.h"
#include "must.h"
#include "text.h"

#define ROW_TEXT(low, high, init) .type = SETTING_TEXT, .text = (init)
#define ROW_CHOICE(low, high, init) .type = SETTING_CHOICE, .choices = (low), .text = (init)
#define ROW_NUMBER(low, high, init) \
	.type = SETTING_NUMBER, .min = (int64_t)(low), .max = (int64_t)(high), .number = (int64_t)(init)
#define ROW_SIZE(low, high, init) \
	.type = SETTING_SIZE, .min = (int64_t)(low), .max = (int64_t)(high), .number = (int64_t)(init)
#define ROW_DURATION(low, high, init) \
	.type = SETTING_DURATION, .min = (int64_t)(low), .max = (int64_t)(high), .number = (int64_t)(init)

const struct setting config_table[CONFIG_SETTING_COUNT] = {
#define X(field, word, kind, low, high, init, its_unit, its_sentence) \
	{ .key = word, \
		.offset = offsetof(struct config, field), \
		.unit = its_unit, \
		.sentence = its_sentence, \
		ROW_##kind(low, high, init) },
#include "settings.def"
#undef X
};

static char *text_field(struct config *c, const struct setting *s)
{
	return (char *)c + s->offset;
}

static int64_t *number_field(struct config *c, const struct setting *s)
{
	return (int64_t *)(void *)((char *)c + s->offset);
}

static bool is_textual(const struct setting *s)
{
	return s->type == SETTING_TEXT || s->type == SETTING_CHOICE;
}

void config_init(struct config *c)
{
	memset(c, 0, sizeof *c);
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
		const struct setting *s = &config_table[i];
		if (is_textual(s))
			must(span_to_text(span_of(s->text), text_field(c, s), CONFIG_TEXT_MAX) == ST_OK);
		else
			*number_field(c, s) = s->number;
	}
}

const struct setting *config_find(struct span key)
{
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++)
		if (span_equal_text(key, config_table[i].key))
			return &config_table[i];
	return NULL;
}

/* True if `word` is one of the words of "a|b|c". */
static bool is_choice(const char *choices, struct span word)
{
	struct span rest = span_of(choices);
	while (rest.len > 0) {
		size_t end = span_find(rest, '|');
		if (span_equal(span_slice(rest, 0, end), word))
			return true;
		rest = span_slice(rest, end + 1, rest.len);
	}
	return false;
}

static void explain_range(const struct setting *s, struct buf *why)
{
	if (s->type == SETTING_CHOICE)
		buf_printf(why, "it must be one of %s", s->choices);
	else if (s->type == SETTING_TEXT)
		buf_printf(why, "it must be text of at most %d bytes", CONFIG_TEXT_MAX - 1);
	else if (s->type == SETTING_DURATION)
		buf_printf(why, "it must be a duration such as 90s, 15m or 7d, from %lld to %lld ms",
			(long long)s->min, (long long)s->max);
	else
		buf_printf(why, "it must be a number%s from %lld to %lld",
			s->type == SETTING_SIZE ? " (such as 64MiB)" : "", (long long)s->min,
			(long long)s->max);
}

static enum status put_text(struct config *c, const struct setting *s, struct span value)
{
	if (s->type == SETTING_CHOICE && !is_choice(s->choices, value))
		return ST_INVALID;
	if (!text_is_clean_utf8(value))
		return ST_INVALID;
	return span_to_text(value, text_field(c, s), CONFIG_TEXT_MAX);
}

static enum status parse_number(const struct setting *s, struct span value, int64_t *out)
{
	uint64_t n;
	if (s->type == SETTING_DURATION && span_to_u64(value, INT64_MAX, &n) != ST_OK)
		return text_parse_duration(value, out);
	enum status st =
		s->type == SETTING_SIZE ? text_parse_size(value, &n) : span_to_u64(value, INT64_MAX, &n);
	if (st != ST_OK || n > INT64_MAX)
		return ST_INVALID;
	*out = (int64_t)n;
	return ST_OK;
}

enum status config_put_number(struct config *c, const struct setting *s, int64_t value)
{
	if (is_textual(s) || value < s->min || value > s->max)
		return ST_INVALID;
	*number_field(c, s) = value;
	return ST_OK;
}

enum status config_put(struct config *c, const struct setting *s, const struct setting_source *from,
	struct span value, struct buf *why)
{
	int64_t number = 0;
	enum status st;
	if (is_textual(s)) {
		st = put_text(c, s, value);
	} else {
		st = parse_number(s, value, &number);
		if (st == ST_OK)
			st = config_put_number(c, s, number);
	}
	if (st != ST_OK) {
		config_refuse(s, from, why);
		return ST_INVALID;
	}
	c->origin[s - config_table] = (uint8_t)from->origin;
	return ST_OK;
}

void config_refuse(const struct setting *s, const struct setting_source *from, struct buf *why)
{
	buf_printf(why, "%s: the value of \"%s\" cannot be used: ", from->where, s->key);
	explain_range(s, why);
}

enum status config_check(const struct config *c, struct buf *why)
{
	if (c->retention > c->retention_max) {
		buf_put_text(
			why, "\"retention\" is over \"retention_max\": lower the first or raise the second");
		return ST_INVALID;
	}
	if ((c->certificate[0] == '\0') != (c->certificate_key[0] == '\0')) {
		buf_put_text(
			why, "\"certificate\" and \"certificate_key\" go together: give both or neither");
		return ST_INVALID;
	}
	if (c->image_bytes_max * 2 > c->body_budget || c->image_bytes_max * 2 > c->inbox_bytes_max) {
		buf_put_text(why,
			"\"body_budget\" and \"inbox_bytes_max\" must be at least twice \"image_bytes_max\"");
		return ST_INVALID;
	}
	return ST_OK;
}
