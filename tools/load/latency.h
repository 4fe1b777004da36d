/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * latency.h - round trips through a contestant that has time for them: a client and an answering
 * target, both programs, at a rate that all can carry.
 */
#ifndef MR_LOAD_LATENCY_H
#define MR_LOAD_LATENCY_H

#include "bench_result.h"
#include "peers.h"

/** Datagrams a second, and for how long. */
#define MR_LATENCY_RATE    1000
#define MR_LATENCY_SECONDS 3

/** Fills in the row's latency; for a peer that merges datagrams also its rate without loss. */
int mr_latency_measure(struct mr_contestant *contestant, struct mr_bench_row *row);

#endif
