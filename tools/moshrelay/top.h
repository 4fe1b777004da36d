/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top.h - private to moshrelay top: what it knows of the sessions (top_rows.c), how that is put on
 * the screen (top_screen.c). Asking the daemon, keys and the clock are top.c's.
 */
#ifndef MR_MOSHRELAY_TOP_H
#define MR_MOSHRELAY_TOP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_TOP_FILTER_SIZE 64

/** A session as of the newest look. */
struct mr_top_session {
	uint64_t id;
	int64_t opened_ms, heard_ms;                 /* since 1970; -1: never */
	int64_t datagrams, octets, lost;             /* of both directions, since it was opened */
	double datagram_rate, octet_rate, lost_rate; /* a second, of the last few seconds */
	char state[16], owner[40], target[64], label[128];
};

enum mr_top_sort {
	MR_TOP_BUSIEST,
	MR_TOP_LOSSIEST,
	MR_TOP_SILENT, /* heard from longest ago */
	MR_TOP_NEWEST,
	MR_TOP_N_SORTS,
};

struct mr_top_rows {
	struct mr_top_session *sessions; /* by id */
	size_t n;
	const struct mr_top_session **shown; /* what the filter lets through, sorted */
	size_t n_shown;
	size_t n_active, n_waiting, n_silent;
	enum mr_top_sort sort;
	char filter[MR_TOP_FILTER_SIZE];
};

/** The share of datagrams that were lost before the relay, 0 to 1. */
double mr_top_loss(const struct mr_top_session *session);

/**
 * Takes over what `list` has answered at `now_ms`, `elapsed_s` after the last time (0: the first
 * time). -EINVAL: no list; -ENOMEM. Then what was there stays.
 */
int mr_top_rows_update(
	struct mr_top_rows *rows, const char *list, int64_t now_ms, double elapsed_s);

/** Filters and sorts anew; to be called after a change of `sort` or `filter`, too. */
void mr_top_rows_arrange(struct mr_top_rows *rows);

void mr_top_rows_clear(struct mr_top_rows *rows);

enum mr_top_mode {
	MR_TOP_BROWSE,
	MR_TOP_FILTER, /* the filter is being typed */
	MR_TOP_CLOSE,  /* a session is to be closed: is that meant? */
};

/** All that the screen shows. */
struct mr_top {
	struct mr_top_rows rows;
	enum mr_top_mode mode;
	uint64_t selected; /* id; 0: none */
	size_t at;         /* where that is in rows.shown */
	size_t first;      /* the first row on the screen, set by drawing */
	size_t page;       /* how many fit there, likewise */
	char summary[256], traffic[256], message[512];
	int64_t now_ms;
};

/** Draws all of it on the terminal that ncurses has, whatever its size. */
void mr_top_draw(struct mr_top *top);

#endif
