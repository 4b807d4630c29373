/* fetcher.c - requests through libcurl's easy interface. */
#include "poison.h"

#include "fetcher.h"

#include <curl/curl.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "file.h"
#include "limits.h"
#include "memory.h"

enum { HEADERS_MAX = 65536 };

struct fetcher {
	CURL *curl;
	struct fetcher_options options;
	char *ca_path;
};

/* What one transfer's callbacks need. */
struct transfer {
	const struct fetcher_request *request;
	struct fetcher_reply *reply;
	struct fetcher *fetcher;
	uint64_t sent, received, reply_max;
	bool is_over, is_write_failed;
};

enum status fetcher_new(const struct fetcher_options *options, struct fetcher **out)
{
	struct fetcher *f = memory_alloc(sizeof *f);
	if (!f)
		return ST_FULL;
	f->options = *options;
	f->curl = curl_easy_init();
	if (options->ca_path) {
		size_t len = strlen(options->ca_path) + 1;
		f->ca_path = memory_alloc(len);
		if (f->ca_path)
			memcpy(f->ca_path, options->ca_path, len);
	}
	if (!f->curl || (options->ca_path && !f->ca_path)) {
		fetcher_free(f);
		return ST_FULL;
	}
	*out = f;
	return ST_OK;
}

void fetcher_free(struct fetcher *f)
{
	if (!f)
		return;
	curl_easy_cleanup(f->curl);
	memory_free(f->ca_path);
	memory_free(f);
}

static size_t send_body(char *to, size_t size, size_t count, void *context)
{
	struct transfer *t = context;
	const struct fetcher_request *r = t->request;
	uint64_t total = r->body_fd >= 0 ? r->body_len : r->body.len;
	size_t want = size * count, got = 0;
	if (want > total - t->sent)
		want = (size_t)(total - t->sent);
	if (r->body_fd < 0) {
		memcpy(to, r->body.data + t->sent, want);
		got = want;
	} else if (file_read_some(r->body_fd, to, want, t->sent, &got) != ST_OK) {
		return CURL_READFUNC_ABORT;
	}
	t->sent += got;
	return got;
}

/* libcurl starts a body again when a kept-alive connection turned out dead. */
static int rewind_body(void *context, curl_off_t offset, int origin)
{
	struct transfer *t = context;
	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	t->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static bool goes_to_file(struct transfer *t)
{
	long code = 0;
	(void)curl_easy_getinfo(t->fetcher->curl, CURLINFO_RESPONSE_CODE, &code);
	return t->request->reply_fd >= 0 && code >= 200 && code < 300;
}

static size_t take_body(char *from, size_t size, size_t count, void *context)
{
	struct transfer *t = context;
	size_t len = size * count;
	if (len > t->reply_max - t->received) {
		t->is_over = true;
		return 0;
	}
	if (!goes_to_file(t)) {
		buf_put(&t->reply->body, from, len);
		t->is_over = !buf_ok(&t->reply->body);
	} else if (file_write_at(t->request->reply_fd, span_make(from, len), t->received) != ST_OK) {
		t->is_write_failed = true;
	}
	t->received += len;
	return t->is_over || t->is_write_failed ? 0 : len;
}

static size_t take_header(char *from, size_t size, size_t count, void *context)
{
	struct transfer *t = context;
	struct span line = span_trim(span_make(from, size * count));
	if (span_starts_with(line, "HTTP/"))
		buf_clear(&t->reply->headers);
	buf_put(&t->reply->headers, from, size * count);
	size_t colon = span_find(line, ':');
	uint64_t seconds;
	struct span value = span_trim(span_slice(line, colon + 1, line.len));
	while (value.len > 0 && (value.data[value.len - 1] == '\r' || value.data[value.len - 1] == '\n'))
		value.len--;
	if (span_equal_nocase(span_slice(line, 0, colon), "retry-after") &&
		span_to_u64(value, 3600, &seconds) == ST_OK)
		t->reply->retry_after_s = (int64_t)seconds;
	return size * count;
}

static int tell_progress(
	void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct transfer *t = context;
	const struct fetcher_request *r = t->request;
	bool is_upload = up_total > 0;
	r->progress(r->progress_context, (uint64_t)(is_upload ? up : down),
		(uint64_t)(is_upload ? up_total : down_total));
	return 0;
}

static void set_body(CURL *c, struct transfer *t)
{
	const struct fetcher_request *r = t->request;
	uint64_t total = r->body_fd >= 0 ? r->body_len : r->body.len;
	if (total == 0 && r->body_fd < 0)
		return;
	(void)curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
	(void)curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)total);
	(void)curl_easy_setopt(c, CURLOPT_READFUNCTION, send_body);
	(void)curl_easy_setopt(c, CURLOPT_READDATA, t);
	(void)curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, rewind_body);
	(void)curl_easy_setopt(c, CURLOPT_SEEKDATA, t);
}

