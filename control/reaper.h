/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reaper.h - goes round all sessions in small steps, and does what time brings: ends those that
 * nobody needs, tells which have fallen silent, asks silent targets whether they are there, saves
 * totals.
 */
#ifndef MR_CONTROL_REAPER_H
#define MR_CONTROL_REAPER_H

#include "runt.h"
#include "sessions.h"

#define MR_REAPER_TICK_MS       250
#define MR_REAPER_PASS_TICKS    20               /* a pass over few sessions takes 5 s */
#define MR_REAPER_TICK_SESSIONS 1000             /* over many, so many a tick, */
#define MR_REAPER_PASS_MS       60000            /* and ticks so often that it takes a minute */
#define MR_REAPER_TICK_MIN_MS   50               /* (beyond 1,200,000 sessions: longer) */
#define MR_REAPER_SECOND_RUNTS  200              /* so many runts a second at most */
#define MR_REAPER_UNANSWERED_NS (60 * MR_SECOND) /* mosh-server waits so long for its client */
#define MR_REAPER_CHECKPOINT_NS (60 * MR_SECOND) /* between savings of totals */
#define MR_REAPER_STEP_NS       MR_SECOND        /* the clock was set: slewing is slower by far */

struct mr_reaper;

/** Starts on the manager's loop. `runt`: NULL, targets are not asked; else it must outlive this. */
int mr_reaper_new(
	struct mr_sessions *sessions, struct mr_runt *runt, struct mr_reaper **ret_reaper);

/** Stops; memory goes when the loop has run once more. Before the manager. NULL is allowed. */
void mr_reaper_free(struct mr_reaper *reaper);

/** Time between two ticks where there are so many sessions; ms. */
unsigned mr_reaper_tick_ms(uint32_t n_sessions);

/** One whole round, at once. What the timer does in steps; for tests. */
void mr_reaper_pass(struct mr_reaper *reaper);

#endif
