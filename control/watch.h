/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch.h - sends what happens to sessions to the connections that asked for it.
 */
#ifndef MR_CONTROL_WATCH_H
#define MR_CONTROL_WATCH_H

#include "rpc.h"
#include "sessions.h"

/** Connections of one user that may watch, administrators' aside: each may have a MiB unread. */
#define MR_WATCH_UID_MAX 32

struct mr_watch;

/** NULL: no memory. Outlives the connections; `sessions` outlives it. */
struct mr_watch *mr_watch_new(struct mr_sessions *sessions);
void mr_watch_free(struct mr_watch *watch);

/**
 * The request's connection is told, from its answer on, what happens to the asker's sessions, or to
 * all (`all`), or to one (`id` not 0). One subscription a connection: -EBUSY. -EDQUOT: the
 * asker has MR_WATCH_UID_MAX. -ENOMEM.
 */
int mr_watch_add(struct mr_watch *watch, struct mr_rpc_request *request, uint64_t id, bool all);

#endif
