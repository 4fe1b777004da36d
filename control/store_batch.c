/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_batch.c - writes a batch of the SQLite store in one transaction.
 *
 * All of it is the writer thread's: nothing else touches the database after the first write. What
 * a batch is made of, and who is told, is store_writer.c's.
 */
#include <string.h>

#include "store_private.h"

static const char sql_put[] =
	"INSERT INTO session (id, uid, owner, label, pool, target, target_port, public_port,"
	" upstream, upstream_base, hint, idle_s, opened_at, number)"
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
	" ON CONFLICT (number) DO UPDATE SET uid = ?2, owner = ?3, label = ?4, pool = ?5, target = "
	"?6,"
	" target_port = ?7, public_port = ?8, upstream = ?9, upstream_base = ?10, hint = ?11,"
	" idle_s = ?12, opened_at = ?13";
static const char sql_del[] = "DELETE FROM session WHERE number = ?1";
static const char sql_checkpoint[] =
	"UPDATE session SET last_client_at = ?2, last_target_at = ?3, roams = ?4,"
	" to_target_datagrams = ?5, to_target_bytes = ?6, to_target_lost = ?7,"
	" to_target_reordered = ?8, to_client_datagrams = ?9, to_client_bytes = ?10,"
	" to_client_lost = ?11, to_client_reordered = ?12 WHERE number = ?1";

static void bind_addr(sqlite3_stmt *stmt, int place, const struct mr_addr *addr)
{
	sqlite3_bind_blob(stmt, place, addr, sizeof(*addr), SQLITE_STATIC);
}

static void bind_u64(sqlite3_stmt *stmt, int place, uint64_t value)
{
	sqlite3_bind_int64(stmt, place, (int64_t)value);
}

static int run(sqlite3_stmt *stmt)
{
	int result = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int write_row(sqlite3_stmt *stmt, uint64_t number, const struct mr_store_row *row)
{
	bind_u64(stmt, 1, row->id);
	bind_u64(stmt, 2, row->uid);
	sqlite3_bind_text(stmt, 3, row->owner, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 4, row->label, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 5, row->pool, -1, SQLITE_STATIC);
	bind_addr(stmt, 6, &row->target);
	sqlite3_bind_int(stmt, 7, row->target_port);
	sqlite3_bind_int(stmt, 8, row->public_port);
	bind_addr(stmt, 9, &row->upstream);
	sqlite3_bind_int(stmt, 10, row->upstream_base);
	bind_addr(stmt, 11, &row->hint);
	bind_u64(stmt, 12, row->idle_s);
	sqlite3_bind_int64(stmt, 13, row->opened_at);
	bind_u64(stmt, 14, number);
	return run(stmt);
}

static void bind_stats(sqlite3_stmt *stmt, int place, const struct mr_flow_stats *stats)
{
	bind_u64(stmt, place, stats->datagrams);
	bind_u64(stmt, place + 1, stats->bytes);
	bind_u64(stmt, place + 2, stats->lost);
	bind_u64(stmt, place + 3, stats->reordered);
}

static int write_totals(sqlite3_stmt *stmt, uint64_t number, const struct mr_store_totals *totals)
{
	bind_u64(stmt, 1, number);
	sqlite3_bind_int64(stmt, 2, totals->last_client_at);
	sqlite3_bind_int64(stmt, 3, totals->last_target_at);
	bind_u64(stmt, 4, totals->roams);
	bind_stats(stmt, 5, &totals->to_target);
	bind_stats(stmt, 9, &totals->to_client);
	return run(stmt);
}

static int write_op(struct sqlite_store *store, const struct store_op *op)
{
	int result = SQLITE_OK;

	switch (op->kind) {
	case OP_PUT:
		return write_row(store->put, op->number, &op->row);
	case OP_DEL:
		bind_u64(store->del, 1, op->number);
		return run(store->del);
	case OP_CHECKPOINT:
		for (size_t i = 0; i < op->n_totals && result == SQLITE_OK; i++)
			result = write_totals(
				store->checkpoint, op->totals[i].number, &op->totals[i].totals);
		break;
	}
	return result;
}

/* A row that the schema refuses fails alone; whatever else fails, fails all. */
void mr_store_batch_write(struct sqlite_store *store, struct store_op *batch)
{
	struct mr_why why;
	struct store_op *op;
	int result, error;

	result = run(store->begin);
	for (op = batch; op && result == SQLITE_OK; op = op->next) {
		result = write_op(store, op);
		if ((result & 0xff) == SQLITE_CONSTRAINT) {
			op->error = mr_store_explain(store, result, "writing to store", &op->why);
			result = SQLITE_OK;
		}
	}
	if (result == SQLITE_OK)
		result = run(store->commit);
	if (result == SQLITE_OK)
		return;
	error = mr_store_explain(store, result, "writing to store", &why);
	/* A full disk or an I/O error may have rolled back already (sqlite.org/lang_transaction).
	 */
	if (!sqlite3_get_autocommit(store->db))
		run(store->rollback);
	for (op = batch; op; op = op->next) {
		op->error = error;
		op->why = why;
	}
}

/* A failure loses nothing: the log has it all, and the next commit asks for the next try. */
void mr_store_log_empty(struct sqlite_store *store)
{
	sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	store->log_pages = 0;
}

static int on_commit(void *context, sqlite3 *db, const char *name, int pages)
{
	struct sqlite_store *store = context;

	(void)db, (void)name;
	store->log_pages = pages;
	return SQLITE_OK;
}

int mr_store_batch_prepare(struct sqlite_store *store, struct mr_why *ret_why)
{
	const struct {
		sqlite3_stmt **stmt;
		const char *sql;
	} all[] = {
		{&store->begin, "BEGIN IMMEDIATE"},
		{&store->commit, "COMMIT"},
		{&store->rollback, "ROLLBACK"},
		{&store->put, sql_put},
		{&store->del, sql_del},
		{&store->checkpoint, sql_checkpoint},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int result = sqlite3_prepare_v3(
			store->db, all[i].sql, -1, SQLITE_PREPARE_PERSISTENT, all[i].stmt, NULL);

		if (result != SQLITE_OK)
			return mr_store_explain(store, result, "preparing store", ret_why);
	}
	/* In the place of SQLite's own hook, which empties the log while openers wait. */
	sqlite3_wal_hook(store->db, on_commit, store);
	return 0;
}

void mr_store_batch_finalize(struct sqlite_store *store)
{
	sqlite3_finalize(store->begin);
	sqlite3_finalize(store->commit);
	sqlite3_finalize(store->rollback);
	sqlite3_finalize(store->put);
	sqlite3_finalize(store->del);
	sqlite3_finalize(store->checkpoint);
}
