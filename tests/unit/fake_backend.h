/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_backend.h - a dataplane that moves no packets: the tables alone, in memory.
 *
 * Keeps a backend's contract to the letter, so that what the daemon does to the tables can be
 * looked at, and can fail or be killed at each step. The tables are shared with forked children,
 * as pinned maps are with the next daemon.
 */
#ifndef MR_TESTS_FAKE_BACKEND_H
#define MR_TESTS_FAKE_BACKEND_H

#include "backend.h"

/** The calls that change tables, as they are counted and can be made to fail. */
enum fake_op {
	FAKE_SESSION_PUT,
	FAKE_SESSION_CLOSE,
	FAKE_PUBLIC_PUT,
	FAKE_PUBLIC_DEL,
	FAKE_TARGET_PUT,
	FAKE_TARGET_DEL,
	FAKE_ADDRESS_PUT,
	FAKE_OPS
};

extern const struct mr_backend_ops fake_backend_ops;

/** Fresh tables for `max_sessions` records and `max_keys` keys a side. Ends the test on failure. */
struct mr_backend *fake_backend_new(uint32_t max_sessions, uint32_t max_keys);
void fake_backend_free(struct mr_backend *backend);

/** Fail the `nth` (1: next) call of `op` from now on, once, with `error`; FAKE_OPS: of any. */
void fake_backend_fail(struct mr_backend *backend, enum fake_op op, unsigned nth, int error);

/** Kill this process with SIGKILL before or after the `nth` (1: next) call from now on. */
void fake_backend_kill(struct mr_backend *backend, unsigned nth, bool after);

/** Calls made so far; of `op` alone, or FAKE_OPS: of all. */
unsigned fake_backend_calls(const struct mr_backend *backend, enum fake_op op);

/** The record itself, to be changed as packets would change it. */
struct mr_session *fake_backend_record(struct mr_backend *backend, uint32_t index);

/** What a key leads to; false: nothing. `public_side`: which table. */
bool fake_backend_lookup(const struct mr_backend *backend, bool public_side,
	const struct mr_key *key, struct mr_ref *ret_ref);

/** Keys of one side. */
uint32_t fake_backend_keys(const struct mr_backend *backend, bool public_side);

/** Records that are open. */
uint32_t fake_backend_open_records(const struct mr_backend *backend);

/** Queues an event and makes event_fd() readable. */
void fake_backend_event(struct mr_backend *backend, const struct mr_event *event);

#endif
