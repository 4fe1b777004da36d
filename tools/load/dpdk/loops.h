/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loops.h - what the worker is measured beside, over the same ports and with the same bursts: a
 * router after the manner of DPDK's l3fwd, by routes (-L) or by flows (-E), and the ports alone.
 */
#ifndef MR_LOAD_DPDK_LOOPS_H
#define MR_LOAD_DPDK_LOOPS_H

#include "bed.h"

struct mr_router;

/** How a router finds its way. */
enum mr_router_kind {
	MR_ROUTER_ROUTES, /* by the destination, among routes to networks */
	MR_ROUTER_FLOWS,  /* by addresses, ports and protocol, among all sessions' two flows */
};

/** Fills both tables. Needs EAL. */
int mr_router_open(const struct mr_bed *bed, struct mr_router **ret_router, struct mr_why *ret_why);
void mr_router_close(struct mr_router *router);

/** Serves every port once; returns how many frames there were, as mr_worker_poll() does. */
unsigned mr_router_poll(struct mr_router *router, enum mr_router_kind kind);

/** Sends what comes in at each port out by the other, and looks at none of it. */
unsigned mr_ports_poll(const struct mr_bed *bed);

#endif
