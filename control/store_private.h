/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_private.h - what the two halves of the SQLite store share: store.c opens, checks and reads
 * the file, store_writer.c writes it.
 */
#ifndef MR_CONTROL_STORE_PRIVATE_H
#define MR_CONTROL_STORE_PRIVATE_H

#include <pthread.h>
#include <sqlite3.h>
#include <uv.h>

#include "store.h"
#include "store_places.h"

enum op_kind { OP_PUT, OP_DEL, OP_CHECKPOINT };

/* Totals, and which row's. */
struct numbered_totals {
	uint64_t number;
	struct mr_store_totals totals;
};

struct store_op {
	struct store_op *next;
	enum op_kind kind;
	int error;
	struct mr_store_place *place; /* OP_DEL: not linked, and NULL where there is no row */
	uint64_t number;              /* its, 0: none */
	bool fresh;                   /* OP_PUT: there was no row before */
	mr_store_done_fn *done;
	void *context;
	struct mr_why why;       /* only with an error */
	struct mr_store_row row; /* OP_PUT */
	size_t n_totals;         /* OP_CHECKPOINT */
	struct numbered_totals totals[];
};

/** A list that is appended to at its end. */
struct store_queue {
	struct store_op *first, **end;
};

struct sqlite_store {
	struct mr_store store; /* first: what callers hold */
	char *path;
	sqlite3 *db; /* the writer thread's, and the loop's until the first write */
	sqlite3_stmt *begin, *commit, *rollback, *put, *del, *checkpoint;

	uv_async_t *finished_async; /* writer to loop; outlives the store by one turn of the loop */
	size_t unanswered;          /* loop's: accepted, `done` not called yet */
	struct mr_store_places places; /* loop's */
	pthread_t writer;
	bool writer_runs;
	int log_pages; /* the writer's: in the write-ahead log, as of the newest commit */

	pthread_mutex_t lock;        /* all below */
	pthread_cond_t work;         /* to the writer: something waits, or stop */
	pthread_cond_t idle;         /* to flush(): something has finished */
	struct store_queue waiting;  /* put and del, in order */
	struct store_queue totals;   /* checkpoints, which yield to them */
	struct store_queue finished; /* written or failed, to be answered on the loop */
	size_t n_waiting, n_totals;
	bool stop;
};

/** What this version writes into PRAGMA user_version. */
#define STORE_VERSION 2

/** -errno for an SQLite result; `ret_why` (may be NULL) says what was being done and what to do. */
int mr_store_explain(
	struct sqlite_store *store, int result, const char *what, struct mr_why *ret_why);

/** Prepares the statements and starts the thread. -errno; stop undoes whatever start did. */
int mr_store_writer_start(struct sqlite_store *store, uv_loop_t *loop, struct mr_why *ret_why);
void mr_store_writer_stop(struct sqlite_store *store);

/* store_batch.c */

/** Prepares the statements. -errno; finalize undoes what it did. */
int mr_store_batch_prepare(struct sqlite_store *store, struct mr_why *ret_why);
void mr_store_batch_finalize(struct sqlite_store *store);

/** One transaction; sets each one's `error` and `why`. */
void mr_store_batch_write(struct sqlite_store *store, struct store_op *batch);

/** Brings the write-ahead log into the file: some ms. */
void mr_store_log_empty(struct sqlite_store *store);

/* Members of mr_store_ops. */
int mr_store_writer_put(struct mr_store *base, const struct mr_store_row *row,
	mr_store_done_fn *done, void *context);
int mr_store_writer_del(struct mr_store *base, uint64_t id, mr_store_done_fn *done, void *context);
int mr_store_writer_checkpoint(struct mr_store *base, const struct mr_store_totals *totals,
	size_t n, mr_store_done_fn *done, void *context);
void mr_store_writer_flush(struct mr_store *base);

#endif
