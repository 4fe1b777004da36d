/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ways.h - tells the dataplane by which interfaces a target may answer, where its route is a
 * multipath one.
 *
 * The one way that a session's datagrams take is the packet path's own affair: it asks the kernel
 * whenever routes change. What it can't ask is what other paths the same route has, and a target
 * may answer by each of them. This follows the routes of all sessions' targets.
 */
#ifndef MR_CONTROL_WAYS_H
#define MR_CONTROL_WAYS_H

#include "host.h"
#include "sessions.h"

struct mr_ways_feed;

/**
 * Follows sessions and routes from now on: call it before sessions are restored. Targets are looked
 * at in slices when routes change: 2,000 a second.
 * \return 0, -ENOMEM, -ENOSPC; 0 and NULL in `*ret_feed` where `ops` has no ways_put.
 */
int mr_ways_open(struct mr_sessions *sessions, const struct mr_host_routes *routes,
	const struct mr_backend_ops *ops, struct mr_backend *backend, uv_loop_t *loop,
	struct mr_ways_feed **ret_feed);

/** Stops following; before sessions and netlink are freed. What was told stays. NULL is allowed. */
void mr_ways_close(struct mr_ways_feed *feed);

#endif
