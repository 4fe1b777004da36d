/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_writer.c - the SQLite store's writer: a thread that makes everything that waits durable in
 * one transaction (group commit), so that opening costs a share of an fsync, not a whole one.
 *
 * The loop's thread appends and is answered; nothing else touches the database after the first
 * write.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_private.h"

#define BATCH_MAX       1024  /* writes in one transaction: bounds how long the last one waits */
#define WAITING_MAX     16384 /* puts that may wait; beyond, openers are told to come back */
#define CHECKPOINTS_MAX 128

enum op_kind { OP_PUT, OP_DEL, OP_CHECKPOINT };

struct store_op {
	struct store_op *next;
	enum op_kind kind;
	int error;
	mr_store_done_fn *done;
	void *context;
	struct mr_why why; /* only with an error */
	union {
		uint64_t id;             /* OP_DEL */
		struct mr_store_row row; /* OP_PUT */
	};
	size_t n_totals; /* OP_CHECKPOINT */
	struct mr_store_totals totals[];
};

static const char sql_put[] =
	"INSERT INTO session (id, uid, owner, label, pool, target, target_port, public_port,"
	" upstream, upstream_base, hint, idle_s, opened_at)"
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
	" ON CONFLICT (id) DO UPDATE SET uid = ?2, owner = ?3, label = ?4, pool = ?5, target = ?6,"
	" target_port = ?7, public_port = ?8, upstream = ?9, upstream_base = ?10, hint = ?11,"
	" idle_s = ?12, opened_at = ?13";
static const char sql_del[] = "DELETE FROM session WHERE id = ?1";
static const char sql_checkpoint[] =
	"UPDATE session SET last_client_at = ?2, last_target_at = ?3, roams = ?4,"
	" to_target_datagrams = ?5, to_target_bytes = ?6, to_target_lost = ?7,"
	" to_target_reordered = ?8, to_client_datagrams = ?9, to_client_bytes = ?10,"
	" to_client_lost = ?11, to_client_reordered = ?12 WHERE id = ?1";

static void queue_init(struct store_queue *queue)
{
	queue->first = NULL;
	queue->end = &queue->first;
}

static void queue_append(struct store_queue *queue, struct store_op *op)
{
	op->next = NULL;
	*queue->end = op;
	queue->end = &op->next;
}

static struct store_op *queue_pop(struct store_queue *queue)
{
	struct store_op *op = queue->first;

	if (op) {
		queue->first = op->next;
		if (!op->next)
			queue->end = &queue->first;
	}
	return op;
}

/* Writing: the thread's. */

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

static int write_row(sqlite3_stmt *stmt, const struct mr_store_row *row)
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
	return run(stmt);
}

static void bind_stats(sqlite3_stmt *stmt, int place, const struct mr_flow_stats *stats)
{
	bind_u64(stmt, place, stats->datagrams);
	bind_u64(stmt, place + 1, stats->bytes);
	bind_u64(stmt, place + 2, stats->lost);
	bind_u64(stmt, place + 3, stats->reordered);
}

static int write_totals(sqlite3_stmt *stmt, const struct mr_store_totals *totals)
{
	bind_u64(stmt, 1, totals->id);
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
		return write_row(store->put, &op->row);
	case OP_DEL:
		bind_u64(store->del, 1, op->id);
		return run(store->del);
	case OP_CHECKPOINT:
		for (size_t i = 0; i < op->n_totals && result == SQLITE_OK; i++)
			result = write_totals(store->checkpoint, &op->totals[i]);
		break;
	}
	return result;
}

/* One transaction. A row that the schema refuses fails alone; whatever else fails, fails all. */
static void write_batch(struct sqlite_store *store, struct store_op *batch)
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

/* Takes what is to be written next; the lock is held. Checkpoints come when nobody waits. */
static struct store_op *take_batch(struct sqlite_store *store)
{
	struct store_queue batch;
	struct store_op *op;
	unsigned n = 0;

	queue_init(&batch);
	while (n < BATCH_MAX && (op = queue_pop(&store->waiting))) {
		queue_append(&batch, op);
		n++;
	}
	store->n_waiting -= n;
	if (n == 0 && (op = queue_pop(&store->totals))) {
		queue_append(&batch, op);
		store->n_totals--;
	}
	return batch.first;
}

static void *write_all(void *context)
{
	struct sqlite_store *store = context;
	struct store_op *batch, *next;

	pthread_mutex_lock(&store->lock);
	for (;;) {
		batch = take_batch(store);
		if (!batch && store->stop)
			break;
		if (!batch) {
			pthread_cond_wait(&store->work, &store->lock);
			continue;
		}
		pthread_mutex_unlock(&store->lock);
		write_batch(store, batch);
		pthread_mutex_lock(&store->lock);
		for (; batch; batch = next) {
			next = batch->next;
			queue_append(&store->finished, batch);
		}
		pthread_cond_signal(&store->idle);
		uv_async_send(store->finished_async);
	}
	pthread_mutex_unlock(&store->lock);
	return NULL;
}

/* Asking and answering: the loop's. */

/* Keeps the loop alive exactly while somebody waits for an answer. */
static void answer_one(struct sqlite_store *store, struct store_op *op)
{
	if (--store->unanswered == 0)
		uv_unref((uv_handle_t *)store->finished_async);
	if (op->done)
		op->done(op->context, op->error, op->error ? &op->why : NULL);
	free(op);
}

