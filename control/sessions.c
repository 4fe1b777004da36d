/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sessions.c - the session manager's tables: which sessions there are, found by id, by what makes
 * an open the same one, by index, counted by owner.
 *
 * How a session is opened, closed, restored and looked at is in sessions_*.c.
 */
#include "sessions.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "sessions_private.h"

struct uid_count {
	uid_t uid;
	uint32_t sessions;
};

/** What makes an open the same one. */
static bool same_key(const struct mr_session_info *a, const struct mr_session_info *b)
{
	return mr_addr_equal(&a->target, &b->target) && a->target_port == b->target_port &&
		a->uid == b->uid && !strcmp(a->label ? a->label : "", b->label ? b->label : "");
}

static uint64_t hash_key(const struct mr_sessions *sessions, const struct mr_session_info *info)
{
	const char *label = info->label ? info->label : "";
	uint64_t hash = mr_hash_octets(sessions->key_seed, &info->target, sizeof(info->target));

	hash ^= (uint64_t)info->uid << 16 | info->target_port;
	return mr_hash_octets(hash, label, strlen(label));
}

static struct session *find_key(
	const struct mr_sessions *sessions, const struct mr_session_info *info, uint64_t hash)
{
	struct mr_hash_link *link = mr_hash_first(&sessions->by_key, hash);

	for (; link; link = mr_hash_next(link)) {
		struct session *session = mr_hash_entry(link, struct session, by_key);

		if (same_key(&session->info, info))
			return session;
	}
	return NULL;
}

static int compare_uid(const void *a, const void *b)
{
	const struct uid_count *left = a, *right = b;

	return (left->uid > right->uid) - (left->uid < right->uid);
}

/* One session. */

struct session *mr_session_new(struct mr_sessions *sessions, const char *owner, const char *label)
{
	size_t owner_size = strnlen(owner, MR_STORE_OWNER_MAX) + 1;
	size_t label_size = label && label[0] ? strlen(label) + 1 : 0;
	struct session *session = calloc(1, sizeof(*session) + owner_size + label_size);

	if (!session)
		return NULL;
	session->sessions = sessions;
	session->base_client_ns = INT64_MIN;
	session->base_target_ns = INT64_MIN;
	memcpy(session->text, owner, owner_size - 1);
	session->info.owner = session->text;
	if (label_size)
		session->info.label = memcpy(session->text + owner_size, label, label_size);
	return session;
}

static int count_uid(struct mr_sessions *sessions, uid_t uid, int change)
{
	const struct uid_count key = {.uid = uid};
	struct uid_count **node = tfind(&key, &sessions->by_uid, compare_uid), *count;

	if (node) {
		count = *node;
	} else {
		count = calloc(1, sizeof(*count));
		if (!count)
			return -ENOMEM;
		count->uid = uid;
		if (!tsearch(count, &sessions->by_uid, compare_uid)) {
			free(count);
			return -ENOMEM;
		}
	}
	count->sessions += (uint32_t)change;
	if (count->sessions == 0) {
		tdelete(count, &sessions->by_uid, compare_uid);
		free(count);
	}
	return 0;
}

int mr_session_register(struct session *session)
{
	struct mr_sessions *sessions = session->sessions;
	uint64_t key_hash = hash_key(sessions, &session->info);

	if (mr_session_find(sessions, session->info.id))
		return -EEXIST;
	/* Ids are random: they are their own hash. */
	if (mr_hash_add(&sessions->by_id, &session->by_id, session->info.id))
		return -ENOMEM;
	session->in_by_id = true;
	/* A session opened twice by the same key in a damaged store is in the table once. */
	if (!find_key(sessions, &session->info, key_hash)) {
		if (mr_hash_add(&sessions->by_key, &session->by_key, key_hash))
			return -ENOMEM;
		session->in_by_key = true;
	}
	if (count_uid(sessions, session->info.uid, 1) < 0)
		return -ENOMEM;
	session->counted = true;
	return 0;
}

void mr_session_forget_key(struct session *session)
{
	if (session->in_by_key)
		mr_hash_remove(&session->sessions->by_key, &session->by_key);
	session->in_by_key = false;
	if (session->counted)
		count_uid(session->sessions, session->info.uid, -1);
	session->counted = false;
}

