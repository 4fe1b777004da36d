/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * strv.h - a growing list of owned strings: interfaces, users, groups, options.
 */
#ifndef MR_CONTROL_STRV_H
#define MR_CONTROL_STRV_H

#include <stdbool.h>
#include <stddef.h>

/** Zero-initialized: empty. */
struct mr_strv {
	char **items;
	size_t n;
};

/** Appends a copy. 0 or -ENOMEM. */
int mr_strv_add(struct mr_strv *list, const char *text);

/** Is `text` one of them, byte for byte? */
bool mr_strv_contains(const struct mr_strv *list, const char *text);

/** Writes them with ", " between, shortened to "..." where `buf` ends. Returns `buf`. */
const char *mr_strv_join(const struct mr_strv *list, char *buf, size_t size);

/** Frees the strings and leaves the list empty. */
void mr_strv_clear(struct mr_strv *list);

#endif
