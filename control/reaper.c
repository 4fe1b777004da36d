/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reaper.c - the round through all sessions: a timer, a cursor, and what is done at each session.
 *
 * Everything is decided by what the dataplane's records say, never by events, which may be lost.
 */
#include "reaper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sessions_private.h"

struct mr_reaper {
	struct mr_sessions *sessions;
	struct mr_runt *runt;
	uv_timer_t *timer; /* outlives the reaper by one turn of the loop */
	uint32_t cursor;
	unsigned runts; /* that may yet be sent in this tick */
	int64_t now;    /* of this tick, monotonic */
	int64_t offset; /* realtime less monotonic, at the last look */
	int error;      /* the dataplane's, told once */

	/* savings of totals */
	bool saving;         /* this pass does */
	bool save_unchanged; /* an earlier one failed: what it should have saved isn't known */
	int64_t saved_ns;    /* when the last such pass began */
	size_t n_totals;
	struct mr_store_totals totals[MR_STORE_CHECKPOINT_MAX];
};

/* Totals. */

static void on_saved(void *context, int error, const struct mr_why *why)
{
	struct mr_sessions *sessions = context;

	mr_sessions_note_store(sessions, error, why);
	if (error)
		sessions->totals_unsaved = true;
}

static void save_totals(struct mr_reaper *reaper)
{
	struct mr_store *store = reaper->sessions->config.store;

	if (reaper->n_totals > 0 &&
		store->ops->checkpoint(
			store, reaper->totals, reaper->n_totals, on_saved, reaper->sessions) < 0)
		reaper->sessions->totals_unsaved = true;
	reaper->n_totals = 0;
}

/*
 * News is saved by a pass once in a while, but a target's first answer by the next one: without it
 * a session has a minute to live after a reboot.
 */
static void note_totals(struct mr_reaper *reaper, struct session *session,
	const struct mr_session *record, const struct activity *activity)
{
	uint64_t datagrams = record->from_client.datagrams + record->from_target.datagrams;
	bool answered = activity->target_ns != INT64_MIN;
	bool news = datagrams != session->saved_datagrams || reaper->save_unchanged;

	if (answered == session->answer_saved && !(reaper->saving && news))
		return;
	session->answer_saved = answered;
	session->saved_datagrams = datagrams;
	mr_session_totals(session, record, &reaper->totals[reaper->n_totals++]);
	if (reaper->n_totals == MR_STORE_CHECKPOINT_MAX)
		save_totals(reaper);
}

/* Ends. */

/* Whether nobody needs the session any more. */
static bool is_over(const struct session *session, const struct activity *activity, int64_t now,
	enum mr_session_end *ret_end)
{
	int64_t heard = session->idle_from_ns;

	if (activity->target_ns == INT64_MIN) {
		*ret_end = MR_SESSION_END_NEVER_ANSWERED;
		return now - session->opened_ns >= MR_REAPER_UNANSWERED_NS;
	}
	/* A client that the target never answered may be anybody. */
	heard = activity->proven_client_ns > heard ? activity->proven_client_ns : heard;
	heard = activity->target_ns > heard ? activity->target_ns : heard;
	*ret_end = MR_SESSION_END_IDLE;
	return now - heard >= (int64_t)session->info.idle_s * MR_SECOND;
}

static void tell_silence(
	struct mr_reaper *reaper, struct session *session, const struct activity *activity)
{
	enum mr_session_state state = mr_session_state_of(session, activity, reaper->now);
	struct mr_notice notice = {.kind = MR_NOTICE_SILENT, .info = &session->info};

	if (state == MR_SESSION_SILENT && !session->silent)
		mr_sessions_notify(reaper->sessions, &notice);
	session->silent = state == MR_SESSION_SILENT;
	mr_session_see(session, state);
}

static void ask_target(struct mr_reaper *reaper, struct session *session,
	const struct mr_session *record, const struct activity *activity)
{
	const struct mr_session_info *info = &session->info;
	uint16_t slot = record->current < MR_LEGS ? record->current : 0;
	uint64_t cookie;

	if (!reaper->runt || reaper->runts == 0 ||
		!mr_runt_is_due(&session->runt, activity->target_ns, reaper->now))
		return;
	reaper->runts--;
	cookie = mr_runt_begin(&session->runt, reaper->now);
	/* What can't be sent is tried again in time: routes and addresses come and go. */
	mr_runt_send(reaper->runt, &info->upstream, (uint16_t)(info->upstream_base + slot),
		&info->target, info->target_port, cookie);
}

