#include "gate_head.h"

#include "check.h"

static struct gate_head head;
static int http_status;
static const char *why;

static enum status parse(struct span bytes)
{
	http_status = 0;
	why = NULL;
	return gate_head_parse(bytes, &head, &http_status, &why);
}

/* A head of one request line and these fields, each with its own line end. */
static enum status parse_fields(const char *line, const char *fields)
{
	static char text[32768];
	int len = snprintf(text, sizeof text, "%s\r\n%s\r\n", line, fields);
	CHECK(len > 0 && (size_t)len < sizeof text);
	return parse(span_make(text, (size_t)len));
}

#define CHECK_REFUSED(line, fields, status) \
	do { \
		CHECK_EQ(parse_fields((line), (fields)), ST_INVALID); \
		CHECK_EQ(http_status, (status)); \
		CHECK(why != NULL); \
	} while (0)

#define CHECK_ACCEPTED(line, fields) \
	do { \
		CHECK_EQ(parse_fields((line), (fields)), ST_OK); \
		CHECK_STR(why, NULL); \
	} while (0)

#define CHECK_SPAN(s, text) CHECK(span_equal_text((s), (text)))

TEST(a_plain_get_is_read_whole)
{
	static const char text[] = "GET /v1/images?limit=5&x=%41 HTTP/1.1\r\nHost: localhost:8443\r\n"
				   "Accept:\t application/json \t\r\nX-Empty:\r\n\r\nnext";
	REQUIRE(parse(span_of(text)) == ST_OK);
	CHECK_SPAN(head.method, "GET");
	CHECK_SPAN(head.target, "/v1/images?limit=5&x=%41");
	CHECK_SPAN(head.path, "/v1/images");
	CHECK_SPAN(head.query, "limit=5&x=%41");
	CHECK_EQ(head.field_count, 3);
	CHECK_SPAN(gate_head_field(&head, "HOST"), "localhost:8443");
	CHECK_SPAN(gate_head_field(&head, "accept"), "application/json");
	CHECK_EQ(gate_head_field(&head, "x-empty").len, 0);
	CHECK_EQ(gate_head_field(&head, "absent").len, 0);
	CHECK_EQ(head.head_len, sizeof text - 1 - 4);
	CHECK(head.keeps_alive);
	CHECK(!head.has_length);
	CHECK(!head.is_chunked);
	CHECK(!head.expects_continue);
}

TEST(every_served_method_is_accepted)
{
	static const char *const lines[] = { "GET / HTTP/1.1", "HEAD / HTTP/1.1", "POST / HTTP/1.1",
		"PUT / HTTP/1.1", "DELETE / HTTP/1.1", "OPTIONS / HTTP/1.1", "PATCH / HTTP/1.1" };
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		CHECK_ACCEPTED(lines[i], "Host: a\r\n");
	}
}

TEST(bodies_are_framed_by_length_or_chunks)
{
	CHECK_ACCEPTED("POST /u HTTP/1.1", "Host: a\r\nContent-Length: 123456789012\r\n");
	CHECK(head.has_length);
	CHECK_EQ(head.content_length, 123456789012);
	CHECK_ACCEPTED("POST /u HTTP/1.1", "Host: a\r\nContent-Length: 000000000007\r\n");
	CHECK_EQ(head.content_length, 7);
	CHECK_ACCEPTED("POST /u HTTP/1.1", "Host: a\r\ntransfer-encoding: Chunked\r\n");
	CHECK(head.is_chunked);
	CHECK(!head.has_length);
	CHECK_ACCEPTED("DELETE /u HTTP/1.1", "Host: a\r\nContent-Length: 2\r\n");
	CHECK_ACCEPTED("GET /u HTTP/1.1", "Host: a\r\nContent-Length: 0\r\n");
	CHECK_ACCEPTED("POST /u HTTP/1.1", "Host: a\r\n");
	CHECK_EQ(head.content_length, 0);
}

