/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eal.h - starts DPDK's environment abstraction layer, once in a process.
 *
 * Finds out beforehand what would make it fail or abort (devices, huge pages, CPUs, privileges),
 * keeps its output from the terminal, and turns its errors into one line. Ports are port.h's.
 */
#ifndef MR_DPDK_EAL_H
#define MR_DPDK_EAL_H

#include "dpdk.h"

/**
 * @param need         octets of DPDK memory that tables and buffers will take
 * @param ret_huge     huge pages are in use
 * @return 0; -EALREADY: DPDK was started in this process before; -ENODEV, -EBUSY, -EACCES, -ENOMEM,
 * -EINVAL, -EIO: `ret_why` says what is wrong. A failure touches no device.
 */
int mr_eal_start(
	const struct mr_dpdk_options *options, size_t need, bool *ret_huge, struct mr_why *ret_why);

/** Gives DPDK's memory back; nothing of DPDK may be in use. */
void mr_eal_stop(void);

/** The first error that DPDK has logged since the last call, or `otherwise`. Ends in no newline. */
const char *mr_eal_error(const char *otherwise);

/** The interrupt thread gives up its capabilities, when all that it needs is open. 0 or -errno. */
int mr_eal_confine(void);

#endif
