/* fetch.c - finding an image, and what is sealed about it. */
#include "poison.h"

#include "inside.h"

#include "clock.h"
#include "memory.h"

enum status fetch_new(const struct fetch_options *options, struct fetch **out)
{
	struct fetch *f = memory_alloc(sizeof *f);
	if (!f)
		return ST_FULL;
	f->options = *options;
	*out = f;
	return ST_OK;
}

void fetch_free(struct fetch *f)
{
	memory_free(f);
}

/* A destroyed slot answers GONE whatever the clock says. */
enum status fetch_judge(struct fetch *f, const struct catalog_image *image)
{
	if (image->expires_at <= clock_now_ms(f->options.clock))
		return ST_GONE;
	return keyring_epoch_state(f->options.keyring, image->epoch) == EPOCH_LIVE ? ST_OK : ST_GONE;
}

/* An id that only we can have made and that has no row was an image of ours: it is gone. */
enum status fetch_find(struct fetch *f, struct span text, struct catalog_image *out, uint32_t *collection)
{
	struct image_id id;
	if (image_id_parse(text, &id) != ST_OK || !keyring_is_genuine(f->options.keyring, &id))
		return ST_NOT_FOUND;
	*collection = image_id_collection(&id);
	enum status st = catalog_find_image(f->options.catalog, id.bytes, out);
	if (st == ST_NOT_FOUND)
		return ST_GONE;
	return st == ST_OK ? fetch_judge(f, out) : st;
}

enum status fetch_private(struct fetch *f, const struct catalog_image *image, struct fetch_private *out)
{
	struct commit_opened opened;
	struct commit_opened_result result;
	memset(out, 0, sizeof *out);
	buf_init(&out->private_json, 0);
	enum status st = fetch_judge(f, image);
	if (st == ST_OK)
		st = commit_open_image(f->options.commit, image, &opened);
	if (st != ST_OK)
		return st;
	out->person = opened.person;
	st = commit_open_result(f->options.commit, image, opened.key, &result);
	commit_opened_fini(&opened);
	if (st == ST_NOT_FOUND)
		return ST_OK;
	if (st != ST_OK) {
		fetch_private_fini(out);
		return st;
	}
	out->private_json = result.private_json; /* moves: the buf is ours now */
	buf_init(&result.private_json, 0);
	commit_opened_result_fini(&result);
	return ST_OK;
}

void fetch_private_fini(struct fetch_private *p)
{
	buf_wipe(&p->private_json);
	memory_wipe(p, sizeof *p);
}
