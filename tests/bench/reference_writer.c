/* reference_writer.c - the writer of the reference, its segments, and the thread that makes rows behind. */
#include "reference.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SEGMENT_BYTES = 256 << 20, RECYCLED = 4, KEPT = 6, FILL_BYTES = 8 << 20, SYNCS_MAX = 1 << 20 };
enum { LAZY_WAIT_US = 20000, LAZY_ROWS_MAX = 2000, APPLIED_ROWS_MAX = 4 * BATCH_MAX };

enum mode { FULL, NORMAL, APPLIED, LAZY, NONE, MODES };
enum kind { GROWING, RESERVED, RECYCLING, KINDS };

static const char *const mode_names[MODES] = { "full", "normal", "applied", "lazy", "none" };
static const char *const kind_names[KINDS] = { "growing", "reserved", "recycled" };

static enum mode mode;
static enum kind kind;
static const char *directory;
static pthread_t writer, applier;

static pthread_mutex_t queue = PTHREAD_MUTEX_INITIALIZER; /* guards what follows, and every is_answered */
static pthread_cond_t asked = PTHREAD_COND_INITIALIZER, written = PTHREAD_COND_INITIALIZER,
		      applied = PTHREAD_COND_INITIALIZER;
static struct request *first, **last = &first;           /* asked */
static struct request *behind, **behind_last = &behind;  /* written, without a row: applied */
static size_t behind_count;
static struct row owed[OWED_MAX];                        /* a ring, of lazy */
static size_t owed_at, owed_count;
static bool is_stopping;

/* The writer's own. */
static int fd = -1;
static uint32_t segment;
static uint64_t offset;
static struct writer_facts facts;

/* --- segments --- */

static void path_of(uint32_t number, char *out, size_t room)
{
	(void)snprintf(out, room, "%s/%s-%06u", directory, kind_names[kind], number);
}

static void sync_directory(void)
{
	int at = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0 || fsync(at) != 0)
		end("%s: %s", directory, strerror(errno));
	(void)close(at);
}

/* Writes every block once; a file that is whole from a run before is left as it is. */
static void fill_segment(const char *path)
{
	struct stat about;
	bool is_there = stat(path, &about) == 0 && about.st_size == SEGMENT_BYTES;
	if (is_there && about.st_blocks >= SEGMENT_BYTES / 512)
		return;
	uint8_t *noise = aligned(FILL_BYTES);
	memset(noise, 0x5a, FILL_BYTES);
	int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
	for (size_t done = 0; done < SEGMENT_BYTES; done += FILL_BYTES)
		if (to < 0 || pwrite(to, noise, FILL_BYTES, (off_t)done) != FILL_BYTES)
			end("%s: %s", path, strerror(errno));
	if (fsync(to) != 0)
		end("%s: %s", path, strerror(errno));
	(void)close(to);
	free(noise);
}

static void open_segment(uint32_t number)
{
	char path[512];
	path_of(kind == RECYCLING ? number % RECYCLED : number, path, sizeof path);
	if (fd >= 0)
		(void)close(fd);
	fd = open(path, O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC | (kind == RECYCLING ? 0 : O_TRUNC), 0600);
	if (fd < 0 || (kind == RESERVED && fallocate(fd, 0, 0, SEGMENT_BYTES) != 0))
		end("%s: %s", path, strerror(errno));
	segment = number;
	offset = 0;
	if (kind == RECYCLING)
		return;
	if (fsync(fd) != 0)
		end("%s: %s", path, strerror(errno));
	sync_directory();
	if (number >= KEPT) {
		path_of(number - KEPT, path, sizeof path);
		(void)unlink(path);
	}
}

static void open_segments(void)
{
	char path[512];
	for (uint32_t i = 0; kind == RECYCLING && i < RECYCLED; i++) {
		path_of(i, path, sizeof path);
		fill_segment(path);
	}
	sync_directory();
	open_segment(0);
}

