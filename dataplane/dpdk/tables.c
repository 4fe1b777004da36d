/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tables.c - session records in one array, keys in two rte_hash tables that workers read without a
 * lock, links in a sorted array that is replaced whole.
 */
#include "tables.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_jhash.h>
#include <rte_malloc.h>
#include <sched.h>
#include <string.h>

_Static_assert(sizeof(void *) == 8, "a struct mr_ref travels in the pointer that rte_hash keeps");

#define SPINS_BEFORE_YIELD 256

void mr_session_lock_slow(struct bpf_spin_lock *lock)
{
	unsigned spins = 0;

	/* Workers may share a CPU with whoever holds the lock: let it run. */
	do {
		while (__atomic_load_n(&lock->val, __ATOMIC_RELAXED)) {
			if (++spins % SPINS_BEFORE_YIELD)
				rte_pause();
			else
				sched_yield();
		}
	} while (__atomic_exchange_n(&lock->val, 1, __ATOMIC_ACQUIRE));
}

size_t mr_tables_memory(uint32_t max_sessions, uint32_t max_public_keys)
{
	/* An entry of rte_hash: key and data, its place in a bucket and in an extra one, a free
	 * slot. Generously rounded, for growth to powers of two. */
	const size_t per_key = 256;

	return (size_t)max_sessions * (sizeof(struct mr_session) + per_key) +
		(size_t)max_public_keys * per_key;
}

static struct rte_hash *create_keys(const char *name, uint32_t entries, struct rte_rcu_qsbr *rcu)
{
	struct rte_hash_parameters params = {
		.name = name,
		/* the least that rte_hash takes is a bucket of 8 */
		.entries = mr_max(entries, 64U),
		.key_len = sizeof(struct mr_key),
		.hash_func = rte_jhash,
		.hash_func_init_val = 0,
		.socket_id = SOCKET_ID_ANY,
		/* the extra buckets make good the promise that `entries` keys fit */
		.extra_flag =
			RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	struct rte_hash_rcu_config config = {.v = rcu, .mode = RTE_HASH_QSBR_MODE_DQ};
	struct rte_hash *keys = rte_hash_create(&params);

	if (!keys)
		return NULL;
	if (rte_hash_rcu_qsbr_add(keys, &config)) {
		rte_hash_free(keys);
		return NULL;
	}
	return keys;
}

int mr_tables_open(const struct mr_backend_config *config, uint32_t workers,
	struct mr_tables *ret_tables, struct mr_why *ret_why)
{
	const size_t lead = RTE_CACHE_LINE_SIZE - offsetof(struct mr_session, lock);
	struct mr_tables t = {
		.max_sessions = config->max_sessions,
		.generation = 1,
		.upstream_lo = config->upstream_lo,
	};

	t.rcu = rte_zmalloc("rcu", rte_rcu_qsbr_get_memsize(workers), RTE_CACHE_LINE_SIZE);
	if (!t.rcu || rte_rcu_qsbr_init(t.rcu, workers))
		goto no_memory;
	t.records = rte_zmalloc("sessions",
		lead + (size_t)config->max_sessions * sizeof(struct mr_session),
		RTE_CACHE_LINE_SIZE);
	t.links = rte_zmalloc("links", sizeof(*t.links), 0);
	t.public_keys = create_keys("public_keys", config->max_public_keys, t.rcu);
	t.target_keys = create_keys("target_keys", config->max_sessions, t.rcu);
	if (!t.records || !t.links || !t.public_keys || !t.target_keys)
		goto no_memory;
	t.sessions = (void *)((char *)t.records + lead);
	*ret_tables = t;
	return 0;

no_memory:
	mr_tables_close(&t);
	return mr_dpdk_why(ret_why, -ENOMEM,
		"tables for %u sessions don't fit into DPDK's memory: raise memory in dpdk { }, or "
		"lower max-sessions",
		config->max_sessions);
}

void mr_tables_close(struct mr_tables *t)
{
	rte_hash_free(t->target_keys);
	rte_hash_free(t->public_keys);
	rte_free(t->links);
	rte_free(t->records);
	rte_free(t->rcu);
	*t = (struct mr_tables){0};
}

/* When it returns, no worker holds what it found before. */
static void wait_for_workers(struct mr_tables *t)
{
	rte_rcu_qsbr_synchronize(t->rcu, RTE_QSBR_THRID_INVALID);
}

int mr_tables_session_put(struct mr_tables *t, uint32_t index, const struct mr_session *session)
{
	struct mr_session *s;

	if (index >= t->max_sessions)
		return -EINVAL;
	/* A packet may have found the record's last owner just before its keys went. */
	if (t->keys_deleted)
		wait_for_workers(t);
	t->keys_deleted = false;
	s = &t->sessions[index];
	*s = *session;
	s->lock.val = 0;
	return 0;
}

int mr_tables_session_get(
	struct mr_tables *t, uint32_t first, uint32_t count, struct mr_session *ret_sessions)
{
	if (first > t->max_sessions || count > t->max_sessions - first)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		struct mr_session *s = &t->sessions[first + i];