TEST(expect_is_told_only_where_a_body_follows)
{
	CHECK_ACCEPTED("PUT /u HTTP/1.1", "Host: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n");
	CHECK(head.expects_continue);
	CHECK_ACCEPTED(
		"PUT /u HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n");
	CHECK(head.expects_continue);
	CHECK_ACCEPTED("GET /u HTTP/1.1", "Host: a\r\nExpect: 100-continue\r\n");
	CHECK(!head.expects_continue);
	CHECK_ACCEPTED("PUT /u HTTP/1.0", "Host: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n");
	CHECK(!head.expects_continue);
	CHECK_REFUSED("PUT /u HTTP/1.1", "Host: a\r\nContent-Length: 2\r\nExpect: tea\r\n", 417);
}

TEST(connection_decides_whether_it_stays)
{
	CHECK_ACCEPTED("GET / HTTP/1.1", "Host: a\r\nConnection: close\r\n");
	CHECK(!head.keeps_alive);
	CHECK_ACCEPTED("GET / HTTP/1.1", "Host: a\r\nConnection: TE , Close\r\n");
	CHECK(!head.keeps_alive);
	CHECK_ACCEPTED("GET / HTTP/1.1", "Host: a\r\nConnection: Keep-Alive\r\n");
	CHECK(head.keeps_alive);
	CHECK_ACCEPTED("GET / HTTP/1.1", "Host: a\r\nConnection: keep-alive, TE\r\n");
	CHECK(head.keeps_alive);
	CHECK_ACCEPTED("GET / HTTP/1.1", "Host: a\r\nConnection: keep-alive\r\nConnection: close\r\n");
	CHECK(!head.keeps_alive);
	CHECK_ACCEPTED("GET / HTTP/1.1", "Host: a\r\nConnection: upgrade\r\n");
	CHECK(!head.keeps_alive);
	CHECK_ACCEPTED("GET / HTTP/1.0", "Host: a\r\n");
	CHECK(!head.keeps_alive);
	CHECK_ACCEPTED("GET / HTTP/1.0", "Host: a\r\nConnection: keep-alive\r\n");
	CHECK(!head.keeps_alive);
}

TEST(broken_line_ends_are_refused)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n\n",
		"GET / HTTP/1.1\n\n",
		"GET / HTTP/1.1\r\nHost: a\rXY: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
		"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		CHECK_EQ(parse(span_of(texts[i])), ST_INVALID);
		CHECK_EQ(http_status, 400);
	}
}

TEST(control_bytes_are_refused_everywhere)
{
	char text[] = "GET /a HTTP/1.1\r\nHost: a\r\nX-Note: b\r\n\r\n";
	static const size_t places[] = { 1, 5, 12, 19, 23, 28, 34 };
	for (size_t place = 0; place < sizeof places / sizeof *places; place++) {
		for (int c = 0; c < 0x20; c++) {
			char was = text[places[place]];
			text[places[place]] = (char)c;
			bool is_tab_in_value = c == '\t' && place == 6;
			CHECK_EQ(parse(span_make(text, sizeof text - 1)),
				is_tab_in_value ? ST_OK : ST_INVALID);
			text[places[place]] = was;
		}
	}
	text[34] = 0x7f;
	CHECK_EQ(parse(span_make(text, sizeof text - 1)), ST_INVALID);
	text[34] = (char)0xe9;
	CHECK_EQ(parse(span_make(text, sizeof text - 1)), ST_OK);
}

TEST(folded_fields_are_refused)
{
	CHECK_REFUSED("GET / HTTP/1.1", "Host: a\r\nX: b\r\n c\r\n", 400);
	CHECK_REFUSED("GET / HTTP/1.1", "Host: a\r\nX: b\r\n\tc\r\n", 400);
	CHECK_REFUSED("GET / HTTP/1.1", " Host: a\r\n", 400);
}

