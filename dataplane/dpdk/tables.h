/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tables.h - session records and the link table; what leads to a record is keys.h's.
 *
 * Called from the daemon's thread, but for the lookups and the locks, which workers use while they
 * are online in the RCU variable.
 */
#ifndef MR_DPDK_TABLES_H
#define MR_DPDK_TABLES_H

#include "dpdk.h"

/** Octets of DPDK memory that the tables take, all told. */
size_t mr_tables_memory(const struct mr_backend_config *config);

int mr_tables_open(const struct mr_backend_config *config, uint32_t workers,
	struct mr_tables *ret_tables, struct mr_why *ret_why);
void mr_tables_close(struct mr_tables *t);

/** The functions of the same names in struct mr_backend_ops. */
int mr_tables_session_put(struct mr_tables *t, uint32_t index, const struct mr_session *session);
int mr_tables_session_get(
	struct mr_tables *t, uint32_t first, uint32_t count, struct mr_session *ret_sessions);
int mr_tables_session_close(struct mr_tables *t, uint32_t index);
int mr_tables_link_put(struct mr_tables *t, uint32_t ifindex, const struct mr_link *link);
int mr_tables_link_del(struct mr_tables *t, uint32_t ifindex);

/** When it returns, no worker holds what it found before. From any thread but a worker. */
void mr_tables_wait(const struct mr_tables *t);

/** Makes every cached next hop stale. From any thread. */
void mr_tables_bump_generation(struct mr_tables *t);

/** Of next hops: one that was found under another generation is stale. From any thread. */
static inline uint32_t mr_tables_generation(const struct mr_tables *t)
{
	return __atomic_load_n(&t->generation, __ATOMIC_ACQUIRE);
}

/** NULL if there is none. Worker. */
const struct mr_link *mr_tables_link(const struct mr_tables *t, uint32_t ifindex);

/*
 * The lock of a record, held for some tens of instructions. What nearly all datagrams are needs
 * none (core/quick.h): an atomic instruction would wait for all that the packet before it has left
 * to be stored.
 */
void mr_session_lock_slow(struct bpf_spin_lock *lock);

static inline void mr_session_lock(struct mr_session *s)
{
	if (__atomic_exchange_n(&s->lock.val, 1, __ATOMIC_ACQUIRE))
		mr_session_lock_slow(&s->lock);
}

static inline void mr_session_unlock(struct mr_session *s)
{
	__atomic_store_n(&s->lock.val, 0, __ATOMIC_RELEASE);
}

#endif
