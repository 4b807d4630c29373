/* socket.c - the administration socket: one connection, one line in, one line out. */
#include "poison.h"

#include "admin.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "file.h"
#include "log.h"
#include "memory.h"
#include "thread.h"

enum { LINE_MAX_BYTES = 65536, BACKLOG = 8, LOOK_MS = 200, PEER_MS = 5000, CALL_MS = 30000 };
#define REPLY_MAX MIB(4)

struct admin {
	struct admin_services services;
	struct thread thread;
	int fd;
	atomic_bool is_stopping;
	char path[sizeof((struct sockaddr_un *)0)->sun_path];
};

static enum status address_of(const char *path, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return span_to_text(span_of(path), out->sun_path, sizeof out->sun_path);
}

/* True when `fd` is ready for `events` within `ms`. */
static bool wait_for(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;
	do
		n = poll(&p, 1, ms);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Reads up to a newline or the end. */
static enum status read_line(int fd, struct buf *line, int wait_ms)
{
	while (!memchr(line->data ? line->data : (const uint8_t *)"", '\n', line->len)) {
		uint8_t part[4096];
		if (!wait_for(fd, POLLIN, wait_ms))
			return ST_TIMEOUT;
		ssize_t n = read(fd, part, sizeof part);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 && line->len > 0 ? ST_OK : ST_IO;
		buf_put(line, part, (size_t)n);
		if (!buf_ok(line))
			return ST_TOO_BIG;
	}
	return ST_OK;
}

static enum status write_all(int fd, struct span bytes)
{
	while (bytes.len > 0) {
		ssize_t n =
			wait_for(fd, POLLOUT, PEER_MS) ? send(fd, bytes.data, bytes.len, MSG_NOSIGNAL) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ST_IO;
		bytes = span_slice(bytes, (size_t)n, bytes.len);
	}
	return ST_OK;
}

static void serve_peer(struct admin *a, int fd)
{
	struct buf line, reply;
	buf_init(&line, LINE_MAX_BYTES);
	buf_init(&reply, REPLY_MAX);
	enum status st = read_line(fd, &line, PEER_MS);
	if (st == ST_OK) {
		admin_execute(&a->services,
			span_trim(span_slice(buf_span(&line), 0, span_find(buf_span(&line), '\n'))), &reply);
		buf_put_byte(&reply, '\n');
		st = write_all(fd, buf_span(&reply));
	}
	if (st != ST_OK)
		log_event(LOG_INFO, "admin.peer.left", LOG_STATUS("status", st));
	/* A reply may carry a key that was just made. */
	buf_wipe(&reply);
	buf_wipe(&line);
}

static void listen_on(void *argument)
{
	struct admin *a = argument;
	while (!atomic_load(&a->is_stopping)) {
		if (!wait_for(a->fd, POLLIN, LOOK_MS))
			continue;
		int peer = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);
		if (peer < 0)
			continue;
		serve_peer(a, peer);
		file_close(&peer);
	}
}

/* The file is made 0600 before anybody can connect: bind, chmod, listen. */
static enum status open_socket(struct admin *a)
{
	struct sockaddr_un address;
	enum status st = address_of(a->path, &address);
	if (st != ST_OK)
		return st;
	(void)unlink(a->path);
	a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (a->fd < 0 || bind(a->fd, (struct sockaddr *)&address, sizeof address) || chmod(a->path, 0600) ||
		listen(a->fd, BACKLOG))
		return status_of_errno(errno);
	return ST_OK;
}

enum status admin_start(const struct admin_services *services, const char *path, struct admin **out)
{
	struct admin *a = memory_alloc(sizeof *a);
	if (!a)
		return ST_FULL;
	a->services = *services;
	a->fd = -1;
	enum status st = span_to_text(span_of(path), a->path, sizeof a->path);
	if (st == ST_OK)
		st = open_socket(a);
	if (st == ST_OK)
		st = thread_start(&a->thread, "admin", listen_on, a);
	if (st != ST_OK) {
		log_event(LOG_ERROR, "admin.socket.unusable", LOG_STATUS("status", st));
		admin_stop(a);
		return st;
	}
	*out = a;
	return ST_OK;
}

void admin_stop(struct admin *a)
{
	if (!a)
		return;
	atomic_store(&a->is_stopping, true);
	thread_join(&a->thread);
	if (a->fd >= 0)
		(void)unlink(a->path);
	file_close(&a->fd);
	memory_free(a);
}

enum status admin_call(const char *path, struct span request, struct buf *reply)
{
	struct sockaddr_un address;
	enum status st = address_of(path, &address);
	int fd = st == ST_OK ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
	if (fd < 0)
		return st == ST_OK ? status_of_errno(errno) : st;
	if (connect(fd, (struct sockaddr *)&address, sizeof address))
		st = errno == ECONNREFUSED ? ST_NOT_FOUND : status_of_errno(errno);
	if (st == ST_OK)
		st = write_all(fd, request);
	if (st == ST_OK)
		st = write_all(fd, SPAN_LIT("\n"));
	if (st == ST_OK)
		st = read_line(fd, reply, CALL_MS);
	file_close(&fd);
	return st;
}
