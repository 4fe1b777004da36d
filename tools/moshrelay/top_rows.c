// SPDX-License-Identifier: BSD-2-Clause
/*
 * top_rows.c - the sessions that moshrelay top shows: rates from one list to the next, filter,
 * order.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "objects.h"
#include "top.h"

/* Rates are those of about so many seconds: a heartbeat comes each 3 s. */
#define SMOOTH_S 6.0

enum {
	ID,
	OWNER,
	LABEL,
	STATE,
	ADDRESS,
	PORT,
	OPENED,
	HEARD,
	TO_TARGET, /* datagrams, octets, lost */
	TO_CLIENT = TO_TARGET + 3,
	N_MEMBERS = TO_CLIENT + 3,
};

/* In the order in which the daemon writes them. */
static const struct mr_member members[N_MEMBERS] = {
	[ID] = {NULL, "id"},
	[OWNER] = {"owner", "name"},
	[LABEL] = {NULL, "label"},
	[STATE] = {NULL, "state"},
	[ADDRESS] = {"target", "address"},
	[PORT] = {"target", "port"},
	[OPENED] = {NULL, "opened_at"},
	[HEARD] = {NULL, "last_client_at"},
	[TO_TARGET] = {"to_target", "datagrams"},
	[TO_TARGET + 1] = {"to_target", "bytes"},
	[TO_TARGET + 2] = {"to_target", "lost"},
	[TO_CLIENT] = {"to_client", "datagrams"},
	[TO_CLIENT + 1] = {"to_client", "bytes"},
	[TO_CLIENT + 2] = {"to_client", "lost"},
};

/** A list while it is read. */
struct reading {
	struct mr_top_session *sessions;
	size_t n, size;
	bool failed;
};

static int64_t read_time(const struct mr_value *value)
{
	char text[64];

	return mr_parse_time(mr_value_text(value, text, sizeof(text), ""));
}

static void read_session(const struct mr_value *values, struct mr_top_session *ret_session)
{
	struct mr_top_session *s = ret_session;
	char id[32], address[64];

	memset(s, 0, sizeof(*s));
	s->id = strtoull(mr_value_text(&values[ID], id, sizeof(id), "0"), NULL, 16);
	mr_value_text(&values[OWNER], s->owner, sizeof(s->owner), "-");
	mr_value_text(&values[LABEL], s->label, sizeof(s->label), "");
	mr_value_text(&values[STATE], s->state, sizeof(s->state), "-");
	mr_value_text(&values[ADDRESS], address, sizeof(address), "-");
	snprintf(s->target, sizeof(s->target), strchr(address, ':') ? "[%.48s]:%u" : "%.48s:%u",
		address, (unsigned)mr_value_number(&values[PORT]));
	s->opened_ms = read_time(&values[OPENED]);
	s->heard_ms = read_time(&values[HEARD]);
	for (int i = TO_TARGET; i < N_MEMBERS; i += TO_CLIENT - TO_TARGET) {
		s->datagrams += mr_value_number(&values[i]);
		s->octets += mr_value_number(&values[i + 1]);
		s->lost += mr_value_number(&values[i + 2]);
	}
}

static void add_session(const struct mr_value *values, void *context)
{
	struct reading *reading = context;

	if (reading->n == reading->size) {
		size_t size = reading->size ? reading->size * 2 : 64;
		struct mr_top_session *sessions =
			reallocarray(reading->sessions, size, sizeof(*sessions));

		if (!sessions) {
			reading->failed = true;
			return;
		}
		reading->sessions = sessions;
		reading->size = size;
	}
	read_session(values, &reading->sessions[reading->n++]);
}

static int by_id(const void *a, const void *b)
{
	uint64_t left = ((const struct mr_top_session *)a)->id,
		 right = ((const struct mr_top_session *)b)->id;

	return (left > right) - (left < right);
}

