/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hist.h - a histogram of durations with a bounded relative error (after HdrHistogram).
 *
 * Values from 0 to 2^40 - 1 ns (18 minutes); what is larger counts as the largest. Any quantile is
 * at most 1/128 above the true value and never below it; the maximum is exact.
 */
#ifndef MR_LOAD_HIST_H
#define MR_LOAD_HIST_H

#include <stdint.h>

#define MR_HIST_SUB_BITS 7 /* 128 buckets to a power of two */
#define MR_HIST_MAX_BITS 40
#define MR_HIST_BUCKETS  ((MR_HIST_MAX_BITS - MR_HIST_SUB_BITS + 1) << MR_HIST_SUB_BITS)

/** All zero is an empty histogram. */
struct mr_hist {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint64_t buckets[MR_HIST_BUCKETS];
};

/** Adds one value. */
void mr_hist_add(struct mr_hist *hist, uint64_t value);

/** Adds all values of `from`. */
void mr_hist_merge(struct mr_hist *hist, const struct mr_hist *from);

/** The value that `permille` / 1000 of all values do not exceed; 0 if there are none. */
uint64_t mr_hist_quantile(const struct mr_hist *hist, double permille);

/** A point of the distribution: one value in `one_in` is larger than `ns`. */
struct mr_hist_point {
	double one_in, ns;
};

#define MR_HIST_CURVE 64

/** The whole distribution, in even steps of log(one_in), as far as values bear it out. */
unsigned mr_hist_curve(const struct mr_hist *hist, struct mr_hist_point ret_points[MR_HIST_CURVE]);

/** Arithmetic mean, 0 if there are no values. */
uint64_t mr_hist_mean(const struct mr_hist *hist);

/** Largest value of bucket `index`, for plots. */
uint64_t mr_hist_bucket_top(unsigned index);

#endif
