/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_result.h - the benchmark's figures: from rounds to medians, ratios and doubts. No
 * measuring.
 */
#ifndef MR_LOAD_BENCH_RESULT_H
#define MR_LOAD_BENCH_RESULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "hist.h"

#define MR_BENCH_ROUNDS_MAX 101
#define MR_BENCH_ROWS_MAX   64
#define MR_BENCH_FACTS_MAX  32

/** What one turn of one row measured. */
struct mr_bench_turn {
	double delivered;   /* datagrams a second at the target */
	double offered;     /* that the generator sent */
	double ns_a_packet; /* processor time of what relays, a delivered datagram */
	double idle;        /* 0..1: the relay's core had nothing to do */
	double foreign;     /* 0..1: it worked for others, or its host did */
	double strays;      /* datagrams for which the relay had no open session */
};

/** Round trips without saturation; in microseconds. All 0: not measured. */
struct mr_bench_latency {
	double rate; /* datagrams a second that were meant to be sent */
	double p50, p99, p99_9, max;
	double sent, answered;
	unsigned n_curve; /* the distribution; in nanoseconds */
	struct mr_hist_point curve[MR_HIST_CURVE];
};

struct mr_bench_row {
	const char *name;
	const char *title;
	uint32_t sessions;
	bool between; /* a point of a curve over sessions, in no table and no ratio */
	struct mr_bench_latency latency;
	double lossless; /* greatest rate without loss, of a peer that merges datagrams; else 0 */
	unsigned n;
	struct mr_bench_turn turns[MR_BENCH_ROUNDS_MAX];
};

struct mr_bench_missing {
	const char *name;
	char why[256];
};

/** Something that is measured of this relay alone. */
struct mr_bench_fact {
	const char *name, *title, *unit;
	double value;
	double at_least, at_most; /* 0: nothing is promised */
};

struct mr_bench_result {
	unsigned rounds;
	double seconds; /* of a turn */
	int generator_cpu, relay_cpu;
	unsigned n_rows;
	struct mr_bench_row rows[MR_BENCH_ROWS_MAX];
	double latency_rate;    /* datagrams a second that latencies were measured at */
	uint32_t fact_sessions; /* that were open meanwhile */
	unsigned n_facts;
	struct mr_bench_fact facts[MR_BENCH_FACTS_MAX];
	unsigned n_missing;
	struct mr_bench_missing missing[MR_BENCH_ROWS_MAX];
};

/** Median, least and greatest of some numbers; all 0 for none. */
struct mr_bench_spread {
	double median, min, max;
};

struct mr_bench_spread mr_bench_spread_of(const double *values, unsigned n);

/** Median and range of one field of a row's turns. */
#define MR_BENCH_SPREAD(row, field)                           \
	({                                                    \
		double values_[MR_BENCH_ROUNDS_MAX];          \
		for (unsigned i_ = 0; i_ < (row)->n; i_++)    \
			values_[i_] = (row)->turns[i_].field; \
		mr_bench_spread_of(values_, (row)->n);        \
	})

/** A ratio that is told, and what the project wants it to be. */
struct mr_bench_comparison {
	const char *name, *against;
	uint32_t sessions;
	char title[64];
	struct mr_bench_spread ratio; /* of delivered datagrams */
	struct mr_bench_spread cost;  /* of processor time a datagram, the other way round */
	bool by_cost;    /* a generator was the limit: `cost` is what counts, not `ratio` */
	double at_least; /* 0: nothing is promised */
};

/** The ratio that counts. */
struct mr_bench_spread mr_bench_comparison_value(const struct mr_bench_comparison *comparison);

extern const unsigned mr_bench_n_goals;

/** Comparison number `i`; false: one of its rows was not measured. */
bool mr_bench_compare(const struct mr_bench_result *result, unsigned i,
	struct mr_bench_comparison *ret_comparison);

/** Of the ratios a/b of delivered datagrams, round by round. */
struct mr_bench_spread mr_bench_ratio(const struct mr_bench_row *a, const struct mr_bench_row *b);

/** Of the ratios b/a of processor time a datagram, round by round. */
struct mr_bench_spread mr_bench_cost_ratio(
	const struct mr_bench_row *a, const struct mr_bench_row *b);

/** NULL: the row's figures can be trusted; else why not, in static storage or `buf`. */
const char *mr_bench_doubt(const struct mr_bench_row *row, char *buf, size_t size);

/** Does the fact keep what is promised? */
bool mr_bench_fact_kept(const struct mr_bench_fact *fact);

void mr_bench_result_print(const struct mr_bench_result *result, FILE *out);

/** NULL: no memory. */
json_t *mr_bench_result_json(const struct mr_bench_result *result);

#endif
