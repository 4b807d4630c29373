/* dispatch.h - the order in which every request is treated. */
#ifndef DARKROOM_HTTP_DISPATCH_H
#define DARKROOM_HTTP_DISPATCH_H

#include "http.h"
#include "rate.h"

struct mg_context;
struct mg_connection;

struct http {
	struct http_options options;
	struct mg_context *server;
	struct rate *rate;
	int port;
};

/* Serves the request that CivetWeb has at hand on this thread. */
void dispatch(struct http *h, struct mg_connection *connection);

#endif
