/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tables.c - session records in one array, links in a sorted array that is replaced whole, and the
 * memory of keys.h's tables.
 */
#include "tables.h"

#include <errno.h>
#include <rte_malloc.h>
#include <sched.h>
#include <string.h>
#include <sys/random.h>

#include "ways.h"

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

static uint32_t max_addresses(const struct mr_backend_config *config)
{
	return config->max_addresses ? config->max_addresses : MR_PUBLIC_MAX;
}

/* Records and an empty one before them, so that their hot parts begin with a cache line. */
static size_t records_size(const struct mr_backend_config *config)
{
	return ((size_t)config->max_sessions + 1) * sizeof(struct mr_session);
}

static size_t lines_size(const struct mr_backend_config *config)
{
	return (size_t)max_addresses(config) * MR_PORT_LINES * sizeof(struct mr_port_line);
}

static size_t buckets_size(const struct mr_backend_config *config)
{
	return (size_t)mr_bucket_count(config->max_sessions) * sizeof(struct mr_bucket);
}

size_t mr_tables_memory(const struct mr_backend_config *config)
{
	return records_size(config) + lines_size(config) + buckets_size(config);
}

static int take_tables(const struct mr_backend_config *config, struct mr_tables *t)
{
	const size_t lead = RTE_CACHE_LINE_SIZE - offsetof(struct mr_session, lock);
	int rc = mr_memory_take("sessions", records_size(config), &t->records_memory);

	if (!rc)
		rc = mr_memory_take("lines", lines_size(config), &t->lines_memory);
	if (!rc)
		rc = mr_memory_take("buckets", buckets_size(config), &t->buckets_memory);
	if (rc)
		return rc;
	t->sessions = (void *)((char *)t->records_memory.at + lead);
	t->lines = t->lines_memory.at;
	t->buckets = t->buckets_memory.at;
	return 0;
}

int mr_tables_open(const struct mr_backend_config *config, uint32_t workers,
	struct mr_tables *ret_tables, struct mr_why *ret_why)
{
	struct mr_tables t = {
		.max_sessions = config->max_sessions,
		.max_addresses = max_addresses(config),
		.bucket_mask = mr_bucket_count(config->max_sessions) - 1,
		.generation = 1,
		.upstream_lo = config->upstream_lo,
		.quick = workers == 1 || MR_IN_PROGRAM_ORDER,
	};

	if (getrandom(&t.hash_seed, sizeof(t.hash_seed), 0) != sizeof(t.hash_seed))
		return mr_why_set(ret_why, -errno, "random numbers: %m");
	t.rcu = rte_zmalloc("rcu", rte_rcu_qsbr_get_memsize(workers), RTE_CACHE_LINE_SIZE);
	t.links = rte_zmalloc("links", sizeof(*t.links), 0);
	if (!t.rcu || !t.links || rte_rcu_qsbr_init(t.rcu, workers) || take_tables(config, &t)) {
		mr_tables_close(&t);
		return mr_why_set(ret_why, -ENOMEM,
			"tables for %u sessions don't fit into DPDK's memory: raise memory in "
			"dpdk { }, or lower max-sessions",
			config->max_sessions);
	}
	*ret_tables = t;
	return 0;
}

void mr_tables_close(struct mr_tables *t)
{
	mr_ways_free(t);
	mr_memory_give_back(&t->buckets_memory);
	mr_memory_give_back(&t->lines_memory);
	mr_memory_give_back(&t->records_memory);
	rte_free(t->links);
	rte_free(t->rcu);
	*t = (struct mr_tables){0};
}

void mr_tables_wait(const struct mr_tables *t)
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
		mr_tables_wait(t);
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
	mr_tables_wait(t);
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
