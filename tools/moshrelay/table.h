/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.h - text in columns that line up, whatever the cells hold.
 *
 * Cells are made printable (mr_cli_printable), measured in terminal columns, not octets, and the
 * one flexible column is cut where a terminal is too narrow. Nothing is cut in a pipe.
 */
#ifndef MR_MOSHRELAY_TABLE_H
#define MR_MOSHRELAY_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define MR_TABLE_COLUMNS 16

struct mr_column {
	const char *title;
	bool right;    /* aligned to the right: numbers */
	bool flexible; /* gives way on a narrow terminal */
};

struct mr_table;

/** A table with `n` <= MR_TABLE_COLUMNS columns; `columns` must live as long. NULL: out of memory.
 */
struct mr_table *mr_table_new(const struct mr_column *columns, size_t n);

void mr_table_free(struct mr_table *table);

/** Cleanup for `mr_cleanup(mr_table_freep) struct mr_table *table = NULL;` */
void mr_table_freep(struct mr_table **table);

/** The next cell, row by row. NULL is an empty one. Memory that runs out shows in _print(). */
void mr_table_add(struct mr_table *table, const char *text);

/** As mr_table_add() with a format. */
void mr_table_addf(struct mr_table *table, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** Prints to stdout, with a line of titles if any column has one. -ENOMEM: the end is missing. */
int mr_table_print(const struct mr_table *table);

#endif
