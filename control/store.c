/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.c - the SQLite store's file: found, checked, made, read.
 *
 * Writing is store_writer.c's. The file is locked for as long as it is open (locking_mode
 * EXCLUSIVE), so that two daemons never share a state directory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_private.h"

#define STORE_APPLICATION_ID 0x6d727331 /* "mrs1", PRAGMA application_id */

/*
 * Addresses are 16 octets, IPv4 mapped; times ns since 1970; the id is its bits as a signed number.
 * What the key is for is in store_places.h.
 */
#define TABLE                                                                        \
	"CREATE TABLE session ("                                                     \
	" number INTEGER PRIMARY KEY,"                                               \
	" id INTEGER NOT NULL,"                                                      \
	" uid INTEGER NOT NULL,"                                                     \
	" owner TEXT NOT NULL,"                                                      \
	" label TEXT NOT NULL,"                                                      \
	" pool TEXT NOT NULL,"                                                       \
	" target BLOB NOT NULL CHECK (length(target) = 16),"                         \
	" target_port INTEGER NOT NULL CHECK (target_port BETWEEN 1 AND 65535),"     \
	" public_port INTEGER NOT NULL CHECK (public_port BETWEEN 1 AND 65535),"     \
	" upstream BLOB NOT NULL CHECK (length(upstream) = 16),"                     \
	" upstream_base INTEGER NOT NULL CHECK (upstream_base BETWEEN 1 AND 65535)," \
	" hint BLOB NOT NULL CHECK (length(hint) = 16),"                             \
	" idle_s INTEGER NOT NULL,"                                                  \
	" opened_at INTEGER NOT NULL,"                                               \
	" last_client_at INTEGER NOT NULL DEFAULT 0,"                                \
	" last_target_at INTEGER NOT NULL DEFAULT 0,"                                \
	" roams INTEGER NOT NULL DEFAULT 0,"                                         \
	" to_target_datagrams INTEGER NOT NULL DEFAULT 0,"                           \
	" to_target_bytes INTEGER NOT NULL DEFAULT 0,"                               \
	" to_target_lost INTEGER NOT NULL DEFAULT 0,"                                \
	" to_target_reordered INTEGER NOT NULL DEFAULT 0,"                           \
	" to_client_datagrams INTEGER NOT NULL DEFAULT 0,"                           \
	" to_client_bytes INTEGER NOT NULL DEFAULT 0,"                               \
	" to_client_lost INTEGER NOT NULL DEFAULT 0,"                                \
	" to_client_reordered INTEGER NOT NULL DEFAULT 0);"

#define COLUMNS                                                                           \
	"id, uid, owner, label, pool, target, target_port, public_port, upstream,"        \
	" upstream_base, hint, idle_s, opened_at, last_client_at, last_target_at, roams," \
	" to_target_datagrams, to_target_bytes, to_target_lost, to_target_reordered,"     \
	" to_client_datagrams, to_client_bytes, to_client_lost, to_client_reordered"

static const char schema[] = "BEGIN IMMEDIATE;" TABLE "PRAGMA application_id = 1836217137;"
			     "PRAGMA user_version = 2;"
			     "COMMIT;";
_Static_assert(STORE_APPLICATION_ID == 1836217137 && STORE_VERSION == 2, "as in the schema");

/* Format 1 had the id as its key. */
static const char from_format_1[] =
	"BEGIN IMMEDIATE;"
	"ALTER TABLE session RENAME TO session_1;" TABLE "INSERT INTO session (" COLUMNS
	") SELECT " COLUMNS " FROM session_1 ORDER BY opened_at;"
	"DROP TABLE session_1;"
	"PRAGMA user_version = 2;"
	"COMMIT;";

#define NUMBER_COLUMN 24
static const char select_all[] = "SELECT " COLUMNS ", number FROM session";

static void finalize(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}

static int error_of(sqlite3 *db, int result)
{
	int error = db ? sqlite3_system_errno(db) : 0;

	switch (result & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CONSTRAINT:
		return -EINVAL;
	case SQLITE_CANTOPEN:
		return error ? -error : -EACCES;
	default:
		return -EIO;
	}
}

static const char *advice(int error)
{
	switch (error) {
	case -ENOSPC:
		return "; make room on its file system";
	case -EROFS:
		return "; make it writable for the daemon";
	case -EBUSY:
		return "; another daemon uses it: stop that one, or give this one its own "
		       "--state-dir";
	case -EUCLEAN:
		return "; it is damaged: put a backup in its place, or save what can be read "
		       "(operations.md); moving it away ends the sessions in it";
	case -EIO:
		return "; check its file system and disk";
	default:
		return "; check --state-dir and who may write there";
	}
}

int mr_store_explain(
	struct sqlite_store *store, int result, const char *what, struct mr_why *ret_why)
{
	int error = error_of(store->db, result);
	/* What was found out without asking the database has left no message in it. */
	bool told = store->db && sqlite3_errcode(store->db) != SQLITE_OK;
	const char *text = told ? sqlite3_errmsg(store->db) : sqlite3_errstr(result);

