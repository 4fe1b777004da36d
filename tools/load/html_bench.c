// SPDX-License-Identifier: BSD-2-Clause
/*
 * html_bench.c - the page about what `bench` measured: what was aimed for first, then the
 * contestants side by side, curves, and all figures.
 */
#include <string.h>

#include "bench_dpdk.h"
#include "html.h"
#include "page.h"

/** Beyond so many lines a plot can't be read. */
#define LINES_MAX 10

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/** A row of the DPDK worker's own benchmark, which relays between rings in memory. */
static bool on_rings(const struct mr_bench_row *row)
{
	return begins(row->name, "dpdk-");
}

static const char *kind_of(const struct mr_bench_row *row)
{
	if (begins(row->name, "xdp-") || begins(row->name, "dpdk"))
		return "own";
	return begins(row->name, "floor-") ? "floor" : "peer";
}

static void put_verdict(struct mr_page *page, double goal, bool at_least, bool kept)
{
	fprintf(page->out, "%s ", at_least ? "at least" : "at most");
	mr_page_number(page, goal);
	fprintf(page->out, ": <span class=\"%s\">%s</span>", kept ? "good" : "bad",
		kept ? "reached" : "missed");
}

static void put_cards(struct mr_page *page, const struct mr_bench_result *result)
{
	fputs("<div class=\"cards\">\n", page->out);
	for (unsigned i = 0; i < mr_bench_n_goals; i++) {
		struct mr_bench_comparison comparison;
		struct mr_bench_spread value;

		if (!mr_bench_compare(result, i, &comparison) || comparison.at_least <= 0)
			continue;
		value = mr_bench_comparison_value(&comparison);
		fputs("<div class=\"card\"><span>", page->out);
		mr_page_text(page, comparison.title);
		fputs("</span><b>", page->out);
		mr_page_number(page, value.median);
		fputs("×</b><small>", page->out);
		put_verdict(page, comparison.at_least, true, value.median >= comparison.at_least);
		fprintf(page->out, "<br>%.3g to %.3g; %s</small></div>\n", value.min, value.max,
			comparison.by_cost ? "by processor time" : "delivered");
	}
	fputs("</div>\n", page->out);
}

static void put_bar(struct mr_page *page, double value, double of)
{
	fprintf(page->out, "<td class=\"bar\"><i style=\"width:%.1f%%\"></i></td>",
		of > 0 ? value / of * 100 : 0);
}

static double greatest(const struct mr_bench_result *result, bool cost)
{
	double most = 0;

	for (unsigned i = 0; i < result->n_rows; i++) {
		const struct mr_bench_row *row = &result->rows[i];
		double value = cost ? MR_BENCH_SPREAD(row, ns_a_packet).median
				    : MR_BENCH_SPREAD(row, delivered).median;

		if (!on_rings(row) && !row->between && value > most)
			most = value;
	}
	return most;
}

static void put_peer(
	struct mr_page *page, const struct mr_bench_row *row, double most, double dearest)
{
	struct mr_bench_spread delivered = MR_BENCH_SPREAD(row, delivered);
	double ns = MR_BENCH_SPREAD(row, ns_a_packet).median;
	char buf[128];
	const char *doubt = mr_bench_doubt(row, buf, sizeof(buf));

	fprintf(page->out, "<tr class=\"%s\"><td>", kind_of(row));
	mr_page_text(page, row->title);
	if (row->sessions > 1) {
		fputs(", ", page->out);
		mr_page_number(page, row->sessions);
		fputs(" sessions", page->out);
	}
	if (doubt) {
		fputs("<small class=\"bad\">", page->out);
		mr_page_text(page, doubt);
		fputs("</small>", page->out);
	}
	fputs("</td><td>", page->out);
	mr_page_number(page, delivered.median);
	fputs("<small>", page->out);
	mr_page_number(page, delivered.min);
	fputs(" – ", page->out);
	mr_page_number(page, delivered.max);
	fputs("</small></td>", page->out);
	put_bar(page, delivered.median, most);
	mr_page_cell(page, ns);
	put_bar(page, ns, dearest);
	fputs("</tr>\n", page->out);
}

static void put_peers(struct mr_page *page, const struct mr_bench_result *result)
{
	double most = greatest(result, false), dearest = greatest(result, true);

	if (most <= 0)
		return;
	fputs("<h2>Side by side</h2>\n<p class=\"soft\">Datagrams delivered a second at "
	      "saturation, "
	      "and the processor time of what relays for each: medians, and the range of the "
	      "rounds. "
	      "Blue: this relay; grey: floors, which only send on.</p>\n"
	      "<table><tr><th></th><th colspan=\"2\">delivered a second</th>"
	      "<th colspan=\"2\">ns a datagram</th></tr>\n",
		page->out);
	for (unsigned i = 0; i < result->n_rows; i++) {
		const struct mr_bench_row *row = &result->rows[i];

		if (!on_rings(row) && !row->between)
			put_peer(page, row, most, dearest);
	}
	fputs("</table>\n", page->out);
}

