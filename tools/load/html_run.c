// SPDX-License-Identifier: BSD-2-Clause
/*
 * html_run.c - the page about what `run` measured.
 */
#include <inttypes.h>

#include "html.h"
#include "page.h"

static void put_count(struct mr_page *page, const char *name, uint64_t value, bool must_be_none)
{
	fprintf(page->out, "<tr><td>%s</td><td%s>", name,
		must_be_none && value ? " class=\"bad\"" : "");
	mr_page_number(page, (double)value);
	fputs("</td></tr>\n", page->out);
}

static void put_latency(struct mr_page *page, const char *name, const struct mr_hist *hist)
{
	static const double permille[] = {500, 990, 999};

	if (hist->count == 0)
		return;
	fprintf(page->out, "<tr><td>%s</td>", name);
	mr_page_cell(page, (double)hist->count);
	for (size_t i = 0; i < sizeof(permille) / sizeof(permille[0]); i++)
		mr_page_cell(page, (double)mr_hist_quantile(hist, permille[i]) / 1000);
	mr_page_cell(page, (double)hist->max / 1000);
	fputs("</tr>\n", page->out);
}

static void put_tables(struct mr_page *page, const struct mr_run_result *result)
{
	const struct mr_flow_account *account = &result->account;

	fprintf(page->out,
		"<p>%" PRIu32 " sessions, %s, %.1f s</p>\n<h2>What became of every datagram</h2>\n"
		"<table>\n",
		result->sessions, mr_profile_name(result->profile), result->seconds);
	if (result->unreached)
		put_count(page, "sessions that never answered", result->unreached, true);
	put_count(page, "sent", account->sent, false);
	put_count(page, "answered", account->answered, false);
	put_count(page, "lost to the target", account->lost_to_target, false);
	put_count(page, "lost to the client", account->lost_to_client, false);
	put_count(page, "duplicated", account->duplicated, false);
	put_count(page, "reordered", account->reordered, false);
	put_count(page, "misdelivered", account->misdelivered, true);
	put_count(page, "corrupted", account->corrupted, true);
	if (result->roamed)
		put_count(page, "roams", result->roamed, false);
	if (result->spoofed)
		put_count(page, "spoofed besides", result->spoofed, false);
	if (result->lossless_rate >= 0)
		put_count(page, "a second without loss, at the most",
			(uint64_t)result->lossless_rate, false);
	fputs("</table>\n<h2>How long it took</h2>\n<table><tr><th>microseconds</th><th>number</th>"
	      "<th>p50</th><th>p99</th><th>p99.9</th><th>max</th></tr>\n",
		page->out);
	put_latency(page, "round trip", &result->round_trip);
	put_latency(page, "first answer after a roam", &result->roam);
	put_latency(page, "open", &result->open);
	fputs("</table>\n", page->out);
}

static void plot_series(struct mr_page *page, const struct mr_run_result *result)
{
	char *script = NULL;
	size_t size = 0;
	FILE *stream = mr_page_plot_open(page, &script, &size);

	if (!stream)
		return;
	fprintf(stream,
		"set xlabel 'second'\nset ylabel 'datagrams a second'\nset yrange [0:*]\n"
		"set format y '%%.0s%%c'\n"
		"plot '-' title 'sent' with lines lw 2 lc rgb '%s', "
		"'-' title 'answered' with lines lw 2 dt 2 lc rgb '%s'\n",
		mr_page_colour(0), mr_page_colour(1));
	for (unsigned which = 0; which < 2; which++) {
		for (size_t i = 1; i < result->n_series; i++) {
			const struct mr_run_second *now = &result->series[i], *before = now - 1;

			fprintf(stream, "%zu %" PRIu64 "\n", i,
				which == 0 ? now->sent - before->sent
					   : now->answered - before->answered);
		}
		fputs("e\n", stream);
	}
	mr_page_plot_close(
		page, "Datagrams a second", "By all sessions together.", stream, &script);
}

static void put_curve(FILE *stream, const struct mr_hist *hist)
{
	struct mr_hist_point points[MR_HIST_CURVE];
	unsigned n = mr_hist_curve(hist, points);

	for (unsigned i = 0; i < n; i++)
		fprintf(stream, "%f %f\n", points[i].one_in, points[i].ns / 1000);
	fputs("e\n", stream);
}

static void plot_latency(struct mr_page *page, const struct mr_run_result *result)
{
	char *script = NULL;
	size_t size = 0;
	FILE *stream = mr_page_plot_open(page, &script, &size);
	bool roams = result->roam.count > 10;

	if (!stream)
		return;
	mr_page_distribution_axes(stream);
	fprintf(stream, "plot '-' title 'round trip' with lines lw 2 lc rgb '%s'",
		mr_page_colour(0));
	if (roams)
		fprintf(stream, ", '-' title 'after a roam' with lines lw 2 lc rgb '%s'",
			mr_page_colour(1));
	fputc('\n', stream);
	put_curve(stream, &result->round_trip);
	if (roams)
		put_curve(stream, &result->roam);
	mr_page_plot_close(page, "Round trips",
		"So many per cent of them took no longer. From the client through the relay to the "
		"target and back.",
		stream, &script);
}

int mr_html_run(const char *dir, const char *command, const struct mr_run_result *result,
	struct mr_proc_why *ret_why)
{
	struct mr_page page = {.dir = dir, .why = ret_why};
	int r = mr_page_open(&page, "moshrelay under load", command);

	if (r < 0)
		return r;
	put_tables(&page, result);
	if (result->n_series > 2)
		plot_series(&page, result);
	if (result->round_trip.count > 10)
		plot_latency(&page, result);
	return mr_page_close(&page);
}
