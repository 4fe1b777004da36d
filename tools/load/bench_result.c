// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_result.c - see bench_result.h.
 */
#include "bench_result.h"

#include <stdlib.h>
#include <string.h>

#define VERSION 2

/* Beyond these a figure is printed with a doubt. */
#define SPREAD_MAX  0.15
#define IDLE_MAX    0.08
#define FOREIGN_MAX 0.08

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct mr_bench_spread mr_bench_spread_of(const double *values, unsigned n)
{
	double sorted[MR_BENCH_ROUNDS_MAX];

	if (n == 0)
		return (struct mr_bench_spread){0};
	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	return (struct mr_bench_spread){
		(sorted[n / 2] + sorted[(n - 1) / 2]) / 2, sorted[0], sorted[n - 1]};
}

struct mr_bench_spread mr_bench_ratio(const struct mr_bench_row *a, const struct mr_bench_row *b)
{
	double ratios[MR_BENCH_ROUNDS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < a->n && i < b->n; i++) {
		if (b->turns[i].delivered > 0)
			ratios[n++] = a->turns[i].delivered / b->turns[i].delivered;
	}
	return mr_bench_spread_of(ratios, n);
}

struct mr_bench_spread mr_bench_cost_ratio(
	const struct mr_bench_row *a, const struct mr_bench_row *b)
{
	double ratios[MR_BENCH_ROUNDS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < a->n && i < b->n; i++) {
		if (a->turns[i].ns_a_packet > 0)
			ratios[n++] = b->turns[i].ns_a_packet / a->turns[i].ns_a_packet;
	}
	return mr_bench_spread_of(ratios, n);
}

struct mr_bench_spread mr_bench_comparison_value(const struct mr_bench_comparison *comparison)
{
	return comparison->by_cost ? comparison->cost : comparison->ratio;
}

const char *mr_bench_doubt(const struct mr_bench_row *row, char *buf, size_t size)
{
	struct mr_bench_spread delivered = MR_BENCH_SPREAD(row, delivered);
	double idle = MR_BENCH_SPREAD(row, idle).median,
	       foreign = MR_BENCH_SPREAD(row, foreign).median;

	if (row->lossless > 0) {
		snprintf(buf, size, "it merges datagrams: whole ones only up to some %.0f a second",
			row->lossless);
		return buf;
	}
	if (row->n == 0 || delivered.median <= 0)
		return "nothing was delivered";
	if (MR_BENCH_SPREAD(row, strays).max > 0) {
		snprintf(buf, size, "%.0f datagrams of a turn found no open session",
			MR_BENCH_SPREAD(row, strays).max);
		return buf;
	}
	if (idle > IDLE_MAX) {
		snprintf(buf, size,
			"the generator is the limit, the relay can do more: compare ns/dgram");
		return buf;
	}
	if (foreign > FOREIGN_MAX) {
		snprintf(buf, size, "relay's core worked %.0f%% for others", foreign * 100);
		return buf;
	}
	if ((delivered.max - delivered.min) / delivered.median > SPREAD_MAX) {
		snprintf(buf, size, "rounds differ by %.0f%%",
			(delivered.max - delivered.min) / delivered.median * 100);
		return buf;
	}
	return NULL;
}

static const struct mr_bench_row *find_row(
	const struct mr_bench_result *result, const char *name, bool many)
{
	for (unsigned i = 0; i < result->n_rows; i++) {
		const struct mr_bench_row *row = &result->rows[i];

		if (strcmp(row->name, name) == 0 && (row->sessions > 1) == many && !row->between)
			return row;
	}
	return NULL;
}

/** A comparison that the project has set itself a goal for. */
struct goal {
	const char *name;
	bool many;
	const char *against;
	double at_least;
	bool against_many;
};

