/* route.h - the route table: the only router, and the source of the API's description. */
#ifndef DARKROOM_HTTP_ROUTE_H
#define DARKROOM_HTTP_ROUTE_H

#include "access.h"
#include "request.h"

struct route_parameter {
	const char *name, *type, *sentence;
}; /* of the query; type as in JSON Schema */

struct route {
	const char *method;
	const char *path; /* "{id}" and "{name}" match one segment */
	enum permission permission;
	uint64_t body_max;
	enum status (*handler)(struct request *rq);
	const char *sentence;
	const char *request_schema; /* name in components, or a media type for bytes; NULL: no body */
	const char *reply_schema;   /* the same; NULL: no body */
	int success;
	const struct route_parameter *parameters; /* ends with name NULL; may be NULL */
};

extern const struct route route_table[]; /* ends with method NULL */

/* Handlers, one per row. */
enum status health_get(struct request *rq);
enum status ready_get(struct request *rq);
enum status metrics_get_text(struct request *rq);
enum status openapi_get(struct request *rq);
enum status me_get(struct request *rq);
enum status image_post(struct request *rq);
enum status image_list(struct request *rq);
enum status image_get(struct request *rq);
enum status image_delete(struct request *rq);
enum status original_get(struct request *rq);
enum status rendition_get(struct request *rq);
enum status stats_get(struct request *rq);
enum status sql_post(struct request *rq);
enum status sql_schema_get(struct request *rq);
enum status collection_list(struct request *rq);
enum status collection_post(struct request *rq);
enum status collection_get(struct request *rq);
enum status collection_patch(struct request *rq);
enum status collection_delete(struct request *rq);
enum status key_list(struct request *rq);
enum status key_post(struct request *rq);
enum status key_delete(struct request *rq);
enum status receipt_list(struct request *rq);
enum status receipt_key_get(struct request *rq);

#endif
