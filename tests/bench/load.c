/* load.c - the load generator of ./dev bench: blocking TLS clients that keep their connections.
 *
 *	load put   PORT CA CLIENTS WINDOWS SECONDS TARGET BODY STAMP
 *	load fill  PORT CA CLIENTS COUNT   0       TARGET BODY STAMP
 *	load get   PORT CA CLIENTS WINDOWS SECONDS TARGETS
 *	load shake PORT CA CLIENTS WINDOWS SECONDS TARGET
 *
 * put sends the file BODY again and again, 16 bytes at STAMP made unique unless STAMP is "-"; fill does so
 * COUNT times in all; get asks for what the lines of the file TARGETS name, at random; shake opens a
 * connection, makes a full handshake, sends one GET, and ends it.  Each client has one request in flight.
 * A % in a TARGET that is sent to becomes 16 unique digits.
 *
 * Environment: DARKROOM_KEY, the key; LOAD_METHOD, instead of POST; LOAD_HEADER, whole lines of the head,
 * each ended by CR LF; LOAD_GROUPS, the key exchanges that are offered, as OpenSSL names them.
 *
 * After half a second of warm-up come WINDOWS windows of SECONDS each; a request counts where it ends.
 * Prints a line a window: requests a second, the median and the 99th percentile in microseconds, the
 * window's begin by the monotonic clock in seconds; then "total" and how many requests there were, warm-up
 * and all; fill prints the seconds it took.  Any answer but 200, 201 and 204 ends the run: what is refused
 * is not measured.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 256, WINDOWS_MAX = 256, REQUESTS_A_SECOND_MAX = 1 << 15 };
enum { HEAD_MAX = 8192, TARGETS_MAX = 1 << 16 };
enum { WARM_UP_MS = 500, STAMP_BYTES = 16, NAME_DIGITS = 16, REPLY_BUFFER = 1 << 16, TIMEOUT_S = 60 };

struct client {
	pthread_t thread;
	SSL *ssl;
	int fd;
	char *request;                  /* head and body as one buffer */
	size_t request_len, stamp_at;   /* stamp_at 0: nothing to stamp */
	size_t name_at;                 /* of the unique digits in the target; 0: there are none */
	uint64_t number, dice;
	uint32_t *samples[WINDOWS_MAX]; /* microseconds */
	size_t counts[WINDOWS_MAX], total;
	char reply[REPLY_BUFFER];
};

static struct client clients[CLIENTS_MAX];
static SSL_CTX *context;
static uint16_t port;
static int window_count, window_seconds;
static size_t samples_max;
static int64_t start_us;
static char authorization[512];
static const char *more_header = "";
static bool is_shaking;
static char *targets[TARGETS_MAX];
static size_t target_count;
static atomic_llong left;            /* of what fill has to send; negative: without end */

__attribute__((noreturn, format(printf, 1, 2))) static void end(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	(void)fputs("load: ", stderr);
	(void)vfprintf(stderr, format, list);
	(void)fputc('\n', stderr);
	va_end(list);
	_exit(1);
}

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- one connection --- */

static void dial(struct client *c)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval limit = { .tv_sec = TIMEOUT_S };
	int yes = 1;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof at) != 0)
		end("no connection: %s", strerror(errno));
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	(void)setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	(void)setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	c->ssl = SSL_new(context);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_connect(c->ssl) != 1)
		end("no TLS: %s", X509_verify_cert_error_string(c->ssl ? SSL_get_verify_result(c->ssl) : 0));
}

static void hang_up(struct client *c)
{
	(void)SSL_shutdown(c->ssl);
	SSL_free(c->ssl);
	(void)close(c->fd);
	c->ssl = NULL;
}

static size_t read_some(struct client *c, char *to, size_t room)
{
	size_t got = 0;
	if (SSL_read_ex(c->ssl, to, room, &got) != 1)
		end("the server hung up in a reply");
	return got;
}

/* The value of Content-Length in a head, 0 if there is none. */
static size_t length_of(const char *head)
{
	const char *at = strcasestr(head, "\r\ncontent-length:");
	return at ? (size_t)strtoull(at + 17, NULL, 10) : 0;
}

/* Reads one whole reply and ends the run unless it is the one that is wanted. */
static void read_reply(struct client *c)
{
	size_t len = 0;
	char *body = NULL;
	while (!body) {
		if (len == sizeof c->reply - 1)
			end("a reply's head without an end");
		len += read_some(c, c->reply + len, sizeof c->reply - 1 - len);
		c->reply[len] = 0;
		body = strstr(c->reply, "\r\n\r\n");
	}
	if (strncmp(c->reply, "HTTP/1.1 20", 11) != 0)
		end("%.500s", c->reply);
	size_t want = length_of(c->reply) + (size_t)(body + 4 - c->reply);
	while (len < want)
		len += read_some(c, c->reply, sizeof c->reply);
	if (len != want)
		end("more than one reply");
	if (!is_shaking && strcasestr(c->reply, "\r\nconnection: close"))
		hang_up(c);
}

