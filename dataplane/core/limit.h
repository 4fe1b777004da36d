/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * limit.h - how many events of a kind the packet path may tell: a token bucket.
 *
 * Owns the rule. Each CPU or worker has a bucket of its own for each kind, so nothing is locked;
 * where the buckets lie, and what else keeps an event back, is up to the bindings.
 */
#ifndef MR_CORE_LIMIT_H
#define MR_CORE_LIMIT_H

#include "event.h"
#include "nanoseconds.h"

/** Time that earns a token. */
#define MR_EVENT_STEP_NS (MR_NS_PER_S / MR_EVENT_RATE)

/** Token bucket of one kind of event. All zeros: full, once the clock has run for a second. */
struct mr_event_limit {
	__u64 refilled_ns; /* up to here time has been turned into tokens */
	__u64 tokens;
	__u64 suppressed; /* events that found no token, or no room: counted by the bindings */
};

_Static_assert(sizeof(struct mr_event_limit) == 24, "layout");

/** Takes a token at `now` (CLOCK_MONOTONIC, ns). False: there is none, say nothing. */
mr_inline bool mr_limit_take(struct mr_event_limit *limit, __u64 now)
{
	__u64 since = mr_ns_since(now, limit->refilled_ns);
	__u64 earned = since / MR_EVENT_STEP_NS;

	if (earned) {
		limit->tokens = mr_min(limit->tokens + earned, MR_EVENT_RATE);
		/* what is left of a step counts for the next token */
		limit->refilled_ns = now - since % MR_EVENT_STEP_NS;
	}
	if (!limit->tokens)
		return false;
	limit->tokens--;
	return true;
}

#endif
