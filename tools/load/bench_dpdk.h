/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_dpdk.h - the benchmark's rows of the DPDK worker on ports of rings: measured by
 * moshrelay-load-dpdk, which is there only where DPDK is.
 */
#ifndef MR_LOAD_BENCH_DPDK_H
#define MR_LOAD_BENCH_DPDK_H

#include "bench_result.h"
#include "proc.h"

/** What --only calls them. */
#define MR_BENCH_DPDK_NAME "dpdk-worker"

struct mr_bench_dpdk_options {
	unsigned rounds;
	unsigned turn_ms;  /* at most; these turns need not be long */
	uint32_t sessions; /* of the rows with many */
	int cpu;
};

/**
 * Adds the rows, their costs as promised, and nothing on failure. -ENOENT: the program is not
 * there; -EPROTO: `*ret_why` says what it said.
 */
int mr_bench_dpdk_measure(const struct mr_bench_dpdk_options *options,
	struct mr_bench_result *result, struct mr_proc_why *ret_why);

#endif