static const struct goal goals[] = {
	{"xdp-native", false, "nftables", 4},
	{"xdp-native", false, "forward", 0},
	{"xdp-native", false, "nginx", 20},
	{"xdp-native", false, "socat", 20},
	{"xdp-native", false, "netcat", 0},
	{"xdp-native", false, "floor-fib", 1},
	{"xdp-native", false, "floor-tx", 0},
	{"xdp-native", true, "xdp-native", 0.8},
	{"xdp-generic", false, "nftables", 1.8},
	{"xdp-generic", true, "xdp-generic", 0},
	{"dpdk", false, "nginx", 3},
	{"dpdk", true, "dpdk", 0},
	{"dpdk-worker", false, "dpdk-l3fwd", 0.5},
	{"dpdk-worker", true, "dpdk-l3fwd", 0.5, true},
	{"dpdk-worker", false, "dpdk-l3fwd-em", 0},
	{"dpdk-worker", true, "dpdk-l3fwd-em", 0, true},
};

const unsigned mr_bench_n_goals = sizeof(goals) / sizeof(goals[0]);

bool mr_bench_compare(const struct mr_bench_result *result, unsigned i,
	struct mr_bench_comparison *ret_comparison)
{
	const struct goal *goal = &goals[i];
	const struct mr_bench_row *a = find_row(result, goal->name, goal->many),
				  *b = find_row(result, goal->against, goal->against_many);

	if (!a || !b || (MR_BENCH_SPREAD(b, delivered).median <= 0 && b->lossless <= 0))
		return false;
	*ret_comparison = (struct mr_bench_comparison){.name = goal->name,
		.against = goal->against,
		.sessions = a->sessions,
		.ratio = mr_bench_ratio(a, b),
		.cost = mr_bench_cost_ratio(a, b),
		.by_cost = MR_BENCH_SPREAD(a, idle).median > IDLE_MAX ||
			MR_BENCH_SPREAD(b, idle).median > IDLE_MAX,
		.at_least = goal->at_least};
	if (b->lossless > 0) {
		struct mr_bench_spread rate = MR_BENCH_SPREAD(a, delivered);

		ret_comparison->ratio = (struct mr_bench_spread){
			rate.median / b->lossless, rate.min / b->lossless, rate.max / b->lossless};
		ret_comparison->cost = (struct mr_bench_spread){0};
		ret_comparison->by_cost = false;
	}
	if (goal->against_many)
		snprintf(ret_comparison->title, sizeof(ret_comparison->title), "%s / %s, %u each",
			goal->name, goal->against, a->sessions);
	else if (goal->many)
		snprintf(ret_comparison->title, sizeof(ret_comparison->title),
			"%s, %u sessions / 1", goal->name, a->sessions);
	else
		snprintf(ret_comparison->title, sizeof(ret_comparison->title), "%s / %s",
			goal->name, goal->against);
	return true;
}

static void print_latency(const struct mr_bench_result *result, FILE *out)
{
	fprintf(out, "\n%-34s %9s %9s %9s %9s %9s   %s\n", "round trip, microseconds", "rate",
		"p50", "p99", "p99.9", "max", "unanswered");
	for (unsigned i = 0; i < result->n_rows; i++) {
		const struct mr_bench_latency *latency = &result->rows[i].latency;

		if (latency->answered > 0)
			fprintf(out, "%-34s %9.0f %9.1f %9.1f %9.1f %9.1f   %.0f of %.0f\n",
				result->rows[i].title, latency->rate, latency->p50, latency->p99,
				latency->p99_9, latency->max, latency->sent - latency->answered,
				latency->sent);
	}
	fputs("one client; client and target are programs on one core\n", out);
}

