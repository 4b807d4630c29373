/* reference.c - group commit with nothing around it: what this disk and these cores could do.
 *
 *	reference MODE SEGMENTS CLIENTS WINDOWS SECONDS SIZE DIRECTORY
 *
 * A mark to measure a server by, and no server: no network, no encryption, no recovery, no record header and
 * no look for duplicates.  CLIENTS producers make unique bodies of SIZE bytes and hash them (SHA-256); one
 * writer takes what is queued, up to 1,000 bodies or 16 MiB, without a timer, and writes it with one O_DIRECT
 * pwritev and one fdatasync.  Any error of the disk ends the run.
 *
 * MODE is when a row of the catalog (SQLite, WAL, 15 columns, 4 indexes, empty at first) is made:
 *	full, normal   by the writer, a transaction a batch, synchronous=FULL or NORMAL; then the answer
 *	applied        by a second thread, NORMAL, while the writer goes on; the answer comes after the row
 *	lazy           by a second thread, every 20 ms up to 2,000 rows; the answer comes before the row
 *	none           never
 * SEGMENTS of 256 MiB are growing (nothing is reserved), reserved (by fallocate; of both, the one six back is
 * unlinked), or recycled: four files written whole before, kept for the next run in the directory, and then
 * overwritten in turn, alive or not.
 *
 * After half a second of warm-up come WINDOWS windows of SECONDS each.  Prints for each, like load.c, answers
 * a second, the median and the 99th percentile in microseconds, and its begin; then "total" and the number of
 * answers; then a line of key=value: mean objects a batch, mean write, sync and catalog milliseconds of a
 * batch and the median sync, processor milliseconds for an object, and how many rows lazy still owed.
 */
#include "reference.h"

#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { POOL_BYTES = 32 << 20, WARM_UP_MS = 500, ANSWERS_A_SECOND_MAX = 1 << 15 };

struct producer {
	pthread_t thread;
	uint64_t number, dice;
	struct request request;
	uint32_t *samples[WINDOWS_MAX]; /* microseconds */
	size_t counts[WINDOWS_MAX], total;
};

static struct producer producers[CLIENTS_MAX];
static uint8_t *pool;
static size_t body_bytes, samples_max;
static int window_count, window_seconds;
static int64_t start_us;

void end(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	(void)fputs("reference: ", stderr);
	(void)vfprintf(stderr, format, list);
	(void)fputc('\n', stderr);
	va_end(list);
	_exit(1);
}

