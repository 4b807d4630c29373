/* test_life_fetch.c - the only way to look: found, streamed, cut. */
#include "ingest_fixture.h"

#include <sys/mman.h>

#include "metrics.h"

static struct catalog_image upload(struct studio *s, size_t len, uint32_t seed)
{
	struct ingest_receipt receipt = { 0 };
	struct ingest_request request = request_of("photos");
	CHECK_EQ(upload_gif(s, &request, len, seed, &receipt), ST_OK);
	return receipt.image;
}

static void process(struct studio *s, struct catalog_image *image, size_t len)
{
	struct commit_opened opened;
	CHECK_EQ(find_again(s, image, image), ST_OK);
	CHECK_EQ(commit_open_image(s->world.commit, image, &opened), ST_OK);
	CHECK_EQ(put_result(&s->world, image, opened.key, len), ST_OK);
	commit_opened_fini(&opened);
	CHECK_EQ(find_again(s, image, image), ST_OK);
}

TEST(ids_of_others_are_not_found)
{
	struct studio s;
	struct catalog_image row;
	uint32_t collection = 99;
	char text[IMAGE_ID_TEXT + 1];
	studio_make(&s);
	studio_begin(&s);
	struct catalog_image image = upload(&s, 1000, 1);
	id_text(&image, text);
	CHECK_EQ(fetch_find(s.fetch, span_of(text), &row, &collection), ST_OK);
	CHECK_EQ(collection, 1);
	CHECK_EQ(row.number, image.number);
	CHECK_EQ(fetch_find(s.fetch, span_make(text, IMAGE_ID_TEXT - 1), &row, &collection), ST_NOT_FOUND);
	CHECK_EQ(fetch_find(s.fetch, (struct span){ 0 }, &row, &collection), ST_NOT_FOUND);
	for (size_t i = 0; i < IMAGE_ID_TEXT; i++) {
		char was = text[i];
		text[i] = was == 'a' ? 'b' : 'a';
		CHECK_EQ(fetch_find(s.fetch, span_of(text), &row, &collection), ST_NOT_FOUND);
		text[i] = was;
	}
	CHECK_EQ(fetch_find(s.fetch, span_of(text), &row, &collection), ST_OK);
	studio_end(&s);
}

TEST(gone_at_its_very_millisecond)
{
	struct studio s;
	struct catalog_image row;
	struct fetch_stream *stream = NULL, *late = NULL;
	struct fetch_private person;
	uint8_t bytes[100];
	size_t got;
	int fd = -1;
	studio_make(&s);
	studio_begin(&s);
	struct catalog_image image = upload(&s, 200000, 1);
	CHECK_EQ(find_again(&s, &image, &row), ST_OK);
	clock_set(s.world.clock, image.expires_at - 1);
	CHECK_EQ(find_again(&s, &image, &row), ST_OK);
	CHECK_EQ(fetch_open_original(s.fetch, &row, &stream), ST_OK);
	CHECK_EQ(fetch_read(stream, 0, bytes, sizeof bytes, &got), ST_OK);
	CHECK_EQ(got, sizeof bytes);
	int64_t cut = metrics_get(METRIC_READS_CUT);
	clock_set(s.world.clock, image.expires_at);
	CHECK_EQ(fetch_read(stream, 0, bytes, sizeof bytes, &got), ST_GONE);
	CHECK_EQ(fetch_read(stream, 100000, bytes, sizeof bytes, &got), ST_GONE);
	CHECK_EQ(got, 0);
	CHECK_EQ(metrics_get(METRIC_READS_CUT), cut + 1);
	fetch_close(stream);
	CHECK_EQ(find_again(&s, &image, &row), ST_GONE);
	CHECK_EQ(fetch_open_original(s.fetch, &row, &late), ST_GONE);
	CHECK_EQ(fetch_open_rendition(s.fetch, &row, "thumb", &late), ST_GONE);
	CHECK_EQ(fetch_to_memfd(s.fetch, &row, &fd), ST_GONE);
	CHECK_EQ(fd, -1);
	CHECK_EQ(fetch_private(s.fetch, &row, &person), ST_GONE);
	fetch_private_fini(&person);
	studio_end(&s);
}

TEST(only_what_readers_open_is_counted_as_read)
{
	struct studio s;
	struct catalog_image row;
	struct fetch_stream *stream = NULL;
	int fd = -1;
	studio_make(&s);
	studio_begin(&s);
	struct catalog_image image = upload(&s, 200000, 1);
	CHECK_EQ(find_again(&s, &image, &row), ST_OK);
	int64_t reads = metrics_get(METRIC_READS);
	CHECK_EQ(fetch_to_memfd(s.fetch, &row, &fd), ST_OK);
	CHECK_EQ(metrics_get(METRIC_READS), reads);
	CHECK_EQ(fetch_open_original(s.fetch, &row, &stream), ST_OK);
	CHECK_EQ(metrics_get(METRIC_READS), reads + 1);
	fetch_close(stream);
	file_close(&fd);
	studio_end(&s);
}