void mr_session_set_index(struct session *session, uint32_t index)
{
	struct mr_sessions *sessions = session->sessions;

	session->info.index = index;
	session->has_index = true;
	sessions->by_index[index] = session;
	if (index >= sessions->index_end)
		sessions->index_end = index + 1;
}

void mr_session_free(struct session *session)
{
	struct mr_sessions *sessions = session->sessions;
	struct mr_session_info *info = &session->info;

	mr_session_forget_key(session);
	if (session->in_by_id)
		mr_hash_remove(&sessions->by_id, &session->by_id);
	if (session->retrying)
		TAILQ_REMOVE(&sessions->retries, session, retry);
	if (session->has_index) {
		sessions->by_index[info->index] = NULL;
		mr_indices_release(sessions->indices, info->index);
	}
	if (info->upstream_base)
		mr_blocks_release(sessions->blocks, &info->target, info->target_port,
			info->upstream_base, session->used);
	if (info->public_port)
		mr_ports_release(sessions->ports, session->pool_number, info->public_port);
	free(session->restored);
	free(session->why);
	free(session);
}

struct session *mr_session_find(const struct mr_sessions *sessions, uint64_t id)
{
	struct mr_hash_link *link = mr_hash_first(&sessions->by_id, id);

	return link ? mr_hash_entry(link, struct session, by_id) : NULL;
}

struct session *mr_session_find_key(const struct mr_sessions *sessions, uid_t uid,
	const struct mr_addr *target, uint16_t port, const char *label)
{
	const struct mr_session_info info = {
		.uid = uid,
		.target = *target,
		.target_port = port,
		.label = label,
	};

	return find_key(sessions, &info, hash_key(sessions, &info));
}

/* The manager. */

static int check_pools(const struct mr_sessions_config *config, struct mr_why *ret_why)
{
	size_t n_addresses = 0;

	for (size_t i = 0; i < config->n_pools; i++) {
		const struct mr_session_pool *pool = &config->pools[i];

		n_addresses += pool->n_addresses;
		if (pool->n_addresses == 0 || n_addresses > MR_PUBLIC_MAX) {
			snprintf(ret_why->text, sizeof(ret_why->text),
				"setting up pool \"%s\": 1 to %d public addresses are possible in "
				"all pools together",
				pool->name, MR_PUBLIC_MAX);
			return -EINVAL;
		}
		if (strlen(pool->name) > MR_STORE_POOL_MAX) {
			snprintf(ret_why->text, sizeof(ret_why->text),
				"setting up pool \"%.40s\": its name has more than %d characters",
				pool->name, MR_STORE_POOL_MAX);
			return -EINVAL;
		}
	}
	return 0;
}

static int make_tables(struct mr_sessions *sessions)
{
	const struct mr_sessions_config *config = &sessions->config;
	struct mr_port_range ranges[MR_PUBLIC_MAX];
	int r;

	sessions->pools = calloc(config->n_pools, sizeof(sessions->pools[0]));
	sessions->pool_slots = calloc(config->n_pools, sizeof(sessions->pool_slots[0]));
	sessions->by_index = calloc(config->n_records, sizeof(sessions->by_index[0]));
	sessions->records = calloc(SCAN_RECORDS, sizeof(sessions->records[0]));
	sessions->retry_timer = calloc(1, sizeof(*sessions->retry_timer));
	if (!sessions->pools || !sessions->pool_slots || !sessions->by_index ||
		!sessions->records || !sessions->retry_timer)
		return -ENOMEM;
	memcpy(sessions->pools, config->pools, config->n_pools * sizeof(sessions->pools[0]));
	sessions->config.pools = sessions->pools;
	uv_timer_init(config->loop, sessions->retry_timer);
	for (size_t i = 0; i < config->n_pools; i++)
		ranges[i] =
			(struct mr_port_range){config->pools[i].port_lo, config->pools[i].port_hi};
	r = mr_ports_new(ranges, (uint32_t)config->n_pools, config->clock, &sessions->ports);
	if (r == 0)
		r = mr_blocks_new(
			config->upstream_lo, config->upstream_hi, config->clock, &sessions->blocks);
	if (r == 0)
		r = mr_indices_new(config->n_records, config->clock, &sessions->indices);
	return r;
}