TEST(malformed_field_names_are_refused)
{
	CHECK_REFUSED("GET / HTTP/1.1", "Host : a\r\n", 400);
	CHECK_REFUSED("POST / HTTP/1.1", "Host: a\r\nContent-Length : 5\r\n", 400);
	CHECK_REFUSED("POST / HTTP/1.1", "Host: a\r\nContent-Length\t: 5\r\n", 400);
	CHECK_REFUSED("GET / HTTP/1.1", "Host: a\r\n: b\r\n", 400);
	CHECK_REFUSED("GET / HTTP/1.1", "Host: a\r\nNoColon\r\n", 400);
	CHECK_REFUSED("GET / HTTP/1.1", "Host: a\r\nX(y): b\r\n", 400);
	CHECK_REFUSED("GET / HTTP/1.1", "Host: a\r\nX\xe9: b\r\n", 400);
}

TEST(host_stands_exactly_once)
{
	CHECK_REFUSED("GET / HTTP/1.1", "", 400);
	CHECK_REFUSED("GET / HTTP/1.1", "Host:\r\n", 400);
	CHECK_REFUSED("GET / HTTP/1.0", "Accept: b\r\n", 400);
	CHECK_REFUSED("GET / HTTP/1.1", "Host: a\r\nHost: a\r\n", 400);
	CHECK_REFUSED("GET / HTTP/1.1", "Host: a\r\nhost: b\r\n", 400);
	CHECK_REFUSED("GET / HTTP/1.1", "Host: a/b\r\n", 400);
	CHECK_REFUSED("GET / HTTP/1.1", "Host: user@a\r\n", 400);
	CHECK_REFUSED("GET / HTTP/1.1", "Host: a b\r\n", 400);
	CHECK_REFUSED("GET / HTTP/1.1", "Host: a,b\r\n", 400);
	CHECK_ACCEPTED("GET / HTTP/1.1", "Host: [::1]:8443\r\n");
}

TEST(content_length_is_a_plain_number)
{
	static const char *const values[] = { "+5", "-1", "0x5", "5 5", "5,5", "5, 5", "5;", "", "1e3", "5.0",
		"\t+5", "1234567890123", "18446744073709551621", "\xd9\xa5" };
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		char fields[128];
		snprintf(fields, sizeof fields, "Host: a\r\nContent-Length: %s\r\n", values[i]);
		CHECK_REFUSED("POST / HTTP/1.1", fields, 400);
	}
	CHECK_REFUSED("POST / HTTP/1.1", "Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n", 400);
	CHECK_REFUSED("POST / HTTP/1.1", "Host: a\r\nContent-Length: 5\r\ncontent-length: 5\r\n", 400);
}

