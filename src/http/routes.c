/* routes.c - every route, one row each. */
#include "poison.h"

#include "route.h"

#include "limits.h"

static const struct route_parameter upload_parameters[] = {
	{ "collection", "string", "collection to keep the image in; \"default\" when left out" },
	{ "name", "string", "file name; sealed, never shown to analysts" },
	{ "wait", "string", "\"processed\": answer once the renditions are there (at most 30 s)" },
	{ NULL, NULL, NULL },
};

static const struct route_parameter list_parameters[] = {
	{ "collection", "string", "only this collection" },
	{ "from", "string", "received at or after this time (RFC 3339)" },
	{ "to", "string", "received before this time (RFC 3339)" },
	{ "format", "string", "jpeg, png, webp, gif or bmp" },
	{ "state", "string", "received, ready or failed" },
	{ "camera", "string", "part of the camera's name" },
	{ "bytes_min", "integer", "at least this many bytes" },
	{ "bytes_max", "integer", "at most this many bytes" },
	{ "width_min", "integer", "at least this wide" },
	{ "height_min", "integer", "at least this high" },
	{ "limit", "integer", "images a page, at most 500" },
	{ "cursor", "string", "next_cursor of the page before" },
	{ NULL, NULL, NULL },
};

static const struct route_parameter receipt_parameters[] = {
	{ "after", "integer", "number of the last receipt already seen" },
	{ NULL, NULL, NULL },
};

#define IMAGE "image/*"
const struct route route_table[] = {
	{ "GET", "/healthz", PERM_PUBLIC, 0, health_get, "is the process alive", NULL, "Health", 200, NULL },
	{ "GET", "/readyz", PERM_PUBLIC, 0, ready_get, "can it do its work", NULL, "Health", 200, NULL },
	{ "GET", "/metrics", PERM_METRICS_READ, 0, metrics_get_text, "metrics for Prometheus", NULL,
		"text/plain", 200, NULL },
	{ "GET", "/openapi.json", PERM_PUBLIC, 0, openapi_get, "this description", NULL, "OpenApi", 200,
		NULL },
	{ "GET", "/v1/me", PERM_SELF, 0, me_get, "who is asking and what they may do", NULL, "Me", 200,
		NULL },
	{ "POST", "/v1/images", PERM_IMAGE_WRITE, IMAGE_BYTES_CEILING, image_post,
		"upload one image (raw body) or several (multipart/form-data)", IMAGE, "Image", 201,
		upload_parameters },
	{ "GET", "/v1/images", PERM_IMAGE_LIST, 0, image_list, "find images", NULL, "ImageList", 200,
		list_parameters },
	{ "GET", "/v1/images/{id}", PERM_IMAGE_LIST, 0, image_get, "one image's record", NULL, "Image", 200,
		NULL },
	{ "DELETE", "/v1/images/{id}", PERM_IMAGE_ERASE, 0, image_delete, "erase an image before its time",
		NULL, NULL, 204, NULL },
	{ "GET", "/v1/images/{id}/original", PERM_ORIGINAL_READ, 0, original_get,
		"the bytes that were uploaded", NULL, IMAGE, 200, NULL },
	{ "GET", "/v1/images/{id}/renditions/{name}", PERM_RENDITION_READ, 0, rendition_get,
		"a rendition's bytes", NULL, IMAGE, 200, NULL },
	{ "GET", "/v1/stats", PERM_STATS_READ, 0, stats_get, "counts over what the caller may see", NULL,
		"Stats", 200, NULL },
	{ "POST", "/v1/sql", PERM_SQL, MIB(1), sql_post, "one read-only SELECT over the published views",
		"SqlRequest", "SqlReply", 200, NULL },
	{ "GET", "/v1/sql/schema", PERM_SQL, 0, sql_schema_get, "the published views and their columns", NULL,
		"SqlSchema", 200, NULL },
	{ "GET", "/v1/collections", PERM_COLLECTION_READ, 0, collection_list,
		"all collections the caller reaches", NULL, "CollectionList", 200, NULL },
	{ "POST", "/v1/collections", PERM_COLLECTION_EDIT, KIB(64), collection_post, "make a collection",
		"CollectionRequest", "Collection", 201, NULL },
	{ "GET", "/v1/collections/{name}", PERM_COLLECTION_READ, 0, collection_get, "one collection", NULL,
		"Collection", 200, NULL },
	{ "PATCH", "/v1/collections/{name}", PERM_COLLECTION_EDIT, KIB(64), collection_patch,
		"change retention or formats for images to come", "CollectionRequest", "Collection", 200,
		NULL },
	{ "DELETE", "/v1/collections/{name}", PERM_COLLECTION_EDIT, 0, collection_delete,
		"take no new images; it goes with its last one", NULL, NULL, 204, NULL },
	{ "GET", "/v1/keys", PERM_KEY_EDIT, 0, key_list, "all API keys, without their secrets", NULL,
		"KeyList", 200, NULL },
	{ "POST", "/v1/keys", PERM_KEY_EDIT, KIB(64), key_post, "make an API key; its text is shown once",
		"KeyRequest", "NewKey", 201, NULL },
	{ "DELETE", "/v1/keys/{name}", PERM_KEY_EDIT, 0, key_delete, "revoke the key with this prefix", NULL,
		NULL, 204, NULL },
	{ "GET", "/v1/receipts", PERM_RECEIPT_READ, 0, receipt_list, "signed receipts of destroyed keys",
		NULL, "ReceiptList", 200, receipt_parameters },
	{ "GET", "/v1/receipts/key", PERM_RECEIPT_READ, 0, receipt_key_get,
		"the public key that receipts verify with", NULL, "application/x-pem-file", 200, NULL },
	{ NULL, NULL, PERM_UNSET, 0, NULL, NULL, NULL, NULL, 0, NULL },
};
