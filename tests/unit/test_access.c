#include "access.h"

#include "clock.h"
#include "check.h"
#include "fault.h"
#include "memory.h"
#include "must.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { NOW = 1000000 };

struct fixture {
	char directory[64], root[96], db[96];
	int dir_fd;
	struct clock *clock;
	struct keyring *keyring;
	struct control *control;
	struct access *access;
};

static void init(struct fixture *f)
{
	memset(f, 0, sizeof *f);
	must(digest_init() == ST_OK);
	snprintf(f->directory, sizeof f->directory, "%s/darkroom-test-XXXXXX", P_tmpdir);
	must(mkdtemp(f->directory));
	snprintf(f->root, sizeof f->root, "%s/root.key", f->directory);
	snprintf(f->db, sizeof f->db, "%s/control.db", f->directory);
	f->dir_fd = open(f->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->clock = clock_new_manual(NOW);
	struct keyring_options options = { .dir_fd = f->dir_fd, .root_key_path = f->root, .node = 1 };
	must(keyring_make_root_key(f->root) == ST_OK);
	must(keyring_create(&options) == ST_OK);
	must(keyring_open(&options, &f->keyring) == ST_OK);
	must(control_open(f->db, &f->control) == ST_OK);
	CHECK_EQ(access_open(f->control, f->keyring, f->clock, &f->access), ST_OK);
	must(f->access);
}

static void fini(struct fixture *f)
{
	access_close(f->access);
	control_close(f->control);
	keyring_close(f->keyring);
	clock_free(f->clock);
	CHECK_EQ(unlink(f->db), 0);
	CHECK_EQ(unlink(f->root), 0);
	(void)unlinkat(f->dir_fd, "keyring.a", 0);
	(void)unlinkat(f->dir_fd, "keyring.b", 0);
	close(f->dir_fd);
	CHECK_EQ(rmdir(f->directory), 0);
}

static uint32_t make_collection(struct fixture *f, const char *name)
{
	struct access_new_collection in = { .name = span_of(name), .retention_ms = RETENTION_MAX_MS };
	struct control_collection out = { 0 };
	const char *why = NULL;
	CHECK_EQ(access_make_collection(f->access, &in, &out, &why), ST_OK);
	return out.number;
}

static void make_key(
	struct fixture *f, const char *role, const char *const *collections, char out[ACCESS_KEY_TEXT + 1])
{
	struct access_new_key in = { .principal = "ann", .role = role, .collections = collections };
	CHECK_EQ(access_make_key(f->access, &in, out), ST_OK);
}

TEST(a_new_key_lets_its_principal_in)
{
	struct fixture f;
	char key[ACCESS_KEY_TEXT + 1];
	struct access_caller caller;
	init(&f);
	make_key(&f, "reader", NULL, key);
	CHECK_EQ(strlen(key), ACCESS_KEY_TEXT);
	CHECK(strncmp(key, "dr_", 3) == 0 && key[15] == '_');
	CHECK_EQ(strcspn(key, "+/="), ACCESS_KEY_TEXT);
	CHECK_EQ(access_authenticate(f.access, span_of(key), &caller), ST_OK);
	CHECK_STR(caller.principal, "ann");
	CHECK(strncmp(caller.key_prefix, key + 3, 12) == 0);
	CHECK(access_may(&caller, PERM_ORIGINAL_READ));
	CHECK(!access_may(&caller, PERM_IMAGE_WRITE));
	CHECK(access_reaches(&caller, 1) && access_reaches(&caller, 4711));
	fini(&f);
}

TEST(every_changed_or_malformed_key_is_denied)
{
	struct fixture f;
	char key[ACCESS_KEY_TEXT + 2], other[ACCESS_KEY_TEXT + 1];
	struct access_caller caller;
	init(&f);
	make_key(&f, "admin", NULL, key);
	make_key(&f, "admin", NULL, other);
	CHECK(strcmp(key, other) != 0);
	for (size_t i = 0; i < ACCESS_KEY_TEXT; i++) {
		char kept = key[i];
		key[i] = kept == 'x' ? 'y' : 'x';
		CHECK_EQ(access_authenticate(f.access, span_of(key), &caller), ST_DENIED);
		key[i] = '\0';
		CHECK_EQ(access_authenticate(f.access, span_make(key, ACCESS_KEY_TEXT), &caller), ST_DENIED);
		key[i] = kept;
		CHECK_EQ(access_authenticate(f.access, span_make(key, i), &caller), ST_DENIED);
	}
	key[ACCESS_KEY_TEXT] = 'a';
	CHECK_EQ(access_authenticate(f.access, span_make(key, ACCESS_KEY_TEXT + 1), &caller), ST_DENIED);
	memcpy(key + 16, other + 16, 43); /* one key's prefix, another's secret */
	CHECK_EQ(access_authenticate(f.access, span_make(key, ACCESS_KEY_TEXT), &caller), ST_DENIED);
	CHECK_EQ(access_authenticate(f.access, span_make(NULL, 0), &caller), ST_DENIED);
	CHECK_EQ(access_authenticate(f.access,
			 SPAN_LIT("dr_------------_-------------------------------------------"), &caller),
		ST_DENIED);
	CHECK_EQ(access_authenticate(f.access, span_of(other), &caller), ST_OK);
	fini(&f);
}

TEST(a_revoked_or_expired_key_is_denied)
{
	struct fixture f;
	char revoked[ACCESS_KEY_TEXT + 1], brief[ACCESS_KEY_TEXT + 1];
	struct access_caller caller;
	struct access_new_key in = { .principal = "bob", .role = "uploader", .valid_ms = 1000 };
	init(&f);
	make_key(&f, "reader", NULL, revoked);
	CHECK_EQ(access_make_key(f.access, &in, brief), ST_OK);
	CHECK_EQ(access_revoke_key(f.access, span_make(revoked + 3, 12)), ST_OK);
	CHECK_EQ(access_authenticate(f.access, span_of(revoked), &caller), ST_DENIED);
	CHECK_EQ(access_revoke_key(f.access, SPAN_LIT("zzzzzzzzzzzz")), ST_NOT_FOUND);
	CHECK_EQ(access_revoke_key(f.access, SPAN_LIT("short")), ST_NOT_FOUND);
	clock_set(f.clock, NOW + 999);
	CHECK_EQ(access_authenticate(f.access, span_of(brief), &caller), ST_OK);
	clock_set(f.clock, NOW + 1000);
	CHECK_EQ(access_authenticate(f.access, span_of(brief), &caller), ST_DENIED);
	fini(&f);
}

TEST(use_is_noted_at_most_once_a_minute)
{
	struct fixture f;
	char key[ACCESS_KEY_TEXT + 1], prefix[13];
	struct access_caller caller;
	struct control_key row;
	init(&f);
	make_key(&f, "reader", NULL, key);
	memcpy(prefix, key + 3, 12);
	prefix[12] = '\0';
	CHECK_EQ(access_authenticate(f.access, span_of(key), &caller), ST_OK);
	CHECK_EQ(control_find_key(f.control, prefix, &row), ST_OK);
	CHECK_EQ(row.last_used_at, NOW);
	clock_set(f.clock, NOW + 59999);
	CHECK_EQ(access_authenticate(f.access, span_of(key), &caller), ST_OK);
	CHECK_EQ(control_find_key(f.control, prefix, &row), ST_OK);
	CHECK_EQ(row.last_used_at, NOW);
	clock_set(f.clock, NOW + 60000);
	CHECK_EQ(access_authenticate(f.access, span_of(key), &caller), ST_OK);
	CHECK_EQ(control_find_key(f.control, prefix, &row), ST_OK);
	CHECK_EQ(row.last_used_at, NOW + 60000);
	fini(&f);
}

TEST(a_key_reaches_only_the_collections_it_names)
{
	struct fixture f;
	char key[ACCESS_KEY_TEXT + 1];
	struct access_caller caller;
	init(&f);
	uint32_t photos = make_collection(&f, "photos"), scans = make_collection(&f, "scans");
	const char *one[] = { "photos", NULL }, *none[] = { NULL },
		   *unknown[] = { "photos", "nothing", NULL };
	make_key(&f, "uploader", one, key);
	CHECK_EQ(access_authenticate(f.access, span_of(key), &caller), ST_OK);
	CHECK(access_reaches(&caller, photos));
	CHECK(!access_reaches(&caller, scans));
	make_key(&f, "uploader", none, key);
	CHECK_EQ(access_authenticate(f.access, span_of(key), &caller), ST_OK);
	CHECK(!access_reaches(&caller, photos));
	struct access_new_key in = { .principal = "ann", .role = "reader", .collections = unknown };
	CHECK_EQ(access_make_key(f.access, &in, key), ST_NOT_FOUND);
	CHECK_EQ(access_remove_collection(f.access, scans), ST_OK);
	const char *removed[] = { "scans", NULL };
	in.collections = removed;
	CHECK_EQ(access_make_key(f.access, &in, key), ST_NOT_FOUND);
	fini(&f);
}

TEST(a_key_needs_a_known_role_and_a_clean_name)
{
	struct fixture f;
	char key[ACCESS_KEY_TEXT + 1], sixty_four[65];
	init(&f);
	memset(sixty_four, 'a', 64);
	sixty_four[64] = '\0';
	const struct access_new_key wrong[] = {
		{ .principal = "ann", .role = "root" },
		{ .principal = "ann", .role = "" },
		{ .principal = "", .role = "reader" },
		{ .principal = "a\nb", .role = "reader" },
		{ .principal = "\xff", .role = "reader" },
		{ .principal = sixty_four, .role = "reader" },
		{ .principal = "ann", .role = "reader", .valid_ms = -1 },
		{ .principal = "ann", .role = "reader", .valid_ms = INT64_MAX },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		CHECK_EQ(access_make_key(f.access, &wrong[i], key), ST_INVALID);
	size_t count = 9;
	CHECK_EQ(control_count_keys(f.control, &count), ST_OK);
	CHECK_EQ(count, 0);
	fini(&f);
}

/* What each role may do, written out once more: a change to the table must be made twice. */
TEST(every_role_may_exactly_this)
{
	static const char *const words[PERM_COUNT] = {
#define X(name, sentence) [PERM_##name] = #name,
		PERMISSION_TABLE(X)
#undef X
	};
	static const struct {
		const char *role, *may;
	} expected[] = {
		{ "uploader", "PUBLIC SELF IMAGE_WRITE " },
		{ "reader",
			"PUBLIC SELF IMAGE_LIST ORIGINAL_READ RENDITION_READ STATS_READ COLLECTION_READ " },
		{ "analyst", "PUBLIC SELF STATS_READ SQL COLLECTION_READ " },
		{ "engineer",
			"PUBLIC SELF IMAGE_LIST ORIGINAL_READ RENDITION_READ STATS_READ COLLECTION_READ "
			"METRICS_READ " },
		{ "auditor", "PUBLIC SELF STATS_READ COLLECTION_READ METRICS_READ RECEIPT_READ " },
		{ "admin",
			"PUBLIC SELF IMAGE_WRITE IMAGE_LIST ORIGINAL_READ RENDITION_READ IMAGE_ERASE "
			"STATS_READ SQL "
			"COLLECTION_READ COLLECTION_EDIT KEY_EDIT METRICS_READ RECEIPT_READ " },
	};
	size_t roles = 0;
	while (access_roles[roles].name)
		roles++;
	CHECK_EQ(roles, sizeof expected / sizeof *expected);
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		const struct access_role *role = access_find_role(span_of(expected[i].role));
		struct buf may;
		REQUIRE(role);
		struct access_caller caller = { .permissions = role->permissions };
		buf_init(&may, 1000);
		for (int p = 0; p <= PERM_COUNT; p++)
			if (access_may(&caller, (enum permission)p))
				buf_printf(&may, "%s ", p < PERM_COUNT && words[p] ? words[p] : "?");
		CHECK_STR(buf_text(&may), expected[i].may);
		buf_fini(&may);
	}
	CHECK(!access_find_role(SPAN_LIT("nobody")));
	struct access_caller nobody = { 0 };
	CHECK(!access_may(&nobody, PERM_UNSET) && access_may(&nobody, PERM_PUBLIC) &&
		!access_may(&nobody, PERM_SELF));
}

TEST(a_collection_is_found_with_its_key)
{
	struct fixture f;
	struct access_collection found, again;
	struct control_collection *list = NULL;
	size_t count = 0;
	init(&f);
	uint32_t number = make_collection(&f, "photos"), other = make_collection(&f, "scans");
	CHECK_EQ(access_find_collection(f.access, SPAN_LIT("photos"), &found), ST_OK);
	CHECK_EQ(found.row.number, number);
	CHECK_EQ(found.row.retention_ms, RETENTION_MAX_MS);
	CHECK(found.row.formats != 0);
	CHECK_EQ(access_collection_by_number(f.access, number, &again), ST_OK);
	CHECK_BYTES(again.key.bytes, found.key.bytes, sizeof found.key.bytes);
	CHECK_EQ(access_collection_by_number(f.access, other, &again), ST_OK);
	CHECK(memcmp(again.key.bytes, found.key.bytes, sizeof found.key.bytes) != 0);
	access_collection_wipe(&again);
	static const struct collection_key zero;
	CHECK_BYTES(again.key.bytes, zero.bytes, sizeof zero.bytes);
	CHECK_EQ(access_find_collection(f.access, SPAN_LIT("photo"), &again), ST_NOT_FOUND);
	CHECK_EQ(access_collection_by_number(f.access, 99, &again), ST_NOT_FOUND);

	struct collection_key before = found.key;
	access_close(f.access);
	f.access = NULL;
	CHECK_EQ(access_open(f.control, f.keyring, f.clock, &f.access), ST_OK);
	CHECK_EQ(access_find_collection(f.access, SPAN_LIT("photos"), &found), ST_OK);
	CHECK_BYTES(found.key.bytes, before.bytes, sizeof before.bytes);
	CHECK_EQ(access_list_collections(f.access, &list, &count), ST_OK);
	CHECK_EQ(count, 2);
	memory_free(list);
	fini(&f);
}

TEST(a_collections_rules_are_checked)
{
	struct fixture f;
	struct control_collection out;
	char long_name[65];
	init(&f);
	memset(long_name, 'a', 64);
	long_name[64] = '\0';
	access_set_retention_max(f.access, 3600000);
	const struct access_new_collection wrong[] = {
		{ .name = SPAN_LIT(""), .retention_ms = 60000 },
		{ .name = SPAN_LIT("-a"), .retention_ms = 60000 },
		{ .name = SPAN_LIT("A"), .retention_ms = 60000 },
		{ .name = SPAN_LIT("a b"), .retention_ms = 60000 },
		{ .name = SPAN_LIT("a\0b"), .retention_ms = 60000 },
		{ .name = span_of(long_name), .retention_ms = 60000 },
		{ .name = SPAN_LIT("ok"), .retention_ms = 59999 },
		{ .name = SPAN_LIT("ok"), .retention_ms = 3600001 },
		{ .name = SPAN_LIT("ok"), .retention_ms = 60000, .formats = 1 },
		{ .name = SPAN_LIT("ok"), .retention_ms = 60000, .formats = 1U << 31 },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		const char *why = "";
		CHECK_EQ(access_make_collection(f.access, &wrong[i], &out, &why), ST_INVALID);
		CHECK(strlen(why) > 10);
	}
	const char *why = NULL;
	struct access_new_collection good = {
		.name = span_make(long_name, 63), .retention_ms = 3600000, .formats = 2
	};
	CHECK_EQ(access_make_collection(f.access, &good, &out, &why), ST_OK);
	CHECK_EQ(access_make_collection(f.access, &good, &out, &why), ST_EXISTS);
	CHECK_EQ(access_change_collection(f.access, out.number, 60000, 4, &why), ST_OK);
	CHECK_EQ(access_change_collection(f.access, out.number, 60000, 0, &why), ST_INVALID);
	CHECK_EQ(access_change_collection(f.access, 99, 60000, 4, &why), ST_NOT_FOUND);
	struct access_collection found;
	CHECK_EQ(access_collection_by_number(f.access, out.number, &found), ST_OK);
	CHECK_EQ(found.row.retention_ms, 60000);
	CHECK_EQ(found.row.formats, 4);
	fini(&f);
}

/* A process ended between the row and its key. */
TEST(a_collection_without_a_key_is_removed_at_open)
{
	struct fixture f;
	uint32_t number = 0;
	struct control_collection half = { .name = "half", .retention_ms = 60000, .formats = 2 },
				  *list = NULL;
	struct access_collection found;
	size_t count = 9;
	init(&f);
	CHECK_EQ(control_add_collection(f.control, &half, &number), ST_OK);
	access_close(f.access);
	f.access = NULL;
	CHECK_EQ(access_open(f.control, f.keyring, f.clock, &f.access), ST_OK);
	CHECK_EQ(access_find_collection(f.access, SPAN_LIT("half"), &found), ST_NOT_FOUND);
	CHECK_EQ(access_list_collections(f.access, &list, &count), ST_OK);
	CHECK_EQ(count, 0);
	memory_free(list);
	CHECK(make_collection(&f, "half") > number);
	fini(&f);
}

#ifdef DARKROOM_FAULTS
/* A revoked key must not get in because reading the keys again failed; a good one may, once it works. */
TEST(everybody_is_denied_while_what_was_changed_cannot_be_read)
{
	struct fixture f;
	char revoked[ACCESS_KEY_TEXT + 1], good[ACCESS_KEY_TEXT + 1];
	struct access_caller caller;
	init(&f);
	make_key(&f, "reader", NULL, revoked);
	make_key(&f, "reader", NULL, good);
	fault_arm(FAULT_MEMORY, 1, ENOMEM, true);
	CHECK_EQ(access_revoke_key(f.access, span_make(revoked + 3, 12)), ST_FULL);
	CHECK_EQ(access_authenticate(f.access, span_of(revoked), &caller), ST_DENIED);
	CHECK_EQ(access_authenticate(f.access, span_of(good), &caller), ST_DENIED);
	fault_disarm();
	CHECK_EQ(access_authenticate(f.access, span_of(revoked), &caller), ST_DENIED);
	CHECK_EQ(access_authenticate(f.access, span_of(good), &caller), ST_OK);
	fini(&f);
}

TEST(a_collection_that_fails_half_way_is_not_there)
{
	struct fixture f;
	struct control_collection out, *list = NULL;
	struct access_new_collection in = { .name = SPAN_LIT("photos"), .retention_ms = 60000 };
	const char *why = NULL;
	size_t count = 9;
	init(&f);
	fault_arm(FAULT_RANDOM, 1, EIO, false); /* no key for it */
	CHECK(access_make_collection(f.access, &in, &out, &why) != ST_OK);
	CHECK(fault_has_fired());
	fault_disarm();
	CHECK_EQ(access_list_collections(f.access, &list, &count), ST_OK);
	CHECK_EQ(count, 0);
	memory_free(list);
	CHECK_EQ(access_make_collection(f.access, &in, &out, &why), ST_OK);
	fini(&f);
}
#endif

struct crowd {
	struct fixture fixture;
	char key[ACCESS_KEY_TEXT + 1];
	atomic_bool is_over;
};

static void knock(void *argument)
{
	struct crowd *crowd = argument;
	struct access_caller caller;
	struct access_collection found;
	while (!atomic_load(&crowd->is_over)) {
		CHECK_EQ(access_authenticate(crowd->fixture.access, span_of(crowd->key), &caller), ST_OK);
		CHECK_EQ(access_find_collection(crowd->fixture.access, SPAN_LIT("first"), &found), ST_OK);
	}
}

static void make_more(void *argument)
{
	struct crowd *crowd = argument;
	char key[ACCESS_KEY_TEXT + 1];
	for (int i = 0; i < 10; i++)
		make_key(&crowd->fixture, "uploader", NULL, key);
}

TEST(callers_are_let_in_while_others_change_keys_and_collections)
{
	static struct crowd crowd;
	struct thread callers[2] = { 0 }, maker = { 0 };
	char name[24];
	size_t count = 0;
	init(&crowd.fixture);
	(void)make_collection(&crowd.fixture, "first");
	make_key(&crowd.fixture, "reader", NULL, crowd.key);
	for (size_t i = 0; i < 2; i++)
		CHECK_EQ(thread_start(&callers[i], "caller", knock, &crowd), ST_OK);
	CHECK_EQ(thread_start(&maker, "maker", make_more, &crowd), ST_OK);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof name, "more-%d", i);
		(void)make_collection(&crowd.fixture, name);
	}
	thread_join(&maker);
	atomic_store(&crowd.is_over, true);
	for (size_t i = 0; i < 2; i++)
		thread_join(&callers[i]);
	CHECK_EQ(control_count_keys(crowd.fixture.control, &count), ST_OK);
	CHECK_EQ(count, 11);
	fini(&crowd.fixture);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_new_key_lets_its_principal_in),
		CHECK_TEST(every_changed_or_malformed_key_is_denied),
		CHECK_TEST(a_revoked_or_expired_key_is_denied),
		CHECK_TEST(use_is_noted_at_most_once_a_minute),
		CHECK_TEST(a_key_reaches_only_the_collections_it_names),
		CHECK_TEST(a_key_needs_a_known_role_and_a_clean_name),
		CHECK_TEST(every_role_may_exactly_this),
		CHECK_TEST(a_collection_is_found_with_its_key),
		CHECK_TEST(a_collections_rules_are_checked),
		CHECK_TEST(a_collection_without_a_key_is_removed_at_open),
		CHECK_TEST(callers_are_let_in_while_others_change_keys_and_collections),
#ifdef DARKROOM_FAULTS
		CHECK_TEST(everybody_is_denied_while_what_was_changed_cannot_be_read),
		CHECK_TEST(a_collection_that_fails_half_way_is_not_there),
#endif
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
