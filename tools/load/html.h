/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * html.h - results as one self-contained page: tables, and plots that gnuplot draws as SVG.
 */
#ifndef MR_LOAD_HTML_H
#define MR_LOAD_HTML_H

#include "bench_result.h"
#include "proc.h"
#include "run_result.h"

/**
 * Writes DIR/index.html; DIR is made if it isn't there. `command` is the command line to be shown.
 * On failure `*ret_why` says what failed.
 */
int mr_html_run(const char *dir, const char *command, const struct mr_run_result *result,
	struct mr_proc_why *ret_why);
int mr_html_bench(const char *dir, const char *command, const struct mr_bench_result *result,
	struct mr_proc_why *ret_why);

#endif
