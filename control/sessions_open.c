/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sessions_open.c - opening: ports, upstream block and record are reserved, then the row is made
 * durable, then the dataplane learns of it, then the openers do.
 *
 * Killed before the row is durable, nothing is left; after, start-up installs what is missing. What
 * fails is undone in reverse, the row included.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "random.h"
#include "sessions_private.h"

bool mr_session_error_is_limit(int error)
{
	return error == -EDQUOT || error == -ENOSPC || error == -EAGAIN;
}

static int check_open(const struct mr_session_open *open, struct mr_why *why)
{
	if (open->target_port == 0)
		return mr_why_set(why, -EINVAL, "target port 0: a target listens on 1 to 65535");
	if (open->label && strlen(open->label) > MR_STORE_LABEL_MAX)
		return mr_why_set(why, -EINVAL, "the label is too long: at most %d octets",
			MR_STORE_LABEL_MAX);
	if (open->idle_s &&
		(open->idle_s < MR_SESSION_IDLE_MIN || open->idle_s > MR_SESSION_IDLE_MAX))
		return mr_why_set(why, -EINVAL, "idle timeout %" PRIu32 " s: %d to %d are possible",
			open->idle_s, MR_SESSION_IDLE_MIN, MR_SESSION_IDLE_MAX);
	return 0;
}

static int check_limits(
	struct mr_sessions *sessions, const struct mr_session_open *open, struct mr_why *why)
{
	uint32_t all = sessions->n_open + sessions->n_opening + sessions->n_closing;

	if (sessions->draining)
		return mr_why_set(why, -ESHUTDOWN,
			"this bastion is being drained and takes no new sessions; ask its "
			"administrator, or use another one");
	if (open->quota && mr_sessions_count_uid(sessions, open->uid) >= open->quota)
		return mr_why_set(why, -EDQUOT,
			"you have %" PRIu32 " sessions, the most that you may have; close one "
			"(moshrelay list, moshrelay close ID)",
			open->quota);
	if (all >= sessions->config.max_sessions)
		return mr_why_set(why, -ENOSPC,
			"all %" PRIu32 " sessions are in use; the administrator can raise "
			"--max-sessions",
			sessions->config.max_sessions);
	return 0;
}

/* From the first pool that has one. */
static int take_public_port(struct session *session, struct mr_why *why)
{
	struct mr_sessions *sessions = session->sessions;
	int r = -ENOSPC;

	for (uint32_t i = 0; i < sessions->config.n_pools && r == -ENOSPC; i++) {
		r = mr_ports_take(sessions->ports, i, &session->info.public_port);
		if (r == 0) {
			session->pool_number = i;
			session->info.pool = &sessions->pools[i];
		}
	}
	if (r == -ENOSPC)
		return mr_why_set(why, r,
			"no public port is free; the administrator can widen --ports or add a "
			"pool");
	if (r < 0)
		return mr_why_set(why, r, "holding a public port: %s", strerror(-r));
	return 0;
}

static int reserve(struct session *session, struct mr_why *why)
{
	struct mr_sessions *sessions = session->sessions;
	const struct mr_sessions_config *config = &sessions->config;
	struct mr_session_info *info = &session->info;
	char target[MR_ADDR_TEXT_SIZE];
	uint32_t index;
	int r;

	r = config->route(config->route_context, &info->target, NULL, &info->upstream, why);
	if (r < 0)
		return r;
	r = mr_indices_take(sessions->indices, &index);
	if (r < 0) /* those closed within the last second are not free yet */
		return mr_why_set(why, r,
			"all %" PRIu32 " sessions are in use; try again, or the administrator can "
			"raise --max-sessions",
			config->max_sessions);
	mr_session_set_index(session, index);
	r = mr_blocks_take(
		sessions->blocks, &info->target, info->target_port, &info->upstream_base);
	if (r == -ENOSPC)
		return mr_why_set(why, r,
			"all %" PRIu32 " blocks of upstream ports to %s are in use or rest; close "
			"a session to it and wait %d s, or the administrator can widen "
			"--upstream-ports",
			mr_blocks_size(sessions->blocks),
			mr_endpoint_format(
				&info->target, info->target_port, target, sizeof(target)),
			(int)(MR_BLOCKS_QUARANTINE_NS / MR_SECOND));
	if (r < 0)
		return mr_why_set(why, r, "reserving upstream ports: %s", strerror(-r));
	return take_public_port(session, why);
}

static uint64_t new_id(const struct mr_sessions *sessions)
{
	uint64_t id;

	do {
		id = mr_random_u64();
	} while (id == 0 || mr_session_find(sessions, id));
	return id;
}

/* A session with everything reserved and in the tables, or nothing. */
static int make(struct mr_sessions *sessions, const struct mr_session_open *open,
	struct session **ret_session, struct mr_why *why)
{
	struct session *session = mr_session_new(sessions, open->owner, open->label);
	int r;