TEST(length_and_chunks_exclude_each_other)
{
	CHECK_REFUSED(
		"POST / HTTP/1.1", "Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400);
	CHECK_REFUSED(
		"POST / HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400);
	CHECK_REFUSED(
		"POST / HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400);
}

TEST(transfer_encoding_is_chunked_alone)
{
	static const char *const values[] = { "identity", "xchunked", "gzip, chunked", "chunked, chunked",
		"chunked;q=1", "\"chunked\"", "", "chunked, identity", "chunked\x0b" };
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		char fields[128];
		snprintf(fields, sizeof fields, "Host: a\r\nTransfer-Encoding: %s\r\n", values[i]);
		CHECK_REFUSED("POST / HTTP/1.1", fields, 400);
	}
	CHECK_REFUSED("POST / HTTP/1.1",
		"Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400);
	CHECK_REFUSED(
		"POST / HTTP/1.1", "Host: a\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n", 400);
	CHECK_REFUSED("POST / HTTP/1.0", "Host: a\r\nTransfer-Encoding: chunked\r\n", 400);
}

TEST(a_body_where_some_expect_none_is_refused)
{
	CHECK_REFUSED("GET / HTTP/1.1", "Host: a\r\nContent-Length: 1\r\n", 400);
	CHECK_REFUSED("HEAD / HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked\r\n", 400);
	CHECK_REFUSED("POST / HTTP/1.0", "Host: a\r\n", 411);
}

TEST(fields_that_decide_stand_once)
{
	CHECK_REFUSED(
		"GET / HTTP/1.1", "Host: a\r\nAuthorization: Bearer x\r\nauthorization: Bearer y\r\n", 400);
	CHECK_REFUSED("POST / HTTP/1.1", "Host: a\r\nIdempotency-Key: x\r\nIdempotency-Key: y\r\n", 400);
	CHECK_ACCEPTED("GET / HTTP/1.1", "Host: a\r\nAccept: b\r\nAccept: c\r\n");
	CHECK_SPAN(gate_head_field(&head, "accept"), "b");
}

TEST(methods_outside_the_list_are_refused)
{
	CHECK_REFUSED("TRACE / HTTP/1.1", "Host: a\r\n", 405);
	CHECK_REFUSED("CONNECT / HTTP/1.1", "Host: a\r\n", 405);
	CHECK_REFUSED("get / HTTP/1.1", "Host: a\r\n", 501);
	CHECK_REFUSED("LOCK / HTTP/1.1", "Host: a\r\n", 501);
	CHECK_REFUSED("GE(T / HTTP/1.1", "Host: a\r\n", 400);
	CHECK_REFUSED(" GET / HTTP/1.1", "Host: a\r\n", 400);
}

TEST(request_lines_have_three_parts_and_two_spaces)
{
	static const char *const lines[] = { "GET /", "GET", "", "GET / ", "GET  / HTTP/1.1",
		"GET /  HTTP/1.1", "GET / HTTP/1.1 ", "GET\t/ HTTP/1.1", "GET / a HTTP/1.1", "GET / http/1.1",
		"GET / HTTP/1.1x", "GET / HTTP/11", "GET / HTTP/1.", "GET /HTTP/1.1" };
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		CHECK_REFUSED(lines[i], "Host: a\r\n", 400);
	}
}

TEST(other_versions_are_refused)
{
	CHECK_REFUSED("GET / HTTP/2.0", "Host: a\r\n", 505);
	CHECK_REFUSED("GET / HTTP/0.9", "Host: a\r\n", 505);
	CHECK_REFUSED("GET / HTTP/1.2", "Host: a\r\n", 505);
	CHECK_REFUSED("PRI * HTTP/2.0", "", 505);
}

TEST(targets_are_in_origin_form)
{
	static const char *const lines[] = { "OPTIONS * HTTP/1.1", "GET https://a/ HTTP/1.1",
		"GET a/b HTTP/1.1", "GET ?x HTTP/1.1", "GET /a#b HTTP/1.1", "GET /a\\b HTTP/1.1",
		"GET /a\"b HTTP/1.1", "GET /<a> HTTP/1.1", "GET /a|b HTTP/1.1", "GET /{id} HTTP/1.1",
		"GET /\xc3\xa9 HTTP/1.1", "GET /?a[]=1 HTTP/1.1" };
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		CHECK_REFUSED(lines[i], "Host: a\r\n", 400);
	}
}

TEST(percent_triplets_are_whole)
{
	CHECK_REFUSED("GET /%4 HTTP/1.1", "Host: a\r\n", 400);
	CHECK_REFUSED("GET /% HTTP/1.1", "Host: a\r\n", 400);
	CHECK_REFUSED("GET /%zz HTTP/1.1", "Host: a\r\n", 400);
	CHECK_REFUSED("GET /?%4 HTTP/1.1", "Host: a\r\n", 400);
	CHECK_REFUSED("GET /%4?2 HTTP/1.1", "Host: a\r\n", 400);
	CHECK_ACCEPTED("GET /%41%c3%A9?x=%2f%00 HTTP/1.1", "Host: a\r\n");
}

TEST(paths_that_can_be_read_as_others_are_refused)
{
	static const char *const paths[] = { "//", "//u", "/x//u", "/u//", "/.", "/..", "/./u", "/../u",
		"/x/../u", "/x/..", "/x/.", "/%2e", "/%2E%2e/u", "/.%2e/u", "/x/%2e./u", "/u%00.png", "/%00",
		"/a%2fb", "/a%2Fb", "/a%5cb", "/a%5Cb", "/a%0ab", "/a%0d", "/a%1f", "/a%7f" };
	static const char *const good[] = { "/", "/...", "/.x", "/x.", "/..x", "/a/.b/c", "/%2e%2ex", "/a/",
		"/%25", "/~a:@!" };
	char line[128];
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		snprintf(line, sizeof line, "GET %s HTTP/1.1", paths[i]);
		CHECK_REFUSED(line, "Host: a\r\n", 400);
	}
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		snprintf(line, sizeof line, "GET %s?a//b/../c HTTP/1.1", good[i]);
		CHECK_ACCEPTED(line, "Host: a\r\n");
	}
}

