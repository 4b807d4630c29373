/* config.h - one table of settings → one const struct.
 *
 * A setting is one row of include/settings.def: key, type, minimum, maximum,
 * default, unit, sentence.  The row yields the struct's field, the reading of
 * file ("listen": "…"), environment (DARKROOM_LISTEN) and flag (--listen), and
 * `darkroom config --explain`.  Flags win over environment, environment over
 * file, file over default.  An unknown key or a bad value is refused with its
 * line, variable or flag.  Secrets come by file path only.  Kubernetes tells each pod of a Service that is
 * called "darkroom" by variables that begin like ours: these forms alone are counted and passed over.
 */
#ifndef DARKROOM_CONFIG_H
#define DARKROOM_CONFIG_H

#include "buf.h"
#include "limits.h"
#include "span.h"
#include "status.h"

enum { CONFIG_TEXT_MAX = 1024 };

enum config_setting {
#define X(field, key, type, min, max, value, unit, sentence) CONFIG_SETTING_##field,
#include "settings.def"
#undef X
	CONFIG_SETTING_COUNT
};
enum config_origin { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_ENVIRONMENT, CONFIG_FROM_FLAG };

struct config {
#define CONFIG_TEXT(field) char field[CONFIG_TEXT_MAX];
#define CONFIG_NUMBER(field) int64_t field;
#define CONFIG_SIZE(field) int64_t field;     /* bytes */
#define CONFIG_DURATION(field) int64_t field; /* ms */
#define CONFIG_CHOICE(field) char field[CONFIG_TEXT_MAX];
#define X(field, key, type, min, max, value, unit, sentence) CONFIG_##type(field)
#include "settings.def"
#undef X
	uint8_t origin[CONFIG_SETTING_COUNT]; /* enum config_origin of each */
	uint32_t service_links;               /* how many of Kubernetes' variables were passed over */
};

/* All defaults. */
void config_init(struct config *c);

/* Each refuses what it does not know: INVALID with a whole sentence in `why` (what, where, what to do). */
enum status config_load_file(struct config *c, const char *path, struct buf *why) MUST_CHECK;
enum status config_load_environment(struct config *c, char *const *environment, struct buf *why) MUST_CHECK;
/* Takes "--key value" and "--key=value" settings out of argv (moving the rest up, *argc shrinks). */
enum status config_load_flags(struct config *c, int *argc, char **argv, struct buf *why) MUST_CHECK;
/* Relations between settings (retention within the maximum, …). */
enum status config_check(const struct config *c, struct buf *why) MUST_CHECK;

/* A table for people, or JSON: key, value, default, unit, where it came from, sentence. */
void config_explain(const struct config *c, bool as_json, struct buf *out);

#endif