/** Is this the first row of its contestant, and has it been measured with more sessions, too? */
static bool has_curve(const struct mr_bench_result *result, unsigned i)
{
	return !on_rings(&result->rows[i]) && result->rows[i].sessions == 1 &&
		i + 1 < result->n_rows && result->rows[i + 1].name == result->rows[i].name;
}

static void plot_sessions(struct mr_page *page, const struct mr_bench_result *result, bool cost)
{
	char *script = NULL;
	size_t size = 0;
	unsigned n = 0;
	FILE *stream = mr_page_plot_open(page, &script, &size);

	if (!stream)
		return;
	fprintf(stream,
		"set logscale x\nset xlabel 'sessions, sent to in turn'\nset ylabel '%s'\n"
		"set yrange [0:*]\nset format x '%%.0s%%c'\nset format y '%s'\n"
		"plot ",
		cost ? "ns a datagram" : "datagrams a second", cost ? "%.0f" : "%.1s%c");
	for (unsigned i = 0; i < result->n_rows; i++) {
		if (!has_curve(result, i))
			continue;
		fprintf(stream,
			"%s'-' using 1:2:3:4 title '%s' with yerrorlines lw 2 pt 7 ps .5 lc rgb "
			"'%s'",
			n ? ", " : "", result->rows[i].name, mr_page_colour(n));
		n++;
	}
	fputc('\n', stream);
	for (unsigned i = 0; i < result->n_rows; i++) {
		const struct mr_bench_row *row = &result->rows[i], *first = row;

		if (!has_curve(result, i))
			continue;
		for (; row < result->rows + result->n_rows && row->name == first->name; row++) {
			struct mr_bench_spread spread = cost ? MR_BENCH_SPREAD(row, ns_a_packet)
							     : MR_BENCH_SPREAD(row, delivered);

			fprintf(stream, "%u %f %f %f\n", row->sessions, spread.median, spread.min,
				spread.max);
		}
		fputs("e\n", stream);
	}
	mr_page_plot_close(page,
		cost ? "Processor time against sessions" : "Throughput against sessions",
		"Medians, and the range of the rounds.", stream, &script);
}

static void plot_latency(struct mr_page *page, const struct mr_bench_result *result)
{
	char *script = NULL;
	size_t size = 0;
	unsigned n = 0;
	FILE *stream = mr_page_plot_open(page, &script, &size);

	if (!stream)
		return;
	mr_page_distribution_axes(stream);
	fputs("plot ", stream);
	for (unsigned i = 0; i < result->n_rows && n < LINES_MAX; i++) {
		if (result->rows[i].latency.n_curve == 0)
			continue;
		fprintf(stream, "%s'-' title '%s' with lines lw 2 lc rgb '%s'", n ? ", " : "",
			result->rows[i].name, mr_page_colour(n));
		n++;
	}
	fputc('\n', stream);
	for (unsigned i = 0, k = 0; i < result->n_rows && k < n; i++) {
		const struct mr_bench_latency *latency = &result->rows[i].latency;

		if (latency->n_curve == 0)
			continue;
		for (unsigned point = 0; point < latency->n_curve; point++)
			fprintf(stream, "%f %f\n", latency->curve[point].one_in,
				latency->curve[point].ns / 1000);
		fputs("e\n", stream);
		k++;
	}
	mr_page_plot_close(page, "Round trips",
		"So many per cent of them took no longer, through an idle relay. Client and target "
		"are programs on one core.",
		stream, &script);
}

static void put_latency(struct mr_page *page, const struct mr_bench_result *result)
{
	fputs("<table><tr><th>microseconds</th><th>a second</th><th>p50</th><th>p99</th>"
	      "<th>p99.9</th><th>max</th><th>unanswered</th></tr>\n",
		page->out);
	for (unsigned i = 0; i < result->n_rows; i++) {
		const struct mr_bench_latency *latency = &result->rows[i].latency;

		if (latency->answered <= 0)
			continue;
		fputs("<tr><td>", page->out);
		mr_page_text(page, result->rows[i].title);
		fputs("</td>", page->out);
		mr_page_cell(page, latency->rate);
		mr_page_cell(page, latency->p50);
		mr_page_cell(page, latency->p99);
		mr_page_cell(page, latency->p99_9);
		mr_page_cell(page, latency->max);
		mr_page_cell(page, latency->sent - latency->answered);
		fputs("</tr>\n", page->out);
	}
	fputs("</table>\n", page->out);
}

