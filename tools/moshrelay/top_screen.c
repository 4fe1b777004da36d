// SPDX-License-Identifier: BSD-2-Clause
/*
 * top_screen.c - moshrelay top on the terminal: a head, rows, and a line at the foot for keys and
 * questions. What doesn't fit gives way: lines on a low terminal, columns on a narrow one.
 */
#define NCURSES_WIDECHAR 1
#include <ncurses.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "top.h"

#define GAP       2
#define CELL_SIZE 160

enum { ID, STATE, OWNER, TARGET, DATAGRAMS, OCTETS, LOSS, HEARD, LABEL, N_COLUMNS };

static const struct {
	const char *title;
	int width;  /* least that it takes */
	int most;   /* that it takes; 0: as `width` */
	bool right; /* numbers */
	int rank;   /* the highest go first where there is no room */
} columns[N_COLUMNS] = {
	[ID] = {"ID", 16, 0, false, 2},
	[STATE] = {"STATE", 7, 0, false, 5},
	[OWNER] = {"OWNER", 5, 16, false, 4},
	[TARGET] = {"TARGET", 10, 47, false, 1},
	[DATAGRAMS] = {"PKT/S", 7, 0, true, 0},
	[OCTETS] = {"B/S", 7, 0, true, 7},
	[LOSS] = {"LOSS", 6, 0, true, 3},
	[HEARD] = {"HEARD", 7, 0, true, 6},
	[LABEL] = {"LABEL", 5, 64, false, 8},
};

/* The column that rows are sorted by is marked. */
static const int sorted_by[MR_TOP_N_SORTS] = {
	[MR_TOP_BUSIEST] = DATAGRAMS,
	[MR_TOP_LOSSIEST] = LOSS,
	[MR_TOP_SILENT] = HEARD,
	[MR_TOP_NEWEST] = -1,
};

static const char *const sort_names[MR_TOP_N_SORTS] = {
	[MR_TOP_BUSIEST] = "busiest",
	[MR_TOP_LOSSIEST] = "lossiest",
	[MR_TOP_SILENT] = "silent",
	[MR_TOP_NEWEST] = "newest",
};

/** Writes `text` at (y, x) in `width` columns, printable, cut or filled with blanks. */
static void put(int y, int x, int width, bool right, const char *text)
{
	char piece[CELL_SIZE * 4];
	size_t length = strlen(text), used;

	if (width <= 0)
		return;
	if (length > sizeof(piece) - 1)
		length = sizeof(piece) - 1;
	do {
		char source[sizeof(piece)];

		snprintf(source, sizeof(source), "%.*s", (int)length, text);
		used = mr_cli_printable(piece, sizeof(piece), source);
	} while (used > (size_t)width && length-- > 0);
	move(y, x);
	if (right)
		printw("%*s", width - (int)used, "");
	addstr(piece);
	if (!right)
		printw("%*s", width - (int)used, "");
}

static void put_line(int y, int attributes, const char *text)
{
	attrset((attr_t)attributes);
	put(y, 0, COLS, false, text);
	attrset(A_NORMAL);
}

/** "0.3", "950", "12.3k", "4.5M" */
static void format_rate(char *buf, size_t size, double rate)
{
	static const char units[] = " kMGT";
	size_t unit = 0;

	for (; rate >= 9999.5 && units[unit + 1]; unit++)
		rate /= 1000;
	if (unit == 0)
		snprintf(buf, size, rate < 99.95 ? "%.1f" : "%.0f", rate);
	else
		snprintf(buf, size, rate < 99.95 ? "%.1f%c" : "%.0f%c", rate, units[unit]);
}

static void format_heard(char *buf, size_t size, int64_t heard_ms, int64_t now_ms)
{
	if (heard_ms < 0)
		snprintf(buf, size, "never");
	else
		mr_format_ago(buf, size, heard_ms, now_ms);
}

static void cell(char *buf, size_t size, int column, const struct mr_top_session *s, int64_t now_ms)
{
	buf[0] = '\0';
	switch (column) {
	case ID:
		snprintf(buf, size, "%016llx", (unsigned long long)s->id);
		break;
	case STATE:
		snprintf(buf, size, "%s", s->state);
		break;
	case OWNER:
		snprintf(buf, size, "%s", s->owner);
		break;
	case TARGET:
		snprintf(buf, size, "%s", s->target);
		break;
	case DATAGRAMS:
		format_rate(buf, size, s->datagram_rate);
		break;
	case OCTETS:
		format_rate(buf, size, s->octet_rate);
		break;
	case LOSS:
		snprintf(buf, size, "%.1f%%", mr_top_loss(s) * 100);
		break;
	case HEARD:
		format_heard(buf, size, s->heard_ms, now_ms);
		break;
	default:
		snprintf(buf, size, "%s", s->label);
	}
}

