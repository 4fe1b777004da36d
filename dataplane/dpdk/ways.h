/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ways.h - all the ways to targets that have several, for answers that come by another one than the
 * cached next hop's.
 *
 * The daemon's thread writes, workers read without waiting while they are online in the RCU
 * variable. Most bastions have no such targets: the table is made when the first one comes.
 */
#ifndef MR_DPDK_WAYS_H
#define MR_DPDK_WAYS_H

#include "core/decide.h"
#include "dpdk.h"

/** As ways_put of struct mr_backend_ops. -ENOSPC, -ENOMEM. */
int mr_ways_put(struct mr_tables *t, const struct mr_addr *target, const struct mr_addr *upstream,
	const struct mr_ways *ways);

/** Frees the table. No worker runs. */
void mr_ways_free(struct mr_tables *t);

/** Are there several ways to this session's target, and did the packet come by one of them? Worker.
 */
bool mr_ways_know(const struct mr_tables *t, const struct mr_session *s, const struct mr_packet *p,
	const struct mr_ingress *in);

#endif
