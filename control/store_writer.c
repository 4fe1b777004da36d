/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_writer.c - the SQLite store's writer: a thread that makes everything that waits durable in
 * one transaction (group commit), so that opening costs a share of an fsync, not a whole one. What
 * comes meanwhile gathers for the next one.
 *
 * The loop's thread appends and is answered. How a batch is written is in store_batch.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sandbox.h"
#include "store_private.h"

#define BATCH_MAX       1024  /* writes in one transaction: bounds how long the last one waits */
#define WAITING_MAX     16384 /* puts that may wait; beyond, openers are told to come back */
#define CHECKPOINTS_MAX 128

/* The log is brought into the file, which takes some ms, when it has so many pages and nobody asks
 * for anything for a while; when it has very many, at once. */
#define LOG_PAGES     1000
#define LOG_PAGES_MAX 8192
#define LOG_QUIET_NS  50000000

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

/* The lock is held. False: there was no work for a while, and the log is long. */
static bool wait_for_work(struct sqlite_store *store)
{
	struct timespec until;

	if (store->log_pages < LOG_PAGES) {
		pthread_cond_wait(&store->work, &store->lock);
		return true;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOG_QUIET_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return pthread_cond_timedwait(&store->work, &store->lock, &until) != ETIMEDOUT;
}

static void finish_batch(struct sqlite_store *store, struct store_op *batch)
{
	struct store_op *next;

	for (; batch; batch = next) {
		next = batch->next;
		queue_append(&store->finished, batch);
	}
	pthread_cond_signal(&store->idle);
	uv_async_send(store->finished_async);
}

static void *write_all(void *context)
{
	struct sqlite_store *store = context;
	struct store_op *batch;

	mr_sandbox_thread(); /* the file is open */
	pthread_mutex_lock(&store->lock);
	for (;;) {
		bool full = store->log_pages >= LOG_PAGES_MAX;

		batch = full ? NULL : take_batch(store);
		if (!batch && !full && store->stop)
			break;
		if (!batch && !full && wait_for_work(store))
			continue;
		pthread_mutex_unlock(&store->lock);
		if (batch)
			mr_store_batch_write(store, batch);
		else
			mr_store_log_empty(store);
		pthread_mutex_lock(&store->lock);
		if (batch)
			finish_batch(store, batch);
	}
	pthread_mutex_unlock(&store->lock);
	return NULL;
}

/* Asking and answering: the loop's. */

/* The table follows what has become of the row. */
static void settle_place(struct sqlite_store *store, struct store_op *op)
{
	if (op->kind == OP_PUT && op->error && op->fresh && op->place->linked)
		mr_store_place_free(&store->places, op->place);
	if (op->kind != OP_DEL || !op->place)
		return;
	if (op->error)
		mr_store_place_relink(&store->places, op->place);
	else
		mr_store_place_free(&store->places, op->place);
}

/* Keeps the loop alive exactly while somebody waits for an answer. */
static void answer_one(struct sqlite_store *store, struct store_op *op)
{
	if (--store->unanswered == 0)
		uv_unref((uv_handle_t *)store->finished_async);
	settle_place(store, op);
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
	memset(op, 0, offsetof(struct store_op, why));
	op->kind = kind;
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
	struct mr_store_place *place = mr_store_place_find(&store->places, row->id);
	struct store_op *op = op_new(OP_PUT, 0, done, context);
	bool fresh = !place;
	int r;

	if (!op)
		return -ENOMEM;
	op->row = *row;
	op->fresh = fresh;
	if (fresh && mr_store_place_add(&store->places, row->id, 0, &place)) {
		free(op);
		return -ENOMEM;
	}
	op->place = place;
	op->number = place->number;
	r = submit(store, &store->waiting, &store->n_waiting, WAITING_MAX, op);
	if (r && fresh)
		mr_store_place_free(&store->places, place);
	return r;
}

int mr_store_writer_del(struct mr_store *base, uint64_t id, mr_store_done_fn *done, void *context)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	struct store_op *op = op_new(OP_DEL, 0, done, context);

	if (!op)
		return -ENOMEM;
	op->place = mr_store_place_find(&store->places, id);
	if (op->place) {
		op->number = op->place->number;
		mr_store_place_unlink(&store->places, op->place);
	}
	return submit(store, &store->waiting, &store->n_waiting, SIZE_MAX, op);
}

int mr_store_writer_checkpoint(struct mr_store *base, const struct mr_store_totals *totals,
	size_t n, mr_store_done_fn *done, void *context)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	const struct mr_store_place *place;
	struct store_op *op;

	if (n > MR_STORE_CHECKPOINT_MAX)
		return -EINVAL;
	op = op_new(OP_CHECKPOINT, n, done, context);
	if (!op)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		place = mr_store_place_find(&store->places, totals[i].id);
		op->totals[i] = (struct numbered_totals){place ? place->number : 0, totals[i]};
	}
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
	int r = mr_store_batch_prepare(store, ret_why);
	pthread_condattr_t clock;

	if (r < 0)
		return r;
	queue_init(&store->waiting);
	queue_init(&store->totals);
	queue_init(&store->finished);
	pthread_mutex_init(&store->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&store->work, &clock);
	pthread_condattr_destroy(&clock);
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
	mr_store_batch_finalize(store);
}