		mr_session_lock(s);
		ret_sessions[i] = *s;
		mr_session_unlock(s);
		ret_sessions[i].lock.val = 0;
	}
	return 0;
}

int mr_tables_session_close(struct mr_tables *t, uint32_t index)
{
	struct mr_session *s;

	if (index >= t->max_sessions)
		return -EINVAL;
	s = &t->sessions[index];
	mr_session_lock(s);
	s->flags &= (__u8)~MR_SESSION_OPEN;
	mr_session_unlock(s);
	return 0;
}

int mr_tables_key_put(
	struct mr_tables *t, struct rte_hash *keys, const struct mr_key *key, struct mr_ref ref)
{
	uint64_t packed = (uint64_t)ref.public_slot << 32 | ref.index;

	if (ref.index >= t->max_sessions || ref.public_slot >= MR_PUBLIC_MAX)
		return -EINVAL;
	if (rte_hash_lookup(keys, key) >= 0)
		return -EEXIST;
	if (keys == t->public_keys && !mr_addr_equal(&t->addresses[ref.public_slot], &key->addr))
		return -EINVAL;
	return rte_hash_add_key_data(keys, key, (void *)(uintptr_t)packed);
}

int mr_tables_key_del(struct mr_tables *t, struct rte_hash *keys, const struct mr_key *key)
{
	int32_t rc = rte_hash_del_key(keys, key);

	if (rc < 0)
		return rc;
	t->keys_deleted = true;
	return 0;
}

/* Index of the first entry that isn't below `ifindex`. */
static uint32_t find_link(const struct mr_links *links, uint32_t ifindex)
{
	uint32_t lo = 0, hi = links->count;

	while (lo < hi) {
		uint32_t middle = lo + (hi - lo) / 2;

		if (links->entries[middle].ifindex < ifindex)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo;
}

const struct mr_link *mr_tables_link(const struct mr_tables *t, uint32_t ifindex)
{
	const struct mr_links *links = __atomic_load_n(&t->links, __ATOMIC_ACQUIRE);
	uint32_t i = find_link(links, ifindex);

	return i < links->count && links->entries[i].ifindex == ifindex ? &links->entries[i].link
									: NULL;
}

static void publish_links(struct mr_tables *t, struct mr_links *links)
{
	struct mr_links *old = t->links;

	__atomic_store_n(&t->links, links, __ATOMIC_RELEASE);
	wait_for_workers(t);
	rte_free(old);
}

static struct mr_links *copy_links(const struct mr_links *old, uint32_t count)
{
	struct mr_links *links =
		rte_malloc("links", sizeof(*links) + count * sizeof(links->entries[0]), 0);

	if (!links)
		return NULL;
	links->count = count;
	memcpy(links->entries, old->entries, mr_min(count, old->count) * sizeof(links->entries[0]));
	return links;
}

int mr_tables_link_put(struct mr_tables *t, uint32_t ifindex, const struct mr_link *link)
{
	uint32_t at = find_link(t->links, ifindex);
	bool known = at < t->links->count && t->links->entries[at].ifindex == ifindex;
	struct mr_links *links;

	if (known && !memcmp(&t->links->entries[at].link, link, sizeof(*link)))
		return 0;
	links = copy_links(t->links, t->links->count + !known);
	if (!links)
		return -ENOMEM;
	if (!known)
		memcpy(&links->entries[at + 1], &t->links->entries[at],
			(t->links->count - at) * sizeof(links->entries[0]));
	links->entries[at] = (struct mr_link_entry){ifindex, *link};
	publish_links(t, links);
	return 0;
}

int mr_tables_link_del(struct mr_tables *t, uint32_t ifindex)
{
	uint32_t at = find_link(t->links, ifindex);
	struct mr_links *links;

	if (at == t->links->count || t->links->entries[at].ifindex != ifindex)
		return 0;
	links = copy_links(t->links, t->links->count - 1);
	if (!links)
		return -ENOMEM;
	memcpy(&links->entries[at], &t->links->entries[at + 1],
		(links->count - at) * sizeof(links->entries[0]));
	publish_links(t, links);
	return 0;
}

void mr_tables_bump_generation(struct mr_tables *t)
{
	uint32_t old = __atomic_load_n(&t->generation, __ATOMIC_RELAXED), new;

	do {
		new = old + 1 ? old + 1 : 1;
	} while (!__atomic_compare_exchange_n(
		&t->generation, &old, new, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}
