/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lines.h - a program's messages, line by line, as they come.
 */
#ifndef MR_VIA_LINES_H
#define MR_VIA_LINES_H

#include <stddef.h>

/** What is kept of one line. */
#define MR_LINES_SIZE 512

struct mr_lines {
	void (*take)(void *context, const char *line); /* without its end; never empty */
	void *context;
	char line[MR_LINES_SIZE];
	size_t used;
};

/** Takes in what was read; `lines` is a struct mr_lines, for mr_child_reader. */
void mr_lines_feed(void *lines, const char *data, size_t size);

#endif
