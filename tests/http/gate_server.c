/* gate_server - the gate behind CivetWeb with a handler that shows what it was given.
 *
 * usage: gate_server KEY=VALUE...  as in struct gate_options, and threads=N
 *
 * Prints "port N" when it listens.  Reads commands on standard input, a line
 * each, and answers each with a line: reload, counts, cpu, drain.  Ends with
 * the input.  For gate_wire.py and for measuring the connection model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <civetweb.h>

#include "gate.h"
#include "metrics.h"

static struct gate_options options = {
	.handshake_ms = HANDSHAKE_MS_MAX,
	.head_ms = HEAD_MS_MAX,
	.keep_alive_ms = KEEP_ALIVE_MS,
	.body_ms_base = BODY_MS_BASE,
	.body_rate_min = BODY_RATE_MIN,
	.reply_rate_min = BODY_RATE_MIN,
	.address_connections_max = ADDRESS_CONNECTIONS_MAX,
	.connections_max = 250,
};
static const char *threads = "256";

static void reply(struct mg_connection *conn, const char *line, const char *body)
{
	mg_printf(conn, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n%s", line, strlen(body),
		gate_head()->keeps_alive ? "keep-alive" : "close", body);
}

/* Counts and adds up the body, so that one byte too many or too few shows. */
static void reply_echo(struct mg_connection *conn)
{
	unsigned char part[65536];
	unsigned long long count = 0, sum = 0;
	char text[128];
	int got;
	if (gate_head()->expects_continue) {
		mg_printf(conn, "HTTP/1.1 100 Continue\r\n\r\n");
	}
	while ((got = mg_read(conn, part, sizeof part)) > 0) {
		count += (unsigned)got;
		for (int i = 0; i < got; i++) {
			sum += part[i];
		}
	}
	enum status st = gate_body_status();
	snprintf(text, sizeof text, "%llu %llu %s\n", count, sum, status_name(st));
	reply(conn,
		st == ST_OK        ? "200 OK"
		: st == ST_TIMEOUT ? "408 Request Timeout"
				   : "400 Bad Request",
		text);
}

static void reply_peer(struct mg_connection *conn)
{
	const struct gate_peer *peer = gate_peer();
	char text[512];
	snprintf(text, sizeof text, "%s %d %s %zu\n", peer->address, peer->has_certificate, peer->subject,
		peer->certificate_der.len);
	reply(conn, "200 OK", text);
}

static void reply_big(struct mg_connection *conn)
{
	static const char part[65536];
	size_t left = 32u << 20;
	mg_printf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", left);
	while (left > 0 && mg_write(conn, part, sizeof part) == (int)sizeof part) {
		left -= sizeof part;
	}
}

static int handle(struct mg_connection *conn)
{
	const struct gate_head *head = gate_head();
	if (span_equal_text(head->path, "/echo")) {
		reply_echo(conn);
	} else if (span_equal_text(head->path, "/peer")) {
		reply_peer(conn);
	} else if (span_equal_text(head->path, "/big")) {
		reply_big(conn);
	} else if (span_equal_text(head->path, "/refuse")) {
		gate_close_after_reply();
		reply(conn, "413 Content Too Large", "too large\n");
	} else if (span_equal_text(head->path, "/cut")) {
		mg_printf(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
		gate_cut();
	} else {
		char text[2200];
		snprintf(text, sizeof text, "%.*s %.*s\n", (int)head->method.len,
			(const char *)head->method.data, (int)head->target.len,
			(const char *)head->target.data);
		reply(conn, "200 OK", text);
	}
	return 200;
}

static int parse_argument(const char *argument)
{
	static const struct {
		const char *key;
		int64_t *wide;
		uint32_t *narrow;
		const char **text;
	} keys[] = {
		{ "certificate=", .text = &options.certificate_path },
		{ "key=", .text = &options.key_path },
		{ "client_ca=", .text = &options.client_ca_path },
		{ "handshake_ms=", .wide = &options.handshake_ms },
		{ "head_ms=", .wide = &options.head_ms },
		{ "keep_alive_ms=", .wide = &options.keep_alive_ms },
		{ "body_ms_base=", .wide = &options.body_ms_base },
		{ "body_rate_min=", .narrow = &options.body_rate_min },
		{ "reply_rate_min=", .narrow = &options.reply_rate_min },
		{ "address_connections_max=", .narrow = &options.address_connections_max },
		{ "connections_max=", .narrow = &options.connections_max },
		{ "client_certificate=", .narrow = &options.client_certificate },
		{ "threads=", .text = &threads },
	};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		size_t len = strlen(keys[i].key);
		if (strncmp(argument, keys[i].key, len) != 0) {
			continue;
		}
		if (keys[i].text) {
			*keys[i].text = argument + len;
		} else if (keys[i].wide) {
			*keys[i].wide = strtoll(argument + len, NULL, 10);
		} else {
			*keys[i].narrow = (uint32_t)strtoul(argument + len, NULL, 10);
		}
		return 0;
	}
	fprintf(stderr, "gate_server: unknown argument %s\n", argument);
	return -1;
}

