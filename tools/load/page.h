/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page.h - one self-contained HTML page: its frame and look, numbers and texts for people, and
 * plots that gnuplot draws as SVG. Knows nothing of what is shown.
 */
#ifndef MR_LOAD_PAGE_H
#define MR_LOAD_PAGE_H

#include <stdio.h>

#include "proc.h"

struct mr_page {
	FILE *out;
	const char *dir;
	struct mr_proc_why *why; /* what failed */
	unsigned n_plots;
	int result; /* of the first plot that failed */
};

/** The command line of subcommand `name` as one string, for mr_page_open(). */
void mr_page_command(char *buf, size_t size, const char *name, int argc, char **argv);

/** Makes DIR if it isn't there and begins DIR/index.html. */
int mr_page_open(struct mr_page *page, const char *title, const char *command);

/** Ends the page; 0 if all of it has been written. */
int mr_page_close(struct mr_page *page);

/** Text as it is, whatever characters it has. */
void mr_page_text(struct mr_page *page, const char *text);

/** Three digits that count, or all of a whole number's, in groups of three; "12,300". */
void mr_page_number(struct mr_page *page, double value);

/** A table's cell with a number. */
void mr_page_cell(struct mr_page *page, double value);

/**
 * Begins a plot: what is written to the stream goes to gnuplot. NULL: no memory. Colours of lines
 * are mr_page_colour(), those of all else follow the reader's theme.
 */
FILE *mr_page_plot_open(struct mr_page *page, char **script, size_t *size);

/** Lets gnuplot draw and takes the picture into the page; frees the script. */
void mr_page_plot_close(
	struct mr_page *page, const char *title, const char *note, FILE *stream, char **script);

/** Of line number `i`, for gnuplot: readable on light and dark. */
const char *mr_page_colour(unsigned i);

/** Writes a distribution's axes: what one value in N exceeds, by N. */
void mr_page_distribution_axes(FILE *stream);

#endif
