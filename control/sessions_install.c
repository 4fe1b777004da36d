/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sessions_install.c - a session's way into the dataplane and out of it.
 *
 * The order is what makes each moment safe: no key leads to a record that isn't whole, and clients
 * can't reach a session whose target's answers would not find back. Out is the reverse.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "sessions_private.h"

static struct mr_session make_record(
	const struct session *session, const struct mr_store_totals *totals)
{
	const struct mr_session_info *info = &session->info;
	struct mr_session record = {
		.flags = MR_SESSION_OPEN,
		.current = MR_NO_SLOT,
		.public_port = htons(info->public_port),
		.target_port = htons(info->target_port),
		.upstream_base = info->upstream_base,
		.target = info->target,
		.upstream = info->upstream,
		.id = info->id,
		.opened_ns = (uint64_t)session->opened_ns,
	};

	if (session->has_hint) {
		record.flags |= MR_SESSION_HINT;
		record.hint = session->hint;
	}
	if (totals) {
		record.from_client = totals->to_target;
		record.from_target = totals->to_client;
		record.roams = totals->roams;
	}
	return record;
}

static struct mr_key target_key(const struct mr_session_info *info)
{
	return mr_key_target(&info->target, htons(info->target_port), info->upstream_base);
}

/* The key of the session at the pool's address number `i`, and what it leads to. */
static struct mr_key public_key(const struct session *session, size_t i, struct mr_ref *ret_ref)
{
	const struct mr_session_info *info = &session->info;

	ret_ref->index = info->index;
	ret_ref->public_slot = session->sessions->pool_slots[session->pool_number].slots[i];
	return mr_key_public(&info->pool->addresses[i], htons(info->public_port));
}

/* -EEXIST is an error for a new session, and what is hoped for where one is being repaired. */
static int put_keys(struct session *session, bool repair, uint32_t *ret_put)
{
	const struct mr_sessions_config *config = &session->sessions->config;
	struct mr_key key = target_key(&session->info);
	struct mr_ref ref = {.index = session->info.index};
	uint32_t n_put = 0;
	int r = config->ops->target_put(config->backend, &key, ref);

	if (r < 0 && !(repair && r == -EEXIST))
		return r;
	n_put += r == 0;
	for (size_t i = 0; i < session->info.pool->n_addresses; i++) {
		key = public_key(session, i, &ref);
		r = config->ops->public_put(config->backend, &key, ref);
		if (r < 0 && !(repair && r == -EEXIST))
			return r;
		n_put += r == 0;
	}
	*ret_put = n_put;
	return 0;
}

int mr_session_install(struct session *session, const struct mr_store_totals *totals)
{
	const struct mr_sessions_config *config = &session->sessions->config;
	const struct mr_session record = make_record(session, totals);
	uint32_t n_put;
	int r = config->ops->session_put(config->backend, session->info.index, &record);

	if (r < 0)
		return r;
	session->installed = true;
	r = put_keys(session, false, &n_put);
	if (r < 0) {
		mr_session_uninstall(session);
		return r;
	}
	session->used = true;
	return 0;
}

/* An address that was taken out of the configuration may still lead to the session. */
static void del_former_keys(const struct session *session)
{
	const struct mr_sessions *sessions = session->sessions;
	static const struct mr_addr none;

	for (uint32_t slot = 0; slot < MR_PUBLIC_MAX; slot++) {
		const struct public_slot *public = &sessions->public[slot];
		struct mr_key key = mr_key_public(&public->addr, htons(session->info.public_port));

		if (!public->has_pool && !mr_addr_equal(&public->addr, &none))
			sessions->config.ops->public_del(sessions->config.backend, &key);
	}
}

int mr_session_repair(struct session *session, uint32_t *ret_missing)
{
	del_former_keys(session);
	session->installed = true;
	session->used = true;
	return put_keys(session, true, ret_missing);
}

/* Goes on after an error: the more is gone, the better. Returns the first one. */
static int note_error(int so_far, int r)
{
	if (so_far < 0 || r == -ENOENT)
		return so_far;
	return r < 0 ? r : so_far;
}

int mr_session_uninstall(struct session *session)
{
	const struct mr_sessions_config *config = &session->sessions->config;
	struct mr_key key;
	struct mr_ref ref;
	int error = 0;

	if (!session->installed)
		return 0;
	for (size_t i = 0; i < session->info.pool->n_addresses; i++) {
		key = public_key(session, i, &ref);
		error = note_error(error, config->ops->public_del(config->backend, &key));
	}
	key = target_key(&session->info);
	error = note_error(error, config->ops->target_del(config->backend, &key));
	error = note_error(error, config->ops->session_close(config->backend, session->info.index));
	if (error == 0)
		session->installed = false;
	return error;
}

int mr_sessions_remove_orphan(
	struct mr_sessions *sessions, uint32_t index, const struct mr_session *record)
{
	const struct mr_sessions_config *config = &sessions->config;
	static const struct mr_addr none;
	struct mr_key key;
	int error = 0;

	/* Its pool is not known: its port may lead to it at each address where no session of the
	 * store has that port. */
	for (uint32_t slot = 0; slot < MR_PUBLIC_MAX; slot++) {
		const struct public_slot *public = &sessions->public[slot];

		if (mr_addr_equal(&public->addr, &none) ||
			(public->has_pool &&
				mr_ports_is_taken(sessions->ports, public->pool_number,
					ntohs(record->public_port))))
			continue;
		key = mr_key_public(&public->addr, record->public_port);
		error = note_error(error, config->ops->public_del(config->backend, &key));
	}
	key = mr_key_target(&record->target, record->target_port, record->upstream_base);
	error = note_error(error, config->ops->target_del(config->backend, &key));
	return note_error(error, config->ops->session_close(config->backend, index));
}
