/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frames.h - datagrams of mosh's shape for the bed's ports, made from a session's number alone: no
 * table of the generator's competes with the worker for the caches.
 */
#ifndef MR_LOAD_DPDK_FRAMES_H
#define MR_LOAD_DPDK_FRAMES_H

#include "bed.h"

/* Each end is a host of its own in a network of a million. */
#define MR_BED_CLIENTS     0x64400000U /* 100.64.0.0 */
#define MR_BED_TARGETS     0x0a000000U /* 10.0.0.0 */
#define MR_BED_ROUTERS     0xc0a80001U /* 192.168.0.1, and .2 */
#define MR_BED_PUBLICS     0xcb007100U /* 203.0.113.0 */
#define MR_BED_UPSTREAM    0xac100001U /* 172.16.0.1 */
#define MR_BED_PUBLIC_LO   10000
#define MR_BED_UPSTREAM_LO 61008

/** Endpoints of a session, in host byte order. */
struct mr_bed_session {
	uint32_t client, public, upstream, target;
	uint16_t client_port, public_port, upstream_port, target_port;
};

struct mr_bed_session mr_bed_session(uint32_t index);

/** Sum over the payload of every datagram, behind its nonce. */
uint64_t mr_bed_payload_sum(void);

/** Takes back what was sent by one port; false if it isn't MR_BED_FRAMES. */
bool mr_bed_take(struct mr_bed *bed, unsigned port);

#endif