static void put_facts(struct mr_page *page, const struct mr_bench_result *result)
{
	if (result->n_facts == 0)
		return;
	fputs("<h2>The relay with ", page->out);
	mr_page_number(page, result->fact_sessions);
	fputs(" sessions open</h2>\n<table>\n", page->out);
	for (unsigned i = 0; i < result->n_facts; i++) {
		const struct mr_bench_fact *fact = &result->facts[i];

		fputs("<tr><td>", page->out);
		mr_page_text(page, fact->title);
		fputs("</td><td>", page->out);
		mr_page_number(page, fact->value);
		fprintf(page->out, " %s</td><td class=\"left soft\">", fact->unit);
		if (fact->at_least > 0 || fact->at_most > 0)
			put_verdict(page, fact->at_least > 0 ? fact->at_least : fact->at_most,
				fact->at_least > 0, mr_bench_fact_kept(fact));
		fputs("</td></tr>\n", page->out);
	}
	fputs("</table>\n", page->out);
}

static void put_rings(struct mr_page *page, const struct mr_bench_result *result)
{
	bool any = false;

	for (unsigned i = 0; i < result->n_rows; i++) {
		const struct mr_bench_row *row = &result->rows[i];
		struct mr_bench_spread ns = MR_BENCH_SPREAD(row, ns_a_packet);

		if (!on_rings(row))
			continue;
		if (!any)
			fputs("<h2>The DPDK worker alone, on ports of "
			      "rings</h2>\n<table><tr><th></th>"
			      "<th>sessions</th><th>ns a datagram</th><th>rounds</th></tr>\n",
				page->out);
		any = true;
		fputs("<tr><td>", page->out);
		mr_page_text(page, row->title);
		fputs("</td>", page->out);
		mr_page_cell(page, row->sessions);
		mr_page_cell(page, ns.median);
		fprintf(page->out, "<td>%.3g – %.3g</td></tr>\n", ns.min, ns.max);
	}
	if (any)
		fputs("</table>\n", page->out);
}

static void put_ratios(struct mr_page *page, const struct mr_bench_result *result)
{
	fputs("<h2>All ratios</h2>\n<p class=\"soft\">Medians of the rounds' ratios, and their "
	      "range. "
	      "Where the generator was the limit of one side, processor time counts.</p>\n"
	      "<table><tr><th></th><th>delivered</th><th>rounds</th><th>processor time</th>"
	      "<th>rounds</th></tr>\n",
		page->out);
	for (unsigned i = 0; i < mr_bench_n_goals; i++) {
		struct mr_bench_comparison comparison;

		if (!mr_bench_compare(result, i, &comparison))
			continue;
		fputs("<tr><td>", page->out);
		mr_page_text(page, comparison.title);
		fputs("</td>", page->out);
		mr_page_cell(page, comparison.ratio.median);
		fprintf(page->out, "<td>%.3g – %.3g</td>", comparison.ratio.min,
			comparison.ratio.max);
		if (comparison.cost.median > 0) {
			mr_page_cell(page, comparison.cost.median);
			fprintf(page->out, "<td>%.3g – %.3g</td></tr>\n", comparison.cost.min,
				comparison.cost.max);
		} else {
			fputs("<td></td><td></td></tr>\n", page->out);
		}
	}
	fputs("</table>\n", page->out);
	for (unsigned i = 0; i < result->n_missing; i++) {
		fputs("<p class=\"bad\">missing: ", page->out);
		mr_page_text(page, result->missing[i].name);
		fputs(": ", page->out);
		mr_page_text(page, result->missing[i].why);
		fputs("</p>\n", page->out);
	}
}

int mr_html_bench(const char *dir, const char *command, const struct mr_bench_result *result,
	struct mr_proc_why *ret_why)
{
	struct mr_page page = {.dir = dir, .why = ret_why};
	bool curves = false, latencies = false;
	int r = mr_page_open(&page, "moshrelay beside its peers", command);

	if (r < 0)
		return r;
	fprintf(page.out,
		"<p class=\"soft\">%u rounds in which all took turns of %.1f s; generator on core "
		"%d, relay on core %d. Virtual links on one machine: ratios mean something, "
		"absolute figures are no NIC's.</p>\n",
		result->rounds, result->seconds, result->generator_cpu, result->relay_cpu);
	for (unsigned i = 0; i < result->n_rows; i++) {
		curves = curves || has_curve(result, i);
		latencies = latencies || result->rows[i].latency.n_curve > 0;
	}
	put_cards(&page, result);
	put_peers(&page, result);
	if (curves) {
		plot_sessions(&page, result, false);
		plot_sessions(&page, result, true);
	}
	if (latencies)
		plot_latency(&page, result);
	if (result->latency_rate > 0)
		put_latency(&page, result);
	put_facts(&page, result);
	put_rings(&page, result);
	put_ratios(&page, result);
	return mr_page_close(&page);
}