/** What rows on the screen need, within what a column may take. */
static int needed(const struct mr_top *top, int column)
{
	int width = columns[column].width;

	for (size_t i = 0; columns[column].most && i < top->page; i++) {
		char text[CELL_SIZE], printable[CELL_SIZE * 4];
		int n;

		if (top->first + i >= top->rows.n_shown)
			break;
		cell(text, sizeof(text), column, top->rows.shown[top->first + i], top->now_ms);
		n = (int)mr_cli_printable(printable, sizeof(printable), text);
		if (n > width)
			width = n < columns[column].most ? n : columns[column].most;
	}
	return width;
}

/** Widths by rank; 0: not shown. */
static void lay_out(const struct mr_top *top, int widths[N_COLUMNS])
{
	int left = COLS + GAP;

	memset(widths, 0, N_COLUMNS * sizeof(*widths));
	for (int rank = 0; rank < N_COLUMNS; rank++) {
		for (int i = 0; i < N_COLUMNS; i++) {
			int width;

			if (columns[i].rank != rank)
				continue;
			width = needed(top, i);
			if (width + GAP > left)
				width = left - GAP;
			if (width < columns[i].width && rank > 0)
				continue;
			widths[i] = width > 0 ? width : 1;
			left -= width + GAP;
		}
	}
}

static void draw_titles(const struct mr_top *top, int y, const int widths[N_COLUMNS])
{
	int x = 0;

	put_line(y, A_REVERSE, "");
	for (int i = 0; i < N_COLUMNS; i++) {
		if (!widths[i])
			continue;
		attrset(A_REVERSE | (sorted_by[top->rows.sort] == i ? A_BOLD | A_UNDERLINE : 0));
		put(y, x, widths[i], columns[i].right, columns[i].title);
		x += widths[i] + GAP;
	}
	attrset(A_NORMAL);
}

static void draw_row(const struct mr_top *top, int y, size_t row, const int widths[N_COLUMNS])
{
	const struct mr_top_session *s = top->rows.shown[row];
	int x = 0;

	if (row == top->at)
		put_line(y, A_STANDOUT, "");
	attrset(row == top->at ? A_STANDOUT : A_NORMAL);
	for (int i = 0; i < N_COLUMNS; i++) {
		char text[CELL_SIZE];

		if (!widths[i])
			continue;
		cell(text, sizeof(text), i, s, top->now_ms);
		put(y, x, widths[i], columns[i].right, text);
		x += widths[i] + GAP;
	}
	attrset(A_NORMAL);
}

/** Moves the window over the rows so that the selected one is in it. */
static void scroll_rows(struct mr_top *top)
{
	size_t n = top->rows.n_shown;

	if (top->at >= n)
		top->at = n ? n - 1 : 0;
	if (top->first > top->at)
		top->first = top->at;
	if (top->page && top->at >= top->first + top->page)
		top->first = top->at - top->page + 1;
	if (top->first + top->page > n)
		top->first = n > top->page ? n - top->page : 0;
}

static void draw_foot(const struct mr_top *top, int y)
{
	char text[MR_TOP_FILTER_SIZE + 512];

	switch (top->mode) {
	case MR_TOP_FILTER:
		snprintf(text, sizeof(text), "filter: %s_   (Enter: done, Esc: none)",
			top->rows.filter);
		break;
	case MR_TOP_CLOSE:
		snprintf(text, sizeof(text), "close %016llx? y: yes, any other key: no",
			(unsigned long long)top->selected);
		break;
	default:
		snprintf(text, sizeof(text),
			"q quit  b busiest  l lossiest  s silent  n newest  / filter  c close");
	}
	put_line(y, top->mode == MR_TOP_BROWSE ? A_DIM : A_BOLD, text);
}

static void draw_message(const struct mr_top *top, int y)
{
	char text[sizeof(top->message) + 64];

	if (top->message[0]) {
		put_line(y, A_BOLD, top->message);
		return;
	}
	snprintf(text, sizeof(text), "%s first%s%s", sort_names[top->rows.sort],
		*top->rows.filter ? ", filter: " : "", top->rows.filter);
	put_line(y, A_NORMAL, text);
}

void mr_top_draw(struct mr_top *top)
{
	int widths[N_COLUMNS], y = 0, foot = LINES >= 5 ? 1 : 0;
	int head = LINES >= 8 ? 4 : LINES >= 5 ? 3 : LINES >= 2 ? 1 : 0;

	erase();
	top->page = LINES > head + foot ? (size_t)(LINES - head - foot) : 0;
	scroll_rows(top);
	lay_out(top, widths);
	if (head > 1)
		put_line(y++, A_BOLD, top->summary);
	if (head > 3)
		put_line(y++, A_NORMAL, top->traffic);
	if (head > 2)
		draw_message(top, y++);
	if (head > 0)
		draw_titles(top, y++, widths);
	for (size_t i = 0; i < top->page && top->first + i < top->rows.n_shown; i++)
		draw_row(top, y + (int)i, top->first + i, widths);
	if (!top->rows.n_shown && top->page)
		put(y, 0, COLS, false, top->rows.n ? "no session fits the filter" : "no sessions");
	if (foot)
		draw_foot(top, LINES - 1);
	refresh();
}
