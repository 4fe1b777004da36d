/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_store.c - the SQLite store: what was answered is on disk, and every state that a file or a
 * disk can be in ends in words.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "store.h"

static char dir[64], file[96];
static uv_loop_t loop;
static struct mr_store *store;
static struct mr_why why;

static void init(void)
{
	strcpy(dir, "/tmp/moshrelay-test-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/%s", dir, MR_STORE_FILE);
	cr_assert_eq(uv_loop_init(&loop), 0);
}

static int open_store(void)
{
	memset(&why, 0, sizeof(why));
	return mr_store_sqlite_open(dir, &loop, &store, &why);
}

static void close_store(void)
{
	if (store)
		store->ops->close(store);
	store = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void fini(void)
{
	char command[96];

	close_store();
	cr_assert_eq(uv_loop_close(&loop), 0);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(store, .init = init, .fini = fini);

static struct mr_store_row row(uint64_t id)
{
	struct mr_store_row r = {
		.id = id,
		.uid = 4294967294U,
		.owner = "alice",
		.label = "w\xc3\xa9"
			 "b'; --",
		.pool = "second",
		.target_port = 60001,
		.public_port = 65535,
		.upstream_base = 65520,
		.idle_s = 86400,
		.opened_at = 1700000000123456789,
	};

	memset(&r.target, 0x11, sizeof(r.target));
	memset(&r.upstream, 0x22, sizeof(r.upstream));
	memset(&r.hint, 0, sizeof(r.hint));
	return r;
}

#define COLUMNS_1                                                                              \
	"uid, owner, label, pool, target, target_port, public_port, upstream, upstream_base, " \
	"hint,"                                                                                \
	" idle_s, opened_at, last_client_at, last_target_at, roams, to_target_datagrams,"      \
	" to_target_bytes, to_target_lost, to_target_reordered, to_client_datagrams,"          \
	" to_client_bytes, to_client_lost, to_client_reordered"

struct answers {
	unsigned n;
	int error; /* the last one's */
	struct mr_why why;
};

static void on_done(void *context, int error, const struct mr_why *text)
{
	struct answers *answers = context;

	answers->n++;
	answers->error = error;
	if (text)
		answers->why = *text;
}

static void wait_for(const struct answers *answers, unsigned n)
{
	while (answers->n < n)
		cr_assert(uv_run(&loop, UV_RUN_ONCE) || answers->n >= n, "nobody answers");
}

static int put(uint64_t id, struct answers *answers)
{
	const struct mr_store_row r = row(id);

	return store->ops->put(store, &r, on_done, answers);
}

struct loaded {
	unsigned n;
	struct mr_store_row row;
	struct mr_store_totals totals;
};

static int on_row(void *context, const struct mr_store_row *r, const struct mr_store_totals *totals)
{
	struct loaded *loaded = context;

	loaded->n++;
	loaded->row = *r;
	loaded->totals = *totals;
	return 0;
}

static struct loaded load(void)
{
	struct loaded loaded = {0};

	cr_assert_eq(store->ops->load(store, on_row, &loaded, &why), 0, "%s", why.text);
	return loaded;
}

static void sql(const char *text)
{
	sqlite3 *db;

	cr_assert_eq(sqlite3_open(file, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

Test(store, what_was_put_comes_back_the_same)
{
	const struct mr_store_row expected = row(0xffffffffffffffff);
	const struct mr_store_totals totals = {
		.id = expected.id,
		.last_client_at = 1700000000000000001,
		.last_target_at = 1700000000000000002,
		.roams = 3,
		.to_target = {.datagrams = 4, .bytes = 5, .lost = 6, .reordered = 7},
		.to_client = {.datagrams = 8, .bytes = UINT64_MAX, .lost = 10, .reordered = 11},
	};
	struct answers answers = {0};
	struct loaded loaded;

	cr_assert_eq(open_store(), 0, "%s", why.text);
	cr_assert_eq(put(expected.id, &answers), 0);
	cr_assert_eq(answers.n, 0, "answered from within");
	wait_for(&answers, 1);
	cr_assert_eq(answers.error, 0);
	cr_assert_eq(store->ops->checkpoint(store, &totals, 1, on_done, &answers), 0);
	wait_for(&answers, 2);
	close_store();
	cr_assert_eq(open_store(), 0, "%s", why.text);
	loaded = load();
	cr_assert_eq(loaded.n, 1);
	cr_assert_eq(memcmp(&loaded.row, &expected, sizeof(expected)), 0);
	cr_assert_eq(memcmp(&loaded.totals, &totals, sizeof(totals)), 0);

	/* putting it again keeps the totals */
	cr_assert_eq(put(expected.id, &answers), 0);
	wait_for(&answers, 3);
	loaded = load();
	cr_assert_eq(loaded.n, 1);
	cr_assert_eq(loaded.totals.roams, 3);

	cr_assert_eq(store->ops->del(store, expected.id, on_done, &answers), 0);
	cr_assert_eq(store->ops->del(store, 12345, on_done, &answers), 0);
	wait_for(&answers, 5);
	cr_assert_eq(answers.error, 0, "one that isn't there is no error");
	cr_assert_eq(load().n, 0);
}

Test(store, a_file_is_its_owners_alone)
{
	struct stat st;

	cr_assert_eq(open_store(), 0);
	cr_assert_eq(stat(file, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
}

/* A daemon that is killed right after an answer has the row on disk. */
Test(store, what_was_answered_survives_a_kill)
{
	for (uint64_t id = 1; id <= 5; id++) {
		pid_t child = fork();
		int status;

		cr_assert(child >= 0);
		if (child == 0) {
			struct answers answers = {0};
			uv_loop_t own;

			uv_loop_init(&own);
			if (mr_store_sqlite_open(dir, &own, &store, &why) < 0 ||
				put(id, &answers) < 0)
				_exit(1);
			while (answers.n == 0)
				uv_run(&own, UV_RUN_ONCE);
			kill(getpid(), SIGKILL);
		}
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_assert(WIFSIGNALED(status), "the child could not write");
		cr_assert_eq(open_store(), 0, "%s", why.text);
		cr_assert_eq(load().n, id);
		close_store();
	}
}

/* SQLite's call comes here: how often the disk was waited for. */
static atomic_uint syncs;

__attribute__((visibility("default"))) int fdatasync(int fd)
{
	atomic_fetch_add(&syncs, 1);
	return (int)syscall(SYS_fdatasync, fd);
}

Test(store, many_writes_share_a_transaction)
{
	struct answers answers = {0};
	const unsigned n = 10000;
	unsigned before;

	cr_assert_eq(open_store(), 0);
	before = syncs;
	for (uint64_t id = 1; id <= n; id++)
		cr_assert_eq(put(id, &answers), 0);
	wait_for(&answers, n);
	cr_assert_eq(answers.error, 0);
	cr_assert_gt(syncs, before, "nothing was made durable, or not seen here");
	cr_assert_lt(syncs - before, n / 2, "%u times for %u writes", syncs - before, n);
	cr_assert_eq(load().n, n);
}

Test(store, too_many_waiting_puts_are_refused_and_deletes_never)
{
	struct answers answers = {0};
	unsigned accepted = 0;
	int r = 0;

	cr_assert_eq(open_store(), 0);
	while (r == 0 && accepted < 1000000) {
		r = put(++accepted, &answers);
	}
	cr_assert_eq(r, -EAGAIN, "a queue without end");
	cr_assert_eq(store->ops->del(store, 1, on_done, &answers), 0);
	wait_for(&answers, accepted);
	cr_assert_eq(put(accepted, &answers), 0, "it never takes any again");
	wait_for(&answers, accepted + 1);
}

Test(store, flush_answers_everything)
{
	struct answers answers = {0};

	cr_assert_eq(open_store(), 0);
	for (uint64_t id = 1; id <= 100; id++)
		cr_assert_eq(put(id, &answers), 0);
	store->ops->flush(store);
	cr_assert_eq(answers.n, 100);
}

/* Files that are refused. */

static void expect_refusal(int error, const char *words)
{
	cr_assert_eq(open_store(), error, "%d: %s", error, why.text);
	cr_assert_not_null(
		strstr(why.text, words), "\"%s\" says nothing of \"%s\"", why.text, words);
	cr_assert_not_null(strstr(why.text, file), "\"%s\" names no file", why.text);
}

Test(store, a_newer_format_is_refused_and_left_alone)
{
	cr_assert_eq(open_store(), 0);
	close_store();
	sql("PRAGMA user_version = 3");
	expect_refusal(-EPROTONOSUPPORT, "version 3");
	sql("PRAGMA user_version = 2");
	cr_assert_eq(open_store(), 0, "%s", why.text);
}

Test(store, the_former_format_is_brought_to_the_present_one)
{
	struct answers answers = {0};
	struct loaded loaded;

	cr_assert_eq(open_store(), 0);
	cr_assert_eq(put(77, &answers), 0);
	wait_for(&answers, 1);
	close_store();
	/* Format 1 had no numbers: the id was the key. */
	sql("CREATE TABLE former (id INTEGER PRIMARY KEY, " COLUMNS_1 ");"
	    "INSERT INTO former SELECT id, " COLUMNS_1 " FROM session;"
	    "DROP TABLE session; ALTER TABLE former RENAME TO session; PRAGMA user_version = 1");
	cr_assert_eq(open_store(), 0, "%s", why.text);
	loaded = load();
	cr_assert_eq(loaded.n, 1);
	cr_assert_eq(loaded.row.id, 77);
	cr_assert_eq(loaded.row.public_port, 65535);
	cr_assert_eq(put(78, &answers), 0);
	cr_assert_eq(store->ops->del(store, 77, on_done, &answers), 0);
	wait_for(&answers, 3);
	cr_assert_eq(answers.error, 0);
	loaded = load();
	cr_assert_eq(loaded.n, 1);
	cr_assert_eq(loaded.row.id, 78);
}

Test(store, another_programs_database_is_refused)
{
	sql("CREATE TABLE bookmarks (url TEXT)");
	expect_refusal(-EINVAL, "some other program");
}

Test(store, a_file_that_is_no_database_is_refused)
{
	FILE *f = fopen(file, "w");

	for (int i = 0; i < 1000; i++)
		fprintf(f, "this is no database\n");
	fclose(f);
	expect_refusal(-EUCLEAN, "damaged");
}

Test(store, an_empty_file_becomes_a_store)
{
	cr_assert_eq(close(open(file, O_CREAT | O_WRONLY, 0600)), 0);
	cr_assert_eq(open_store(), 0, "%s", why.text);
}

Test(store, damaged_pages_are_refused)
{
	struct answers answers = {0};
	char junk[4096];
	int fd;

	cr_assert_eq(open_store(), 0);
	for (uint64_t id = 1; id <= 1000; id++)
		cr_assert_eq(put(id * 0x9e3779b97f4a7c15, &answers), 0);
	wait_for(&answers, 1000);
	close_store();
	memset(junk, 0xa5, sizeof(junk));
	fd = open(file, O_WRONLY);
	cr_assert_eq(pwrite(fd, junk, sizeof(junk), 3 * sizeof(junk)), sizeof(junk));
	close(fd);
	expect_refusal(-EUCLEAN, "damaged");
}

Test(store, a_row_that_makes_no_sense_is_refused)
{
	struct answers answers = {0};

	cr_assert_eq(open_store(), 0);
	cr_assert_eq(put(77, &answers), 0);
	wait_for(&answers, 1);
	close_store();
	sql("UPDATE session SET upstream_base = 61009");
	cr_assert_eq(open_store(), 0);
	cr_assert_eq(store->ops->load(store, on_row, &(struct loaded){0}, &why), -EUCLEAN);
	cr_assert_not_null(strstr(why.text, "000000000000004d"));
}

Test(store, a_second_daemon_is_refused)
{
	struct mr_store *second;

	cr_assert_eq(open_store(), 0);
	cr_assert_eq(mr_store_sqlite_open(dir, &loop, &second, &why), -EBUSY);
	cr_assert_not_null(strstr(why.text, "another daemon"));
	uv_run(&loop, UV_RUN_NOWAIT);
}

Test(store, a_missing_directory_is_named)
{
	snprintf(dir + strlen(dir), 8, "/none");
	snprintf(file, sizeof(file), "%s/%s", dir, MR_STORE_FILE);
	expect_refusal(-ENOENT, "--state-dir");
	dir[strlen(dir) - 5] = 0;
}

/* Disks that refuse. A file system of our own, that can be filled. */
static void mount_small(const char *options)
{
	if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		cr_assert_fail("no mount namespace for the test: %s", strerror(errno));
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mount("none", dir, "tmpfs", 0, options), 0, "%s", strerror(errno));
}

Test(store, a_full_disk_fails_the_write_and_not_what_is_stored)
{
	struct answers answers = {0};
	unsigned n = 0;
	uint64_t id = 0;

	mount_small("size=256k");
	cr_assert_eq(open_store(), 0, "%s", why.text);
	while (answers.error == 0 && id < 10000) {
		n = answers.n;
		cr_assert_eq(put(++id, &answers), 0);
		wait_for(&answers, n + 1);
	}
	cr_assert_eq(answers.error, -ENOSPC, "%s", answers.why.text);
	cr_assert_not_null(strstr(answers.why.text, "make room"), "%s", answers.why.text);
	cr_assert_eq(load().n, id - 1, "those before it are there, and it isn't");

	/* room is made: it goes on */
	cr_assert_eq(mount("none", dir, "tmpfs", MS_REMOUNT, "size=4m"), 0);
	n = answers.n;
	cr_assert_eq(put(id, &answers), 0);
	wait_for(&answers, n + 1);
	cr_assert_eq(answers.error, 0, "%s", answers.why.text);
	cr_assert_eq(load().n, id);
	close_store();
	cr_assert_eq(open_store(), 0, "%s", why.text);
	cr_assert_eq(load().n, id);
	close_store();
	cr_assert_eq(umount(dir), 0);
}

Test(store, a_read_only_disk_is_refused_in_words)
{
	mount_small("size=4m");
	cr_assert_eq(open_store(), 0);
	close_store();
	cr_assert_eq(mount("none", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=4m"), 0);
	expect_refusal(-EROFS, "writable");
	cr_assert_eq(umount(dir), 0);
}
