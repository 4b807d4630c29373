/* local_ca.c - makes the local CA and the server's certificate. */
#include "poison.h"

#include "local_ca.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "log.h"
#include "sign.h"

enum {
	PEM_MAX = 16384,
	NAMES_MAX = 32,
	NAME_TEXT = 256,
	CA_DAYS = 3650,
	SERVER_DAYS = 397,
	RENEW_DAYS = 300
};

struct names {
	char text[NAMES_MAX][NAME_TEXT];
	const char *list[NAMES_MAX + 1];
	size_t count;
};

static void add_name(struct names *n, const char *name)
{
	if (name[0] == '\0' || n->count == NAMES_MAX)
		return;
	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->text[i], name) == 0)
			return;
	if (span_to_text(span_of(name), n->text[n->count], NAME_TEXT) != ST_OK)
		return;
	n->list[n->count] = n->text[n->count];
	n->list[++n->count] = NULL;
}

static void add_interfaces(struct names *n)
{
	struct ifaddrs *all = NULL;
	if (getifaddrs(&all))
		return;
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		char text[NI_MAXHOST];
		int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
		if (family != AF_INET && family != AF_INET6)
			continue;
		socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
		if (getnameinfo(i->ifa_addr, len, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0 &&
			!strchr(text, '%'))
			add_name(n, text);
	}
	freeifaddrs(all);
}

static void collect_names(struct names *n, const char *listen_host)
{
	char host[NAME_TEXT] = "";
	*n = (struct names){ .count = 0 };
	add_name(n, "localhost");
	add_name(n, "127.0.0.1");
	add_name(n, "::1");
	if (gethostname(host, sizeof host - 1) == 0)
		add_name(n, host);
	if (strcmp(listen_host, "0.0.0.0") != 0 && strcmp(listen_host, "::") != 0)
		add_name(n, listen_host);
	add_interfaces(n);
}

static enum status write_pair(int dir, const char *stem, const struct sign_key *key, struct span certificate)
{
	char name[64];
	struct buf pem;
	buf_init(&pem, PEM_MAX);
	(void)snprintf(name, sizeof name, "%s.key", stem);
	enum status st = sign_key_to_pem(key, &pem);
	if (st == ST_OK)
		st = file_replace(dir, name, buf_span(&pem), 0600);
	(void)snprintf(name, sizeof name, "%s.pem", stem);
	if (st == ST_OK)
		st = file_replace(dir, name, certificate, 0644);
	buf_wipe(&pem);
	return st;
}

static enum status load_ca(int dir, struct sign_key **key, struct buf *certificate)
{
	struct buf pem;
	buf_init(&pem, PEM_MAX);
	enum status st = file_load(dir, "ca.key", &pem);
	if (st == ST_OK)
		st = sign_key_from_pem(buf_span(&pem), key);
	if (st == ST_OK)
		st = file_load(dir, "ca.pem", certificate);
	buf_wipe(&pem);
	return st;
}

static enum status make_ca(int dir, struct sign_key **key, struct buf *certificate)
{
	struct sign_certificate_options options = {
		.common_name = "Darkroom local CA", .days = CA_DAYS, .is_ca = true
	};
	enum status st = sign_key_make(key);
	if (st != ST_OK)
		return st;
	options.issuer_key = *key;
	st = sign_certificate(*key, &options, certificate);
	return st == ST_OK ? write_pair(dir, "ca", *key, buf_span(certificate)) : st;
}

static enum status make_server(
	int dir, const char *listen_host, const struct sign_key *ca_key, struct span ca_pem)
{
	struct names names;
	struct sign_key *key = NULL;
	struct buf certificate;
	collect_names(&names, listen_host);
	struct sign_certificate_options options = { .common_name = "darkroom",
		.names = names.list,
		.days = SERVER_DAYS,
		.issuer_key = ca_key,
		.issuer_pem = ca_pem };
	buf_init(&certificate, PEM_MAX);
	enum status st = sign_key_make(&key);
	if (st == ST_OK)
		st = sign_certificate(key, &options, &certificate);
	if (st == ST_OK)
		st = write_pair(dir, "server", key, buf_span(&certificate));
	sign_key_free(key);
	buf_fini(&certificate);
	return st;
}

static bool is_fresh(int dir, const char *name)
{
	struct stat info;
	if (fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW))
		return false;
	return clock_wall_ms() / 1000 - (int64_t)info.st_mtime < (int64_t)RENEW_DAYS * 86400;
}

enum status local_ca_prepare(const char *tls_path, const char *listen_host)
{
	int dir = -1;
	struct sign_key *ca_key = NULL;
	struct buf ca_pem;
	buf_init(&ca_pem, PEM_MAX);
	enum status st = file_make_dirs(tls_path);
	if (st == ST_OK)
		st = file_open_dir(AT_FDCWD, tls_path, &dir);
	if (st != ST_OK || (is_fresh(dir, "server.pem") && is_fresh(dir, "server.key")))
		goto out;
	st = load_ca(dir, &ca_key, &ca_pem);
	if (st == ST_NOT_FOUND)
		st = make_ca(dir, &ca_key, &ca_pem);
	if (st == ST_OK)
		st = make_server(dir, listen_host, ca_key, buf_span(&ca_pem));
	log_event(LOG_INFO, "app.certificate.made", LOG_STATUS("status", st));
out:
	sign_key_free(ca_key);
	buf_fini(&ca_pem);
	file_close(&dir);
	return st;
}
