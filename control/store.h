/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.h - where sessions are kept over restarts and reboots.
 *
 * An interface with one implementation, an SQLite file of this host alone. Writes are
 * asynchronous: they are collected, made durable together, and answered on the loop. Knows nothing
 * of dataplanes; never logs.
 */
#ifndef MR_CONTROL_STORE_H
#define MR_CONTROL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "backend.h" /* struct mr_why */

/* Octets of a session's texts, the final zero not counted. */
#define MR_STORE_OWNER_MAX 63
#define MR_STORE_LABEL_MAX 127
#define MR_STORE_POOL_MAX  31

/** What is known of a session without the dataplane. Ports in host byte order. */
struct mr_store_row {
	uint64_t id;
	uint32_t uid;
	char owner[MR_STORE_OWNER_MAX + 1];
	char label[MR_STORE_LABEL_MAX + 1]; /* "": none */
	char pool[MR_STORE_POOL_MAX + 1];
	struct mr_addr target;
	struct mr_addr upstream;
	struct mr_addr hint; /* zero: none */
	uint16_t target_port;
	uint16_t public_port;
	uint16_t upstream_base;
	uint32_t idle_s;
	int64_t opened_at; /* CLOCK_REALTIME, ns since 1970 */
};

/** What changes while a session lives. */
struct mr_store_totals {
	uint64_t id;
	int64_t last_client_at; /* CLOCK_REALTIME, ns since 1970, 0: never */
	int64_t last_target_at;
	uint64_t roams;
	struct mr_flow_stats to_target, to_client;
};

/** Totals taken by one call of checkpoint(). */
#define MR_STORE_CHECKPOINT_MAX 1024

struct mr_store;

/** Called once for each write that was accepted, on the loop. `why` is NULL without an error. */
typedef void mr_store_done_fn(void *context, int error, const struct mr_why *why);

/** Both are good for the length of the call. Not 0: stop, and load() returns that. */
typedef int mr_store_row_fn(
	void *context, const struct mr_store_row *row, const struct mr_store_totals *totals);

struct mr_store_ops {
	/** Hands out every session, in no order. Before the first write. Blocks. -EUCLEAN. */
	int (*load)(
		struct mr_store *store, mr_store_row_fn *fn, void *context, struct mr_why *ret_why);

	/**
	 * Adds a session, or replaces the one of the same id (its totals stay). -EAGAIN: too many
	 * writes wait already; -ENOMEM. In `done`: -EROFS, -ENOSPC (disk full), -EIO ...
	 */
	int (*put)(struct mr_store *store, const struct mr_store_row *row, mr_store_done_fn *done,
		void *context);

	/** Removes a session; one that is not there is no error. As put(), and never -EAGAIN. */
	int (*del)(struct mr_store *store, uint64_t id, mr_store_done_fn *done, void *context);

	/**
	 * Updates totals of up to MR_STORE_CHECKPOINT_MAX sessions; those that are not there are
	 * left out. Yields to put() and del(). -EAGAIN: too many of them wait already. `done` may
	 * be NULL.
	 */
	int (*checkpoint)(struct mr_store *store, const struct mr_store_totals *totals, size_t n,
		mr_store_done_fn *done, void *context);

	/** Waits until everything accepted is written, and calls all that is done. Blocks. */
	void (*flush)(struct mr_store *store);

	/** flush(), then frees; the last of it goes when the loop has run once more. */
	void (*close)(struct mr_store *store);

	/** One line for `status`: kind, place, version of the format. */
	void (*describe)(struct mr_store *store, char *buf, size_t size);
};

/** Implementations begin with this. */
struct mr_store {
	const struct mr_store_ops *ops;
};

/** File of the SQLite store inside the state directory. */
#define MR_STORE_FILE "sessions.db"

/**
 * Opens, or makes, the store in `state_dir` (which must exist). Blocks.
 * A store that is corrupt (-EUCLEAN), of a newer version (-EPROTONOSUPPORT), in use by another
 * daemon (-EBUSY), read-only (-EROFS) or not to be opened (-EACCES, -ENOENT, ...) is refused and
 * left as it is; `ret_why` says what to do.
 */
int mr_store_sqlite_open(const char *state_dir, uv_loop_t *loop, struct mr_store **ret_store,
	struct mr_why *ret_why);

#endif
