/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ways.c - a hash from target and own address to the ways, which are replaced whole.
 */
#include "ways.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_jhash.h>
#include <stdlib.h>

#include "tables.h"

#define TARGETS_MAX 131072U /* as many as XDP's map has room for */

/* The daemon's thread alone. */
static struct rte_hash *table(struct mr_tables *t)
{
	/* No more pairs than sessions; the seed is secret, or users could make theirs collide. */
	const struct rte_hash_parameters parameters = {
		.name = "ways",
		.entries = mr_max(mr_min(t->max_sessions, TARGETS_MAX), 64U),
		.key_len = sizeof(struct mr_ways_key),
		.hash_func = rte_jhash,
		.hash_func_init_val = t->hash_seed,
		.socket_id = SOCKET_ID_ANY,
		.extra_flag =
			RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};

	if (!t->ways)
		__atomic_store_n(&t->ways, rte_hash_create(&parameters), __ATOMIC_RELEASE);
	return t->ways;
}

static void *find(const struct rte_hash *hash, const struct mr_ways_key *key)
{
	void *found;

	return hash && rte_hash_lookup_data(hash, key, &found) >= 0 ? found : NULL;
}

static void forget(struct mr_tables *t, const struct mr_ways_key *key)
{
	struct mr_ways *old = find(t->ways, key);
	int32_t position;

	if (!old)
		return;
	position = rte_hash_del_key(t->ways, key);
	mr_tables_wait(t);
	rte_hash_free_key_with_position(t->ways, position);
	free(old);
}

int mr_ways_put(struct mr_tables *t, const struct mr_addr *target, const struct mr_addr *upstream,
	const struct mr_ways *ways)
{
	const struct mr_ways_key key = {*target, *upstream};
	struct mr_ways *old, *new;
	int rc;

	if (!ways->way[0].ifindex) {
		forget(t, &key);
		return 0;
	}
	if (!table(t))
		return -ENOMEM;
	new = malloc(sizeof(*new));
	if (!new)
		return -ENOMEM;
	*new = *ways;
	old = find(t->ways, &key);
	rc = rte_hash_add_key_data(t->ways, &key, new);
	if (rc) {
		free(new);
		return rc;
	}
	if (old)
		mr_tables_wait(t);
	free(old);
	return 0;
}

void mr_ways_free(struct mr_tables *t)
{
	const void *key;
	uint32_t next = 0;
	void *ways;

	while (t->ways && rte_hash_iterate(t->ways, &key, &ways, &next) >= 0)
		free(ways);
	rte_hash_free(t->ways);
	t->ways = NULL;
}

bool mr_ways_know(const struct mr_tables *t, const struct mr_session *s, const struct mr_packet *p,
	const struct mr_ingress *in)
{
	const struct mr_ways_key key = {s->target, s->upstream};
	const struct mr_ways *all = find(__atomic_load_n(&t->ways, __ATOMIC_ACQUIRE), &key);

	return all && mr_ways_have(all, p, in);
}
