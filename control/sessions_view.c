/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sessions_view.c - sessions as they are now: the manager's part put together with the dataplane's
 * records, for people and for the store.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sessions_private.h"

/** No datagram from a client for so long: silent. mosh has one every 3 s at least. */
#define SILENT_NS (10 * MR_SECOND)

int64_t mr_sessions_monotonic(const struct mr_sessions *sessions)
{
	return sessions->config.clock->monotonic();
}

int64_t mr_sessions_realtime_of(const struct mr_sessions *sessions, int64_t monotonic_ns)
{
	const struct mr_clock *clock = sessions->config.clock;

	if (monotonic_ns == 0 || monotonic_ns == INT64_MIN)
		return 0;
	return clock->realtime() - (clock->monotonic() - monotonic_ns);
}

static void later(int64_t *time, uint64_t ns)
{
	if (ns && (int64_t)ns > *time)
		*time = (int64_t)ns;
}

void mr_session_activity(const struct session *session, const struct mr_session *record,
	struct activity *ret_activity)
{
	struct activity activity = {
		.client_ns = session->base_client_ns,
		.proven_client_ns = session->base_client_ns,
		.target_ns = session->base_target_ns,
	};

	for (unsigned slot = 0; slot < MR_LEGS; slot++) {
		struct mr_leg leg;

		mr_session_leg(record, slot, &leg);
		if (leg.state == MR_LEG_EMPTY)
			continue;
		later(&activity.client_ns, leg.client_ns);
		later(&activity.target_ns, leg.target_ns);
		if (leg.state == MR_LEG_PROVEN)
			later(&activity.proven_client_ns, leg.client_ns);
	}
	/* The leg that was answered last may have lost its slot. */
	later(&activity.target_ns, record->proven_ns);
	*ret_activity = activity;
}

enum mr_session_state mr_session_state_of(
	const struct session *session, const struct activity *activity, int64_t now)
{
	if (session->life == LIFE_CLOSING)
		return MR_SESSION_CLOSING;
	if (activity->target_ns == INT64_MIN)
		return MR_SESSION_WAITING;
	if (activity->proven_client_ns == INT64_MIN ||
		now - activity->proven_client_ns >= SILENT_NS)
		return MR_SESSION_SILENT;
	return MR_SESSION_ACTIVE;
}

void mr_session_see(struct session *session, enum mr_session_state state)
{
	if (session->life == LIFE_OPEN) {
		session->sessions->n_seen[session->seen]--;
		session->sessions->n_seen[state]++;
	}
	session->seen = state;
}

static void view_legs(const struct mr_sessions *sessions, const struct mr_session *record,
	struct mr_session_view *view)
{
	for (uint8_t slot = 0; slot < MR_LEGS; slot++) {
		struct mr_leg leg;

		mr_session_leg(record, slot, &leg);
		if (leg.state == MR_LEG_EMPTY)
			continue;
		view->legs[view->n_legs++] = (struct mr_session_leg_view){
			.slot = slot,
			.state = leg.state,
			.current = slot == record->current,
			.addr = leg.addr,
			.port = ntohs(leg.port),
			.first_seen_at = mr_sessions_realtime_of(sessions, (int64_t)leg.claimed_ns),
			.last_client_at = mr_sessions_realtime_of(sessions, (int64_t)leg.client_ns),
			.last_target_at = mr_sessions_realtime_of(sessions, (int64_t)leg.target_ns),
		};
	}
}

static void make_view(const struct session *session, const struct mr_session *record,
	struct mr_session_view *ret_view)
{
	const struct mr_sessions *sessions = session->sessions;
	struct activity activity;

	mr_session_activity(session, record, &activity);
	ret_view->info = &session->info;
	ret_view->state = mr_session_state_of(session, &activity, mr_sessions_monotonic(sessions));
	ret_view->last_client_at = mr_sessions_realtime_of(sessions, activity.client_ns);
	ret_view->last_target_at = mr_sessions_realtime_of(sessions, activity.target_ns);
	ret_view->to_target = record->from_client;
	ret_view->to_client = record->from_target;
	ret_view->roams = record->roams;
	ret_view->n_legs = 0;
}

int mr_sessions_show(struct mr_sessions *sessions, uint64_t id, struct mr_session_view *ret_view)
{
	const struct mr_sessions_config *config = &sessions->config;
	const struct session *session = mr_session_find(sessions, id);
	struct mr_session record;
	int r;

	if (!session || (session->life != LIFE_OPEN && session->life != LIFE_CLOSING))
		return -ENOENT;
	r = config->ops->session_get(config->backend, session->info.index, 1, &record);
	if (r < 0)
		return r;
	make_view(session, &record, ret_view);
	view_legs(sessions, &record, ret_view);
	return 0;
}

/* Scanning. */

struct run {
	uint32_t first, n;
};

/* Reads the records of consecutive sessions and hands them out. */
static int visit_run(
	struct mr_sessions *sessions, struct run *run, session_visit_fn *visit, void *context)
{
	const struct mr_sessions_config *config = &sessions->config;
	int r = 0;

	if (run->n > 0)
		r = config->ops->session_get(
			config->backend, run->first, run->n, sessions->records);
	for (uint32_t i = 0; r == 0 && i < run->n; i++) {
		struct session *session = sessions->by_index[run->first + i];

		if (session)
			visit(session, &sessions->records[i], context);
	}
	run->n = 0;
	return r;
}

