/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * events.h - takes what the dataplane tells and makes news of it: legs, roams, unreachable targets,
 * neighbours to be resolved.
 *
 * Attribution lives in these: mosh-server logs the bastion's address alone. MR_NOTICE_PROVEN and
 * MR_NOTICE_ROAMED are a target's own word and belong into the log; MR_NOTICE_LEG is anybody's
 * doing, up to MR_EVENT_RATE of them a second.
 */
#ifndef MR_CONTROL_EVENTS_H
#define MR_CONTROL_EVENTS_H

#include "sessions.h"

/** Watchers hear of an unreachable target at most so often, a session. */
#define MR_EVENTS_UNREACHABLE_NS (10 * MR_SECOND)

struct mr_events;

/** The kernel is to be made to resolve `addr` on `ifindex`; see mr_neigh_resolve(). */
typedef void mr_events_neighbour_fn(void *context, uint32_t ifindex, const struct mr_addr *addr);

/** Starts on the manager's loop. `no_neighbour` may be NULL. */
int mr_events_new(struct mr_sessions *sessions, mr_events_neighbour_fn *no_neighbour, void *context,
	struct mr_events **ret_events);

/** Stops; memory goes when the loop has run once more. Before the manager. NULL is allowed. */
void mr_events_free(struct mr_events *events);

#endif
