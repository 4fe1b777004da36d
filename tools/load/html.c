// SPDX-License-Identifier: BSD-2-Clause
/*
 * html.c - see html.h. Data goes to gnuplot inside its script; the SVG is taken into the page.
 */
#include "html.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PLOT_HEAD                                                                           \
	"set terminal svg size 860,380 dynamic background '#ffffff' font 'sans-serif,12'\n" \
	"set output '%s'\nset grid back lc rgb '#dddddd'\nset border 3\nset tics nomirror\n"

struct page {
	FILE *out;
	const char *dir;
	struct mr_proc_why *why;
};

static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

void mr_html_command(char *buf, size_t size, const char *name, int argc, char **argv)
{
	size_t used = (size_t)snprintf(buf, size, "moshrelay-load %s ", name);

	for (int i = 1; i < argc && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s ", argv[i]);
}

static int page_open(struct page *page, const char *title, const char *command)
{
	char path[4096];
	struct utsname host;

	snprintf(page->why->text, sizeof(page->why->text), "%.200s", page->dir);
	if (mkdir(page->dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%s/index.html", page->dir);
	page->out = fopen(path, "we");
	if (!page->out)
		return -errno;
	fprintf(page->out,
		"<!doctype html>\n<html lang=\"en\"><head><meta "
		"charset=\"utf-8\">\n<title>%s</title>\n"
		"<style>body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;"
		"color:#222}table{border-collapse:collapse;margin:1em 0}th,td{padding:.25em .7em;"
		"border-bottom:1px solid #ddd;text-align:right}th:first-child,td:first-child{"
		"text-align:left}code{background:#f4f4f4;padding:.1em .3em}.doubt{color:#a33}"
		"svg{max-width:100%%;height:auto}</style></head><body>\n<h1>%s</h1>\n<p><code>",
		title, title);
	put_text(page->out, command);
	fputs("</code></p>\n", page->out);
	if (uname(&host) == 0) {
		fputs("<p>moshrelay " MR_VERSION ", Linux ", page->out);
		put_text(page->out, host.release);
		fprintf(page->out, ", %s, %ld cores</p>\n", host.machine,
			sysconf(_SC_NPROCESSORS_ONLN));
	}
	return 0;
}

static int page_close(struct page *page, int r)
{
	fputs("</body></html>\n", page->out);
	if (fclose(page->out) != 0 && r == 0)
		r = -errno;
	return r;
}

/** Takes the picture into the page, without the XML prologue, and removes the file. */
static int take_picture(struct page *page, const char *path)
{
	FILE *in = fopen(path, "re");
	bool inside = false;
	char line[4096];

	if (!in)
		return -errno;
	while (fgets(line, sizeof(line), in)) {
		inside = inside || strncmp(line, "<svg", 4) == 0;
		if (inside)
			fputs(line, page->out);
	}
	fclose(in);
	unlink(path);
	return 0;
}

/** Lets gnuplot draw; `script` is all that follows the head. Frees nothing. */
static int plot(struct page *page, const char *title, const char *script)
{
	char path[4096], *full = NULL;
	int r;

	snprintf(path, sizeof(path), "%s/.plot.svg", page->dir);
	if (asprintf(&full, PLOT_HEAD "%s", path, script) < 0)
		return -ENOMEM;
	r = mr_proc_run(full, page->why, "gnuplot -");
	free(full);
	if (r < 0)
		return r;
	fprintf(page->out, "<h2>%s</h2>\n", title);
	return take_picture(page, path);
}

static void put_count(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "<tr><td>%s</td><td>%" PRIu64 "</td></tr>\n", name, value);
}

static void put_latency(FILE *out, const char *name, const struct mr_hist *hist)
{
	if (hist->count == 0)
		return;
	fprintf(out,
		"<tr><td>%s</td><td>%" PRIu64
		"</td><td>%.1f</td><td>%.1f</td><td>%.1f</td><td>%.1f</td></tr>\n",
		name, hist->count, (double)mr_hist_quantile(hist, 500) / 1000,
		(double)mr_hist_quantile(hist, 990) / 1000,
		(double)mr_hist_quantile(hist, 999) / 1000, (double)hist->max / 1000);
}

static void run_tables(FILE *out, const struct mr_run_result *result)
{
	const struct mr_flow_account *account = &result->account;

	fprintf(out, "<p>%" PRIu32 " sessions, %s, %.1f s</p>\n<table>\n", result->sessions,
		mr_profile_name(result->profile), result->seconds);
	put_count(out, "sent", account->sent);
	put_count(out, "answered", account->answered);
	put_count(out, "lost to the target", account->lost_to_target);
	put_count(out, "lost to the client", account->lost_to_client);
	put_count(out, "duplicated", account->duplicated);
	put_count(out, "reordered", account->reordered);
	put_count(out, "misdelivered", account->misdelivered);
	put_count(out, "corrupted", account->corrupted);
	put_count(out, "roamed", result->roamed);
	put_count(out, "spoofed", result->spoofed);
	fputs("</table>\n<table><tr><th>microseconds</th><th>number</th><th>p50</th><th>p99</th>"
	      "<th>p99.9</th><th>max</th></tr>\n",
		out);
	put_latency(out, "round trip", &result->round_trip);
	put_latency(out, "roam, to the first answer", &result->roam);
	put_latency(out, "open", &result->open);
	fputs("</table>\n", out);
}

/** Latency by percentile, on a scale of nines. */
static void put_distribution(FILE *script, const struct mr_hist *hist)
{
	fputs("set logscale xy\nset xlabel 'percentile'\nset ylabel 'microseconds'\nset key off\n"
	      "set xtics ('50' 2, '90' 10, '99' 100, '99.9' 1000, '99.99' 10000, '99.999' 100000)\n"
	      "plot '-' with lines lw 2 lc rgb '#2266aa'\n",
		script);
	for (double nines = 1.1; nines < (double)hist->count; nines *= 1.15)
		fprintf(script, "%f %f\n", nines,
			(double)mr_hist_quantile(hist, 1000 - 1000 / nines) / 1000);
	fputs("e\n", script);
}

static void put_series(FILE *script, const struct mr_run_result *result)
{
	fputs("set xlabel 'second'\nset ylabel 'datagrams a second'\nset yrange [0:*]\n"
	      "plot '-' title 'sent' with lines lw 2 lc rgb '#2266aa', "
	      "'-' title 'answered' with lines lw 2 dt 2 lc rgb '#cc6600'\n",
		script);
	for (unsigned which = 0; which < 2; which++) {
		for (size_t i = 1; i < result->n_series; i++) {
			const struct mr_run_second *now = &result->series[i], *before = now - 1;

			fprintf(script, "%zu %" PRIu64 "\n", i,
				which == 0 ? now->sent - before->sent
					   : now->answered - before->answered);
		}
		fputs("e\n", script);
	}
}

int mr_html_run(const char *dir, const char *command, const struct mr_run_result *result,
	struct mr_proc_why *ret_why)
{
	struct page page = {.dir = dir, .why = ret_why};
	char *script = NULL;
	size_t size = 0;
	FILE *stream;
	int r = page_open(&page, "moshrelay under load", command);

	if (r < 0)
		return r;
	run_tables(page.out, result);
	if (r == 0 && result->n_series > 2) {
		stream = open_memstream(&script, &size);
		put_series(stream, result);
		fclose(stream);
		r = plot(&page, "Datagrams a second", script);
		free(script);
	}
	if (r == 0 && result->round_trip.count > 10) {
		stream = open_memstream(&script, &size);
		put_distribution(stream, &result->round_trip);
		fclose(stream);
		r = plot(&page, "Round trip", script);
		free(script);
	}
	return page_close(&page, r);
}

static void bench_rows(FILE *out, const struct mr_bench_result *result)
{
	fputs("<table><tr><th>contestant</th><th>sessions</th><th>delivered a second</th>"
	      "<th>rounds</th><th>ns a datagram</th></tr>\n",
		out);
	for (unsigned i = 0; i < result->n_rows; i++) {
		const struct mr_bench_row *row = &result->rows[i];
		struct mr_bench_spread delivered = MR_BENCH_SPREAD(row, delivered);
		char buf[128];
		const char *doubt = mr_bench_doubt(row, buf, sizeof(buf));

		fputs("<tr><td>", out);
		put_text(out, row->title);
		if (doubt) {
			fputs("<br><small class=\"doubt\">", out);
			put_text(out, doubt);
			fputs("</small>", out);
		}
		fprintf(out,
			"</td><td>%u</td><td>%.0f</td><td>%.0f to %.0f</td><td>%.0f</td></tr>\n",
			row->sessions, delivered.median, delivered.min, delivered.max,
			MR_BENCH_SPREAD(row, ns_a_packet).median);
	}
	fputs("</table>\n", out);
}

static void bench_latency(FILE *out, const struct mr_bench_result *result)
{
	fprintf(out,
		"<table><tr><th>round trip in microseconds, %.0f datagrams a second</th>"
		"<th>p50</th><th>p99</th><th>p99.9</th><th>max</th><th>unanswered</th></tr>\n",
		result->latency_rate);
	for (unsigned i = 0; i < result->n_rows; i++) {
		const struct mr_bench_latency *latency = &result->rows[i].latency;

		if (latency->answered <= 0)
			continue;
		fputs("<tr><td>", out);
		put_text(out, result->rows[i].title);
		fprintf(out,
			"</td><td>%.1f</td><td>%.1f</td><td>%.1f</td><td>%.1f</td><td>%.0f</td></"
			"tr>\n",
			latency->p50, latency->p99, latency->p99_9, latency->max,
			latency->sent - latency->answered);
	}
	fputs("</table>\n", out);
}

static void bench_goals(FILE *out, const struct mr_bench_result *result)
{
	fputs("<table><tr><th>median of ratios</th><th>delivered</th><th>rounds</th>"
	      "<th>processor time a datagram</th><th>rounds</th><th>at least</th></tr>\n",
		out);
	for (unsigned i = 0; i < mr_bench_n_goals; i++) {
		struct mr_bench_comparison comparison;

		if (!mr_bench_compare(result, i, &comparison))
			continue;
		fputs("<tr><td>", out);
		put_text(out, comparison.title);
		fprintf(out,
			"</td><td>%.2f</td><td>%.2f to %.2f</td><td>%.2f</td><td>%.2f to "
			"%.2f</td><td>",
			comparison.ratio.median, comparison.ratio.min, comparison.ratio.max,
			comparison.cost.median, comparison.cost.min, comparison.cost.max);
		if (comparison.at_least > 0)
			fprintf(out, "%.1f%s%s", comparison.at_least,
				comparison.by_cost ? " by time" : "",
				mr_bench_comparison_value(&comparison).median >= comparison.at_least
					? ""
					: " <span class=\"doubt\">missed</span>");
		fputs("</td></tr>\n", out);
	}
	fputs("</table>\n", out);
	if (result->n_facts > 0)
		fprintf(out, "<table><tr><th>%u sessions open</th><th></th><th></th></tr>\n",
			result->fact_sessions);
	for (unsigned i = 0; i < result->n_facts; i++) {
		const struct mr_bench_fact *fact = &result->facts[i];

		fputs("<tr><td>", out);
		put_text(out, fact->title);
		fprintf(out, "</td><td>%.4g %s</td><td>", fact->value, fact->unit);
		if (fact->at_least > 0 || fact->at_most > 0)
			fprintf(out, "%s %g%s", fact->at_least > 0 ? "at least" : "at most",
				fact->at_least > 0 ? fact->at_least : fact->at_most,
				mr_bench_fact_kept(fact) ? ""
							 : " <span class=\"doubt\">missed</span>");
		fputs("</td></tr>\n", out);
	}
	if (result->n_facts > 0)
		fputs("</table>\n", out);
	for (unsigned i = 0; i < result->n_missing; i++) {
		fputs("<p class=\"doubt\">missing: ", out);
		put_text(out, result->missing[i].name);
		fputs(": ", out);
		put_text(out, result->missing[i].why);
		fputs("</p>\n", out);
	}
}

/** Percentiles side by side. */
static void put_latency_bars(FILE *script, const struct mr_bench_result *result)
{
	fputs("set logscale y\nset ylabel 'microseconds'\nset style data histograms\n"
	      "set style histogram clustered gap 1\nset style fill solid 0.6\n"
	      "set xtics rotate by -30\nset rmargin 10\nset bmargin 7\nset key top left\n"
	      "$data << EOD\n",
		script);
	for (unsigned i = 0; i < result->n_rows; i++) {
		const struct mr_bench_row *row = &result->rows[i];

		if (row->latency.answered > 0)
			fprintf(script, "%s %f %f %f\n", row->name, row->latency.p50,
				row->latency.p99, row->latency.p99_9);
	}
	fputs("EOD\nplot $data using 2:xtic(1) title 'p50' lc rgb '#88bbdd', "
	      "$data using 3 title 'p99' lc rgb '#2266aa', "
	      "$data using 4 title 'p99.9' lc rgb '#113355'\n",
		script);
}

/** Bars with the rounds' least and greatest; on a logarithmic scale, for they span two decades. */
static void put_bars(FILE *script, const struct mr_bench_result *result, bool cost)
{
	fprintf(script,
		"set logscale y\nset ylabel '%s'\nset key off\nset style fill solid 0.6\n"
		"set xtics rotate by -30\nset rmargin 10\nset bmargin 7\n"
		"set errorbars lw 2\n"
		"plot '-' using 0:2:3:4:(0.7):xtic(1) with boxerrorbars lc rgb '#2266aa'\n",
		cost ? "ns a datagram" : "datagrams a second");
	for (unsigned i = 0; i < result->n_rows; i++) {
		const struct mr_bench_row *row = &result->rows[i];
		struct mr_bench_spread spread =
			cost ? MR_BENCH_SPREAD(row, ns_a_packet) : MR_BENCH_SPREAD(row, delivered);

		if (spread.median <= 0)
			continue;
		fprintf(script, "\"%s", row->name);
		if (row->sessions > 1)
			fprintf(script, " x %u", row->sessions);
		fprintf(script, "\" %f %f %f\n", spread.median, spread.min, spread.max);
	}
	fputs("e\n", script);
}

int mr_html_bench(const char *dir, const char *command, const struct mr_bench_result *result,
	struct mr_proc_why *ret_why)
{
	struct page page = {.dir = dir, .why = ret_why};
	int r = page_open(&page, "moshrelay beside its peers", command);

	if (r < 0)
		return r;
	fprintf(page.out,
		"<p>%u rounds in which all took turns of %.1f s; generator on core %d, relay on "
		"core %d. "
		"Virtual links on one machine: ratios mean something, absolute figures are no "
		"NIC's.</p>\n",
		result->rounds, result->seconds, result->generator_cpu, result->relay_cpu);
	bench_rows(page.out, result);
	bench_goals(page.out, result);
	if (result->latency_rate > 0)
		bench_latency(page.out, result);
	for (unsigned i = 0; i < (result->latency_rate > 0 ? 3 : 2) && r == 0; i++) {
		static const char *const titles[] = {
			"Delivered at saturation", "Processor time a datagram", "Round trip"};
		char *script = NULL;
		size_t size = 0;
		FILE *stream = open_memstream(&script, &size);

		if (i < 2)
			put_bars(stream, result, i == 1);
		else
			put_latency_bars(stream, result);
		fclose(stream);
		r = plot(&page, titles[i], script);
		free(script);
	}
	return page_close(&page, r);
}
