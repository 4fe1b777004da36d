/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wheel.h - a timer wheel over numbered sessions: one slot a millisecond, one timer a session.
 */
#ifndef MR_LOAD_WHEEL_H
#define MR_LOAD_WHEEL_H

#include <stdint.h>

#define MR_WHEEL_SLOTS   8192 /* milliseconds: the longest delay */
#define MR_WHEEL_TICK_NS UINT64_C(1000000)
#define MR_WHEEL_END     UINT32_MAX

struct mr_wheel {
	uint64_t tick; /* the next one to run */
	uint32_t heads[MR_WHEEL_SLOTS];
	uint32_t *next; /* a link a session */
};

/** For sessions 0..n-1, none of them armed. -ENOMEM. */
int mr_wheel_init(struct mr_wheel *wheel, uint32_t n, uint64_t now_ns);

void mr_wheel_free(struct mr_wheel *wheel);

/** Arms the timer of `number`, which must not be armed. Delays beyond the wheel are cut. */
void mr_wheel_arm(struct mr_wheel *wheel, uint32_t number, uint64_t when_ns);

/**
 * Takes off what is due at `now_ns`: calls `fn` for each session, which may arm it again.
 */
void mr_wheel_run(struct mr_wheel *wheel, uint64_t now_ns,
	void (*fn)(uint32_t number, void *context), void *context);

#endif
