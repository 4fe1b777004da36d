/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keys.c - the module's tables as index_writer.h wants them, and what workers must not miss of a
 * change.
 */
#include "keys.h"

#include <errno.h>

#include "index_writer.h"

static bool has_key(void *context, uint32_t index, const struct mr_key *key)
{
	return mr_session_has_key(&((const struct mr_session *)context)[index], key);
}

static struct mr_index index_of(const struct mr_tables *t)
{
	return (struct mr_index){
		.lines = t->lines,
		.buckets = t->buckets,
		.address_slots = (uint8_t *)t->address_slots,
		.addresses = t->addresses,
		.bucket_mask = t->bucket_mask,
		.hash_seed = t->hash_seed,
		.max_sessions = t->max_sessions,
		.has_key = has_key,
		.context = t->sessions,
	};
}

int mr_keys_address_put(struct mr_tables *t, uint32_t slot, const struct mr_addr *addr)
{
	const struct mr_index index = index_of(t);
	struct mr_addr before;
	int rc;

	if (slot >= t->max_addresses)
		return -EINVAL;
	before = t->addresses[slot];
	t->addresses[slot] = *addr;
	rc = mr_index_address_put(&index, slot, addr);
	if (rc)
		t->addresses[slot] = before;
	return rc;
}

int mr_keys_public_put(struct mr_tables *t, const struct mr_key *key, struct mr_ref ref)
{
	const struct mr_index index = index_of(t);

	return mr_index_public_put(&index, key, ref);
}

int mr_keys_public_del(struct mr_tables *t, const struct mr_key *key)
{
	const struct mr_index index = index_of(t);
	int rc = mr_index_public_del(&index, key);

	t->keys_deleted |= !rc;
	return rc;
}

int mr_keys_target_put(struct mr_tables *t, const struct mr_key *key, struct mr_ref ref)
{
	const struct mr_index index = index_of(t);

	/* The record was put before its key, and is what the key is compared with. */
	if (ref.index >= t->max_sessions || !mr_session_has_key(&t->sessions[ref.index], key))
		return -EINVAL;
	return mr_index_target_put(&index, key, ref);
}

int mr_keys_target_del(struct mr_tables *t, const struct mr_key *key)
{
	const struct mr_index index = index_of(t);
	int rc = mr_index_target_del(&index, key);

	t->keys_deleted |= !rc;
	return rc;
}

uint32_t mr_keys_find_client(
	const struct mr_tables *t, const struct mr_packet *p, uint32_t *ret_public_slot)
{
	int slot = mr_keys_address(t, &p->dst);

	if (slot < 0)
		return 0;
	*ret_public_slot = (uint32_t)slot;
	return __atomic_load_n(
		mr_keys_port(t, (uint32_t)slot, mr_be16_to_cpu(p->dport)), __ATOMIC_ACQUIRE);
}

uint32_t mr_keys_find_target(const struct mr_tables *t, const struct mr_packet *p)
{
	const struct mr_index index = index_of(t);
	struct mr_key key = mr_keys_of_target(p);

	return mr_index_target(&index, &key);
}
