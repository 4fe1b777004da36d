/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * next_hop.h - what a worker does when a cached next hop is stale: asks the mirror of the kernel's
 * routing and neighbours, and tells the daemon what is missing.
 */
#ifndef MR_DPDK_NEXT_HOP_H
#define MR_DPDK_NEXT_HOP_H

#include "core/decide.h"
#include "dpdk.h"

/**
 * Makes sure that the record knows by which interface its target is reached now. A failure leaves
 * what it knew. Takes the record's lock. Worker.
 *
 * @param now  CLOCK_MONOTONIC, ns
 */
void mr_next_hop_of_target(struct mr_worker *w, uint64_t now, struct mr_session *s);

/**
 * Looks up the next hop of a decided route if the cached one is stale, and remembers it in the
 * record, whose lock it takes. MR_REASON_to_target: it can be used now; else why not. Worker.
 */
int mr_next_hop_renew(
	struct mr_worker *w, uint64_t now, struct mr_session *s, struct mr_route *route);

#endif
