#include "poison.h"
#include "store_private.h"

#include "digest.h"
#include "file.h"
#include "num.h"

/* Opens the record's segment and reads its head.  A file that ends before is as corrupt as a bad head. */
static enum status open_record(struct store *st, struct place at, int *fd, struct record_head *head)
{
	enum status status = store_segment_open(st, at.segment, FILE_READ, fd);
	return status == ST_OK ? store_record_at(*fd, at, head) : status;
}

static void give_head(const struct record_head *head, struct store_head *out)
{
	out->kind = (enum record_kind)head->kind;
	out->body_len = head->body_len;
	out->sequence = head->sequence;
	out->key_len = head->key_len;
}

enum status store_read_head(struct store *st, struct place at, struct store_head *out)
{
	struct record_head head;
	int fd = -1;
	*out = (struct store_head){ .body_len = 0 };
	enum status status = open_record(st, at, &fd, &head);
	if (status == ST_OK) {
		give_head(&head, out);
		status = file_read_at(fd, out->key, head.key_len, (uint64_t)at.offset + RECORD_HEAD_BYTES);
	}
	file_close(&fd);
	return status;
}

enum status store_read_body(struct store *st, struct place at, uint64_t from, uint8_t *out, size_t len)
{
	struct record_head head;
	uint64_t end = 0;
	int fd = -1;
	enum status status = open_record(st, at, &fd, &head);
	if (status == ST_OK && (!num_add_u64(from, len, &end) || end > head.body_len)) {
		status = ST_CORRUPT;
	}
	if (status == ST_OK) {
		status = file_read_at(
			fd, out, len, (uint64_t)at.offset + RECORD_HEAD_BYTES + head.key_len + from);
	}
	file_close(&fd);
	return status;
}

enum status store_read_checked(struct store *st, struct place at, struct store_head *out, struct buf *body)
{
	struct record_head head;
	int fd = -1;
	*out = (struct store_head){ .body_len = 0 };
	enum status status = open_record(st, at, &fd, &head);
	if (status != ST_OK) {
		goto out;
	}
	give_head(&head, out);
	status = file_read_at(fd, out->key, head.key_len, (uint64_t)at.offset + RECORD_HEAD_BYTES);
	if (status != ST_OK) {
		goto out;
	}
	buf_clear(body);
	uint8_t *bytes = buf_extend(body, head.body_len);
	if (!bytes && head.body_len > 0) {
		status = buf_status(body);
		goto out;
	}
	status = file_read_at(
		fd, bytes, head.body_len, (uint64_t)at.offset + RECORD_HEAD_BYTES + head.key_len);
	if (status == ST_OK && digest_crc32c(0, buf_span(body)) != head.body_crc) {
		status = ST_CORRUPT;
	}
out:
	file_close(&fd);
	return status;
}
