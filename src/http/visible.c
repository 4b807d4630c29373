/* visible.c - applies the caller's reach. */
#include "poison.h"

#include "visible.h"

enum status visible_image(struct request *rq, struct catalog_image *out)
{
	uint32_t collection = 0;
	enum status st = fetch_find(rq->services->fetch, rq->path_parameters[0], out, &collection);
	if ((st == ST_OK || st == ST_GONE) && !access_reaches(&rq->caller, collection))
		st = ST_NOT_FOUND;
	if (st == ST_NOT_FOUND || st == ST_INVALID)
		return request_refuse(rq, ST_NOT_FOUND, "there is no image with this id");
	if (st == ST_GONE)
		return request_refuse(rq, ST_GONE, "the image reached its end and was destroyed");
	return st;
}

enum status visible_collection(struct request *rq, struct span name, uint32_t *out)
{
	struct access_collection found;
	enum status st = access_find_collection(rq->services->access, name, &found);
	if (st == ST_OK) {
		*out = found.row.number;
		access_collection_wipe(&found);
		if (!access_reaches(&rq->caller, *out))
			st = ST_NOT_FOUND;
	}
	return st == ST_NOT_FOUND ? request_refuse(rq, ST_INVALID, "there is no such collection") : st;
}
