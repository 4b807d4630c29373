/* fuzz_administration.c - the administration socket: whatever bytes arrive, one line of JSON answers. */
#include "admin.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "digest.h"
#include "json.h"
#include "log.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct admin *admin;
static char directory[64], socket_path[96];

static void end(void)
{
	static const char *const names[] = { "root.key", "keyring.a", "keyring.b", "control.db",
		"control.db-wal", "control.db-shm", "admin.sock" };
	char path[96];
	admin_stop(admin);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(directory);
}

/* Without a catalog, a purge and a gate: receipts are left out. */
static void begin(void)
{
	static struct admin_services services;
	char root[96], database[96];
	struct keyring *keyring = NULL;
	struct control *control = NULL;
	log_configure(LOG_ERROR, LOG_FORMAT_TEXT);
	must(digest_init() == ST_OK);
	/* In memory: every change is synced. */
	(void)snprintf(directory, sizeof directory, "%s/fuzz-admin-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(mkdtemp(directory));
	(void)snprintf(root, sizeof root, "%s/root.key", directory);
	(void)snprintf(database, sizeof database, "%s/control.db", directory);
	(void)snprintf(socket_path, sizeof socket_path, "%s/admin.sock", directory);
	int dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct keyring_options options = { .dir_fd = dir_fd, .root_key_path = root, .node = 1 };
	must(keyring_make_root_key(root) == ST_OK && keyring_create(&options) == ST_OK);
	must(keyring_open(&options, &keyring) == ST_OK && control_open(database, &control) == ST_OK);
	services.clock = clock_new_manual(1000000);
	must(access_open(control, keyring, services.clock, &services.access) == ST_OK);
	must(admin_start(&services, socket_path, &admin) == ST_OK);
	(void)atexit(end);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	must(span_to_text(span_of(path), address.sun_path, sizeof address.sun_path) == ST_OK);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
	return fd;
}

/* Exactly one line, an object that says whether it went well. */
static void check_reply(struct span reply)
{
	struct json *object = NULL;
	bool is_good;
	struct span error;
	must(reply.len > 1 && span_find(reply, '\n') == reply.len - 1);
	must(json_parse(reply, &object, NULL) == ST_OK);
	must(json_bool(json_get(object, "ok"), &is_good) == ST_OK);
	must(is_good || json_get_text(object, "error", &error) == ST_OK);
	json_free(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf reply;
	uint8_t part[4096];
	ssize_t got;
	if (!admin)
		begin();
	/* Longer is cut without an answer, receipts need a purge; nothing at all is no request. */
	if (size == 0 || size > 8192 || memmem(data, size, "receipt", 7))
		return 0;
	int fd = connect_to(socket_path);
	bool is_sent = send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
	(void)shutdown(fd, SHUT_WR);
	buf_init(&reply, MIB(5));
	while ((got = read(fd, part, sizeof part)) > 0)
		buf_put(&reply, part, (size_t)got);
	must(buf_ok(&reply));
	if (is_sent && got == 0)
		check_reply(buf_span(&reply));
	buf_fini(&reply);
	close(fd);
	return 0;
}
