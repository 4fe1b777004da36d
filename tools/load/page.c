// SPDX-License-Identifier: BSD-2-Clause
/*
 * page.c - see page.h. Data goes to gnuplot inside its script; the SVG is taken into the page,
 * where a style sheet gives it the reader's colours.
 */
#include "page.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char style[] =
	":root{color-scheme:light dark;--ink:#1c232b;--soft:#5c6875;--paper:#fff;--card:#f5f7f9;"
	"--line:#dce1e7;--own:#2f7dc4;--peer:#d08a3a;--floor:#98a2ad;--good:#1f7a4d;--bad:#b3372f}"
	"@media(prefers-color-scheme:dark){:root{--ink:#e3e8ee;--soft:#9ba8b6;--paper:#13171c;"
	"--card:#1b2128;--line:#303945;--good:#5cc48f;--bad:#f0837b}}"
	"body{font:15px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em;"
	"color:var(--ink);background:var(--paper)}h1{margin:0 0 .2em}h2{margin:2em 0 .4em;"
	"font-size:1.25em}p{margin:.4em 0}.soft,small{color:var(--soft)}"
	"code{background:var(--card);padding:.15em .4em;border-radius:4px}"
	"table{border-collapse:collapse;width:100%}th,td{padding:.35em .7em;text-align:right;"
	"border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums;vertical-align:top}"
	"th{color:var(--soft);font-weight:500;vertical-align:bottom}"
	"th:first-child,td:first-child,.left{text-align:left}small{display:block;line-height:1.3}"
	"td+td small{white-space:nowrap}"
	"th[colspan]{text-align:center}"
	".bar{width:26%}.bar i{display:block;height:.8em;margin-top:.35em;border-radius:2px;"
	"min-width:2px;background:var(--peer)}.own i{background:var(--own)}"
	".floor i{background:var(--floor)}.good{color:var(--good)}.bad{color:var(--bad)}"
	".cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(13.5em,1fr));gap:.8em;"
	"margin:1em 0}.card{background:var(--card);border-radius:8px;padding:.7em .9em}"
	".card b{font-size:1.7em;font-weight:600;display:block;line-height:1.3}"
	"svg{width:100%;height:auto}svg text{fill:var(--ink)}svg [color=black]{color:var(--soft)}"
	".gridline{stroke:var(--line)}";

static const char *const colours[] = {"#2f7dc4", "#d9822b", "#2f9e6e", "#b0569b", "#8a6fd1",
	"#c2544d", "#8b949e", "#a8902a", "#3aa3a8", "#7a8f3c"};

#define PLOT_HEAD                                                                            \
	"set terminal svg name 'plot%u' size 900,360 dynamic font 'sans-serif,13'\n"         \
	"set output '%s/.plot.svg'\nset grid back\nset border 3 lc rgb '#7f8893'\nset tics " \
	"nomirror\n"                                                                         \
	"set key outside right top vertical\n"

void mr_page_text(struct mr_page *page, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", page->out);
			break;
		case '>':
			fputs("&gt;", page->out);
			break;
		case '&':
			fputs("&amp;", page->out);
			break;
		case '"':
			fputs("&quot;", page->out);
			break;
		default:
			fputc(*text, page->out);
		}
	}
}

void mr_page_number(struct mr_page *page, double value)
{
	char digits[32];
	size_t length;

	if (value != 0 && fabs(value) < 100) {
		fprintf(page->out, "%.3g", value);
		return;
	}
	length = (size_t)snprintf(digits, sizeof(digits), "%.0f", value);
	for (size_t i = 0; i < length; i++) {
		fputc(digits[i], page->out);
		if (i + 1 < length && (length - i - 1) % 3 == 0 && digits[i] != '-')
			fputc(',', page->out);
	}
}

void mr_page_cell(struct mr_page *page, double value)
{
	fputs("<td>", page->out);
	mr_page_number(page, value);
	fputs("</td>", page->out);
}

const char *mr_page_colour(unsigned i)
{
	return colours[i % (sizeof(colours) / sizeof(colours[0]))];
}

void mr_page_command(char *buf, size_t size, const char *name, int argc, char **argv)
{
	size_t used = (size_t)snprintf(buf, size, "moshrelay-load %s", name);

	for (int i = 1; i < argc && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, " %s", argv[i]);
}

int mr_page_open(struct mr_page *page, const char *title, const char *command)
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
		"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width\">\n<title>%s</title>\n"
		"<style>%s</style></head><body>\n<h1>%s</h1>\n<p><code>",
		title, style, title);
	mr_page_text(page, command);
	fputs("</code></p>\n", page->out);
	if (uname(&host) == 0) {
		fputs("<p class=\"soft\">moshrelay " MR_VERSION ", Linux ", page->out);
		mr_page_text(page, host.release);
		fprintf(page->out, ", %s, %ld cores</p>\n", host.machine,
			sysconf(_SC_NPROCESSORS_ONLN));
	}
	return 0;
}

int mr_page_close(struct mr_page *page)
{
	bool failed;

	fputs("</body></html>\n", page->out);
	failed = ferror(page->out);
	if (fclose(page->out) != 0 || failed)
		return page->result < 0 ? page->result : -EIO;
	return page->result;
}

FILE *mr_page_plot_open(struct mr_page *page, char **script, size_t *size)
{
	FILE *stream = open_memstream(script, size);

	if (stream)
		fprintf(stream, PLOT_HEAD, page->n_plots++, page->dir);
	else if (page->result == 0)
		page->result = -ENOMEM;
	return stream;
}

/** Takes the picture into the page, without the XML prologue and gnuplot's own title. */
static int take_picture(struct mr_page *page, const char *path, const char *title)
{
	FILE *in = fopen(path, "re");
	bool inside = false;
	char line[4096];

	if (!in)
		return -errno;
	while (fgets(line, sizeof(line), in)) {
		inside = inside || strncmp(line, "<svg", 4) == 0;
		if (strncmp(line, "<desc>", 6) == 0)
			continue;
		if (strncmp(line, "<title>Gnuplot", 14) == 0)
			fprintf(page->out, "<title>%s</title>\n", title);
		else if (inside)
			fputs(line, page->out);
	}
	fclose(in);
	unlink(path);
	return 0;
}

void mr_page_plot_close(
	struct mr_page *page, const char *title, const char *note, FILE *stream, char **script)
{
	char path[4096];
	int r = fclose(stream) != 0 ? -ENOMEM : 0;

	snprintf(path, sizeof(path), "%s/.plot.svg", page->dir);
	if (r == 0)
		r = mr_proc_run(*script, page->why, "gnuplot -");
	free(*script);
	if (r == 0) {
		fprintf(page->out, "<h2>%s</h2>\n<p class=\"soft\">%s</p>\n", title, note);
		r = take_picture(page, path, title);
	}
	if (page->result == 0)
		page->result = r;
}

void mr_page_distribution_axes(FILE *stream)
{
	fputs("set logscale xy\nset xlabel 'percentile'\nset ylabel 'microseconds'\n"
	      "set xtics ('50' 2, '90' 10, '99' 100, '99.9' 1000, '99.99' 10000, '99.999' 1e5, "
	      "'99.9999' 1e6)\n",
		stream);
}