int mr_sessions_new(const struct mr_sessions_config *config, struct mr_sessions **ret_sessions,
	struct mr_why *ret_why)
{
	struct mr_sessions *sessions;
	int r = check_pools(config, ret_why);

	if (r < 0)
		return r;
	sessions = calloc(1, sizeof(*sessions));
	if (sessions) {
		sessions->config = *config;
		if (!config->clock)
			sessions->config.clock = &mr_clock_system;
		if (config->n_records < config->max_sessions)
			sessions->config.n_records = config->max_sessions;
		sessions->key_seed = mr_random_u64();
		TAILQ_INIT(&sessions->retries);
		r = make_tables(sessions);
	} else {
		r = -ENOMEM;
	}
	if (r < 0) {
		snprintf(ret_why->text, sizeof(ret_why->text), "setting up %u sessions: %s",
			config->max_sessions,
			r == -EINVAL ? "the port ranges are too small" : strerror(-r));
		mr_sessions_free(sessions);
		return r;
	}
	*ret_sessions = sessions;
	return 0;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void cancel_waiters(struct mr_sessions *sessions)
{
	static const struct mr_why why = {"the daemon is stopping; try again"};

	for (uint32_t i = 0; i < sessions->index_end; i++) {
		if (sessions->by_index[i])
			mr_session_answer(sessions->by_index[i], -ECANCELED, &why);
	}
}

/* The dataplane goes on forwarding: no quarantine is needed for what another daemon takes over. */
static void forget_session(struct mr_hash_link *link)
{
	struct session *session = mr_hash_entry(link, struct session, by_id);

	free(session->restored);
	free(session->why);
	free(session);
}

void mr_sessions_free(struct mr_sessions *sessions)
{
	if (!sessions)
		return;
	sessions->freeing = true;
	if (sessions->config.store)
		sessions->config.store->ops->flush(sessions->config.store);
	if (sessions->by_index)
		cancel_waiters(sessions);
	mr_hash_clear(&sessions->by_key, NULL);
	mr_hash_clear(&sessions->by_id, forget_session);
	tdestroy(sessions->by_uid, free);
	mr_ports_free(sessions->ports);
	mr_blocks_free(sessions->blocks);
	mr_indices_free(sessions->indices);
	if (sessions->retry_timer && sessions->retry_timer->loop)
		uv_close((uv_handle_t *)sessions->retry_timer, free_handle);
	else
		free(sessions->retry_timer);
	free(sessions->records);
	free(sessions->by_index);
	free(sessions->pool_slots);
	free(sessions->pools);
	free(sessions);
}

const struct mr_session_info *mr_sessions_find(const struct mr_sessions *sessions, uint64_t id)
{
	const struct session *session = mr_session_find(sessions, id);

	if (!session || (session->life != LIFE_OPEN && session->life != LIFE_CLOSING))
		return NULL;
	return &session->info;
}

uint32_t mr_sessions_count_uid(const struct mr_sessions *sessions, uid_t uid)
{
	const struct uid_count key = {.uid = uid};
	struct uid_count **node = tfind(&key, &sessions->by_uid, compare_uid);

	return node ? (*node)->sessions : 0;
}

void mr_sessions_counts(const struct mr_sessions *sessions, struct mr_sessions_counts *ret_counts)
{
	struct mr_sessions_counts counts = {
		.sessions = sessions->n_open,
		.opening = sessions->n_opening,
		.closing = sessions->n_closing,
		.max_sessions = sessions->config.max_sessions,
		.ports_held = mr_ports_held(sessions->ports),
		.opened = sessions->opened,
		.closed = sessions->closed,
		.store_errors = sessions->store_errors,
		.store_why = sessions->store_why,
	};

	memcpy(counts.by_state, sessions->n_seen, sizeof(counts.by_state));
	counts.by_state[MR_SESSION_CLOSING] = sessions->n_closing;
	for (uint32_t i = 0; i < sessions->config.n_pools; i++) {
		counts.public_ports += mr_ports_size(sessions->ports, i);
		counts.public_ports_free += mr_ports_left(sessions->ports, i);
	}
	*ret_counts = counts;
}

void mr_sessions_drain(struct mr_sessions *sessions, bool drain)
{
	sessions->draining = drain;
}

bool mr_sessions_draining(const struct mr_sessions *sessions)
{
	return sessions->draining;
}