TEST(the_longest_target_is_accepted_and_one_more_is_not)
{
	char line[TARGET_BYTES_MAX + 64];
	snprintf(line, sizeof line, "GET /%0*d HTTP/1.1", TARGET_BYTES_MAX - 1, 0);
	CHECK_ACCEPTED(line, "Host: a\r\n");
	snprintf(line, sizeof line, "GET /%0*d HTTP/1.1", TARGET_BYTES_MAX, 0);
	CHECK_REFUSED(line, "Host: a\r\n", 414);
}

TEST(sixty_four_fields_are_accepted_and_one_more_is_not)
{
	char fields[2048];
	int len = snprintf(fields, sizeof fields, "Host: a\r\n");
	for (int i = 1; i < HEAD_HEADERS_MAX; i++) {
		len += snprintf(fields + len, sizeof fields - (size_t)len, "X-%d: y\r\n", i);
	}
	CHECK_ACCEPTED("GET / HTTP/1.1", fields);
	CHECK_EQ(head.field_count, HEAD_HEADERS_MAX);
	snprintf(fields + len, sizeof fields - (size_t)len, "Content-Length: 5\r\n");
	CHECK_REFUSED("POST / HTTP/1.1", fields, 431);
}

TEST(the_longest_head_is_accepted_and_one_more_byte_is_not)
{
	static char text[HEAD_BYTES_MAX + 2];
	int len = snprintf(
		text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX: %0*d\r\n\r\n", HEAD_BYTES_MAX - 32, 0);
	CHECK_EQ(len, HEAD_BYTES_MAX);
	CHECK_EQ(parse(span_make(text, HEAD_BYTES_MAX)), ST_OK);
	snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX: %0*d\r\n\r\n", HEAD_BYTES_MAX - 31, 0);
	CHECK_EQ(parse(span_make(text, HEAD_BYTES_MAX + 1)), ST_INVALID);
	CHECK_EQ(http_status, 431);
	/* What the gate holds when its buffer is full and no end has come. */
	CHECK_EQ(parse(span_make(text, HEAD_BYTES_MAX)), ST_INVALID);
	CHECK_EQ(http_status, 431);
	memset(text, 'a', sizeof text);
	CHECK_EQ(parse(span_make(text, HEAD_BYTES_MAX)), ST_INVALID);
	CHECK_EQ(http_status, 414);
}

TEST(a_head_without_its_end_is_refused)
{
	static const char text[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
	for (size_t len = 0; len < sizeof text - 1; len++) {
		CHECK_EQ(gate_head_find_end(span_make(text, len)), 0);
		CHECK_EQ(parse(span_make(text, len)), ST_INVALID);
		CHECK_EQ(http_status, 400);
	}
	CHECK_EQ(gate_head_find_end(span_make(text, sizeof text - 1)), sizeof text - 1);
}

TEST(the_end_is_found_before_what_follows)
{
	CHECK_EQ(gate_head_find_end(SPAN_LIT("A\r\n\r\nB\r\n\r\n")), 5);
	CHECK_EQ(gate_head_find_end(SPAN_LIT("A\n\nB")), 3);
	CHECK_EQ(gate_head_find_end(SPAN_LIT("A\r\n\nB")), 4);
	CHECK_EQ(gate_head_find_end(SPAN_LIT("\r\nB")), 2);
	CHECK_EQ(gate_head_find_end(SPAN_LIT("A\r\n\rB\r\n")), 0);
}

/* Feeds a body in pieces of `step` bytes; gives what belongs to it, or -1 when it is refused. */
static int64_t follow(struct span raw, size_t step, uint64_t *data_bytes, bool *is_done)
{
	struct gate_chunks c = { 0 };
	size_t total = 0, used;
	*is_done = false;
	while (total < raw.len && !*is_done) {
		struct span piece = span_slice(raw, total, step);
		if (gate_chunks_feed(&c, piece, &used, is_done) != ST_OK) {
			return -1;
		}
		total += used;
		if (used < piece.len) {
			break;
		}
	}
	*data_bytes = c.data_bytes;
	return (int64_t)total;
}

TEST(chunks_are_followed_to_their_last_byte)
{
	static const char raw[] = "5\r\nhello\r\n0a\r\n0123456789\r\n1\r\n!\r\n000\r\n\r\nGET / HTTP/1.1";
	static const size_t steps[] = { 1, 2, 3, 7, 64 };
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		uint64_t data_bytes;
		bool is_done;
		CHECK_EQ(follow(span_of(raw), steps[i], &data_bytes, &is_done), sizeof raw - 1 - 14);
		CHECK(is_done);
		CHECK_EQ(data_bytes, 16);
	}
}

TEST(an_empty_chunked_body_ends_at_once)
{
	uint64_t data_bytes;
	bool is_done;
	CHECK_EQ(follow(SPAN_LIT("0\r\n\r\n"), 5, &data_bytes, &is_done), 5);
	CHECK(is_done);
	CHECK_EQ(data_bytes, 0);
}

TEST(a_cut_chunked_body_is_not_done)
{
	static const char raw[] = "5\r\nhello\r\n0\r\n\r\n";
	for (size_t len = 0; len < sizeof raw - 1; len++) {
		uint64_t data_bytes = 0;
		bool is_done;
		CHECK_EQ(follow(span_make(raw, len), 64, &data_bytes, &is_done), len);
		CHECK(!is_done);
	}
}

TEST(doubtful_chunks_are_refused)
{
	static const char *const raws[] = {
		"0x5\r\nhello\r\n0\r\n\r\n",
		"-5\r\nhello\r\n0\r\n\r\n",
		"+5\r\nhello\r\n0\r\n\r\n",
		" 5\r\nhello\r\n0\r\n\r\n",
		"5 \r\nhello\r\n0\r\n\r\n",
		"5;a=b\r\nhello\r\n0\r\n\r\n",
		"5\nhello\r\n0\r\n\r\n",
		"5\r\nhello\n0\r\n\r\n",
		"5\r\nhelloX\r\n0\r\n\r\n",
		"\r\n",
		"\n",
		"g\r\n",
		"5\r\r\n",
		"000000005\r\nhello\r\n0\r\n\r\n",
		"10000000000000005\r\nhello\r\n",
		"0\r\nTrailer: x\r\n\r\n",
		"0\n\n",
		"0\r\n\n",
		"5\r\nhello\r\n\r\n",
		"5\r\nhello0\r\n\r\n",
	};
	for (size_t i = 0; i < sizeof raws / sizeof *raws; i++) {
		uint64_t data_bytes;
		bool is_done;
		CHECK_EQ(follow(span_of(raws[i]), 1, &data_bytes, &is_done), -1);
		CHECK_EQ(follow(span_of(raws[i]), 64, &data_bytes, &is_done), -1);
	}
}

TEST(a_refused_body_stays_refused)
{
	struct gate_chunks c = { 0 };
	size_t used;
	bool is_done;
	CHECK_EQ(gate_chunks_feed(&c, SPAN_LIT("0\r\n\rX"), &used, &is_done), ST_INVALID);
	CHECK(!is_done);
	CHECK_EQ(gate_chunks_feed(&c, SPAN_LIT("\n"), &used, &is_done), ST_INVALID);
	CHECK(!is_done);
	c = (struct gate_chunks){ 0 };
	CHECK_EQ(gate_chunks_feed(&c, SPAN_LIT("g"), &used, &is_done), ST_INVALID);
	CHECK_EQ(gate_chunks_feed(&c, SPAN_LIT("5"), &used, &is_done), ST_INVALID);
}

TEST(wanted_never_reaches_into_the_next_request)
{
	static const char raw[] = "5\r\nhello\r\n0\r\n\r\nnext";
	struct gate_chunks c = { 0 };
	size_t at = 0, used, wanted;
	bool is_done = false;
	while ((wanted = gate_chunks_wanted(&c)) > 0) {
		CHECK_EQ(wanted, c.data_bytes == 0 && at == 3 ? 5 : 1);
		REQUIRE(gate_chunks_feed(&c, span_make(raw + at, wanted), &used, &is_done) == ST_OK);
		CHECK_EQ(used, wanted);
		at += used;
	}
	CHECK(is_done);
	CHECK_EQ(at, sizeof raw - 1 - 4);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_plain_get_is_read_whole),
		CHECK_TEST(every_served_method_is_accepted),
		CHECK_TEST(bodies_are_framed_by_length_or_chunks),
		CHECK_TEST(expect_is_told_only_where_a_body_follows),
		CHECK_TEST(connection_decides_whether_it_stays),
		CHECK_TEST(broken_line_ends_are_refused),
		CHECK_TEST(control_bytes_are_refused_everywhere),
		CHECK_TEST(folded_fields_are_refused),
		CHECK_TEST(malformed_field_names_are_refused),
		CHECK_TEST(host_stands_exactly_once),
		CHECK_TEST(content_length_is_a_plain_number),
		CHECK_TEST(length_and_chunks_exclude_each_other),
		CHECK_TEST(transfer_encoding_is_chunked_alone),
		CHECK_TEST(a_body_where_some_expect_none_is_refused),
		CHECK_TEST(fields_that_decide_stand_once),
		CHECK_TEST(methods_outside_the_list_are_refused),
		CHECK_TEST(request_lines_have_three_parts_and_two_spaces),
		CHECK_TEST(other_versions_are_refused),
		CHECK_TEST(targets_are_in_origin_form),
		CHECK_TEST(percent_triplets_are_whole),
		CHECK_TEST(paths_that_can_be_read_as_others_are_refused),
		CHECK_TEST(the_longest_target_is_accepted_and_one_more_is_not),
		CHECK_TEST(sixty_four_fields_are_accepted_and_one_more_is_not),
		CHECK_TEST(the_longest_head_is_accepted_and_one_more_byte_is_not),
		CHECK_TEST(a_head_without_its_end_is_refused),
		CHECK_TEST(the_end_is_found_before_what_follows),
		CHECK_TEST(chunks_are_followed_to_their_last_byte),
		CHECK_TEST(an_empty_chunked_body_ends_at_once),
		CHECK_TEST(a_cut_chunked_body_is_not_done),
		CHECK_TEST(doubtful_chunks_are_refused),
		CHECK_TEST(a_refused_body_stays_refused),
		CHECK_TEST(wanted_never_reaches_into_the_next_request),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
