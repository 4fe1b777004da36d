/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * bench_shared.h - what bench.bpf.c and the program that loads it agree on.
 */
#ifndef MR_LOAD_BENCH_SHARED_H
#define MR_LOAD_BENCH_SHARED_H

#include <linux/types.h>

/** Sessions that the generator can go through in turn. */
#define MR_BENCH_ENDPOINTS (1 << 20)

/** UDP payload: what mosh sends for a keystroke. */
#define MR_BENCH_PAYLOAD 72

/** A whole frame: Ethernet, IPv4, UDP, payload. */
#define MR_BENCH_FRAME (14 + 20 + 8 + MR_BENCH_PAYLOAD)

/** One session as the generator needs it. */
struct mr_bench_endpoint {
	__be32 daddr;
	__be16 dport;
	__be16 sport;
};

#endif
