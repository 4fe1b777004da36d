// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_load.c - the load harness's arithmetic: histogram, datagrams, accounts, medians. No I/O.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "bench_result.h"
#include "flow.h"
#include "hist.h"
#include "net.h"
#include "profile.h"
#include "run_result.h"
#include "wheel.h"
#include "wire.h"

Test(hist, a_single_value_is_every_quantile_within_a_128th)
{
	for (unsigned bit = 0; bit < MR_HIST_MAX_BITS; bit++) {
		for (int off = -1; off <= 1; off++) {
			static struct mr_hist hist;
			uint64_t value = (UINT64_C(1) << bit) + (uint64_t)off;

			/* a second, larger value keeps the exact maximum out of the answer */
			memset(&hist, 0, sizeof(hist));
			mr_hist_add(&hist, value);
			mr_hist_add(&hist, (UINT64_C(1) << MR_HIST_MAX_BITS) - 1);
			cr_assert(ge(u64, mr_hist_quantile(&hist, 500), value));
			cr_assert(le(u64, mr_hist_quantile(&hist, 500), value + value / 128));
		}
	}
}

Test(hist, quantiles_of_a_million_known_values_are_within_the_bound)
{
	static struct mr_hist hist;

	for (uint64_t value = 1; value <= 1000000; value++)
		mr_hist_add(&hist, value);
	for (unsigned permille = 1; permille <= 1000; permille++) {
		uint64_t truth = permille * UINT64_C(1000), got = mr_hist_quantile(&hist, permille);

		cr_assert(ge(u64, got, truth));
		cr_assert(le(u64, got, truth + truth / 128));
	}
	cr_assert(eq(u64, hist.max, 1000000));
	cr_assert(eq(u64, mr_hist_mean(&hist), 500000));
}

Test(hist, what_is_too_large_keeps_its_exact_maximum)
{
	static struct mr_hist hist;

	mr_hist_add(&hist, UINT64_MAX);
	cr_assert(eq(u64, hist.max, UINT64_MAX));
	cr_assert(eq(u64, mr_hist_quantile(&hist, 1000), UINT64_MAX));
	cr_assert(eq(u64, hist.count, 1));
}

Test(hist, merged_histograms_are_the_histogram_of_all_values)
{
	static struct mr_hist a, b, both;

	for (uint64_t value = 0; value < 100000; value += 7) {
		mr_hist_add(value % 2 ? &a : &b, value);
		mr_hist_add(&both, value);
	}
	mr_hist_merge(&a, &b);
	cr_assert(eq(int, memcmp(&a, &both, sizeof(a)), 0));
}

Test(hist, empty_has_no_quantile)
{
	static struct mr_hist hist;

	cr_assert(eq(u64, mr_hist_quantile(&hist, 500), 0));
	cr_assert(eq(u64, mr_hist_mean(&hist), 0));
}

static const struct mr_wire_head data = {
	.seq = 7, .sent_ns = 1234567, .run = 42, .flow = 3, .port = 60001, .kind = MR_WIRE_DATA};

Test(wire, what_was_sealed_opens_as_it_was)
{
	unsigned char buf[MR_WIRE_MAX];
	const size_t sizes[] = {MR_WIRE_MIN, MR_WIRE_MIN + 1, 100, MR_WIRE_MAX - 1, MR_WIRE_MAX};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct mr_wire_head got;

		mr_wire_seal(buf, sizes[i], &data, NULL, MR_WIRE_GENUINE);
		cr_assert(eq(int, mr_wire_open(buf, sizes[i], &got, NULL), MR_WIRE_GENUINE));
		cr_assert(eq(u64, got.seq, data.seq));
		cr_assert(eq(u64, got.sent_ns, data.sent_ns));
		cr_assert(eq(u32, got.run, data.run));
		cr_assert(eq(u32, got.flow, data.flow));
		cr_assert(eq(u16, got.port, data.port));
		cr_assert(not(got.to_client));
	}
}

