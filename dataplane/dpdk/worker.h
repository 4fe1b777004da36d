/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.h - the packet threads: receive, relay, send, pass on, and sleep when there is nothing.
 */
#ifndef MR_DPDK_WORKER_H
#define MR_DPDK_WORKER_H

#include "dpdk.h"

int mr_workers_start(struct mr_backend *b, struct mr_why *ret_why);
/** Wakes and ends them; packets that they hold are freed. */
void mr_workers_stop(struct mr_backend *b);

#endif
