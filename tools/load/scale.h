/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scale.h - what the benchmark measures of this relay alone, with its many sessions open: opening,
 * listing, memory, an idle daemon, roaming, a restart, a reboot.
 */
#ifndef MR_LOAD_SCALE_H
#define MR_LOAD_SCALE_H

#include "bench_result.h"
#include "peers.h"

/** Sessions that the contestant's daemon must have room for besides its own. */
#define MR_SCALE_ROOM 24000

/**
 * Adds facts to the result; what can't be measured is a fact with a reason. The contestant's daemon
 * is killed and restarted on the way, its sessions stay.
 */
void mr_scale_measure(struct mr_contestant *contestant, struct mr_generator *generator,
	struct mr_bench_result *result);

#endif