Test(wire, any_changed_bit_makes_it_foreign)
{
	unsigned char buf[MR_WIRE_MIN + 9];
	struct mr_wire_head got;

	mr_wire_seal(buf, sizeof(buf), &data, NULL, MR_WIRE_GENUINE);
	for (unsigned bit = 0; bit < sizeof(buf) * 8; bit++) {
		buf[bit / 8] ^= (unsigned char)(1 << bit % 8);
		cr_assert(eq(int, mr_wire_open(buf, sizeof(buf), &got, NULL), MR_WIRE_FOREIGN));
		buf[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

Test(wire, a_cut_or_overlong_datagram_is_foreign)
{
	unsigned char buf[MR_WIRE_MAX + 1] = {0};
	struct mr_wire_head got;

	mr_wire_seal(buf, MR_WIRE_MAX, &data, NULL, MR_WIRE_GENUINE);
	for (size_t size = 0; size < MR_WIRE_MAX; size++)
		cr_assert(eq(int, mr_wire_open(buf, size, &got, NULL), MR_WIRE_FOREIGN));
	cr_assert(eq(int, mr_wire_open(buf, MR_WIRE_MAX + 1, &got, NULL), MR_WIRE_FOREIGN));
}

Test(wire, a_spoofed_datagram_is_known_as_one)
{
	unsigned char buf[MR_WIRE_MIN];
	struct mr_wire_head got;

	mr_wire_seal(buf, sizeof(buf), &data, NULL, MR_WIRE_SPOOFED);
	cr_assert(eq(int, mr_wire_open(buf, sizeof(buf), &got, NULL), MR_WIRE_SPOOFED));
}

Test(wire, has_moshs_shape)
{
	unsigned char buf[MR_WIRE_MIN];
	struct mr_wire_head head = data;

	mr_wire_seal(buf, sizeof(buf), &head, NULL, MR_WIRE_GENUINE);
	cr_assert(eq(int, memcmp(buf, "\0\0\0\0\0\0\0\7", 8), 0));
	head.to_client = true;
	head.kind = MR_WIRE_ANSWER;
	mr_wire_seal(buf, sizeof(buf), &head, NULL, MR_WIRE_GENUINE);
	cr_assert(eq(int, memcmp(buf, "\x80\0\0\0\0\0\0\7", 8), 0));
}

Test(wire, counts_travel_with_their_answer)
{
	unsigned char buf[MR_WIRE_MIN + sizeof(struct mr_wire_counts)];
	struct mr_wire_head head = data, got;
	struct mr_wire_counts counts = {1, 2, 3, 4, 5, UINT64_C(6) << 40}, back;

	head.kind = MR_WIRE_COUNTS;
	head.to_client = true;
	mr_wire_seal(buf, sizeof(buf), &head, &counts, MR_WIRE_GENUINE);
	cr_assert(eq(int, mr_wire_open(buf, sizeof(buf), &got, &back), MR_WIRE_GENUINE));
	cr_assert(eq(int, memcmp(&counts, &back, sizeof(counts)), 0));
}

Test(window, tells_newest_late_and_twice_apart)
{
	struct mr_flow_window window = {0};

	cr_assert(eq(int, mr_flow_note(&window, 0), MR_FLOW_NEWEST));
	cr_assert(eq(int, mr_flow_note(&window, 0), MR_FLOW_DUPLICATED));
	cr_assert(eq(int, mr_flow_note(&window, 5), MR_FLOW_NEWEST));
	cr_assert(eq(int, mr_flow_note(&window, 3), MR_FLOW_REORDERED));
	cr_assert(eq(int, mr_flow_note(&window, 3), MR_FLOW_DUPLICATED));
	cr_assert(eq(int, mr_flow_note(&window, 4), MR_FLOW_REORDERED));
	cr_assert(eq(int, mr_flow_note(&window, 5), MR_FLOW_DUPLICATED));
}

Test(window, forgets_nothing_within_its_length_whatever_the_jumps)
{
	struct mr_flow_window window = {0};
	static bool came[200000];
	struct mr_random random = {.state = 88172645463325252};
	uint64_t newest = 0;

	mr_flow_note(&window, 0);
	came[0] = true;
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t back = mr_random_below(&random, MR_FLOW_WINDOW - 64);
		uint64_t seq = mr_random_below(&random, 4) == 0
			? newest + 1 + mr_random_below(&random, 20)
			: newest - (back > newest ? newest : back);
		enum mr_flow_arrival want = seq > newest ? MR_FLOW_NEWEST
			: came[seq]                      ? MR_FLOW_DUPLICATED
							 : MR_FLOW_REORDERED;

		cr_assert(eq(int, mr_flow_note(&window, seq), want));
		came[seq] = true;
		if (seq > newest)
			newest = seq;
	}
}

Test(window, a_jump_beyond_its_length_leaves_nothing_behind)
{
	for (uint64_t jump = MR_FLOW_WINDOW - 70; jump < MR_FLOW_WINDOW + 70; jump++) {
		struct mr_flow_window window = {0};

		mr_flow_note(&window, 63);
		mr_flow_note(&window, 63 + jump);
		/* never came: must not look as if */
		cr_assert(eq(int, mr_flow_note(&window, 63 + jump - 1), MR_FLOW_REORDERED));
		cr_assert(eq(int, mr_flow_note(&window, 63 + jump - 900), MR_FLOW_REORDERED));
	}
}

Test(target, follows_only_the_newest_and_counts_the_rest)
{
	struct mr_flow_target target = {0};
	struct mr_wire_head head = data;

	cr_assert(mr_flow_target_receive(&target, &head, 60001));
	cr_assert(not(mr_flow_target_receive(&target, &head, 60001)));
	head.seq = 6;
	cr_assert(not(mr_flow_target_receive(&target, &head, 60001)));
	head.seq = 8;
	cr_assert(not(mr_flow_target_receive(&target, &head, 60002)));
	cr_assert(mr_flow_target_receive(&target, &head, 60001));
	cr_assert(eq(u64, target.counts.received, 3));
	cr_assert(eq(u64, target.counts.duplicated, 1));
	cr_assert(eq(u64, target.counts.reordered, 1));
	cr_assert(eq(u64, target.counts.misdelivered, 1));
}

Test(account, every_datagram_has_one_outcome)
{
	/* of 100: 4 lost, 3 corrupted and 2 misdelivered on the way there; 5 came late; of 86
	 * answers 6 were lost, 1 corrupted, 1 misdelivered */
	struct mr_flow_client client = {.port = 60001, .ended = true};
	const struct mr_flow_client *clients[] = {&client};
	struct mr_flow_account account;

	client.counts = (struct mr_flow_client_counts){
		.sent = 100, .answered = 78, .corrupted = 1, .misdelivered = 1};
	client.before = (struct mr_wire_counts){.received = 10, .corrupted = 7};
	client.after = (struct mr_wire_counts){.received = 10 + 91,
		.reordered = 5,
		.misdelivered = 2,
		.corrupted = 7 + 3,
		.answered = 86};
	mr_flow_account_sum(clients, 1, &account);
	cr_assert(eq(u64, account.sent, 100));
	cr_assert(eq(u64, account.lost_to_target, 4));
	cr_assert(eq(u64, account.lost_to_client, 6));
	cr_assert(eq(u64, account.corrupted, 4));
	cr_assert(eq(u64, account.misdelivered, 3));
	cr_assert(eq(u64, account.reordered, 5));
	cr_assert(eq(u64,
		account.answered + account.lost_to_target + account.lost_to_client +
			account.dropped_old + account.corrupted + account.misdelivered,
		account.sent));
}

Test(account, sessions_that_share_a_port_share_its_corrupted_datagrams)
{
	struct mr_flow_client a = {.port = 60001, .ended = true}, b = a;
	const struct mr_flow_client *clients[] = {&a, &b};
	struct mr_flow_account account;

	a.counts.sent = b.counts.sent = 10;
	a.after = (struct mr_wire_counts){.received = 9, .corrupted = 2};
	b.after = (struct mr_wire_counts){.received = 9, .corrupted = 2};
	mr_flow_account_sum(clients, 2, &account);
	cr_assert(eq(u64, account.corrupted, 2));
	cr_assert(eq(u64, account.lost_to_target, 0));
}

static uint32_t rang[8];
static struct mr_wheel wheel;

static void ring(uint32_t number, void *context)
{
	(void)context;
	rang[number]++;
}

Test(wheel, rings_each_timer_once_and_not_before_its_time)
{
	const uint64_t start = 5 * MR_WHEEL_TICK_NS;

	cr_assert(eq(int, mr_wheel_init(&wheel, 8, start), 0));
	for (uint32_t i = 0; i < 8; i++)
		mr_wheel_arm(&wheel, i, start + i * 10 * MR_WHEEL_TICK_NS);
	for (uint32_t tick = 0; tick < 100; tick++) {
		mr_wheel_run(&wheel, start + tick * MR_WHEEL_TICK_NS, ring, NULL);
		for (uint32_t i = 0; i < 8; i++)
			cr_assert(eq(u32, rang[i], tick >= i * 10));
	}
	mr_wheel_free(&wheel);
}

Test(profile, keeps_to_moshs_timing)
{
	struct mr_random random = {.state = 1};
	uint32_t phase = 0;

	for (unsigned i = 0; i < 10000; i++) {
		struct mr_profile_step step = mr_profile_next(MR_PROFILE_TYPING, &phase, &random);

		cr_assert(ge(u64, step.delay_ns, 20000000));
		cr_assert(le(u64, step.delay_ns, 250000000));
		cr_assert(ge(u16, step.size, MR_WIRE_MIN));
		step = mr_profile_next(MR_PROFILE_IDLE, &phase, &random);
		cr_assert(eq(u64, step.delay_ns, 3000000000));
	}
}

Test(result, json_has_the_documented_fields)
{
	static struct mr_run_result result = {.sessions = 2, .lossless_rate = -1};
	static const char *const fields[] = {"version", "kind", "sent", "answered", "lost",
		"duplicated", "reordered", "misdelivered", "corrupted", "latency_us"};
	json_t *json;

	result.account = (struct mr_flow_account){
		.sent = 10, .answered = 7, .lost_to_target = 1, .lost_to_client = 2};
	mr_hist_add(&result.round_trip, 1000);
	json = mr_run_result_json(&result);
	cr_assert(json != NULL);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		cr_assert(json_object_get(json, fields[i]) != NULL, "%s", fields[i]);
	cr_assert(eq(i64, json_integer_value(json_object_get(json, "lost")), 3));
	cr_assert(json_object_get(json, "lossless_per_second") == NULL);
	json_decref(json);
}

Test(bench, medians_and_ratios_are_taken_round_by_round)
{
	static struct mr_bench_row a = {.name = "a", .n = 3}, b = {.name = "b", .n = 3};
	struct mr_bench_spread ratio;
	const double fast[] = {400, 100, 300}, slow[] = {100, 50, 60};
	char buf[128];

	for (unsigned i = 0; i < 3; i++) {
		a.turns[i].delivered = fast[i];
		b.turns[i].delivered = slow[i];
	}
	ratio = mr_bench_ratio(&a, &b);
	cr_assert(eq(int, (int)ratio.median, 4));
	cr_assert(eq(int, (int)ratio.min, 2));
	cr_assert(eq(int, (int)ratio.max, 5));
	cr_assert(mr_bench_doubt(&a, buf, sizeof(buf)) != NULL);
}

Test(bench, an_idle_or_foreign_core_raises_a_doubt)
{
	static struct mr_bench_row row = {.name = "a", .n = 1};
	char buf[128];

	row.turns[0] = (struct mr_bench_turn){.delivered = 1000};
	cr_assert(mr_bench_doubt(&row, buf, sizeof(buf)) == NULL);
	row.turns[0].idle = 0.5;
	cr_assert(mr_bench_doubt(&row, buf, sizeof(buf)) != NULL);
	row.turns[0].idle = 0;
	row.turns[0].foreign = 0.5;
	cr_assert(mr_bench_doubt(&row, buf, sizeof(buf)) != NULL);
	row.turns[0] = (struct mr_bench_turn){0};
	cr_assert(mr_bench_doubt(&row, buf, sizeof(buf)) != NULL);
}
