/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * state.h - what the XDP program and its loader share beyond the core's tables.
 */
#ifndef MR_BPF_STATE_H
#define MR_BPF_STATE_H

#include "index.h"

#define MR_LINKS_MAX    65536 /* interfaces of the kernel; entries are allocated as they come */
#define MR_DEVICES_MAX  256
#define MR_EVENTS_BYTES (256 * 1024)

#define MR_WAYS_TARGETS_MAX 131072 /* allocated as they come */

/** The one record of the map `state`. The first 64 octets are what every packet may read. */
struct mr_state {
	__u32 layout;      /* MR_LAYOUT_VERSION of everything that is pinned beside it */
	__u32 generation;  /* of next hops; never 0 */
	__u32 hash_seed;   /* of mr_key_hash() */
	__u32 bucket_mask; /* number of buckets - 1 */
	__u16 upstream_lo; /* ports from here on are looked for among upstream ports first */
	__u16 pad0;
	__u32 pad1[11];
	/* mr_address_home() to number of the public address + 1 */
	__u8 address_slots[MR_ADDRESS_BUCKETS + MR_ADDRESS_PROBES];
	__u8 pad2[56];
};

_Static_assert(sizeof(struct mr_state) == 64 + 320, "layout");

#endif
