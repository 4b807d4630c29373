/* test_fetcher.c - HTTPS or nothing, and a sentence for every way to get no answer.
 *
 * What comes over a TLS connection that stands is in test_app.c, where there is a server.
 */
#include "fetcher.h"

#include "thread.h"

#include "check.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REPLY_MAX = 4096, LONG_MS = 30000, SHORT_MS = 150 };

/* A socket on a port of the loopback; nobody can be reached there until it listens. */
static int bind_socket(int *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_good = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
		       getsockname(fd, (struct sockaddr *)&at, &len) == 0;
	CHECK(is_good);
	*port = is_good ? ntohs(at.sin_port) : 0;
	return fd;
}

/* One GET; the reply must be ended with fetcher_reply_fini(). */
static enum status get(const char *url, int64_t total_ms, struct fetcher_reply *reply)
{
	const struct fetcher_options options = { .connect_ms = total_ms, .total_ms = total_ms };
	const struct fetcher_request request = {
		.method = "GET", .url = url, .body_fd = -1, .reply_fd = -1
	};
	struct fetcher *f = NULL;
	CHECK_EQ(fetcher_new(&options, &f), ST_OK);
	enum status st = fetcher_send(f, &request, REPLY_MAX, reply);
	fetcher_free(f);
	return st;
}

/* No answer, and why. */
static void check_refused(enum status st, enum status expected, struct fetcher_reply *reply)
{
	CHECK_EQ(st, expected);
	CHECK(strlen(reply->error) > 10);
	CHECK_EQ(reply->http_status, 0);
	CHECK_EQ(buf_span(&reply->body).len, 0);
	CHECK_EQ(reply->retry_after_s, -1);
	fetcher_reply_fini(reply);
}

TEST(http_is_refused_before_anybody_is_called)
{
	char url[64];
	int port, fd = bind_socket(&port);
	struct fetcher_reply reply;
	REQUIRE(listen(fd, 4) == 0);
	(void)snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
	check_refused(get(url, LONG_MS, &reply), ST_INVALID, &reply);
	CHECK_EQ(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0), 0);
	(void)close(fd);
}

TEST(other_schemes_and_what_is_no_address_are_refused)
{
	static const char *const urls[] = { "file:///proc/self/status", "ftp://127.0.0.1/",
		"gopher://127.0.0.1/", "127.0.0.1:1", "https://", "https://127.0.0.1:99999/", "" };
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		struct fetcher_reply reply;
		enum status st = get(urls[i], LONG_MS, &reply);
		if (st != ST_INVALID)
			CHECK_FAILED("\"%s\": %s", urls[i], status_name(st));
		check_refused(st, ST_INVALID, &reply);
	}
}

TEST(a_port_that_nobody_listens_on_is_said)
{
	char url[64];
	int port, fd = bind_socket(&port);
	struct fetcher_reply reply;
	(void)snprintf(url, sizeof url, "https://127.0.0.1:%d/", port);
	check_refused(get(url, LONG_MS, &reply), ST_IO, &reply);
	(void)close(fd);
}

/* The kernel takes the connection; nobody ever speaks on it. */
TEST(a_peer_that_says_nothing_costs_its_deadline_and_no_more)
{
	char url[64];
	int port, fd = bind_socket(&port);
	struct fetcher_reply reply;
	REQUIRE(listen(fd, 4) == 0);
	(void)snprintf(url, sizeof url, "https://127.0.0.1:%d/", port);
	check_refused(get(url, SHORT_MS, &reply), ST_TIMEOUT, &reply);
	int taken = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	CHECK(taken >= 0);
	(void)close(taken);
	(void)close(fd);
}

/* Answers the first connection in plain text. */
static void answer_plainly(void *argument)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	char asked[512];
	int fd = accept4(*(int *)argument, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	CHECK(recv(fd, asked, sizeof asked, 0) > 0);
	(void)send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
	(void)close(fd);
}

TEST(an_answer_without_tls_is_none)
{
	char url[64];
	int port, fd = bind_socket(&port);
	struct thread peer = { .is_started = false };
	struct fetcher_reply reply;
	REQUIRE(listen(fd, 4) == 0);
	REQUIRE(thread_start(&peer, "peer", answer_plainly, &fd) == ST_OK);
	(void)snprintf(url, sizeof url, "https://127.0.0.1:%d/", port);
	check_refused(get(url, LONG_MS, &reply), ST_IO, &reply);
	(void)shutdown(fd, SHUT_RDWR);
	thread_join(&peer);
	(void)close(fd);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(http_is_refused_before_anybody_is_called),
		CHECK_TEST(other_schemes_and_what_is_no_address_are_refused),
		CHECK_TEST(a_port_that_nobody_listens_on_is_said),
		CHECK_TEST(a_peer_that_says_nothing_costs_its_deadline_and_no_more),
		CHECK_TEST(an_answer_without_tls_is_none),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