static double rate(int64_t now, int64_t before, double seconds)
{
	return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static double blend(double before, double now, double weight)
{
	return before + weight * (now - before);
}

/* One that wasn't there before: since it was opened. */
static void rates_of_life(struct mr_top_session *s, int64_t now_ms)
{
	double age_s = s->opened_ms >= 0 ? (double)(now_ms - s->opened_ms) / 1000 : 0;

	if (age_s < 1)
		age_s = 1;
	s->datagram_rate = rate(s->datagrams, 0, age_s);
	s->octet_rate = rate(s->octets, 0, age_s);
	s->lost_rate = rate(s->lost, 0, age_s);
}

static void rates_since(
	struct mr_top_session *s, const struct mr_top_session *before, double elapsed_s)
{
	double weight = elapsed_s / (elapsed_s + SMOOTH_S);

	s->datagram_rate = blend(
		before->datagram_rate, rate(s->datagrams, before->datagrams, elapsed_s), weight);
	s->octet_rate =
		blend(before->octet_rate, rate(s->octets, before->octets, elapsed_s), weight);
	s->lost_rate = blend(before->lost_rate, rate(s->lost, before->lost, elapsed_s), weight);
}

static void count_states(struct mr_top_rows *rows)
{
	rows->n_active = rows->n_waiting = rows->n_silent = 0;
	for (size_t i = 0; i < rows->n; i++) {
		const char *state = rows->sessions[i].state;

		rows->n_active += !strcmp(state, "active");
		rows->n_waiting += !strcmp(state, "waiting");
		rows->n_silent += !strcmp(state, "silent");
	}
}

int mr_top_rows_update(struct mr_top_rows *rows, const char *list, int64_t now_ms, double elapsed_s)
{
	struct reading reading = {0};
	const struct mr_top_session **shown = NULL;
	size_t old = 0;

	if (mr_objects_each(list, "sessions", members, N_MEMBERS, add_session, &reading) < 0) {
		free(reading.sessions);
		return -EINVAL;
	}
	shown = calloc(reading.n ? reading.n : 1, sizeof(*shown));
	if (reading.failed || !shown) {
		free(reading.sessions);
		free(shown);
		return -ENOMEM;
	}
	if (reading.n)
		qsort(reading.sessions, reading.n, sizeof(*reading.sessions), by_id);
	for (size_t i = 0; i < reading.n; i++) {
		struct mr_top_session *s = &reading.sessions[i];

		while (old < rows->n && rows->sessions[old].id < s->id)
			old++;
		if (old < rows->n && rows->sessions[old].id == s->id && elapsed_s > 0)
			rates_since(s, &rows->sessions[old], elapsed_s);
		else
			rates_of_life(s, now_ms);
	}
	free(rows->sessions);
	free(rows->shown);
	rows->sessions = reading.sessions;
	rows->n = reading.n;
	rows->shown = shown;
	count_states(rows);
	mr_top_rows_arrange(rows);
	return 0;
}

double mr_top_loss(const struct mr_top_session *s)
{
	double all = s->datagram_rate + s->lost_rate;

	return all > 0 ? s->lost_rate / all : 0;
}

static bool matches(const struct mr_top_session *s, const char *filter)
{
	char id[17];

	if (strcasestr(s->owner, filter) || strcasestr(s->target, filter) ||
		strcasestr(s->label, filter) || strcasestr(s->state, filter))
		return true;
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)s->id);
	return strcasestr(id, filter);
}

static int descending(double a, double b)
{
	return (a < b) - (a > b);
}

static int in_order(const void *left, const void *right, void *context)
{
	const struct mr_top_session *a = *(const struct mr_top_session *const *)left,
				    *b = *(const struct mr_top_session *const *)right;
	int r = 0;

	switch (*(const enum mr_top_sort *)context) {
	case MR_TOP_LOSSIEST:
		r = descending(mr_top_loss(a), mr_top_loss(b));
		if (!r)
			r = descending((double)a->lost, (double)b->lost);
		break;
	case MR_TOP_SILENT:
		r = descending((double)(b->heard_ms < 0 ? b->opened_ms : b->heard_ms),
			(double)(a->heard_ms < 0 ? a->opened_ms : a->heard_ms));
		break;
	case MR_TOP_NEWEST:
		r = descending((double)a->opened_ms, (double)b->opened_ms);
		break;
	default:
		r = descending(a->datagram_rate, b->datagram_rate);
	}
	return r ? r : (a->id > b->id) - (a->id < b->id);
}

void mr_top_rows_arrange(struct mr_top_rows *rows)
{
	rows->n_shown = 0;
	for (size_t i = 0; i < rows->n; i++)
		if (!*rows->filter || matches(&rows->sessions[i], rows->filter))
			rows->shown[rows->n_shown++] = &rows->sessions[i];
	if (rows->n_shown)
		qsort_r(rows->shown, rows->n_shown, sizeof(*rows->shown), in_order, &rows->sort);
}

void mr_top_rows_clear(struct mr_top_rows *rows)
{
	free(rows->sessions);
	free(rows->shown);
	*rows = (struct mr_top_rows){0};
}