static void answer_finished(struct sqlite_store *store)
{
	struct store_queue finished;
	struct store_op *op;

	pthread_mutex_lock(&store->lock);
	finished.first = store->finished.first;
	queue_init(&store->finished);
	pthread_mutex_unlock(&store->lock);
	while ((op = finished.first)) {
		finished.first = op->next;
		answer_one(store, op);
	}
}

static void on_finished(uv_async_t *async)
{
	if (async->data)
		answer_finished(async->data);
}

static struct store_op *op_new(
	enum op_kind kind, size_t n_totals, mr_store_done_fn *done, void *context)
{
	struct store_op *op = malloc(sizeof(*op) + n_totals * sizeof(op->totals[0]));

	if (!op)
		return NULL;
	op->next = NULL;
	op->kind = kind;
	op->error = 0;
	op->done = done;
	op->context = context;
	op->n_totals = n_totals;
	return op;
}

/* Hands `op` to the writer, or frees it if `limit` of its kind wait already. */
static int submit(struct sqlite_store *store, struct store_queue *queue, size_t *count,
	size_t limit, struct store_op *op)
{
	bool full;

	pthread_mutex_lock(&store->lock);
	full = *count >= limit;
	if (!full) {
		queue_append(queue, op);
		++*count;
		pthread_cond_signal(&store->work);
	}
	pthread_mutex_unlock(&store->lock);
	if (full) {
		free(op);
		return -EAGAIN;
	}
	if (store->unanswered++ == 0)
		uv_ref((uv_handle_t *)store->finished_async);
	return 0;
}

int mr_store_writer_put(struct mr_store *base, const struct mr_store_row *row,
	mr_store_done_fn *done, void *context)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	struct store_op *op = op_new(OP_PUT, 0, done, context);

	if (!op)
		return -ENOMEM;
	op->row = *row;
	return submit(store, &store->waiting, &store->n_waiting, WAITING_MAX, op);
}

int mr_store_writer_del(struct mr_store *base, uint64_t id, mr_store_done_fn *done, void *context)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	struct store_op *op = op_new(OP_DEL, 0, done, context);

	if (!op)
		return -ENOMEM;
	op->id = id;
	return submit(store, &store->waiting, &store->n_waiting, SIZE_MAX, op);
}

int mr_store_writer_checkpoint(struct mr_store *base, const struct mr_store_totals *totals,
	size_t n, mr_store_done_fn *done, void *context)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	struct store_op *op;

	if (n > MR_STORE_CHECKPOINT_MAX)
		return -EINVAL;
	op = op_new(OP_CHECKPOINT, n, done, context);
	if (!op)
		return -ENOMEM;
	memcpy(op->totals, totals, n * sizeof(*totals));
	return submit(store, &store->totals, &store->n_totals, CHECKPOINTS_MAX, op);
}

void mr_store_writer_flush(struct mr_store *base)
{
	struct sqlite_store *store = (struct sqlite_store *)base;

	/* What answers may ask for new writes: a rollback, say. */
	while (store->unanswered > 0) {
		pthread_mutex_lock(&store->lock);
		while (!store->finished.first)
			pthread_cond_wait(&store->idle, &store->lock);
		pthread_mutex_unlock(&store->lock);
		answer_finished(store);
	}
}

/* Starting and stopping. */

static int prepare(struct sqlite_store *store, struct mr_why *ret_why)
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
	return 0;
}

/* Signals are the loop's: the writer must not be the thread that gets them. */
static int start_thread(struct sqlite_store *store)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&store->writer, NULL, write_all, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	store->writer_runs = r == 0;
	return -r;
}

int mr_store_writer_start(struct sqlite_store *store, uv_loop_t *loop, struct mr_why *ret_why)
{
	int r = prepare(store, ret_why);

	if (r < 0)
		return r;
	queue_init(&store->waiting);
	queue_init(&store->totals);
	queue_init(&store->finished);
	pthread_mutex_init(&store->lock, NULL);
	pthread_cond_init(&store->work, NULL);
	pthread_cond_init(&store->idle, NULL);
	store->finished_async = calloc(1, sizeof(*store->finished_async));
	r = store->finished_async ? uv_async_init(loop, store->finished_async, on_finished)
				  : -ENOMEM;
	if (r < 0) {
		free(store->finished_async);
		store->finished_async = NULL;
	} else {
		store->finished_async->data = store;
		uv_unref((uv_handle_t *)store->finished_async);
		r = start_thread(store);
	}
	if (r < 0)
		snprintf(ret_why->text, sizeof(ret_why->text), "starting the store's writer: %s",
			strerror(-r));
	return r;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

void mr_store_writer_stop(struct sqlite_store *store)
{
	if (store->writer_runs) {
		mr_store_writer_flush(&store->store);
		pthread_mutex_lock(&store->lock);
		store->stop = true;
		pthread_cond_signal(&store->work);
		pthread_mutex_unlock(&store->lock);
		pthread_join(store->writer, NULL);
	}
	if (store->finished_async) {
		store->finished_async->data = NULL;
		uv_close((uv_handle_t *)store->finished_async, free_handle);
	}
	sqlite3_finalize(store->begin);
	sqlite3_finalize(store->commit);
	sqlite3_finalize(store->rollback);
	sqlite3_finalize(store->put);
	sqlite3_finalize(store->del);
	sqlite3_finalize(store->checkpoint);
}