static void print_goals(const struct mr_bench_result *result, FILE *out)
{
	fprintf(out, "\n%-36s %18s %26s %9s\n", "median of ratios (rounds)", "delivered",
		"processor time a datagram", "at least");
	for (unsigned i = 0; i < mr_bench_n_goals; i++) {
		struct mr_bench_comparison c;

		if (!mr_bench_compare(result, i, &c))
			continue;
		fprintf(out, "%-36s %6.2f (%.2f-%.2f)%c %10.2f (%.2f-%.2f)%c", c.title,
			c.ratio.median, c.ratio.min, c.ratio.max, c.by_cost ? ' ' : '*',
			c.cost.median, c.cost.min, c.cost.max, c.by_cost ? '*' : ' ');
		if (c.at_least > 0)
			fprintf(out, " %7.1f %s", c.at_least,
				mr_bench_comparison_value(&c).median >= c.at_least ? "reached"
										   : "MISSED");
		fputc('\n', out);
	}
	fputs("* counts: where the generator was the limit of one, processor time does\n", out);
}

bool mr_bench_fact_kept(const struct mr_bench_fact *fact)
{
	return !(fact->at_least > 0 && fact->value < fact->at_least) &&
		!(fact->at_most > 0 && fact->value > fact->at_most);
}

static void print_facts(const struct mr_bench_result *result, FILE *out)
{
	if (result->n_facts > 0)
		fprintf(out, "\n%u sessions open\n", result->fact_sessions);
	for (unsigned i = 0; i < result->n_facts; i++) {
		const struct mr_bench_fact *fact = &result->facts[i];

		fprintf(out, "%-56s %10.4g %-9s", fact->title, fact->value, fact->unit);
		if (fact->at_least > 0 || fact->at_most > 0)
			fprintf(out, " %s %g: %s", fact->at_least > 0 ? "at least" : "at most",
				fact->at_least > 0 ? fact->at_least : fact->at_most,
				mr_bench_fact_kept(fact) ? "reached" : "MISSED");
		fputc('\n', out);
	}
}

void mr_bench_result_print(const struct mr_bench_result *result, FILE *out)
{
	fprintf(out,
		"%u rounds, turns of %.1f s; generator on core %d, relay on core %d\n"
		"veth on one machine: ratios mean something, absolute figures are no NIC's\n\n"
		"%-34s %8s %12s %6s %12s %8s %5s %5s\n",
		result->rounds, result->seconds, result->generator_cpu, result->relay_cpu,
		"contestant", "sessions", "delivered/s", "±", "offered/s", "ns/dgram", "idle",
		"alien");
	for (unsigned i = 0; i < result->n_rows; i++) {
		const struct mr_bench_row *row = &result->rows[i];
		struct mr_bench_spread delivered = MR_BENCH_SPREAD(row, delivered);
		char buf[128];
		const char *doubt = mr_bench_doubt(row, buf, sizeof(buf));

		if (row->between)
			continue;
		fprintf(out, "%-34s %8u %12.0f %5.1f%% %12.0f %8.0f %4.0f%% %4.0f%%%s%s\n",
			row->title, row->sessions, delivered.median,
			delivered.median > 0
				? (delivered.max - delivered.min) / delivered.median * 50
				: 0,
			MR_BENCH_SPREAD(row, offered).median,
			MR_BENCH_SPREAD(row, ns_a_packet).median,
			MR_BENCH_SPREAD(row, idle).median * 100,
			MR_BENCH_SPREAD(row, foreign).median * 100, doubt ? "  ! " : "",
			doubt ? doubt : "");
	}
	print_goals(result, out);
	if (result->latency_rate > 0)
		print_latency(result, out);
	print_facts(result, out);
	for (unsigned i = 0; i < result->n_missing; i++)
		fprintf(out, "missing: %s: %s\n", result->missing[i].name, result->missing[i].why);
}

static json_t *spread_json(struct mr_bench_spread spread)
{
	return json_pack(
		"{s:f, s:f, s:f}", "median", spread.median, "min", spread.min, "max", spread.max);
}

static json_t *latency_json(const struct mr_bench_latency *latency)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "rate", latency->rate, "p50",
		latency->p50, "p99", latency->p99, "p99_9", latency->p99_9, "max", latency->max,
		"sent", (json_int_t)latency->sent, "answered", (json_int_t)latency->answered);
}

