// SPDX-License-Identifier: BSD-2-Clause
/*
 * lines.c - see lines.h.
 */
#include "lines.h"

void mr_lines_feed(void *lines, const char *data, size_t size)
{
	struct mr_lines *l = lines;

	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n') {
			l->line[l->used] = '\0';
			if (l->used > 0)
				l->take(l->context, l->line);
			l->used = 0;
		} else if (data[i] != '\r' && l->used + 1 < sizeof(l->line)) {
			l->line[l->used++] = data[i] ? data[i] : '?';
		}
	}
}