	if (ret_why)
		snprintf(ret_why->text, sizeof(ret_why->text), "%s %s: %s%s", what, store->path,
			text, advice(error));
	return error;
}

static int exec(
	struct sqlite_store *store, const char *sql, const char *what, struct mr_why *ret_why)
{
	int result = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

	return result == SQLITE_OK ? 0 : mr_store_explain(store, result, what, ret_why);
}

/* The first column of the first row, as a number. */
static int query_number(
	struct sqlite_store *store, const char *sql, int64_t *ret_number, struct mr_why *ret_why)
{
	__attribute__((cleanup(finalize))) sqlite3_stmt *stmt = NULL;
	int result = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);

	if (result == SQLITE_OK)
		result = sqlite3_step(stmt);
	if (result != SQLITE_ROW)
		return mr_store_explain(store, result, "reading store", ret_why);
	*ret_number = sqlite3_column_int64(stmt, 0);
	return 0;
}

static int check_integrity(struct sqlite_store *store, struct mr_why *ret_why)
{
	__attribute__((cleanup(finalize))) sqlite3_stmt *stmt = NULL;
	int result = sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
	const char *verdict = NULL;

	if (result == SQLITE_OK)
		result = sqlite3_step(stmt);
	if (result != SQLITE_ROW)
		return mr_store_explain(store, result, "checking store", ret_why);
	verdict = (const char *)sqlite3_column_text(stmt, 0);
	if (verdict && !strcmp(verdict, "ok"))
		return 0;
	snprintf(ret_why->text, sizeof(ret_why->text), "checking store %s: %.60s%s", store->path,
		verdict ? verdict : "out of memory", advice(-EUCLEAN));
	return -EUCLEAN;
}

/* Makes the table in an empty file, and refuses what this version can't read. */
static int check_version(struct sqlite_store *store, struct mr_why *ret_why)
{
	int64_t version, application, tables;
	int r = query_number(store, "PRAGMA user_version", &version, ret_why);

	if (r == 0)
		r = query_number(store, "PRAGMA application_id", &application, ret_why);
	if (r == 0)
		r = query_number(store, "SELECT count(*) FROM sqlite_master", &tables, ret_why);
	if (r < 0)
		return r;
	if (version == 0 && application == 0 && tables == 0)
		return exec(store, schema, "making store", ret_why);
	if (application != STORE_APPLICATION_ID) {
		snprintf(ret_why->text, sizeof(ret_why->text),
			"reading store %s: it is some other program's database; give the daemon "
			"its own --state-dir",
			store->path);
		return -EINVAL;
	}
	if (version == 1)
		return exec(
			store, from_format_1, "bringing to the present format the store", ret_why);
	if (version != STORE_VERSION) {
		snprintf(ret_why->text, sizeof(ret_why->text),
			"reading store %s: its format is version %lld and this moshrelayd (%s) "
			"knows %d; run the version that wrote it",
			store->path, (long long)version, MR_VERSION, STORE_VERSION);
		return -EPROTONOSUPPORT;
	}
	return 0;
}

static int open_file(struct sqlite_store *store, struct mr_why *ret_why)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX |
		SQLITE_OPEN_NOFOLLOW;
	int64_t last = 0;
	mode_t mask = umask(0077); /* labels and addresses are their owners' business */
	int result = sqlite3_open_v2(store->path, &store->db, flags, NULL);
	int r;

	umask(mask);
	if (result != SQLITE_OK)
		return mr_store_explain(store, result, "opening store", ret_why);
	if (sqlite3_db_readonly(store->db, "main") == 1)
		return mr_store_explain(store, SQLITE_READONLY, "opening store", ret_why);
	sqlite3_extended_result_codes(store->db, 1);
	/* EXCLUSIVE before WAL: then there is no shared memory file, and nobody else gets in. */
	r = exec(store,
		"PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
		"PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
		"PRAGMA journal_size_limit = 41943040; BEGIN IMMEDIATE; COMMIT;",
		"opening store", ret_why);
	if (r == 0)
		r = check_integrity(store, ret_why);
	if (r == 0)
		r = check_version(store, ret_why);
	if (r == 0)
		r = query_number(
			store, "SELECT coalesce(max(number), 0) FROM session", &last, ret_why);
	if (r == 0)
		store->places.last = (uint64_t)last;
	return r;
}

static bool column_addr(sqlite3_stmt *stmt, int column, struct mr_addr *ret_addr)
{
	if (sqlite3_column_bytes(stmt, column) != sizeof(*ret_addr))
		return false;
	memcpy(ret_addr, sqlite3_column_blob(stmt, column), sizeof(*ret_addr));
	return true;
}

static bool column_text(sqlite3_stmt *stmt, int column, char *buf, size_t size)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);
	size_t n = (size_t)sqlite3_column_bytes(stmt, column);

	if (!text || n >= size || memchr(text, 0, n))
		return false;
	memcpy(buf, text, n + 1);
	return true;
}

