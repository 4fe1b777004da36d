/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keys.c - see keys.h. An entry is stored last when a key comes, and cleared first when it goes.
 */
#include "keys.h"

#include <errno.h>

static void store(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static uint32_t load(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

int mr_keys_address_put(struct mr_tables *t, uint32_t slot, const struct mr_addr *addr)
{
	uint8_t *home = &t->address_slots[mr_address_home(addr)];

	if (slot >= t->max_addresses)
		return -EINVAL;
	for (int i = 0; i < MR_ADDRESS_PROBES; i++) {
		if (home[i] && home[i] != slot + 1)
			continue;
		t->addresses[slot] = *addr;
		__atomic_store_n(&home[i], (uint8_t)(slot + 1), __ATOMIC_RELEASE);
		return 0;
	}
	return -ENOSPC;
}

/* The entry of a public endpoint; NULL if the address isn't a public one. */
static uint32_t *port_entry(const struct mr_tables *t, const struct mr_key *key)
{
	int slot = mr_keys_address(t, &key->addr);

	return slot < 0 ? NULL : mr_keys_port(t, (uint32_t)slot, mr_be16_to_cpu(key->port));
}

int mr_keys_public_put(struct mr_tables *t, const struct mr_key *key, struct mr_ref ref)
{
	uint32_t *entry = port_entry(t, key);

	if (!entry || ref.index >= t->max_sessions)
		return -EINVAL;
	if (*entry)
		return -EEXIST;
	store(entry, ref.index + 1);
	return 0;
}

int mr_keys_public_del(struct mr_tables *t, const struct mr_key *key)
{
	uint32_t *entry = port_entry(t, key);

	if (!entry || !*entry)
		return -ENOENT;
	store(entry, 0);
	t->keys_deleted = true;
	return 0;
}

/* Where a key of the targets' side lies; its entry, or 0 and nothing set. */
static uint32_t find(const struct mr_tables *t, uint32_t hash, const struct mr_key *key,
	uint32_t *ret_probe, uint32_t *ret_place)
{
	for (uint32_t probe = 0; probe < MR_BUCKET_PROBES; probe++) {
		const struct mr_bucket *bucket = mr_keys_bucket(t, hash, probe);

		for (uint32_t i = 0; i < MR_BUCKET_ENTRIES; i++) {
			uint32_t entry = load(&bucket->entry[i]);

			if (!entry || load(&bucket->hash[i]) != hash ||
				!mr_session_has_key(&t->sessions[entry - 1], key))
				continue;
			*ret_probe = probe;
			*ret_place = i;
			return entry;
		}
		if (!load(&bucket->passed))
			break;
	}
	return 0;
}

static int free_place(const struct mr_bucket *bucket)
{
	for (int i = 0; i < MR_BUCKET_ENTRIES; i++) {
		if (!bucket->entry[i])
			return i;
	}
	return -1;
}

int mr_keys_target_put(struct mr_tables *t, const struct mr_key *key, struct mr_ref ref)
{
	uint32_t hash = mr_key_hash(t->hash_seed, key);
	uint32_t probe = 0, found_probe, found_place;
	int place = -1;

	/* The record was put before its key, and is what the key is compared with. */
	if (ref.index >= t->max_sessions || !mr_session_has_key(&t->sessions[ref.index], key))
		return -EINVAL;
	if (find(t, hash, key, &found_probe, &found_place))
		return -EEXIST;
	for (; probe < MR_BUCKET_PROBES; probe++) {
		place = free_place(mr_keys_bucket(t, hash, probe));
		if (place >= 0)
			break;
	}
	if (place < 0)
		return -ENOSPC;
	for (uint32_t i = 0; i < probe; i++) {
		struct mr_bucket *full = mr_keys_bucket(t, hash, i);

		store(&full->passed, full->passed + 1);
	}
	store(&mr_keys_bucket(t, hash, probe)->hash[place], hash);
	store(&mr_keys_bucket(t, hash, probe)->entry[place], ref.index + 1);
	return 0;
}

int mr_keys_target_del(struct mr_tables *t, const struct mr_key *key)
{
	uint32_t hash = mr_key_hash(t->hash_seed, key);
	uint32_t probe, place;

	if (!find(t, hash, key, &probe, &place))
		return -ENOENT;
	store(&mr_keys_bucket(t, hash, probe)->entry[place], 0);
	for (uint32_t i = 0; i < probe; i++) {
		struct mr_bucket *full = mr_keys_bucket(t, hash, i);

		store(&full->passed, full->passed - 1);
	}
	t->keys_deleted = true;
	return 0;
}

uint32_t mr_keys_find_client(
	const struct mr_tables *t, const struct mr_packet *p, uint32_t *ret_public_slot)
{
	int slot = mr_keys_address(t, &p->dst);

	if (slot < 0)
		return 0;
	*ret_public_slot = (uint32_t)slot;
	return load(mr_keys_port(t, (uint32_t)slot, mr_be16_to_cpu(p->dport)));
}

uint32_t mr_keys_find_target(const struct mr_tables *t, const struct mr_packet *p)
{
	struct mr_key key = mr_keys_of_target(p);
	uint32_t probe, place;

	return find(t, mr_key_hash(t->hash_seed, &key), &key, &probe, &place);
}
