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

/** One worker, not yet running; `w` is zeroed. -ENOMEM. */
int mr_worker_prepare(struct mr_backend *b, uint32_t index, struct mr_worker *w);
void mr_worker_clear(struct mr_worker *w);

/** Lets the worker be woken by what `port` has for it. From any thread. -errno. */
int mr_worker_watch(const struct mr_worker *w, const struct mr_port *port);

/** Serves every port once, on the calling thread; returns how many frames there were. */
unsigned mr_worker_poll(struct mr_worker *w);

#endif