static void visit(struct session *session, const struct mr_session *record, void *context)
{
	struct mr_reaper *reaper = context;
	struct activity activity;
	enum mr_session_end end;

	if (session->life != LIFE_OPEN)
		return;
	mr_session_activity(session, record, &activity);
	if (is_over(session, &activity, reaper->now, &end)) {
		mr_sessions_close(reaper->sessions, session->info.id, end, NULL, NULL);
		return;
	}
	tell_silence(reaper, session, &activity);
	ask_target(reaper, session, record, &activity);
	note_totals(reaper, session, record, &activity);
}

/* The round. */

static void begin_pass(struct mr_reaper *reaper)
{
	struct mr_sessions *sessions = reaper->sessions;

	reaper->cursor = 0;
	reaper->saving = reaper->now - reaper->saved_ns >= MR_REAPER_CHECKPOINT_NS;
	if (!reaper->saving)
		return;
	reaper->saved_ns = reaper->now;
	reaper->save_unchanged = sessions->totals_unsaved;
	sessions->totals_unsaved = false;
}

/*
 * When somebody sets the clock, the store's times are those of another one: all of them are saved
 * anew by the next pass, also for sessions of which there is no news. Else a reboot would take the
 * step for time that they were idle.
 */
static void look_at_clock(struct mr_reaper *reaper)
{
	struct mr_sessions *sessions = reaper->sessions;
	int64_t offset = sessions->config.clock->realtime() - reaper->now;

	if (llabs(offset - reaper->offset) >= MR_REAPER_STEP_NS) {
		sessions->totals_unsaved = true;
		reaper->saved_ns = reaper->now - MR_REAPER_CHECKPOINT_NS;
	}
	reaper->offset = offset;
}

static bool step(struct mr_reaper *reaper, unsigned budget)
{
	struct mr_sessions *sessions = reaper->sessions;
	bool more;
	int error;

	reaper->now = mr_sessions_monotonic(sessions);
	look_at_clock(reaper);
	if (reaper->cursor == 0)
		begin_pass(reaper);
	more = mr_sessions_scan(sessions, &reaper->cursor, budget, NULL, visit, reaper, &error);
	if (error && !reaper->error)
		mr_sessions_trouble(sessions, NULL, "reading sessions from the dataplane: %s",
			strerror(-error));
	reaper->error = error;
	if (!more) {
		save_totals(reaper);
		reaper->cursor = 0;
	}
	return more;
}

unsigned mr_reaper_tick_ms(uint32_t n_sessions)
{
	uint64_t ms = n_sessions
		? (uint64_t)MR_REAPER_PASS_MS * MR_REAPER_TICK_SESSIONS / n_sessions
		: MR_REAPER_TICK_MS;

	return (unsigned)mr_max(
		mr_min(ms, (uint64_t)MR_REAPER_TICK_MS), (uint64_t)MR_REAPER_TICK_MIN_MS);
}

static void on_tick(uv_timer_t *timer)
{
	struct mr_reaper *reaper = timer->data;
	uint32_t n_open = reaper->sessions->n_open;
	unsigned budget = n_open / MR_REAPER_PASS_TICKS + 1, tick_ms = mr_reaper_tick_ms(n_open);

	reaper->runts = MR_REAPER_SECOND_RUNTS * tick_ms / 1000;
	uv_timer_set_repeat(timer, tick_ms);
	step(reaper, mr_min(budget, (unsigned)MR_REAPER_TICK_SESSIONS));
}

void mr_reaper_pass(struct mr_reaper *reaper)
{
	reaper->runts = MR_REAPER_SECOND_RUNTS * MR_REAPER_TICK_MS / 1000;
	reaper->cursor = 0;
	while (step(reaper, UINT32_MAX))
		continue;
}

int mr_reaper_new(struct mr_sessions *sessions, struct mr_runt *runt, struct mr_reaper **ret_reaper)
{
	struct mr_reaper *reaper = calloc(1, sizeof(*reaper));

	if (reaper)
		reaper->timer = calloc(1, sizeof(*reaper->timer));
	if (!reaper || !reaper->timer) {
		free(reaper);
		return -ENOMEM;
	}
	reaper->sessions = sessions;
	reaper->runt = runt;
	reaper->saved_ns = mr_sessions_monotonic(sessions);
	reaper->offset = sessions->config.clock->realtime() - reaper->saved_ns;
	uv_timer_init(sessions->config.loop, reaper->timer);
	reaper->timer->data = reaper;
	uv_timer_start(reaper->timer, on_tick, MR_REAPER_TICK_MS, MR_REAPER_TICK_MS);
	*ret_reaper = reaper;
	return 0;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

void mr_reaper_free(struct mr_reaper *reaper)
{
	if (!reaper)
		return;
	uv_close((uv_handle_t *)reaper->timer, free_handle);
	free(reaper);
}
