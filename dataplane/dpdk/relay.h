/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay.h - what a worker does with a burst of frames: the binding of the core to mbufs.
 *
 * What a packet may do is decided in dataplane/core; here are the lookups, the lock, the counters
 * and the next hops.
 */
#ifndef MR_DPDK_RELAY_H
#define MR_DPDK_RELAY_H

#include "dpdk.h"

struct mr_relayed {
	uint8_t reason;   /* enum mr_reason */
	uint32_t ifindex; /* SEND: out by this interface */
	uint32_t len;     /* octets of the frame as it came in */
};

/**
 * Decides on `count` <= MR_BURST frames that came in on `port`, and rewrites those that are to be
 * sent. Counts nothing, frees nothing; frames[] may change places with copies of longer headroom.
 * The worker is online in the RCU variable.
 *
 * @param now  CLOCK_MONOTONIC, ns
 */
void mr_relay_burst(struct mr_worker *w, const struct mr_port *port, struct rte_mbuf **frames,
	uint16_t count, uint64_t now, struct mr_relayed *ret);

#endif
