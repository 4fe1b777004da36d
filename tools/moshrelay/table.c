// SPDX-License-Identifier: BSD-2-Clause
/*
 * table.c - see table.h.
 */
#include "table.h"

#include <assert.h>
#include <errno.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"

#define CELL_SIZE    1024
#define GAP          2
#define FLEXIBLE_MIN 8 /* terminal columns that a flexible one keeps */

struct cell {
	size_t text;  /* where it begins in the table's text */
	size_t width; /* terminal columns */
};

struct mr_table {
	const struct mr_column *columns;
	size_t n_columns;
	struct cell *cells;
	size_t n_cells, size;
	char *text; /* of all cells, each with a NUL behind it */
	size_t length, text_size;
	bool incomplete;
};

struct mr_table *mr_table_new(const struct mr_column *columns, size_t n)
{
	struct mr_table *table = calloc(1, sizeof(*table));

	assert(n > 0 && n <= MR_TABLE_COLUMNS);
	if (!table)
		return NULL;
	*table = (struct mr_table){.columns = columns, .n_columns = n};
	for (size_t i = 0; i < n; i++)
		mr_table_add(table, columns[i].title);
	return table;
}

void mr_table_free(struct mr_table *table)
{
	if (!table)
		return;
	free(table->cells);
	free(table->text);
	free(table);
}

void mr_table_freep(struct mr_table **table)
{
	mr_table_free(*table);
	*table = NULL;
}

/** Makes room for one more cell. */
static bool reserve(struct mr_table *table)
{
	if (table->n_cells == table->size) {
		size_t size = table->size ? table->size * 2 : 64;
		struct cell *cells = reallocarray(table->cells, size, sizeof(*cells));

		if (!cells)
			return false;
		table->cells = cells;
		table->size = size;
	}
	if (table->text_size - table->length < CELL_SIZE) {
		size_t size = table->text_size * 2 + CELL_SIZE;
		char *text = realloc(table->text, size);

		if (!text)
			return false;
		table->text = text;
		table->text_size = size;
	}
	return true;
}

void mr_table_add(struct mr_table *table, const char *text)
{
	char *at;

	/* one that is missing would shift all behind it */
	if (table->incomplete || !reserve(table)) {
		table->incomplete = true;
		return;
	}
	at = table->text + table->length;
	table->cells[table->n_cells++] = (struct cell){
		.text = table->length,
		.width = mr_cli_printable(at, CELL_SIZE, text ? text : ""),
	};
	table->length += strlen(at) + 1;
}

void mr_table_addf(struct mr_table *table, const char *fmt, ...)
{
	char text[CELL_SIZE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	mr_table_add(table, text);
}

/** Columns of the terminal; SIZE_MAX where stdout is none. */
static size_t terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return SIZE_MAX;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

/** The widths that the cells need; the flexible column gets what the terminal leaves. */
static void measure(const struct mr_table *table, size_t *widths)
{
	size_t total = 0, terminal = terminal_width();

	memset(widths, 0, table->n_columns * sizeof(*widths));
	for (size_t i = 0; i < table->n_cells; i++) {
		size_t *width = &widths[i % table->n_columns];

		if (table->cells[i].width > *width)
			*width = table->cells[i].width;
	}
	for (size_t i = 0; i < table->n_columns; i++)
		total += widths[i] + (i > 0 ? GAP : 0);
	for (size_t i = 0; i < table->n_columns && total > terminal; i++) {
		size_t over = total - terminal, spare;

		if (!table->columns[i].flexible || widths[i] <= FLEXIBLE_MIN)
			continue;
		spare = widths[i] - FLEXIBLE_MIN;
		widths[i] -= over < spare ? over : spare;
		total = terminal + (over < spare ? 0 : over - spare);
	}
}

/** Prints at most `width` columns of `text`, with a mark where something is cut off. */
static size_t print_cut(const char *text, size_t width)
{
	const char *mark = !strcmp(nl_langinfo(CODESET), "UTF-8") ? "\u2026" : "~";
	char piece[CELL_SIZE];
	size_t length = strlen(text), used = SIZE_MAX;

	/* shorten octet by octet: mr_cli_printable() never leaves half a character */
	while (length > 0 && used > width - 1)
		used = mr_cli_printable(piece, length--, text);
	fputs(piece, stdout);
	fputs(mark, stdout);
	return used + 1;
}

static void print_blanks(size_t n)
{
	static const char blanks[] = "                                ";

	for (; n >= sizeof(blanks); n -= sizeof(blanks) - 1)
		fputs(blanks, stdout);
	fwrite(blanks, 1, n, stdout);
}

static void print_cell(
	const struct mr_column *column, const char *text, size_t used, size_t width, bool last)
{
	if (column->right && used < width)
		print_blanks(width - used);
	if (used > width)
		used = print_cut(text, width);
	else
		fputs(text, stdout);
	if (!last)
		print_blanks((!column->right && used < width ? width - used : 0) + GAP);
}

static void print_row(const struct mr_table *table, const struct cell *cells, const size_t *widths)
{
	size_t n = table->n_columns;

	/* no blanks at the end of a line */
	while (n > 0 && cells[n - 1].width == 0)
		n--;
	for (size_t i = 0; i < n; i++)
		print_cell(&table->columns[i], table->text + cells[i].text, cells[i].width,
			widths[i], i + 1 == n);
	putchar('\n');
}

static bool is_titled(const struct mr_table *table)
{
	for (size_t i = 0; i < table->n_columns; i++)
		if (table->columns[i].title)
			return true;
	return false;
}

int mr_table_print(const struct mr_table *table)
{
	size_t widths[MR_TABLE_COLUMNS], n = table->n_columns;

	measure(table, widths);
	for (size_t i = is_titled(table) ? 0 : n; i + n <= table->n_cells; i += n)
		print_row(table, &table->cells[i], widths);
	return table->incomplete ? -ENOMEM : 0;
}