static void set_security(CURL *c, const struct fetcher *f)
{
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	(void)curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)f->options.connect_ms);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)f->options.total_ms);
	if (f->ca_path)
		(void)curl_easy_setopt(c, CURLOPT_CAINFO, f->ca_path);
}

/* NULL with *ok false: no memory. */
static struct curl_slist *header_list(const struct fetcher_request *r, bool *ok)
{
	struct curl_slist *list = NULL;
	*ok = true;
	for (size_t i = 0; r->headers && r->headers[i] && *ok; i++) {
		struct curl_slist *longer = curl_slist_append(list, r->headers[i]);
		*ok = longer != NULL;
		if (longer)
			list = longer;
	}
	return list;
}

static enum status judge(CURLcode code, const struct transfer *t)
{
	if (t->is_over)
		return ST_TOO_BIG;
	if (code == CURLE_OK)
		return ST_OK;
	if (code == CURLE_OPERATION_TIMEDOUT)
		return ST_TIMEOUT;
	if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
		return ST_INVALID;
	return ST_IO;
}

static CURLcode perform(CURL *c, struct transfer *t, struct curl_slist *headers)
{
	const struct fetcher_request *r = t->request;
	curl_easy_reset(c);
	set_security(c, t->fetcher);
	set_body(c, t);
	(void)curl_easy_setopt(c, CURLOPT_URL, r->url);
	(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
	(void)curl_easy_setopt(c, CURLOPT_NOBODY, (long)(strcmp(r->method, "HEAD") == 0));
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	(void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
	(void)curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->reply->error);
	if (r->progress) {
		(void)curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
		(void)curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, tell_progress);
		(void)curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
	}
	CURLcode code = curl_easy_perform(c);
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, NULL);
	return code;
}

enum status fetcher_send(struct fetcher *f, const struct fetcher_request *request, uint64_t reply_max,
	struct fetcher_reply *reply)
{
	static_assert(sizeof reply->error >= CURL_ERROR_SIZE, "libcurl writes that much");
	struct transfer t = { .request = request, .reply = reply, .fetcher = f, .reply_max = reply_max };
	bool ok;
	long code = 0;
	*reply = (struct fetcher_reply){ .retry_after_s = -1 };
	buf_init(&reply->headers, HEADERS_MAX);
	buf_init(&reply->body, (size_t)reply_max);
	struct curl_slist *headers = header_list(request, &ok);
	CURLcode result = ok ? perform(f->curl, &t, headers) : CURLE_OUT_OF_MEMORY;
	curl_slist_free_all(headers);
	(void)curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &code);
	reply->http_status = (int)code;
	enum status st = judge(result, &t);
	/* A server that refuses early may end the connection while we still send: its answer counts. */
	if (st == ST_IO && result == CURLE_SEND_ERROR && code >= 400)
		st = ST_OK;
	if (st != ST_OK && reply->error[0] == '\0')
		(void)snprintf(reply->error, sizeof reply->error, "%s", curl_easy_strerror(result));
	return st;
}

void fetcher_reply_fini(struct fetcher_reply *reply)
{
	buf_fini(&reply->headers);
	buf_fini(&reply->body);
}
