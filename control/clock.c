/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.c - the machine's clocks.
 */
#include "clock.h"

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * MR_SECOND + ts.tv_nsec;
}

static int64_t monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

static int64_t realtime(void)
{
	return read_clock(CLOCK_REALTIME);
}

const struct mr_clock mr_clock_system = {
	.monotonic = monotonic,
	.realtime = realtime,
};
