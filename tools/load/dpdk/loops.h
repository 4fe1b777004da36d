/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loops.h - what the worker is measured beside, over the same ports and with the same bursts: a
 * router after the manner of DPDK's l3fwd, and the ports alone.
 */
#ifndef MR_LOAD_DPDK_LOOPS_H
#define MR_LOAD_DPDK_LOOPS_H

#include "bed.h"

struct mr_router;

/** A route of 24 bits for each 256 of the bed's clients and targets. Needs EAL. */
int mr_router_open(const struct mr_bed *bed, struct mr_router **ret_router, struct mr_why *ret_why);
void mr_router_close(struct mr_router *router);

/** Serves every port once; returns how many frames there were, as mr_worker_poll() does. */
unsigned mr_router_poll(struct mr_router *router);

/** Sends what comes in at each port out by the other, and looks at none of it. */
unsigned mr_ports_poll(const struct mr_bed *bed);

#endif
