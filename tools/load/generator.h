/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * generator.h - the benchmark's source and sink of datagrams, both BPF programs.
 *
 * The source makes frames in the kernel, on a core of its own, faster than any socket could; the
 * sink counts what arrives at the target and frees it at once, or makes the next datagram of it:
 * half the work of another frame, so that one core can be more than enough for a relay that has
 * one, too.
 */
#ifndef MR_LOAD_GENERATOR_H
#define MR_LOAD_GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "bench_shared.h"
#include "topology.h"

enum mr_bench_program {
	MR_BENCH_SINK,
	MR_BENCH_FLOOR_FIB,
	MR_BENCH_FLOOR_TX,
};

/** What becomes of a datagram that has arrived and been counted. */
enum mr_bench_sink {
	MR_BENCH_SINK_FREES,
	MR_BENCH_SINK_ANSWERS,      /* goes back, as a target's datagram */
	MR_BENCH_SINK_RECIRCULATES, /* becomes the next one, and is sent by the client */
};

struct mr_generator;

/** Loads the programs; the generator will run on `cpu`. Needs root. */
int mr_generator_new(int cpu, struct mr_generator **ret_generator);

void mr_generator_free(struct mr_generator **generator);

/** Attaches a program to one end of the topology: native XDP. */
int mr_generator_attach(struct mr_generator *generator, const struct mr_topology *topology,
	enum mr_link_end end, enum mr_bench_program program);

/** The table of sessions to go through in turn; MR_BENCH_ENDPOINTS of them, the caller fills it in.
 */
struct mr_bench_endpoint *mr_generator_endpoints(struct mr_generator *generator);

/**
 * Starts to send on the client's end: to the first `sessions` endpoints in turn, sequence numbers
 * from `first_seq` on. The sink counts what comes for UDP port `sink_lo` to `sink_hi`.
 */
int mr_generator_start(struct mr_generator *generator, const struct mr_topology *topology,
	uint32_t sessions, uint64_t first_seq, uint16_t sink_lo, uint16_t sink_hi,
	enum mr_bench_sink sink);

/** Stops and waits; 0, or what ended the generator early. `*ret_next_seq` continues from here. */
int mr_generator_stop(struct mr_generator *generator, uint64_t *ret_next_seq);

/** Lets everything through to the target's host until the next start. */
void mr_generator_sink_off(struct mr_generator *generator);

/** Datagrams sent and arrived since the start. */
void mr_generator_counts(
	const struct mr_generator *generator, uint64_t *ret_sent, uint64_t *ret_arrived);

#endif
