/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * notify.h - events to the daemon, each kind under its own rate limit.
 */
#ifndef MR_BPF_NOTIFY_H
#define MR_BPF_NOTIFY_H

#include "decide.h"
#include "maps.h"

/* Never called with a lock held. `event->time_ns` and `event->kind` say when and what. */
static __attribute__((noinline)) int notify(const struct mr_event *event)
{
	__u32 kind = event->kind;
	struct mr_event_limit *limit = bpf_map_lookup_elem(&limits, &kind);

	if (!limit)
		return 0;
	if (!mr_limit_take(limit, event->time_ns) ||
		bpf_ringbuf_output(&events, (void *)event, sizeof(*event), 0))
		limit->suppressed++;
	return 0;
}

/* What happened to a leg: route->events, oldest news first. Global: the verifier sees it once. */
__attribute__((noinline)) int notify_leg(const struct mr_route *route, __u32 index, __u64 now)
{
	const struct mr_session *s = bpf_map_lookup_elem(&sessions, &index);
	struct mr_event event = {.time_ns = now, .index = index};
	const struct mr_leg *leg;

	if (!s || !route)
		return 0;
	leg = &s->legs[route->slot & (MR_LEGS - 1)];
	event.session_id = s->id;
	event.slot = route->slot;
	event.addr = leg->addr;
	event.port = leg->port;
	for (__u32 kind = MR_EVENT_LEG; kind <= MR_EVENT_ROAMED; kind++) {
		if (!(route->events & (1 << kind)))
			continue;
		event.kind = (__u16)kind;
		notify(&event);
	}
	return 0;
}

#endif