TEST(destroyed_epoch_is_gone_whatever_the_clock_says)
{
	struct studio s;
	struct catalog_image row;
	struct fetch_stream *stream = NULL;
	uint32_t epochs[256];
	uint8_t bytes[100];
	size_t got, count = 256;
	studio_make(&s);
	studio_begin(&s);
	struct catalog_image image = upload(&s, 200000, 1);
	CHECK_EQ(find_again(&s, &image, &row), ST_OK);
	CHECK_EQ(fetch_open_original(s.fetch, &row, &stream), ST_OK);
	while (count == 256)
		CHECK_EQ(keyring_destroy_due(s.world.keyring, image.epoch, epochs, 256, &count), ST_OK);
	CHECK_EQ(fetch_read(stream, 0, bytes, sizeof bytes, &got), ST_GONE);
	fetch_close(stream);
	CHECK_EQ(find_again(&s, &image, &row), ST_GONE);
	studio_end(&s);
}

TEST(erase_cuts_an_open_stream)
{
	struct studio s;
	struct catalog_image row;
	struct fetch_stream *stream = NULL;
	uint8_t *bytes = malloc(300000);
	size_t got;
	studio_make(&s);
	studio_begin(&s);
	must(bytes);
	struct catalog_image image = upload(&s, 300000, 1), other = upload(&s, 300000, 2);
	CHECK_EQ(find_again(&s, &image, &row), ST_OK);
	CHECK_EQ(fetch_open_original(s.fetch, &row, &stream), ST_OK);
	CHECK_EQ(fetch_read(stream, 0, bytes, 10, &got), ST_OK);
	CHECK(!is_key_zero(&s.world, &row));
	CHECK_EQ(commit_erase(s.world.commit, image.id), ST_OK);
	CHECK(is_key_zero(&s.world, &row));
	CHECK_EQ(fetch_read(stream, 0, bytes, 10, &got), ST_GONE);
	CHECK_EQ(fetch_read(stream, 0, bytes, 300000, &got), ST_GONE);
	CHECK_EQ(got, 0);
	fetch_close(stream);
	CHECK_EQ(find_again(&s, &image, &row), ST_GONE);
	CHECK_EQ(check_original(&s, &other, 300000, 2), ST_OK);
	studio_close(&s);
	(void)world_rebuild(&s.world);
	studio_open(&s);
	CHECK_EQ(find_again(&s, &image, &row), ST_GONE);
	CHECK_EQ(check_original(&s, &other, 300000, 2), ST_OK);
	free(bytes);
	studio_end(&s);
}

TEST(any_part_can_be_read)
{
	static const struct {
		uint64_t from;
		size_t len;
	} parts[] = {
		{ 0, 1 },
		{ 0, SEAL_CHUNK },
		{ SEAL_CHUNK - 1, 2 },
		{ SEAL_CHUNK, SEAL_CHUNK },
		{ 5, 3 * SEAL_CHUNK },
		{ 3 * SEAL_CHUNK, 7 },
		{ 3 * SEAL_CHUNK + 6, 1 },
		{ 3 * SEAL_CHUNK, 100 },
		{ 3 * SEAL_CHUNK + 7, 5 },
		{ UINT64_MAX, 10 },
		{ 10, 0 },
		{ 0, 4 * SEAL_CHUNK },
	};
	enum { LEN = 3 * SEAL_CHUNK + 7 };
	struct studio s;
	struct catalog_image row;
	struct fetch_stream *stream = NULL;
	uint8_t *want = gif_bytes(LEN, 1), *have = malloc(4 * SEAL_CHUNK);
	size_t got;
	studio_make(&s);
	studio_begin(&s);
	struct catalog_image image = upload(&s, LEN, 1);
	CHECK_EQ(find_again(&s, &image, &row), ST_OK);
	CHECK_EQ(fetch_open_original(s.fetch, &row, &stream), ST_OK);
	CHECK_EQ(fetch_length(stream), LEN);
	CHECK_STR(fetch_media_type(stream), "image/gif");
	CHECK_EQ(strlen(fetch_etag(stream)), 32);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		uint64_t left = parts[i].from < LEN ? LEN - parts[i].from : 0;
		size_t expected = (size_t)(parts[i].len < left ? parts[i].len : left);
		CHECK_EQ(fetch_read(stream, parts[i].from, have, parts[i].len, &got), ST_OK);
		CHECK_EQ(got, expected);
		if (expected > 0)
			CHECK_BYTES(have, want + parts[i].from, expected);
	}
	fetch_close(stream);
	fetch_close(NULL);
	free(want);
	free(have);
	studio_end(&s);
}

