/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * notify.h - events to the daemon, each kind under its own rate limit.
 */
#ifndef MR_BPF_NOTIFY_H
#define MR_BPF_NOTIFY_H

#include "decide.h"
#include "maps.h"

/* Takes a token of this kind; false if there is none, which is counted. */
mr_inline bool event_allowed(__u32 kind, __u64 now)
{
	struct mr_event_limit *limit = bpf_map_lookup_elem(&limits, &kind);
	__u64 earned;

	if (!limit)
		return false;
	earned = mr_ns_since(now, limit->refilled_ns) / (MR_NS_PER_S / MR_EVENT_RATE);
	if (earned) {
		limit->tokens = mr_min(limit->tokens + earned, MR_EVENT_RATE);
		limit->refilled_ns = now;
	}
	if (!limit->tokens) {
		limit->suppressed++;
		return false;
	}
	limit->tokens--;
	return true;
}

/* Never called with a lock held. `event->time_ns` and `event->kind` say when and what. */
static __attribute__((noinline)) int notify(const struct mr_event *event)
{
	__u32 kind = event->kind;
	struct mr_event_limit *limit;

	if (!event_allowed(kind, event->time_ns))
		return 0;
	if (bpf_ringbuf_output(&events, (void *)event, sizeof(*event), 0)) {
		limit = bpf_map_lookup_elem(&limits, &kind);
		if (limit)
			limit->suppressed++;
	}
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
