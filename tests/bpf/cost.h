/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * cost.h - what cost.c tells cost.bpf.c: a frame, and how those that follow differ from it.
 */
#ifndef MR_TESTS_COST_H
#define MR_TESTS_COST_H

#include <linux/types.h>

#define COST_SESSIONS 50000 /* a power of two above it would cost memory that counts here */

enum cost_program { COST_NOTHING, COST_RELAY, COST_PROGRAMS };

/** The headers of one datagram over IPv4, and mosh's nonce. */
struct cost_frame {
	__u8 macs[12];
	__be16 type;
	__u8 version_ihl;
	__u8 tos;
	__be16 len;
	__be16 id;
	__be16 frag;
	__u8 ttl;
	__u8 proto;
	__u16 csum;
	__u8 src[4]; /* not aligned to its size in the frame */
	__u8 dst[4];
	__be16 sport;
	__be16 dport;
	__be16 udp_len;
	__u16 udp_csum;
	__u8 nonce[8];
};

/** Of one session's datagrams. */
struct cost_ports {
	__be16 sport;
	__be16 dport;
};

struct cost_stream {
	struct cost_frame frame;
	__u32 sessions; /* so many take turns */
	__u32 program;  /* enum cost_program */
	__u32 at;       /* the session whose turn it is */
	__u32 to_client;
	__u64 seq; /* of the datagrams of this round */
};

#endif