static struct mr_flow_stats column_stats(sqlite3_stmt *stmt, int column)
{
	return (struct mr_flow_stats){
		.datagrams = (uint64_t)sqlite3_column_int64(stmt, column),
		.bytes = (uint64_t)sqlite3_column_int64(stmt, column + 1),
		.lost = (uint64_t)sqlite3_column_int64(stmt, column + 2),
		.reordered = (uint64_t)sqlite3_column_int64(stmt, column + 3),
	};
}

static bool read_row(sqlite3_stmt *stmt, struct mr_store_row *row, struct mr_store_totals *totals)
{
	memset(row, 0, sizeof(*row));
	row->id = totals->id = (uint64_t)sqlite3_column_int64(stmt, 0);
	row->uid = (uint32_t)sqlite3_column_int64(stmt, 1);
	row->target_port = (uint16_t)sqlite3_column_int(stmt, 6);
	row->public_port = (uint16_t)sqlite3_column_int(stmt, 7);
	row->upstream_base = (uint16_t)sqlite3_column_int(stmt, 9);
	row->idle_s = (uint32_t)sqlite3_column_int64(stmt, 11);
	row->opened_at = sqlite3_column_int64(stmt, 12);
	totals->last_client_at = sqlite3_column_int64(stmt, 13);
	totals->last_target_at = sqlite3_column_int64(stmt, 14);
	totals->roams = (uint64_t)sqlite3_column_int64(stmt, 15);
	totals->to_target = column_stats(stmt, 16);
	totals->to_client = column_stats(stmt, 20);
	return row->id != 0 && row->target_port && row->public_port && row->upstream_base &&
		row->upstream_base % MR_LEGS == 0 && row->idle_s &&
		column_text(stmt, 2, row->owner, sizeof(row->owner)) &&
		column_text(stmt, 3, row->label, sizeof(row->label)) &&
		column_text(stmt, 4, row->pool, sizeof(row->pool)) &&
		column_addr(stmt, 5, &row->target) && column_addr(stmt, 8, &row->upstream) &&
		column_addr(stmt, 10, &row->hint);
}

static int store_load(
	struct mr_store *base, mr_store_row_fn *fn, void *context, struct mr_why *ret_why)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	__attribute__((cleanup(finalize))) sqlite3_stmt *stmt = NULL;
	int result = sqlite3_prepare_v2(store->db, select_all, -1, &stmt, NULL);
	struct mr_store_totals totals;
	struct mr_store_place *place;
	struct mr_store_row row;
	int r;

	if (result != SQLITE_OK)
		return mr_store_explain(store, result, "reading store", ret_why);
	while ((result = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (!read_row(stmt, &row, &totals)) {
			snprintf(ret_why->text, sizeof(ret_why->text),
				"reading store %s: session %016llx makes no sense%s", store->path,
				(unsigned long long)row.id, advice(-EUCLEAN));
			return -EUCLEAN;
		}
		if (!mr_store_place_find(&store->places, row.id) &&
			mr_store_place_add(&store->places, row.id,
				(uint64_t)sqlite3_column_int64(stmt, NUMBER_COLUMN), &place)) {
			snprintf(ret_why->text, sizeof(ret_why->text),
				"reading store %s: out of memory", store->path);
			return -ENOMEM;
		}
		r = fn(context, &row, &totals);
		if (r != 0)
			return r;
	}
	if (result != SQLITE_DONE)
		return mr_store_explain(store, result, "reading store", ret_why);
	return 0;
}

static void store_describe(struct mr_store *base, char *buf, size_t size)
{
	struct sqlite_store *store = (struct sqlite_store *)base;

	snprintf(buf, size, "sqlite %s, format %d", store->path, STORE_VERSION);
}

static void store_close(struct mr_store *base)
{
	struct sqlite_store *store = (struct sqlite_store *)base;

	mr_store_writer_stop(store);
	sqlite3_close_v2(store->db);
	mr_store_places_clear(&store->places);
	free(store->path);
	free(store);
}

static const struct mr_store_ops sqlite_ops = {
	.load = store_load,
	.put = mr_store_writer_put,
	.del = mr_store_writer_del,
	.checkpoint = mr_store_writer_checkpoint,
	.flush = mr_store_writer_flush,
	.close = store_close,
	.describe = store_describe,
};

int mr_store_sqlite_open(
	const char *state_dir, uv_loop_t *loop, struct mr_store **ret_store, struct mr_why *ret_why)
{
	struct sqlite_store *store = calloc(1, sizeof(*store));
	int r = -ENOMEM;

	if (store && asprintf(&store->path, "%s/" MR_STORE_FILE, state_dir) >= 0) {
		store->store.ops = &sqlite_ops;
		r = open_file(store, ret_why);
		if (r == 0)
			r = mr_store_writer_start(store, loop, ret_why);
		if (r < 0)
			store_close(&store->store);
	} else {
		snprintf(ret_why->text, sizeof(ret_why->text), "opening store: out of memory");
		free(store);
	}
	if (r == 0)
		*ret_store = &store->store;
	return r;
}
