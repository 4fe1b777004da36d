/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.h - where the daemon's time comes from, so that tests can bring their own.
 *
 * Timeouts run on the monotonic clock, which is the dataplane's too. Realtime is for people and for
 * the store alone, and is converted at that edge: it may step at any moment.
 */
#ifndef MR_CONTROL_CLOCK_H
#define MR_CONTROL_CLOCK_H

#include <stdint.h>
#include <time.h>

#define MR_SECOND 1000000000LL /* ns */

struct mr_clock {
	int64_t (*monotonic)(void); /* CLOCK_MONOTONIC, ns */
	int64_t (*realtime)(void);  /* CLOCK_REALTIME, ns since 1970 */
};

/** The machine's. */
extern const struct mr_clock mr_clock_system;

#endif