TEST(renditions_and_private_parts)
{
	struct studio s;
	struct fetch_stream *stream = NULL;
	struct fetch_private person;
	uint8_t want[SEAL_CHUNK + 9], have[SEAL_CHUNK + 9];
	size_t got;
	studio_make(&s);
	studio_begin(&s);
	struct catalog_image image = upload(&s, 1000, 1);
	CHECK_EQ(find_again(&s, &image, &image), ST_OK);
	CHECK_EQ(fetch_open_rendition(s.fetch, &image, "thumb", &stream), ST_BUSY);
	CHECK_EQ(fetch_private(s.fetch, &image, &person), ST_OK);
	CHECK_STR(person.person.file_name, "holiday.gif");
	CHECK_STR(person.person.uploader, "ada");
	CHECK_EQ(buf_span(&person.private_json).len, 0);
	fetch_private_fini(&person);
	process(&s, &image, sizeof want);
	CHECK_EQ(fetch_open_rendition(s.fetch, &image, "poster", &stream), ST_NOT_FOUND);
	CHECK_EQ(fetch_open_rendition(s.fetch, &image, "thumb", &stream), ST_OK);
	CHECK_EQ(fetch_length(stream), sizeof want);
	CHECK_STR(fetch_media_type(stream), "image/jpeg");
	fill_bytes(want, sizeof want, 77);
	CHECK_EQ(fetch_read(stream, 0, have, sizeof have, &got), ST_OK);
	CHECK_EQ(got, sizeof want);
	CHECK_BYTES(have, want, sizeof want);
	CHECK_EQ(fetch_private(s.fetch, &image, &person), ST_OK);
	CHECK_STR(buf_text(&person.private_json), "{\"gps\":[1,2]}");
	fetch_private_fini(&person);
	CHECK_EQ(commit_erase(s.world.commit, image.id), ST_OK);
	CHECK_EQ(fetch_read(stream, 0, have, 1, &got), ST_GONE);
	fetch_close(stream);
	CHECK_EQ(fetch_open_rendition(s.fetch, &image, "thumb", &stream), ST_GONE);
	studio_end(&s);
}

TEST(memfd_is_whole_and_sealed)
{
	enum { LEN = 2 * SEAL_CHUNK + 5 };
	struct studio s;
	struct catalog_image row;
	int fd = -1;
	uint8_t *want = gif_bytes(LEN, 4), *have = malloc(LEN);
	struct stat st;
	studio_make(&s);
	studio_begin(&s);
	struct catalog_image image = upload(&s, LEN, 4);
	CHECK_EQ(find_again(&s, &image, &row), ST_OK);
	CHECK_EQ(fetch_to_memfd(s.fetch, &row, &fd), ST_OK);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_size, LEN);
	CHECK_EQ(pread(fd, have, LEN, 0), LEN);
	CHECK_BYTES(have, want, LEN);
	CHECK_EQ(pwrite(fd, "x", 1, 0), -1);
	CHECK_EQ(ftruncate(fd, 0), -1);
	file_close(&fd);
	free(want);
	free(have);
	studio_end(&s);
}

TEST(no_byte_of_a_hurt_chunk)
{
	enum { LEN = 3 * SEAL_CHUNK };
	struct studio s;
	struct catalog_image row;
	struct fetch_stream *stream = NULL;
	char name[64];
	uint8_t *have = malloc(LEN), byte;
	size_t got;
	int fd = -1;
	studio_make(&s);
	studio_begin(&s);
	struct catalog_image image = upload(&s, LEN, 1);
	CHECK_EQ(find_again(&s, &image, &row), ST_OK);
	(void)snprintf(name, sizeof name, "originals/%08" PRIx32 ".seg", row.blob_at.segment);
	off_t at = row.blob_at.offset + 48 + 32 + SEAL_CHUNK + CHUNK_TAG + 1000;
	fd = openat(s.world.dir_fd, name, O_RDWR | O_CLOEXEC);
	must(fd >= 0 && pread(fd, &byte, 1, at) == 1);
	byte ^= 1;
	must(pwrite(fd, &byte, 1, at) == 1 && fsync(fd) == 0 && close(fd) == 0);
	CHECK_EQ(fetch_open_original(s.fetch, &row, &stream), ST_OK);
	memset(have, 0xee, LEN);
	CHECK_EQ(fetch_read(stream, 0, have, LEN, &got), ST_CORRUPT);
	CHECK_EQ(got, SEAL_CHUNK);
	CHECK_EQ(fetch_read(stream, 2 * SEAL_CHUNK, have, SEAL_CHUNK, &got), ST_OK);
	CHECK_EQ(fetch_read(stream, SEAL_CHUNK + 5, have, 5, &got), ST_CORRUPT);
	CHECK_EQ(got, 0);
	fd = -1;
	CHECK_EQ(fetch_to_memfd(s.fetch, &row, &fd), ST_CORRUPT);
	CHECK_EQ(fd, -1);
	fetch_close(stream);
	free(have);
	studio_end(&s);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(ids_of_others_are_not_found),
		CHECK_TEST(gone_at_its_very_millisecond),
		CHECK_TEST(only_what_readers_open_is_counted_as_read),
		CHECK_TEST(destroyed_epoch_is_gone_whatever_the_clock_says),
		CHECK_TEST(erase_cuts_an_open_stream),
		CHECK_TEST(any_part_can_be_read),
		CHECK_TEST(renditions_and_private_parts),
		CHECK_TEST(memfd_is_whole_and_sealed),
		CHECK_TEST(no_byte_of_a_hurt_chunk),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
