/* collections.c - handlers: collections and API keys. */
#include "poison.h"

#include <stdio.h>

#include "access_json.h"
#include "memory.h"
#include "reply.h"
#include "request.h"
#include "route.h"

enum { ONE_MAX = 8192 };

/* The collection in the path, if the caller reaches it. */
static enum status find(struct request *rq, struct access_collection *out)
{
	enum status st = access_find_collection(rq->services->access, rq->path_parameters[0], out);
	if (st == ST_OK && !access_reaches(&rq->caller, out->row.number)) {
		access_collection_wipe(out);
		st = ST_NOT_FOUND;
	}
	return st == ST_NOT_FOUND ? request_refuse(rq, st, "there is no such collection") : st;
}

static enum status reply_row(struct request *rq, int http_status, const struct control_collection *row)
{
	char headers[128] = "";
	struct buf body;
	buf_init(&body, ONE_MAX);
	struct json_writer w = json_writer_of(&body);
	access_json_put_collection(&w, NULL, row);
	if (http_status == 201)
		(void)snprintf(headers, sizeof headers, "Location: /v1/collections/%s\r\n", row->name);
	enum status st = reply_json(rq, http_status, headers, &body);
	buf_fini(&body);
	return st;
}

enum status collection_list(struct request *rq)
{
	struct control_collection *rows = NULL;
	struct buf body;
	size_t count = 0;
	buf_init(&body, REPLY_BYTES_MAX);
	struct json_writer w = json_writer_of(&body);
	enum status st = access_list_collections(rq->services->access, &rows, &count);
	json_begin_object(&w, NULL);
	json_begin_array(&w, "collections");
	for (size_t i = 0; st == ST_OK && i < count; i++)
		if (access_reaches(&rq->caller, rows[i].number))
			access_json_put_collection(&w, NULL, &rows[i]);
	json_end_array(&w);
	json_end_object(&w);
	if (st == ST_OK)
		st = reply_json(rq, 200, NULL, &body);
	memory_free(rows);
	buf_fini(&body);
	return st;
}

enum status collection_post(struct request *rq)
{
	struct json *body = NULL;
	struct control_collection row;
	enum status st = request_json(rq, &body);
	if (st == ST_OK)
		st = access_json_make_collection(rq->services->access, body, &row, &rq->why);
	if (st == ST_EXISTS)
		rq->why = "a collection of that name is there already";
	json_free(body);
	return st == ST_OK ? reply_row(rq, 201, &row) : st;
}

enum status collection_get(struct request *rq)
{
	struct access_collection found;
	enum status st = find(rq, &found);
	if (st != ST_OK)
		return st;
	st = reply_row(rq, 200, &found.row);
	access_collection_wipe(&found);
	return st;
}

enum status collection_patch(struct request *rq)
{
	struct access_collection found;
	struct json *body = NULL;
	enum status st = find(rq, &found);
	if (st != ST_OK)
		return st;
	st = request_json(rq, &body);
	if (st == ST_OK)
		st = access_json_change_collection(rq->services->access, body, &found.row, &rq->why);
	json_free(body);
	access_collection_wipe(&found);
	return st == ST_OK ? collection_get(rq) : st;
}

enum status collection_delete(struct request *rq)
{
	struct access_collection found;
	enum status st = find(rq, &found);
	if (st != ST_OK)
		return st;
	st = access_remove_collection(rq->services->access, found.row.number);
	access_collection_wipe(&found);
	return st == ST_OK ? reply_empty(rq, 204, "Cache-Control: no-store\r\n") : st;
}

enum status key_list(struct request *rq)
{
	struct control_key *rows = NULL;
	struct buf body;
	size_t count = 0;
	buf_init(&body, REPLY_BYTES_MAX);
	struct json_writer w = json_writer_of(&body);
	enum status st = access_list_keys(rq->services->access, &rows, &count);
	json_begin_object(&w, NULL);
	json_begin_array(&w, "keys");
	for (size_t i = 0; st == ST_OK && i < count; i++)
		access_json_put_key(&w, &rows[i]);
	json_end_array(&w);
	json_end_object(&w);
	if (st == ST_OK)
		st = reply_json(rq, 200, NULL, &body);
	memory_free(rows);
	buf_fini(&body);
	return st;
}

enum status key_post(struct request *rq)
{
	struct json *request = NULL;
	struct buf body;
	buf_init(&body, ONE_MAX);
	struct json_writer w = json_writer_of(&body);
	enum status st = request_json(rq, &request);
	if (st == ST_OK) {
		json_begin_object(&w, NULL);
		st = access_json_make_key(rq->services->access, request, &w, &rq->why);
		json_end_object(&w);
	}
	if (st == ST_NOT_FOUND)
		rq->problem_status = 400;
	if (st == ST_OK)
		st = reply_json(rq, 201, NULL, &body);
	json_free(request);
	buf_wipe(&body);
	return st;
}

enum status key_delete(struct request *rq)
{
	enum status st = access_revoke_key(rq->services->access, rq->path_parameters[0]);
	if (st == ST_NOT_FOUND)
		return request_refuse(rq, st, "there is no key with this prefix");
	return st == ST_OK ? reply_empty(rq, 204, "Cache-Control: no-store\r\n") : st;
}
