/* reference.h - the parts of the reference: producers (reference.c) ask the writer (reference_writer.c), who
 * writes segments and has rows made in the catalog (reference_catalog.c).
 *
 * Threads: `queue` in reference_writer.c guards the queue and every is_answered.  A request belongs to its
 * producer, and from writer_ask() until it is answered to the writer and then to the thread that makes rows.
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLIENTS_MAX = 256, WINDOWS_MAX = 16, BLOCK_BYTES = 4096, DIGEST_BYTES = 32 };
enum { BATCH_MAX = 1000, BATCH_BYTES_MAX = 16 << 20, OWED_MAX = 131072 };

struct request {
	struct request *next; /* in the queue */
	uint8_t *body;        /* aligned to a block, and as long as whole blocks */
	size_t bytes;
	int client;
	uint8_t digest[DIGEST_BYTES];
	uint32_t segment; /* where it was written */
	uint64_t offset;
	pthread_cond_t answered;
	bool is_answered;
};

/* What a row is made of, once its request is the producer's again. */
struct row {
	uint8_t digest[DIGEST_BYTES];
	size_t bytes;
	int client;
	uint32_t segment;
	uint64_t offset;
};

struct writer_facts {
	size_t batches, objects, sync_count, owed;
	int64_t write_us, sync_us, catalog_us;
	uint32_t *syncs; /* microseconds, of the first sync_count batches */
};

/* --- reference.c --- */

__attribute__((noreturn, format(printf, 1, 2))) void end(const char *format, ...);
int64_t now_us(void);

/* Whole blocks of at least so many bytes, aligned to one. */
void *aligned(size_t bytes);

/* --- reference_writer.c --- */

void writer_start(const char *mode, const char *segments, const char *directory);

/* Returns when the request is answered. */
void writer_ask(struct request *r);

/* Nobody may be asking any more. */
struct writer_facts writer_stop(void);

/* --- reference_catalog.c --- */

/* Opens an empty catalog in the directory. */
void catalog_open(const char *directory, bool is_full);

/* One transaction. */
void catalog_add(const struct row *rows, size_t count);

#endif