/* --- requests --- */

static uint64_t roll(struct client *c)
{
	c->dice ^= c->dice << 13;
	c->dice ^= c->dice >> 7;
	c->dice ^= c->dice << 17;
	return c->dice;
}

static void stamp(struct client *c)
{
	uint64_t unique[2] = { c->number++, roll(c) };
	memcpy(c->request + c->stamp_at, unique, sizeof unique);
}

/* The digits of the target, made unique in place. */
static void name(struct client *c)
{
	uint64_t unique = c->number++;
	for (size_t i = NAME_DIGITS; i-- > 0; unique >>= 4)
		c->request[c->name_at + i] = "0123456789abcdef"[unique & 15];
}

static size_t head_of(char *out, const char *method, const char *target, size_t len)
{
	char length[64] = "";
	if (len > 0)
		(void)snprintf(length, sizeof length, "Content-Length: %zu\r\n", len);
	const char *last = is_shaking ? "Connection: close\r\n" : "";
	int n = snprintf(out, HEAD_MAX, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s%s%s%s\r\n",
			 method, target, port, authorization, length, more_header, last);
	if (n < 0 || n >= HEAD_MAX)
		end("the head is too long");
	return (size_t)n;
}

/* One request and its reply. */
static void ask(struct client *c)
{
	size_t done = 0;
	if (target_count > 0)
		c->request_len = head_of(c->request, "GET", targets[roll(c) % target_count], 0);
	if (c->stamp_at > 0)
		stamp(c);
	if (c->name_at > 0)
		name(c);
	if (!c->ssl)
		dial(c);
	if (SSL_write_ex(c->ssl, c->request, c->request_len, &done) != 1 || done != c->request_len)
		end("the server hung up in a request");
	read_reply(c);
	if (is_shaking)
		hang_up(c);
}

/* The window that a moment lies in; negative: before the first one. */
static int64_t window_of(int64_t at_us)
{
	return at_us < start_us ? -1 : (at_us - start_us) / 1000000 / window_seconds;
}

static void note(struct client *c, int64_t window, int64_t us)
{
	if (window < 0 || window >= window_count)
		return;
	if (c->counts[window] == samples_max)
		end("more requests than there is room for");
	c->samples[window][c->counts[window]++] = (uint32_t)us;
}

static void *work(void *argument)
{
	struct client *c = argument;
	int64_t ended = now_us();
	while (window_count > 0 ? window_of(ended) < window_count : atomic_fetch_sub(&left, 1) > 0) {
		int64_t began = now_us();
		ask(c);
		ended = now_us();
		c->total++;
		if (window_count > 0)
			note(c, window_of(ended), ended - began);
	}
	if (c->ssl)
		hang_up(c);
	return NULL;
}

/* --- setting up and telling --- */

static long number_of(const char *text, long most)
{
	char *rest = NULL;
	long n = strtol(text, &rest, 10);
	if (*text == 0 || *rest != 0 || n < 0 || n > most)
		end("%s is no number from 0 to %ld", text, most);
	return n;
}

static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	if (!f || fseek(f, 0, SEEK_END) != 0)
		end("%s: %s", path, strerror(errno));
	long size = ftell(f);
	char *data = size < 0 ? NULL : malloc((size_t)size + 1);
	if (!data)
		end("%s: cannot be read", path);
	rewind(f);
	*len = fread(data, 1, (size_t)size, f);
	data[*len] = 0;
	(void)fclose(f);
	return data;
}

static void read_targets(const char *path)
{
	size_t len = 0;
	char *at = read_file(path, &len); /* kept: the targets point into it */
	while (*at && target_count < TARGETS_MAX) {
		targets[target_count++] = at;
		at = strchrnul(at, '\n');
		if (*at)
			*at++ = 0;
	}
	if (target_count == 0)
		end("%s names nothing", path);
}