static json_t *rows_json(const struct mr_bench_result *result)
{
	json_t *rows = json_array();

	for (unsigned i = 0; rows && i < result->n_rows; i++) {
		const struct mr_bench_row *row = &result->rows[i];
		char buf[128];
		const char *doubt = mr_bench_doubt(row, buf, sizeof(buf));
		json_t *json = json_pack(
			"{s:s, s:s, s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:f, s:b, s:s?}", "name",
			row->name, "title", row->title, "sessions", (int)row->sessions, "between",
			row->between, "delivered_per_second",
			spread_json(MR_BENCH_SPREAD(row, delivered)), "offered_per_second",
			spread_json(MR_BENCH_SPREAD(row, offered)), "ns_per_datagram",
			spread_json(MR_BENCH_SPREAD(row, ns_a_packet)), "relay_core_idle",
			spread_json(MR_BENCH_SPREAD(row, idle)), "relay_core_foreign",
			spread_json(MR_BENCH_SPREAD(row, foreign)), "strays",
			MR_BENCH_SPREAD(row, strays).max, "trusted", doubt == NULL, "doubt", doubt);

		if (row->lossless > 0)
			json_object_set_new(json, "lossless_per_second", json_real(row->lossless));
		if (row->latency.answered > 0)
			json_object_set_new(json, "latency_us", latency_json(&row->latency));
		json_array_append_new(rows, json);
	}
	return rows;
}

static json_t *ratios_json(const struct mr_bench_result *result)
{
	json_t *ratios = json_array();

	for (unsigned i = 0; ratios && i < mr_bench_n_goals; i++) {
		struct mr_bench_comparison comparison;
		json_t *entry;

		if (!mr_bench_compare(result, i, &comparison))
			continue;
		entry = json_pack("{s:s, s:i, s:s, s:o, s:o, s:s}", "name", comparison.name,
			"sessions", (int)comparison.sessions, "against", comparison.against,
			"ratio", spread_json(comparison.ratio), "cost_ratio",
			spread_json(comparison.cost), "counts",
			comparison.by_cost ? "cost_ratio" : "ratio");
		if (comparison.at_least > 0)
			json_object_set_new(entry, "at_least", json_real(comparison.at_least));
		json_array_append_new(ratios, entry);
	}
	return ratios;
}

static json_t *facts_json(const struct mr_bench_result *result)
{
	json_t *facts = json_array();

	for (unsigned i = 0; facts && i < result->n_facts; i++) {
		const struct mr_bench_fact *fact = &result->facts[i];
		json_t *entry = json_pack("{s:s, s:s, s:s, s:f}", "name", fact->name, "title",
			fact->title, "unit", fact->unit, "value", fact->value);

		if (fact->at_least > 0)
			json_object_set_new(entry, "at_least", json_real(fact->at_least));
		if (fact->at_most > 0)
			json_object_set_new(entry, "at_most", json_real(fact->at_most));
		json_array_append_new(facts, entry);
	}
	return facts;
}

json_t *mr_bench_result_json(const struct mr_bench_result *result)
{
	json_t *missing = json_array();

	for (unsigned i = 0; missing && i < result->n_missing; i++)
		json_array_append_new(missing,
			json_pack("{s:s, s:s}", "name", result->missing[i].name, "why",
				result->missing[i].why));
	return json_pack("{s:i, s:s, s:i, s:f, s:{s:i, s:i}, s:o, s:o, s:o, s:o}", "version",
		VERSION, "kind", "bench", "rounds", (int)result->rounds, "turn_seconds",
		result->seconds, "cores", "generator", result->generator_cpu, "relay",
		result->relay_cpu, "rows", rows_json(result), "ratios", ratios_json(result),
		"facts", facts_json(result), "missing", missing);
}
