/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bed.h - the DPDK dataplane's own worker between two ports made of rings: port 0 is the clients'
 * side, port 1 the targets'.
 *
 * Owns EAL, ports, tables, sessions and frames; measures nothing. The worker is the module's, on
 * the calling thread, with TAPs beside its ports as on a NIC that DPDK owns.
 */
#ifndef MR_LOAD_DPDK_BED_H
#define MR_LOAD_DPDK_BED_H

#include "dpdk.h"

#define MR_BED_PORTS  2
#define MR_BED_FRAMES 512 /* that wait at a port: a ring of descriptors as long as the default */

/** Sessions of one public address, from public port MR_BED_PUBLIC_LO on. */
#define MR_BED_PER_ADDRESS  50000
#define MR_BED_SESSIONS_MAX 1000000

struct mr_bed_options {
	uint32_t sessions;     /* 2..MR_BED_SESSIONS_MAX */
	const char *hugepages; /* as in dpdk { } */
};

/** Which sessions get datagrams, and how far their sequence numbers are. */
struct mr_bed_turn {
	uint32_t first, count;       /* indices of sessions */
	uint64_t base;               /* sequence number of the first datagrams */
	uint64_t next[MR_BED_PORTS]; /* datagrams made so far, by the port they come in at */
};

/** Where frames are going: to the relay, or past it, as a router sees them. */
enum mr_bed_route {
	MR_BED_RELAYED,
	MR_BED_ROUTED,
};

struct mr_bed {
	struct mr_backend backend;
	struct mr_worker *worker;
	uint32_t sessions; /* and one more, the last, for turns of a single one */
	struct rte_ring *in[MR_BED_PORTS], *out[MR_BED_PORTS];
	struct rte_mbuf *frames[MR_BED_PORTS][MR_BED_FRAMES];
	uint64_t payload_sum;
};

/** Enters a network namespace of its own and sets all up. Needs root. */
int mr_bed_open(
	const struct mr_bed_options *options, struct mr_bed *ret_bed, struct mr_why *ret_why);
void mr_bed_close(struct mr_bed *bed);

/** Makes MR_BED_FRAMES datagrams and lets them wait at one port. */
void mr_bed_fill(
	struct mr_bed *bed, unsigned port, struct mr_bed_turn *turn, enum mr_bed_route route);

/** Takes back what was sent by both ports; false if a frame is missing or went wrong. */
bool mr_bed_drain(struct mr_bed *bed);

#endif
