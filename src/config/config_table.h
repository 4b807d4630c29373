/* config_table.h - the rows of settings.def at run time, and the one way to set a value. */
#ifndef DARKROOM_CONFIG_TABLE_H
#define DARKROOM_CONFIG_TABLE_H

#include "config.h"

enum setting_type { SETTING_TEXT, SETTING_NUMBER, SETTING_SIZE, SETTING_DURATION, SETTING_CHOICE };

struct setting {
	const char *key;
	enum setting_type type;
	size_t offset;              /* of its field in struct config */
	int64_t min, max, number;   /* number: the default */
	const char *choices, *text; /* text: the default */
	const char *unit, *sentence;
};

extern const struct setting config_table[CONFIG_SETTING_COUNT];

/* Where a value stands, for its refusal: "darkroom.json line 3", "--listen", "DARKROOM_LISTEN". */
struct setting_source {
	enum config_origin origin;
	const char *where;
};

const struct setting *config_find(struct span key); /* NULL when unknown */

/* Parses and stores.  INVALID with a whole sentence in `why`. */
enum status config_put(struct config *c, const struct setting *s, const struct setting_source *from,
	struct span value, struct buf *why) MUST_CHECK;
/* INVALID: not a number's row, or out of range. */
enum status config_put_number(struct config *c, const struct setting *s, int64_t value) MUST_CHECK;
/* Writes why a value of `s` was refused. */
void config_refuse(const struct setting *s, const struct setting_source *from, struct buf *why);

#endif
