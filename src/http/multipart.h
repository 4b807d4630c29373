/* multipart.h - multipart/form-data, taken apart as it arrives (RFC 7578, RFC 2046 section 5.1).
 *
 * Pure and bounded: it holds one part's head or a delimiter's length of data,
 * never a part.  Feed bytes, take events until MULTIPART_MORE, feed again.
 */
#ifndef DARKROOM_HTTP_MULTIPART_H
#define DARKROOM_HTTP_MULTIPART_H

#include "limits.h"
#include "span.h"
#include "status.h"

enum { MULTIPART_BOUNDARY_MAX = 70, MULTIPART_WINDOW = MULTIPART_HEAD_MAX * 2 };

enum multipart_event {
	MULTIPART_MORE, /* feed more */
	MULTIPART_PART, /* a part begins: name, file_name, has_file_name */
	MULTIPART_DATA, /* some of its bytes: data */
	MULTIPART_PART_END,
	MULTIPART_END, /* the closing delimiter was seen */
	MULTIPART_BAD  /* malformed: `why` */
};

struct multipart {
	char delimiter[MULTIPART_BOUNDARY_MAX + 5]; /* CRLF "--" boundary */
	size_t delimiter_len;
	int state;
	uint8_t window[MULTIPART_WINDOW];
	size_t len, consumed;
	/* of the last event */
	char name[64], file_name[FILE_NAME_MAX_BYTES + 1];
	bool has_file_name;
	struct span data; /* lent until the next call */
	const char *why;
};

/* INVALID: no multipart/form-data with a usable boundary. */
enum status multipart_init(struct multipart *m, struct span content_type) MUST_CHECK;

/* Where to put the next bytes, at most *len of them; then multipart_fed() says how many came. */
uint8_t *multipart_room(struct multipart *m, size_t *len);
void multipart_fed(struct multipart *m, size_t len);

enum multipart_event multipart_next(struct multipart *m);

/* The value of parameter `name` in a header such as `form-data; name="a"; filename="b.jpg"`; filename* is
 * not read.
 * NOT_FOUND, INVALID, TOO_BIG. */
enum status multipart_parameter(struct span value, const char *name, char *out, size_t size) MUST_CHECK;

#endif
