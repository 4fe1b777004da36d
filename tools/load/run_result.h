/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * run_result.h - what `run` measured, and the forms in which it is told. Measures nothing itself.
 */
#ifndef MR_LOAD_RUN_RESULT_H
#define MR_LOAD_RUN_RESULT_H

#include <jansson.h>
#include <stdio.h>

#include "flow.h"
#include "hist.h"
#include "profile.h"

/** Version of the JSON; grows when a field changes its meaning, not when one is added. */
#define MR_RESULT_VERSION 1

struct mr_run_second {
	uint64_t sent, answered;
};

struct mr_run_result {
	enum mr_profile profile;
	uint32_t sessions;
	uint32_t unreached; /* sessions through which no datagram came back */
	double seconds;
	struct mr_flow_account account;
	uint64_t roamed;
	uint64_t spoofed;     /* datagrams sent with made-up sources */
	double lossless_rate; /* of a ramp: datagrams a second; below 0: no ramp was asked for */
	double open_seconds;  /* 0: no sessions were opened */
	struct mr_hist round_trip, roam, open;
	struct mr_run_second *series; /* one a second */
	size_t n_series;
};

/** A few lines for people. */
void mr_run_result_print(const struct mr_run_result *result, FILE *out);

/** NULL: no memory. */
json_t *mr_run_result_json(const struct mr_run_result *result);

/**
 * The percentiles as an object, in microseconds; also for other results. Its "curve" has the whole
 * distribution: pairs of N and what one value in N exceeds.
 */
json_t *mr_hist_json(const struct mr_hist *hist);

#endif
