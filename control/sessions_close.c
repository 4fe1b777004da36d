/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sessions_close.c - closing: out of the dataplane at once, then out of the store, then ports and
 * record are free again, in quarantine.
 *
 * Killed in between, start-up finds the record closed and finishes the job. What store or dataplane
 * refuse is tried again from a timer; until then nothing of the session is reused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sessions_private.h"

static void take_out(struct session *session, bool answer);

void mr_session_add_waiter(struct session *session, struct waiter *waiter)
{
	struct waiter **end = &session->waiters;

	while (*end)
		end = &(*end)->next;
	waiter->next = NULL;
	*end = waiter;
}

void mr_session_answer(struct session *session, int error, const struct mr_why *why)
{
	static const struct mr_why no_memory = {"out of memory"};
	struct waiter *waiter = session->waiters, *next;
	uint64_t id = session->info.id;

	if (error && !why)
		why = &no_memory;
	session->waiters = NULL;
	for (; waiter; waiter = next) {
		next = waiter->next;
		if (waiter->done)
			waiter->done(waiter->context, error, id, why);
		free(waiter);
	}
}

static void on_retry(uv_timer_t *timer)
{
	struct mr_sessions *sessions = timer->data;
	struct session *session;
	TAILQ_HEAD(, session) all = TAILQ_HEAD_INITIALIZER(all);

	TAILQ_CONCAT(&all, &sessions->retries, retry);
	while ((session = TAILQ_FIRST(&all))) {
		TAILQ_REMOVE(&all, session, retry);
		session->retrying = false;
		take_out(session, true);
	}
}

static void try_again(struct session *session)
{
	struct mr_sessions *sessions = session->sessions;

	if (sessions->freeing)
		return;
	TAILQ_INSERT_TAIL(&sessions->retries, session, retry);
	session->retrying = true;
	sessions->retry_timer->data = sessions;
	if (uv_is_active((uv_handle_t *)sessions->retry_timer))
		return;
	sessions->retry_ms = sessions->retry_ms ? 2 * sessions->retry_ms : RETRY_FIRST_MS;
	if (sessions->retry_ms > RETRY_MAX_MS)
		sessions->retry_ms = RETRY_MAX_MS;
	uv_timer_start(sessions->retry_timer, on_retry, sessions->retry_ms, 0);
}

static void finish(struct session *session)
{
	struct mr_sessions *sessions = session->sessions;

	sessions->retry_ms = 0;
	if (session->life == LIFE_CLOSING) {
		sessions->n_closing--;
		sessions->closed++;
		mr_session_answer(session, 0, NULL);
	} else {
		mr_session_answer(session, session->error, session->why);
	}
	mr_session_free(session);
}

static void on_row_deleted(void *context, int error, const struct mr_why *why)
{
	struct session *session = context;

	mr_sessions_note_store(session->sessions, error, why);
	if (!error) {
		finish(session);
		return;
	}
	if (session->life == LIFE_CLOSING)
		mr_session_answer(session, -EIO, why);
	else
		mr_session_answer(session, session->error, session->why);
	try_again(session);
}

/*
 * Out of the dataplane, as far as it isn't, then out of the store. `answer`: a failure is told to
 * those who wait; not inside of mr_sessions_close(), where they wait for the next try.
 */
static void take_out(struct session *session, bool answer)
{
	struct mr_store *store = session->sessions->config.store;
	struct mr_why why;
	int r = mr_session_uninstall(session);

	if (r < 0) {
		snprintf(why.text, sizeof(why.text),
			"taking the session out of the dataplane: %s; it is tried again",
			strerror(-r));
		mr_sessions_trouble(session->sessions, session, "%s", why.text);
	} else {
		r = store->ops->del(store, session->info.id, on_row_deleted, session);
		if (r == 0)
			return;
		snprintf(why.text, sizeof(why.text), "taking the session out of the store: %s",
			strerror(-r));
	}
	if (answer)
		mr_session_answer(session, -EIO, &why);
	try_again(session);
}

void mr_session_begin_close(struct session *session)
{
	mr_session_forget_key(session);
	take_out(session, false);
}

int mr_sessions_close(struct mr_sessions *sessions, uint64_t id, enum mr_session_end end,
	mr_session_done_fn *done, void *context)
{
	struct session *session = mr_session_find(sessions, id);
	struct mr_notice notice = {.kind = MR_NOTICE_CLOSED, .end = end};
	struct waiter *waiter;

	if (!session || (session->life != LIFE_OPEN && session->life != LIFE_CLOSING))
		return -ENOENT;
	waiter = malloc(sizeof(*waiter));
	if (!waiter)
		return -ENOMEM;
	*waiter = (struct waiter){.done = done, .context = context};
	mr_session_add_waiter(session, waiter);
	if (session->life == LIFE_CLOSING)
		return 0;
	session->life = LIFE_CLOSING;
	sessions->n_open--;
	sessions->n_seen[session->seen]--;
	sessions->n_closing++;
	mr_session_begin_close(session);
	notice.info = &session->info;
	mr_sessions_notify(sessions, &notice);
	return 0;
}
