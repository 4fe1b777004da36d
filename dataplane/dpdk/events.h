/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * events.h - news from the workers to the daemon: a ring, an eventfd, and each kind's rate limit.
 */
#ifndef MR_DPDK_EVENTS_H
#define MR_DPDK_EVENTS_H

#include "dpdk.h"

int mr_events_open(struct mr_events *ret_events, struct mr_why *ret_why);
void mr_events_close(struct mr_events *events);

/** Queues an event, or counts it as suppressed. Worker. */
void mr_events_notify(struct mr_worker *w, struct mr_event *event);

/** Makes the descriptor readable though no event may wait. From any thread. */
void mr_events_wake(struct mr_events *events);

/** The function of the same name in struct mr_backend_ops. */
int mr_events_take(struct mr_events *events, unsigned max, mr_event_fn *fn, void *context);

#endif