static void leave_segments(void)
{
	char path[512];
	(void)close(fd);
	for (uint32_t i = 0; kind != RECYCLING && i < KEPT && i <= segment; i++) {
		path_of(segment - i, path, sizeof path);
		(void)unlink(path);
	}
}

/* --- one batch --- */

static size_t blocks_of(const struct request *r)
{
	return (r->bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

/* Takes what is queued, in order: the cap is looked at before the add.  NULL: the end. */
static struct request *take(size_t *count, size_t *bytes)
{
	*count = *bytes = 0;
	pthread_mutex_lock(&queue);
	while (!first && !is_stopping)
		pthread_cond_wait(&asked, &queue);
	struct request *batch = first, **at = &first;
	while (*at && *count < BATCH_MAX && *bytes < BATCH_BYTES_MAX) {
		*bytes += blocks_of(*at);
		++*count;
		at = &(*at)->next;
	}
	first = *at;
	*at = NULL;
	if (!first)
		last = &first;
	pthread_mutex_unlock(&queue);
	return batch;
}

/* Writes all of `parts`, whatever each call takes. */
static void write_parts(struct iovec *parts, int count)
{
	while (count > 0) {
		ssize_t done = pwritev(fd, parts, count, (off_t)offset);
		if (done <= 0)
			end("a write: %s", strerror(errno));
		offset += (uint64_t)done;
		for (; count > 0 && (size_t)done >= parts->iov_len; parts++, count--)
			done -= (ssize_t)parts->iov_len;
		if (done > 0) {
			parts->iov_base = (uint8_t *)parts->iov_base + done;
			parts->iov_len -= (size_t)done;
		}
	}
}

static void write_batch(struct request *batch, size_t bytes)
{
	struct iovec parts[BATCH_MAX];
	int count = 0;
	if (offset + bytes > SEGMENT_BYTES)
		open_segment(segment + 1);
	uint64_t at = offset;
	for (struct request *r = batch; r; r = r->next) {
		r->segment = segment;
		r->offset = at;
		at += blocks_of(r);
		parts[count++] = (struct iovec){ r->body, blocks_of(r) };
	}
	int64_t began = now_us();
	write_parts(parts, count);
	int64_t wrote = now_us();
	if (fdatasync(fd) != 0)
		end("a sync: %s", strerror(errno));
	int64_t synced = now_us();
	facts.write_us += wrote - began;
	facts.sync_us += synced - wrote;
	if (facts.sync_count < SYNCS_MAX)
		facts.syncs[facts.sync_count++] = (uint32_t)(synced - wrote);
}

static struct row row_of(const struct request *r)
{
	struct row out = { .bytes = r->bytes, .client = r->client };
	out.segment = r->segment;
	out.offset = r->offset;
	memcpy(out.digest, r->digest, DIGEST_BYTES);
	return out;
}

/* One transaction; gives the microseconds it took. */
static int64_t add_rows(const struct request *batch, struct row *rows)
{
	size_t count = 0;
	int64_t began = now_us();
	for (const struct request *r = batch; r; r = r->next)
		rows[count++] = row_of(r);
	catalog_add(rows, count);
	return now_us() - began;
}

static void answer(struct request *batch)
{
	pthread_mutex_lock(&queue);
	for (struct request *r = batch, *next; r; r = next) {
		next = r->next;
		r->is_answered = true;
		pthread_cond_signal(&r->answered);
	}
	pthread_mutex_unlock(&queue);
}

/* --- rows behind the writer --- */

static void hand_over(struct request *batch, size_t count)
{
	pthread_mutex_lock(&queue);
	while (behind_count + count > APPLIED_ROWS_MAX)
		pthread_cond_wait(&applied, &queue);
	*behind_last = batch;
	while (*behind_last)
		behind_last = &(*behind_last)->next;
	behind_count += count;
	pthread_cond_signal(&written);
	pthread_mutex_unlock(&queue);
}

static void owe(const struct request *batch)
{
	pthread_mutex_lock(&queue);
	for (const struct request *r = batch; r; r = r->next) {
		while (owed_count == OWED_MAX)
			pthread_cond_wait(&applied, &queue);
		owed[(owed_at + owed_count++) % OWED_MAX] = row_of(r);
	}
	pthread_mutex_unlock(&queue);
}

static void *apply(void *nothing)
{
	static struct row rows[APPLIED_ROWS_MAX];
	(void)nothing;
	for (;;) {
		pthread_mutex_lock(&queue);
		while (!behind && !is_stopping)
			pthread_cond_wait(&written, &queue);
		struct request *batch = behind;
		behind = NULL;
		behind_last = &behind;
		behind_count = 0;
		pthread_cond_signal(&applied);
		pthread_mutex_unlock(&queue);
		if (!batch)
			return NULL;
		int64_t took = add_rows(batch, rows);
		__atomic_add_fetch(&facts.catalog_us, took, __ATOMIC_RELAXED);
		answer(batch);
	}
}

static void *pay(void *nothing)
{
	static struct row rows[LAZY_ROWS_MAX];
	(void)nothing;
	for (bool is_last = false; !is_last;) {
		(void)usleep(LAZY_WAIT_US);
		pthread_mutex_lock(&queue);
		size_t count = owed_count < LAZY_ROWS_MAX ? owed_count : LAZY_ROWS_MAX;
		for (size_t i = 0; i < count; i++)
			rows[i] = owed[(owed_at + i) % OWED_MAX];
		owed_at = (owed_at + count) % OWED_MAX;
		owed_count -= count;
		is_last = is_stopping;
		pthread_cond_signal(&applied);
		pthread_mutex_unlock(&queue);
		int64_t began = now_us();
		catalog_add(rows, count);
		__atomic_add_fetch(&facts.catalog_us, now_us() - began, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* --- the writer --- */

static void *work(void *nothing)
{
	static struct row rows[BATCH_MAX];
	size_t count, bytes;
	(void)nothing;
	for (struct request *batch; (batch = take(&count, &bytes));) {
		write_batch(batch, bytes);
		facts.batches++;
		facts.objects += count;
		if (mode == APPLIED) {
			hand_over(batch, count);
			continue;
		}
		if (mode == FULL || mode == NORMAL)
			facts.catalog_us += add_rows(batch, rows);
		else if (mode == LAZY)
			owe(batch);
		answer(batch);
	}
	return NULL;
}

static int index_of(const char *name, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	end("%s is none of those in the head of reference.c", name);
}

void writer_start(const char *mode_name, const char *kind_name, const char *where)
{
	mode = (enum mode)index_of(mode_name, mode_names, MODES);
	kind = (enum kind)index_of(kind_name, kind_names, KINDS);
	directory = where;
	facts.syncs = malloc(SYNCS_MAX * sizeof *facts.syncs);
	if (!facts.syncs)
		end("no memory");
	open_segments();
	if (mode != NONE)
		catalog_open(directory, mode == FULL);
	bool has_applier = mode == APPLIED || mode == LAZY;
	if (pthread_create(&writer, NULL, work, NULL) != 0 ||
	    (has_applier && pthread_create(&applier, NULL, mode == LAZY ? pay : apply, NULL) != 0))
		end("no thread");
}

void writer_ask(struct request *r)
{
	pthread_mutex_lock(&queue);
	r->next = NULL;
	r->is_answered = false;
	*last = r;
	last = &r->next;
	pthread_cond_signal(&asked);
	while (!r->is_answered)
		pthread_cond_wait(&r->answered, &queue);
	pthread_mutex_unlock(&queue);
}

struct writer_facts writer_stop(void)
{
	pthread_mutex_lock(&queue);
	facts.owed = owed_count;
	is_stopping = true;
	pthread_cond_signal(&asked);
	pthread_cond_signal(&written);
	pthread_mutex_unlock(&queue);
	(void)pthread_join(writer, NULL);
	if (mode == APPLIED || mode == LAZY)
		(void)pthread_join(applier, NULL);
	leave_segments();
	return facts;
}
