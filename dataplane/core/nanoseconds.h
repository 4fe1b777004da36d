/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * nanoseconds.h - times as the packet path has them: nanoseconds of CLOCK_MONOTONIC.
 *
 * Owns their units and their difference. Which clock is asked, and when, is up to the bindings.
 */
#ifndef MR_CORE_NANOSECONDS_H
#define MR_CORE_NANOSECONDS_H

#include "compat.h"

#define MR_NS_PER_US 1000ULL
#define MR_NS_PER_MS 1000000ULL
#define MR_NS_PER_S  1000000000ULL

/** 0 if `then` is later: another CPU may have looked at the clock after this one. */
mr_inline __u64 mr_ns_since(__u64 now, __u64 then)
{
	return now > then ? now - then : 0;
}

#endif
