/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sessions_pools.c - other pools for a manager that runs: ports, addresses, and pools more.
 *
 * Everything that can fail is done before anything is changed for sessions. They keep their ports,
 * whatever range those are out of now; they are reached at the addresses that their pool has now.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sessions_private.h"

/* A change that is being prepared. */
struct change {
	struct mr_session_pool *pools;
	struct pool_slots *pool_slots;
	struct public_slot public[MR_PUBLIC_MAX];
	size_t n_pools;
};

static int fail(struct mr_why *why, int error, const char *what, const char *name)
{
	snprintf(why->text, sizeof(why->text), what, name);
	return error;
}

static struct public_slot *find_slot(struct change *change, const struct mr_addr *addr)
{
	for (size_t i = 0; i < MR_PUBLIC_MAX; i++)
		if (mr_addr_equal(&change->public[i].addr, addr))
			return &change->public[i];
	return NULL;
}

/* Whose address it was, before this change; legs know it by its number, so that stays. */
static const struct public_slot *former_slot(
	const struct mr_sessions *sessions, const struct mr_addr *addr)
{
	for (size_t i = 0; i < MR_PUBLIC_MAX; i++)
		if (mr_addr_equal(&sessions->public[i].addr, addr))
			return &sessions->public[i];
	return NULL;
}

static int place(struct mr_sessions *sessions, struct change *change, uint32_t pool, size_t i,
	struct mr_why *why)
{
	const struct mr_sessions_config *config = &sessions->config;
	const struct mr_addr *addr = &change->pools[pool].addresses[i];
	const struct public_slot *former = former_slot(sessions, addr);
	struct public_slot *slot = find_slot(change, addr);
	static const struct mr_addr none;
	uint32_t number;
	int r;

	if (slot && slot->has_pool)
		return fail(why, -EINVAL, "%s", "a public address stands twice in the pools");
	if (former && former->has_pool && former->pool_number != pool)
		return fail(why, -EBUSY, "pool \"%s\": an address comes from another pool",
			change->pools[pool].name);
	if (!slot) {
		slot = find_slot(change, &none);
		if (!slot)
			return fail(why, -ENOSPC, "%s",
				"the dataplane has no room for another public address");
		number = (uint32_t)(slot - change->public);
		r = config->ops->address_put(config->backend, number, addr);
		if (r < 0)
			return fail(why, r, "a public address can't be added: %s", strerror(-r));
		slot->addr = *addr;
		/* Known from now on, even if the change fails: as one that was configured once. */
		sessions->public[number].addr = *addr;
	}
	slot->has_pool = true;
	slot->pool_number = pool;
	change->pool_slots[pool].slots[i] = (uint8_t)(slot - change->public);
	return 0;
}

static int prepare(struct mr_sessions *sessions, const struct mr_session_pool *pools,
	size_t n_pools, struct change *change, struct mr_why *why)
{
	const struct mr_sessions_config *config = &sessions->config;
	int r = 0;

	for (size_t i = 0; i < config->n_pools; i++)
		if (i >= n_pools || strcmp(pools[i].name, sessions->pools[i].name))
			return fail(why, -EBUSY, "pool \"%s\" is missing, or not in its place",
				sessions->pools[i].name);
	change->n_pools = n_pools;
	change->pools = calloc(n_pools, sizeof(*change->pools));
	change->pool_slots = calloc(n_pools, sizeof(*change->pool_slots));
	if (!change->pools || !change->pool_slots)
		return fail(why, -ENOMEM, "%s", "out of memory");
	memcpy(change->pools, pools, n_pools * sizeof(*pools));
	memcpy(change->public, sessions->public, sizeof(change->public));
	for (size_t i = 0; i < MR_PUBLIC_MAX; i++)
		change->public[i].has_pool = false;
	for (uint32_t pool = 0; !r && pool < n_pools; pool++) {
		for (size_t i = 0; !r && i < pools[pool].n_addresses; i++)
			r = place(sessions, change, pool, i, why);
	}
	return r;
}

static int set_ranges(
	struct mr_sessions *sessions, const struct mr_session_pool *pools, size_t n_pools)
{
	struct mr_port_range ranges[MR_PUBLIC_MAX];

	if (n_pools > MR_PUBLIC_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n_pools; i++)
		ranges[i] = (struct mr_port_range){pools[i].port_lo, pools[i].port_hi};
	return mr_ports_set_ranges(&sessions->ports, ranges, (uint32_t)n_pools);
}

/* Keys at new addresses, and none at former ones. */
static void rekey(struct mr_sessions *sessions)
{
	uint32_t missing, failed = 0;

	for (uint32_t i = 0; i < sessions->index_end; i++) {
		struct session *session = sessions->by_index[i];

		if (!session)
			continue;
		session->info.pool = &sessions->pools[session->pool_number];
		if (session->life == LIFE_OPEN)
			failed += mr_session_repair(session, &missing) < 0;
	}
	if (failed)
		mr_sessions_trouble(sessions, NULL,
			"%u sessions are not reached at all addresses of their pool: no room in "
			"the dataplane's tables",
			failed);
}

int mr_sessions_set_pools(struct mr_sessions *sessions, const struct mr_session_pool *pools,
	size_t n_pools, struct mr_why *ret_why)
{
	struct change change = {0};
	int r = prepare(sessions, pools, n_pools, &change, ret_why);

	if (!r) {
		r = set_ranges(sessions, pools, n_pools);
		if (r)
			fail(ret_why, r, "ports can't be changed: %s", strerror(-r));
	}
	if (r) {
		free(change.pools);
		free(change.pool_slots);
		return r;
	}
	free(sessions->pools);
	free(sessions->pool_slots);
	sessions->pools = change.pools;
	sessions->pool_slots = change.pool_slots;
	memcpy(sessions->public, change.public, sizeof(sessions->public));
	sessions->config.pools = sessions->pools;
	sessions->config.n_pools = n_pools;
	rekey(sessions);
	return 0;
}
