/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread.h - the privileges of the module's own threads. Capabilities belong to a thread: what the
 * daemon gives up after the start is not given up here.
 */
#ifndef MR_DPDK_THREAD_H
#define MR_DPDK_THREAD_H

#include <stdint.h>

/**
 * Gives up all capabilities of the calling thread but those in `mask` (1 << CAP_...), of which it
 * keeps what it has. 0 or -errno.
 */
int mr_thread_keep_capabilities(uint64_t mask);

#endif
