/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keep.h - keeps the neighbours resolved that sessions need: targets' for as long as a session is
 * open, and of each session the client's that answered last.
 */
#ifndef MR_CONTROL_KEEP_H
#define MR_CONTROL_KEEP_H

#include "neigh.h"
#include "sessions.h"

struct mr_keep;

/** Follows the sessions from now on: call it before they are restored. NULL: no memory. */
struct mr_keep *mr_keep_new(
	struct mr_sessions *sessions, struct mr_neigh *neigh, uint32_t n_records);

/** Stops following; what is kept stays. Before `sessions` and `neigh` are freed. NULL is allowed.
 */
void mr_keep_free(struct mr_keep *keep);

#endif
