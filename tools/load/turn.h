/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * turn.h - one turn of the benchmark: a contestant under more load than it can carry, and what that
 * cost. Knows nothing of rounds, ratios and reports.
 */
#ifndef MR_LOAD_TURN_H
#define MR_LOAD_TURN_H

#include "bench_result.h"
#include "generator.h"
#include "peers.h"

/** Where turns are taken. */
struct mr_turn_bed {
	struct mr_generator *generator;
	int generator_cpu, relay_cpu;
	pid_t softirqd; /* the relay's core's */
	unsigned turn_ms;
};

/** Finds the core's kernel thread. */
void mr_turn_bed_init(struct mr_turn_bed *bed);

/**
 * Lets the targets answer on every session, several times over: a relay gives up a session that
 * never was, and a leg that was answered on is the common case.
 */
int mr_turn_answer_all(const struct mr_turn_bed *bed, struct mr_contestant *contestant);

/** Sends to the first `sessions` endpoints in turn. -ECHILD: the contestant's program has ended. */
int mr_turn_take(const struct mr_turn_bed *bed, struct mr_contestant *contestant, uint32_t sessions,
	struct mr_bench_turn *ret_turn);

#endif