static double cpu_seconds(void)
{
	struct rusage use;
	getrusage(RUSAGE_SELF, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void print_count(const char *name, uint64_t count, char end)
{
	printf("\"%s\": %llu%c", name, (unsigned long long)count, end);
}

static void print_counts(struct gate_counts n)
{
	printf("{");
	print_count("connections", n.connections, ',');
	print_count("handshakes", n.handshakes, ',');
	print_count("handshakes_failed", n.handshakes_failed, ',');
	print_count("heads_refused", n.heads_refused, ',');
	print_count("timeouts", n.timeouts, ',');
	print_count("refused_by_cap", n.refused_by_cap, ',');
	print_count("open", n.open_connections, ',');
	print_count("dropped", (uint64_t)metrics_get(METRIC_CONNECTIONS_DROPPED), '}');
	printf("\n");
}

static void obey(struct gate *gate, const char *command)
{
	if (strcmp(command, "reload\n") == 0) {
		printf("%s\n", status_name(gate_reload(gate)));
	} else if (strcmp(command, "counts\n") == 0) {
		print_counts(gate_counts(gate));
	} else if (strcmp(command, "cpu\n") == 0) {
		printf("%.3f\n", cpu_seconds());
	} else if (strcmp(command, "drain\n") == 0) {
		gate_drain(gate);
		printf("draining\n");
	}
	fflush(stdout);
}

static int serve(struct gate *gate)
{
	const char *settings[] = { "listening_ports", "127.0.0.1:0s", "num_threads", threads,
		"ssl_certificate", options.certificate_path, "enable_keep_alive", "yes", "max_request_size",
		"20480", "connection_queue", "1024", "listen_backlog", "1024", "decode_url", "no",
		"enable_auth_domain_check", "no", NULL };
	struct mg_callbacks callbacks = { .begin_request = handle };
	struct mg_server_port port = { 0 };
	char command[64];
	struct mg_context *ctx = mg_start(&callbacks, NULL, settings);
	if (!ctx || mg_get_server_ports(ctx, 1, &port) != 1) {
		fprintf(stderr, "gate_server: cannot listen\n");
		return 1;
	}
	printf("port %d\n", port.port);
	fflush(stdout);
	while (fgets(command, sizeof command, stdin)) {
		obey(gate, command);
	}
	gate_stop(gate);
	mg_stop(ctx);
	return 0;
}

int main(int argc, char **argv)
{
	struct gate *gate = NULL;
	for (int i = 1; i < argc; i++) {
		if (parse_argument(argv[i]) != 0) {
			return 2;
		}
	}
	if (gate_open(&options, &gate) != ST_OK) {
		fprintf(stderr, "gate_server: the gate does not open\n");
		return 1;
	}
	mg_init_library(0);
	int code = serve(gate);
	mg_exit_library();
	gate_close(gate);
	return code;
}
