/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keys.h - the two tables that lead from endpoints to sessions, in the core's layout (index.h): the
 * daemon's thread writes them, workers read them without waiting while they are online in the RCU
 * variable.
 *
 * A worker first asks for hints over a whole burst, which load no more than a line each, and then
 * for the answers.
 */
#ifndef MR_DPDK_KEYS_H
#define MR_DPDK_KEYS_H

#include "core/index.h"
#include "core/parse.h"
#include "dpdk.h"

/** What leads to a session; part of struct mr_backend_ops. `key` as in session.h. */
int mr_keys_address_put(struct mr_tables *t, uint32_t slot, const struct mr_addr *addr);
int mr_keys_public_put(struct mr_tables *t, const struct mr_key *key, struct mr_ref ref);
int mr_keys_public_del(struct mr_tables *t, const struct mr_key *key);
int mr_keys_target_put(struct mr_tables *t, const struct mr_key *key, struct mr_ref ref);
int mr_keys_target_del(struct mr_tables *t, const struct mr_key *key);

/** Number of a public address, or -1. */
static inline int mr_keys_address(const struct mr_tables *t, const struct mr_addr *addr)
{
	const uint8_t *home = &t->address_slots[mr_address_home(addr)];

	for (int i = 0; i < MR_ADDRESS_PROBES; i++) {
		uint8_t slot = __atomic_load_n(&home[i], __ATOMIC_ACQUIRE);

		if (!slot)
			break;
		if (mr_addr_equal(&t->addresses[slot - 1], addr))
			return slot - 1;
	}
	return -1;
}

/** The entry of a public endpoint; `port` in host byte order. */
static inline uint32_t *mr_keys_port(const struct mr_tables *t, uint32_t slot, uint16_t port)
{
	return &t->lines[mr_port_line(slot, port)].entry[port % MR_PORTS_PER_LINE];
}

static inline struct mr_bucket *mr_keys_bucket(
	const struct mr_tables *t, uint32_t hash, uint32_t probe)
{
	return &t->buckets[(hash + probe) & t->bucket_mask];
}

static inline struct mr_key mr_keys_of_target(const struct mr_packet *p)
{
	return mr_key_target(&p->src, p->sport, mr_be16_to_cpu(p->dport));
}

/**
 * What an answer's bucket says at first sight: an entry (index + 1) whose record may or may not
 * have the key, 0 for none; mr_keys_find_target() knows better.
 */
static inline uint32_t mr_keys_target_hint(const struct mr_bucket *bucket, uint32_t hash)
{
	uint32_t hint = 0;

	/* without branches: which of them it is can't be foreseen */
	for (int i = 0; i < MR_BUCKET_ENTRIES; i++) {
		uint32_t entry = bucket->entry[i] & -(uint32_t)(bucket->hash[i] == hash);

		hint = entry ? entry : hint;
	}
	return hint;
}

/** Entry (index + 1) of the session that a client's datagram is for, 0: none. */
uint32_t mr_keys_find_client(
	const struct mr_tables *t, const struct mr_packet *p, uint32_t *ret_public_slot);

/** Entry (index + 1) of the session that a target's datagram is for, 0: none. */
uint32_t mr_keys_find_target(const struct mr_tables *t, const struct mr_packet *p);

#endif
