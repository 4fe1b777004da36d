// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_core_limit.c - the token bucket that keeps events back: its limits, and that it neither
 * gains nor loses tokens over time.
 */
#include <criterion/criterion.h>
#include <stdint.h>

#include "limit.h"

#define START (1000 * MR_NS_PER_S)

static struct mr_event_limit limit;

static void set_up(void)
{
	limit = (struct mr_event_limit){0};
}

TestSuite(limit, .init = set_up);

/** How many tokens are there at `now`, all taken; a bucket that doesn't end counts as one more. */
static unsigned take_all(uint64_t now)
{
	unsigned taken = 0;

	while (taken <= 2 * MR_EVENT_RATE && mr_limit_take(&limit, now))
		taken++;
	return taken;
}

Test(limit, a_new_bucket_is_full)
{
	cr_expect_eq(take_all(START), MR_EVENT_RATE);
	cr_expect_eq(take_all(START), 0);
}

Test(limit, a_token_comes_with_its_time_and_not_before)
{
	take_all(START);
	cr_expect(!mr_limit_take(&limit, START + MR_EVENT_STEP_NS - 1));
	cr_expect(mr_limit_take(&limit, START + MR_EVENT_STEP_NS));
	cr_expect(!mr_limit_take(&limit, START + MR_EVENT_STEP_NS));
}

Test(limit, it_fills_up_in_a_second_and_never_more)
{
	static const struct {
		uint64_t after_ns;
		unsigned tokens;
	} rows[] = {
		{0, 0},
		{MR_EVENT_STEP_NS - 1, 0},
		{MR_EVENT_STEP_NS, 1},
		{2 * MR_EVENT_STEP_NS - 1, 1},
		{2 * MR_EVENT_STEP_NS, 2},
		{MR_NS_PER_S - 1, MR_EVENT_RATE - 1},
		{MR_NS_PER_S, MR_EVENT_RATE},
		{MR_NS_PER_S + MR_EVENT_STEP_NS, MR_EVENT_RATE},
		{7 * 86400 * MR_NS_PER_S, MR_EVENT_RATE},
		{UINT64_MAX - START, MR_EVENT_RATE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_up();
		take_all(START);
		cr_expect_eq(take_all(START + rows[i].after_ns), rows[i].tokens, "row %zu", i);
	}
}

Test(limit, tokens_that_nobody_took_add_up)
{
	take_all(START);
	cr_expect(mr_limit_take(&limit, START + 10 * MR_EVENT_STEP_NS));
	cr_expect_eq(take_all(START + 15 * MR_EVENT_STEP_NS), 9 + 5);
}

/* Asked at odd times, each refill ends amid a step: what is left of it must count for the next. */
Test(limit, what_is_left_of_a_step_is_not_lost)
{
	static const uint64_t beats[] = {1, MR_EVENT_STEP_NS / 3, MR_EVENT_STEP_NS - 1,
		MR_EVENT_STEP_NS + 1, 2 * MR_EVENT_STEP_NS - 1};

	for (size_t i = 0; i < sizeof(beats) / sizeof(beats[0]); i++) {
		uint64_t now = START;
		unsigned taken = 0, n = 2000;

		set_up();
		take_all(now);
		for (unsigned k = 0; k < n; k++) {
			now += beats[i];
			taken += take_all(now);
		}
		cr_expect_eq(taken, n * beats[i] / MR_EVENT_STEP_NS, "every %llu ns: %u",
			(unsigned long long)beats[i], taken);
	}
}

Test(limit, a_clock_that_goes_back_earns_nothing_and_loses_nothing)
{
	take_all(START);
	cr_expect_eq(take_all(START - MR_NS_PER_S), 0);
	cr_expect_eq(take_all(0), 0);
	cr_expect_eq(take_all(START + MR_EVENT_STEP_NS), 1);
}

Test(limit, it_counts_nothing_itself)
{
	take_all(START);
	cr_expect_eq(limit.suppressed, 0);
}