	if (!session)
		return mr_why_set(why, -ENOMEM, "opening a session: out of memory");
	session->life = LIFE_OPENING;
	session->info.id = new_id(sessions);
	session->info.uid = open->uid;
	session->info.target = open->target;
	session->info.target_port = open->target_port;
	session->info.idle_s = open->idle_s ? open->idle_s : MR_SESSION_IDLE_DEFAULT;
	session->info.opened_at = sessions->config.clock->realtime();
	session->opened_ns = mr_sessions_monotonic(sessions);
	session->idle_from_ns = session->opened_ns;
	if (open->hint) {
		session->has_hint = true;
		session->hint = *open->hint;
	}
	r = reserve(session, why);
	if (r == 0) {
		r = mr_session_register(session);
		if (r < 0)
			mr_why_set(why, r, "opening a session: %s", strerror(-r));
	}
	if (r < 0)
		mr_session_free(session);
	else
		*ret_session = session;
	return r;
}

/* The row is durable: into the dataplane, or all the way back. */
static void finish_open(struct session *session)
{
	struct mr_sessions *sessions = session->sessions;
	struct mr_notice notice = {.kind = MR_NOTICE_OPENED, .info = &session->info};
	int r;

	/* It may have waited for a slow disk: the target's time counts from now. */
	session->opened_ns = mr_sessions_monotonic(sessions);
	r = mr_session_install(session, NULL);
	sessions->n_opening--;
	if (r < 0) {
		session->life = LIFE_UNDOING;
		session->error = r == -ENOSPC ? r : -EIO;
		session->why = malloc(sizeof(*session->why));
		if (session->why)
			mr_why_set(session->why, r, "putting the session into the dataplane: %s%s",
				strerror(-r),
				r == -ENOSPC ? "; the administrator can raise --max-sessions" : "");
		mr_session_begin_close(session);
		return;
	}
	session->life = LIFE_OPEN;
	sessions->n_open++;
	sessions->n_seen[session->seen]++;
	sessions->opened++;
	mr_sessions_notify(sessions, &notice);
	mr_session_answer(session, 0, NULL);
}

static int put_row(struct session *session, mr_store_done_fn *done)
{
	struct mr_store *store = session->sessions->config.store;
	struct mr_store_row row;

	mr_session_row(session, &row);
	return store->ops->put(store, &row, done, session);
}

static void on_row_put(void *context, int error, const struct mr_why *why)
{
	struct session *session = context;
	struct mr_sessions *sessions = session->sessions;

	mr_sessions_note_store(sessions, error, why);
	if (error && !session->stored) {
		sessions->n_opening--;
		mr_session_answer(session, -EIO, why);
		mr_session_free(session);
		return;
	}
	session->stored = true;
	/* Should that fail, the row of before stays: a session all the same. */
	if (session->changed && !error) {
		session->changed = false;
		if (put_row(session, on_row_put) == 0)
			return;
	}
	finish_open(session);
}

static void on_row_changed(void *context, int error, const struct mr_why *why)
{
	struct session *session = context;

	mr_sessions_note_store(session->sessions, error, why);
	session->n_changing--;
	/* One that is being closed meanwhile answers everybody when that is done. */
	if (session->n_changing == 0 && session->life == LIFE_OPEN)
		mr_session_answer(session, error ? -EIO : 0, why);
}

/*
 * The newest request's idle timeout counts, from now on and after a restart. False: there is
 * nothing to wait for.
 */
static bool change_idle(struct session *session, uint32_t idle_s, int *ret_error)
{
	uint32_t before = session->info.idle_s;

	*ret_error = 0;
	if (!idle_s || idle_s == before)
		return session->n_changing > 0;
	session->info.idle_s = idle_s;
	if (session->life == LIFE_OPENING) {
		session->changed = true;
		return true;
	}
	*ret_error = put_row(session, on_row_changed);
	if (*ret_error < 0)
		session->info.idle_s = before;
	else
		session->n_changing++;
	return *ret_error == 0;
}

int mr_sessions_open(struct mr_sessions *sessions, const struct mr_session_open *open,
	mr_session_done_fn *done, void *context, uint64_t *ret_id, struct mr_why *ret_why)
{
	struct waiter *waiter;
	struct session *session;
	int r = check_open(open, ret_why);

	if (r < 0)
		return r;
	session = mr_session_find_key(sessions, open->uid, &open->target, open->target_port,
		open->label && open->label[0] ? open->label : NULL);
	waiter = malloc(sizeof(*waiter));
	if (!waiter)
		return mr_why_set(ret_why, -ENOMEM, "opening a session: out of memory");
	*waiter = (struct waiter){.done = done, .context = context};
	if (session) {
		bool waits = change_idle(session, open->idle_s, &r);

		if (r < 0)
			mr_why_set(ret_why, r, "too many sessions are being opened; try again");
		else if (session->life == LIFE_OPEN && !waits)
			r = 1;
		if (r != 0) {
			free(waiter);
			*ret_id = session->info.id;
			return r;
		}
	} else {
		r = check_limits(sessions, open, ret_why);
		if (r == 0)
			r = make(sessions, open, &session, ret_why);
		if (r == 0) {
			r = put_row(session, on_row_put);
			if (r < 0) {
				mr_why_set(ret_why, r,
					"too many sessions are being opened; try again");
				mr_session_free(session);
			}
		}
		if (r < 0) {
			free(waiter);
			return r;
		}
		sessions->n_opening++;
	}
	mr_session_add_waiter(session, waiter);
	*ret_id = session->info.id;
	return 0;
}
