// SPDX-License-Identifier: BSD-2-Clause
/*
 * hist.c - see hist.h. The first 128 buckets are exact; from there on each power of two has 128.
 */
#include "hist.h"

#define SUB_COUNT (1u << MR_HIST_SUB_BITS)

static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < SUB_COUNT)
		return (unsigned)value;
	if (value >> MR_HIST_MAX_BITS)
		return MR_HIST_BUCKETS - 1;
	shift = 63 - (unsigned)__builtin_clzll(value) - MR_HIST_SUB_BITS;
	return (shift << MR_HIST_SUB_BITS) + (unsigned)(value >> shift);
}

uint64_t mr_hist_bucket_top(unsigned index)
{
	unsigned shift;

	if (index < SUB_COUNT)
		return index;
	shift = (index >> MR_HIST_SUB_BITS) - 1;
	return (((uint64_t)index - ((uint64_t)shift << MR_HIST_SUB_BITS) + 1) << shift) - 1;
}

void mr_hist_add(struct mr_hist *hist, uint64_t value)
{
	hist->count++;
	hist->sum += value;
	if (value > hist->max)
		hist->max = value;
	hist->buckets[bucket_of(value)]++;
}

void mr_hist_merge(struct mr_hist *hist, const struct mr_hist *from)
{
	hist->count += from->count;
	hist->sum += from->sum;
	if (from->max > hist->max)
		hist->max = from->max;
	for (unsigned i = 0; i < MR_HIST_BUCKETS; i++)
		hist->buckets[i] += from->buckets[i];
}

uint64_t mr_hist_quantile(const struct mr_hist *hist, double permille)
{
	uint64_t wanted = (uint64_t)((double)hist->count * permille / 1000.0 + 0.999999);
	uint64_t seen = 0;

	if (hist->count == 0)
		return 0;
	if (wanted == 0)
		wanted = 1;
	for (unsigned i = 0; i < MR_HIST_BUCKETS; i++) {
		seen += hist->buckets[i];
		if (seen >= wanted) {
			uint64_t top = mr_hist_bucket_top(i);

			/* the last bucket holds what is beyond it, too */
			return top > hist->max || i == MR_HIST_BUCKETS - 1 ? hist->max : top;
		}
	}
	return hist->max;
}

uint64_t mr_hist_mean(const struct mr_hist *hist)
{
	return hist->count ? hist->sum / hist->count : 0;
}

unsigned mr_hist_curve(const struct mr_hist *hist, struct mr_hist_point ret_points[MR_HIST_CURVE])
{
	unsigned n = 0;

	for (double one_in = 1.1; one_in < (double)hist->count && n < MR_HIST_CURVE; one_in *= 1.25)
		ret_points[n++] = (struct mr_hist_point){
			one_in, (double)mr_hist_quantile(hist, 1000 - 1000 / one_in)};
	return n;
}