bool mr_sessions_scan(struct mr_sessions *sessions, uint32_t *cursor, unsigned budget,
	bool (*wanted)(const struct session *session, void *context), session_visit_fn *visit,
	void *context, int *ret_error)
{
	struct run run = {0};
	int error = 0, r = 0;
	uint32_t i;

	for (i = *cursor; i < sessions->index_end && budget > 0; i++, budget--) {
		const struct session *session = sessions->by_index[i];

		if (!session || (session->life != LIFE_OPEN && session->life != LIFE_CLOSING) ||
			(wanted && !wanted(session, context))) {
			budget += i % 64 != 0; /* looking away costs next to nothing */
			continue;
		}
		if (run.n == SCAN_RECORDS || (run.n && run.first + run.n != i)) {
			r = visit_run(sessions, &run, visit, context);
			error = error ? error : r;
		}
		if (run.n == 0)
			run.first = i;
		run.n++;
	}
	r = visit_run(sessions, &run, visit, context);
	error = error ? error : r;
	if (ret_error)
		*ret_error = error;
	*cursor = i;
	return i < sessions->index_end;
}

struct list {
	const struct mr_session_filter *filter;
	mr_session_view_fn *fn;
	void *context;
};

/* What can be said without the record. */
static bool passes_early(const struct session *session, void *context)
{
	const struct mr_session_filter *filter = ((const struct list *)context)->filter;

	if (!filter)
		return true;
	if (filter->by_uid && filter->uid != session->info.uid)
		return false;
	return !filter->by_target || mr_prefix_contains(&filter->target, &session->info.target);
}

static void list_one(struct session *session, const struct mr_session *record, void *context)
{
	const struct list *list = context;
	struct mr_session_view view;

	make_view(session, record, &view);
	if (!list->filter || !list->filter->by_state || list->filter->state == view.state)
		list->fn(&view, list->context);
}

bool mr_sessions_list(struct mr_sessions *sessions, uint32_t *cursor, unsigned budget,
	const struct mr_session_filter *filter, mr_session_view_fn *fn, void *context)
{
	struct list list = {.filter = filter, .fn = fn, .context = context};

	return mr_sessions_scan(sessions, cursor, budget, passes_early, list_one, &list, NULL);
}

/* For the store. */

static void copy_text(char *buf, size_t size, const char *text)
{
	snprintf(buf, size, "%s", text ? text : "");
}

void mr_session_row(const struct session *session, struct mr_store_row *ret_row)
{
	const struct mr_session_info *info = &session->info;

	memset(ret_row, 0, sizeof(*ret_row));
	ret_row->id = info->id;
	ret_row->uid = info->uid;
	copy_text(ret_row->owner, sizeof(ret_row->owner), info->owner);
	copy_text(ret_row->label, sizeof(ret_row->label), info->label);
	copy_text(ret_row->pool, sizeof(ret_row->pool), info->pool->name);
	ret_row->target = info->target;
	ret_row->upstream = info->upstream;
	if (session->has_hint)
		ret_row->hint = session->hint;
	ret_row->target_port = info->target_port;
	ret_row->public_port = info->public_port;
	ret_row->upstream_base = info->upstream_base;
	ret_row->idle_s = info->idle_s;
	ret_row->opened_at = info->opened_at;
}

void mr_session_totals(const struct session *session, const struct mr_session *record,
	struct mr_store_totals *ret_totals)
{
	struct mr_session_view view;

	make_view(session, record, &view);
	*ret_totals = (struct mr_store_totals){
		.id = session->info.id,
		.last_client_at = view.last_client_at,
		.last_target_at = view.last_target_at,
		.roams = view.roams,
		.to_target = view.to_target,
		.to_client = view.to_client,
	};
}

/* At a clean stop. */

struct saver {
	struct mr_store *store;
	struct mr_store_totals totals[MR_STORE_CHECKPOINT_MAX];
	size_t n;
	int error;
	struct mr_why *why;
};

static void on_saved(void *context, int error, const struct mr_why *why)
{
	struct saver *saver = context;

	if (error && !saver->error) {
		saver->error = error;
		*saver->why = *why;
	}
}

static void save_what_waits(struct saver *saver)
{
	struct mr_store *store = saver->store;
	int r = store->ops->checkpoint(store, saver->totals, saver->n, on_saved, saver);

	if (r == -EAGAIN) {
		store->ops->flush(store);
		r = store->ops->checkpoint(store, saver->totals, saver->n, on_saved, saver);
	}
	if (r < 0 && !saver->error) {
		saver->error = r;
		snprintf(saver->why->text, sizeof(saver->why->text), "saving totals: %s",
			strerror(-r));
	}
	saver->n = 0;
}

static void save_one(struct session *session, const struct mr_session *record, void *context)
{
	struct saver *saver = context;

	if (session->life != LIFE_OPEN)
		return;
	mr_session_totals(session, record, &saver->totals[saver->n++]);
	if (saver->n == MR_STORE_CHECKPOINT_MAX)
		save_what_waits(saver);
}

int mr_sessions_flush(struct mr_sessions *sessions, struct mr_why *ret_why)
{
	struct saver saver = {.store = sessions->config.store, .why = ret_why};
	uint32_t cursor = 0;
	int error;

	saver.store->ops->flush(saver.store);
	while (mr_sessions_scan(sessions, &cursor, UINT32_MAX, NULL, save_one, &saver, &error))
		continue;
	if (saver.n > 0)
		save_what_waits(&saver);
	saver.store->ops->flush(saver.store);
	if (!saver.error && error) {
		saver.error = error;
		snprintf(ret_why->text, sizeof(ret_why->text), "reading totals: %s",
			strerror(-error));
	}
	return saver.error;
}