int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void *aligned(size_t bytes)
{
	void *out = NULL;
	if (posix_memalign(&out, BLOCK_BYTES, (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES) != 0)
		end("no memory");
	return out;
}

static uint64_t roll(uint64_t *dice)
{
	*dice ^= *dice << 13;
	*dice ^= *dice >> 7;
	*dice ^= *dice << 17;
	return *dice;
}

static void fill_pool(void)
{
	uint64_t dice = (uint64_t)now_us() | 1;
	pool = aligned(POOL_BYTES);
	for (size_t i = 0; i < POOL_BYTES; i += sizeof dice) {
		(void)roll(&dice);
		memcpy(pool + i, &dice, sizeof dice);
	}
}

/* --- producers --- */

static void make_body(struct producer *p)
{
	size_t places = (POOL_BYTES - body_bytes) / 64;
	uint64_t unique[2] = { p->number++, (uint64_t)now_us() };
	memcpy(p->request.body, pool + roll(&p->dice) % places * 64, body_bytes);
	memcpy(p->request.body, unique, sizeof unique);
	SHA256(p->request.body, body_bytes, p->request.digest);
}

static void note(struct producer *p, int64_t ended, int64_t us)
{
	int64_t window = ended < start_us ? -1 : (ended - start_us) / 1000000 / window_seconds;
	if (window < 0 || window >= window_count)
		return;
	if (p->counts[window] == samples_max)
		end("more answers than there is room for");
	p->samples[window][p->counts[window]++] = (uint32_t)us;
}

static void *produce(void *argument)
{
	struct producer *p = argument;
	int64_t ended = now_us(), last = start_us + (int64_t)window_count * window_seconds * 1000000;
	while (ended < last) {
		int64_t began = now_us();
		make_body(p);
		writer_ask(&p->request);
		ended = now_us();
		p->total++;
		note(p, ended, ended - began);
	}
	return NULL;
}

/* --- telling --- */

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void tell(int window, int client_count)
{
	size_t total = 0, at = 0;
	for (int i = 0; i < client_count; i++)
		total += producers[i].counts[window];
	uint32_t *all = malloc((total + 1) * sizeof *all);
	if (!all || total == 0)
		end("nothing was answered in window %d", window);
	for (int i = 0; i < client_count; i++) {
		memcpy(all + at, producers[i].samples[window], producers[i].counts[window] * sizeof *all);
		at += producers[i].counts[window];
	}
	qsort(all, total, sizeof *all, by_size);
	printf("%.1f %u %u %.3f\n", (double)total / window_seconds, all[total / 2], all[total * 99 / 100],
	       (double)start_us / 1e6 + window * window_seconds);
	free(all);
}

static double cpu_ms(void)
{
	struct rusage u;
	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void tell_all(int client_count, double cpu)
{
	size_t total = 0;
	struct writer_facts facts = writer_stop();
	for (int i = 0; i < client_count; i++)
		total += producers[i].total;
	for (int i = 0; i < window_count; i++)
		tell(i, client_count);
	double batches = (double)facts.batches;
	qsort(facts.syncs, facts.sync_count, sizeof *facts.syncs, by_size);
	printf("total %zu\n", total);
	printf("batch=%.2f write_ms=%.3f sync_ms=%.3f sync_p50_ms=%.3f ",
	       (double)facts.objects / batches, (double)facts.write_us / batches / 1e3,
	       (double)facts.sync_us / batches / 1e3, facts.syncs[facts.sync_count / 2] / 1e3);
	printf("catalog_ms=%.3f cpu_ms=%.4f owed=%zu\n",
	       (double)facts.catalog_us / batches / 1e3, cpu / (double)total, facts.owed);
}

static long number_of(const char *text, long least, long most)
{
	char *rest = NULL;
	long n = strtol(text, &rest, 10);
	if (*text == 0 || *rest != 0 || n < least || n > most)
		end("%s is no number from %ld to %ld", text, least, most);
	return n;
}

static void prepare(struct producer *p, int number)
{
	p->number = (uint64_t)number << 48;
	p->dice = (uint64_t)now_us() * 2654435761u + (uint64_t)number + 1;
	p->request.body = aligned(body_bytes);
	p->request.bytes = body_bytes;
	p->request.client = number;
	(void)pthread_cond_init(&p->request.answered, NULL);
	for (int i = 0; i < window_count; i++) {
		p->samples[i] = malloc(samples_max * sizeof *p->samples[i]);
		if (!p->samples[i])
			end("no memory");
	}
}

int main(int argc, char **argv)
{
	if (argc != 8)
		end("the head of reference.c says how it is called");
	int client_count = (int)number_of(argv[3], 1, CLIENTS_MAX);
	window_count = (int)number_of(argv[4], 1, WINDOWS_MAX);
	window_seconds = (int)number_of(argv[5], 1, 3600);
	body_bytes = (size_t)number_of(argv[6], 64, BATCH_BYTES_MAX);
	samples_max = (size_t)window_seconds * ANSWERS_A_SECOND_MAX;
	fill_pool();
	for (int i = 0; i < client_count; i++)
		prepare(&producers[i], i);
	writer_start(argv[1], argv[2], argv[7]);
	double cpu = cpu_ms();
	start_us = now_us() + WARM_UP_MS * 1000;
	for (int i = 0; i < client_count; i++)
		if (pthread_create(&producers[i].thread, NULL, produce, &producers[i]) != 0)
			end("no thread");
	for (int i = 0; i < client_count; i++)
		(void)pthread_join(producers[i].thread, NULL);
	cpu = cpu_ms() - cpu;
	tell_all(client_count, cpu);
	return 0;
}