static void open_tls(const char *ca)
{
	context = SSL_CTX_new(TLS_client_method());
	if (!context || SSL_CTX_load_verify_locations(context, ca, NULL) != 1)
		end("%s: no CA", ca);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	(void)X509_VERIFY_PARAM_set1_ip_asc(SSL_CTX_get0_param(context), "127.0.0.1");
	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

/* Each client's own request: the same bytes, but for the stamp and the digits. */
static void prepare(struct client *c, const char *method, const char *target, struct iovec body)
{
	c->request = malloc(HEAD_MAX + NAME_DIGITS + body.iov_len);
	if (!c->request)
		end("no memory");
	c->request_len = target ? head_of(c->request, method, target, body.iov_len) : 0;
	char *percent = target && body.iov_len > 0 ? memchr(c->request, '%', c->request_len) : NULL;
	if (percent) {
		size_t at = (size_t)(percent - c->request);
		memmove(percent + NAME_DIGITS, percent + 1, c->request_len - at - 1);
		c->request_len += NAME_DIGITS - 1;
		c->name_at = at;
	}
	if (body.iov_len > 0)
		memcpy(c->request + c->request_len, body.iov_base, body.iov_len);
	c->request_len += body.iov_len;
	for (int i = 0; i < window_count; i++) {
		c->samples[i] = malloc(samples_max * sizeof *c->samples[i]);
		if (!c->samples[i])
			end("no memory");
	}
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void tell(int window, int client_count)
{
	size_t total = 0, at = 0;
	for (int i = 0; i < client_count; i++)
		total += clients[i].counts[window];
	uint32_t *all = malloc((total + 1) * sizeof *all);
	if (!all || total == 0)
		end("nothing was answered in window %d", window);
	for (int i = 0; i < client_count; i++) {
		memcpy(all + at, clients[i].samples[window], clients[i].counts[window] * sizeof *all);
		at += clients[i].counts[window];
	}
	qsort(all, total, sizeof *all, by_size);
	printf("%.1f %u %u %.3f\n", (double)total / window_seconds, all[total / 2], all[total * 99 / 100],
	       (double)start_us / 1e6 + window * window_seconds);
	free(all);
}

static void run(int client_count)
{
	int64_t began = now_us();
	start_us = began + WARM_UP_MS * 1000;
	for (int i = 0; i < client_count; i++)
		if (pthread_create(&clients[i].thread, NULL, work, &clients[i]) != 0)
			end("no thread");
	for (int i = 0; i < client_count; i++)
		(void)pthread_join(clients[i].thread, NULL);
	size_t total = 0;
	for (int i = 0; i < client_count; i++)
		total += clients[i].total;
	for (int i = 0; i < window_count; i++)
		tell(i, client_count);
	if (window_count > 0)
		printf("total %zu\n", total);
	else
		printf("%.3f\n", (double)(now_us() - began) / 1e6);
}

/* What the environment says. */
static void read_environment(void)
{
	const char *key = getenv("DARKROOM_KEY"), *header = getenv("LOAD_HEADER");
	const char *groups = getenv("LOAD_GROUPS");
	if (key)
		(void)snprintf(authorization, sizeof authorization, "Authorization: Bearer %s\r\n", key);
	if (header)
		more_header = header;
	if (groups && SSL_CTX_set1_groups_list(context, groups) != 1)
		end("LOAD_GROUPS: OpenSSL knows no %s", groups);
}

/* Reads the arguments that all modes have. */
static int read_numbers(char **argv, bool is_filling)
{
	port = (uint16_t)number_of(argv[2], UINT16_MAX);
	window_count = is_filling ? 0 : (int)number_of(argv[5], WINDOWS_MAX);
	window_seconds = (int)number_of(argv[6], 3600);
	samples_max = (size_t)window_seconds * REQUESTS_A_SECOND_MAX;
	atomic_store(&left, is_filling ? number_of(argv[5], INT32_MAX) : -1);
	return (int)number_of(argv[4], CLIENTS_MAX);
}

int main(int argc, char **argv)
{
	struct iovec body = { 0 };
	long stamp_at = -1;
	if (argc < 8)
		end("the head of load.c says how it is called");
	const char *mode = argv[1], *target = argv[7], *method = getenv("LOAD_METHOD");
	bool is_sending = argc == 10 && (strcmp(mode, "put") == 0 || strcmp(mode, "fill") == 0);
	bool is_getting = strcmp(mode, "get") == 0;
	is_shaking = strcmp(mode, "shake") == 0;
	if (!is_sending && !is_getting && !is_shaking)
		end("the head of load.c says how it is called");
	int client_count = read_numbers(argv, is_sending && strcmp(mode, "fill") == 0);
	open_tls(argv[3]);
	read_environment();
	if (is_sending) {
		body.iov_base = read_file(argv[8], &body.iov_len);
		if (strcmp(argv[9], "-") != 0)
			stamp_at = number_of(argv[9], (long)body.iov_len - STAMP_BYTES);
	} else if (is_getting) {
		read_targets(target);
		target = NULL;
	}
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	for (int i = 0; i < client_count; i++) {
		struct client *c = &clients[i];
		c->number = (uint64_t)i << 48 | ((uint64_t)t.tv_sec & 0xffffff) << 24;
		c->dice = (uint64_t)t.tv_nsec * 2654435761u + (uint64_t)i + 1;
		prepare(c, !is_sending ? "GET" : method ? method : "POST", target, body);
		c->stamp_at = stamp_at >= 0 ? c->request_len - body.iov_len + (size_t)stamp_at : 0;
	}
	run(client_count);
	return 0;
}
