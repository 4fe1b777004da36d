/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * strv.c - a growing list of owned strings.
 */
#include "strv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int mr_strv_add(struct mr_strv *list, const char *text)
{
	char *copy = strdup(text);
	char **items = copy ? reallocarray(list->items, list->n + 1, sizeof(*items)) : NULL;

	if (!items) {
		free(copy);
		return -ENOMEM;
	}
	list->items = items;
	list->items[list->n++] = copy;
	return 0;
}

bool mr_strv_contains(const struct mr_strv *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++) {
		if (!strcmp(list->items[i], text))
			return true;
	}
	return false;
}

const char *mr_strv_join(const struct mr_strv *list, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < list->n; i++) {
		const char *comma = i ? ", " : "";

		/* Room for this one, and for the sign that there are more. */
		if (used + strlen(comma) + strlen(list->items[i]) + sizeof(", ...") > size) {
			snprintf(buf + used, size - used, "%s...", comma);
			break;
		}
		used += (size_t)snprintf(buf + used, size - used, "%s%s", comma, list->items[i]);
	}
	return buf;
}

void mr_strv_clear(struct mr_strv *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct mr_strv){0};
}
