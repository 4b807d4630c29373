/* app_private.h - every long-lived object, in the order of its making. */
#ifndef DARKROOM_APP_PRIVATE_H
#define DARKROOM_APP_PRIVATE_H

#include "app.h"
#include "budget.h"
#include "clock.h"
#include "directory.h"
#include "fetch.h"
#include "gate.h"
#include "http.h"
#include "ingest.h"
#include "process.h"
#include "query.h"
#include "retention.h"
#include "sandbox.h"
#include "worker.h"

struct app {
	struct config config;
	struct directory directory;
	struct keyring *keyring;
	struct control *control;
	struct clock *clock;
	struct access *access;
	struct catalog *catalog;
	struct purge *purge;
	struct commit *commit;
	struct budget budget;
	bool has_budget;
	struct sandbox *sandbox;
	struct ingest *ingest;
	struct fetch *fetch;
	struct process *process;
	struct query *query;
	struct gate *gate;
	struct worker *worker;
	struct retention *retention;
	struct http *http;
	struct admin *admin;
	struct admin_services services;
	char certificate_path[CONFIG_TEXT_MAX], key_path[CONFIG_TEXT_MAX];
};

/* Host part of "host:port" or "[host]:port".  INVALID: no such form. */
enum status app_listen_host(const char *listen, char out[256]) MUST_CHECK;

#endif
