/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * index_writer.c - see index_writer.h.
 */
#include "index_writer.h"

#include <errno.h>

static void store(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static uint32_t load(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

int mr_index_address_put(const struct mr_index *index, uint32_t slot, const struct mr_addr *addr)
{
	uint8_t *home = &index->address_slots[mr_address_home(addr)];

	for (int i = 0; i < MR_ADDRESS_PROBES; i++) {
		if (home[i] && home[i] != slot + 1)
			continue;
		__atomic_store_n(&home[i], (uint8_t)(slot + 1), __ATOMIC_RELEASE);
		return 0;
	}
	return -ENOSPC;
}

int mr_index_address(const struct mr_index *index, const struct mr_addr *addr)
{
	const uint8_t *home = &index->address_slots[mr_address_home(addr)];

	for (int i = 0; i < MR_ADDRESS_PROBES && home[i]; i++) {
		uint32_t slot = home[i] - 1U;

		if (slot < MR_PUBLIC_MAX && mr_addr_equal(&index->addresses[slot], addr))
			return (int)slot;
	}
	return -1;
}

/* The entry of a public endpoint; NULL if the address isn't a public one. */
static uint32_t *port_entry(const struct mr_index *index, const struct mr_key *key)
{
	int slot = mr_index_address(index, &key->addr);
	uint16_t port = mr_be16_to_cpu(key->port);

	if (slot < 0)
		return NULL;
	return &index->lines[mr_port_line((uint32_t)slot, port)].entry[port % MR_PORTS_PER_LINE];
}

int mr_index_public_put(const struct mr_index *index, const struct mr_key *key, struct mr_ref ref)
{
	uint32_t *entry = port_entry(index, key);

	if (!entry || ref.index >= index->max_sessions)
		return -EINVAL;
	if (*entry)
		return -EEXIST;
	store(entry, ref.index + 1);
	return 0;
}

int mr_index_public_del(const struct mr_index *index, const struct mr_key *key)
{
	uint32_t *entry = port_entry(index, key);

	if (!entry || !*entry)
		return -ENOENT;
	store(entry, 0);
	return 0;
}

static struct mr_bucket *bucket_at(const struct mr_index *index, uint32_t hash, uint32_t probe)
{
	return &index->buckets[(hash + probe) & index->bucket_mask];
}

/* Where a key lies; its entry, or 0 and nothing set. The record of the entry `known` (0: none) is
 * not asked: it has the key, and asking may cost a system call. */
static uint32_t find(const struct mr_index *index, uint32_t hash, const struct mr_key *key,
	uint32_t known, uint32_t *ret_probe, uint32_t *ret_place)
{
	for (uint32_t probe = 0; probe < MR_BUCKET_PROBES; probe++) {
		const struct mr_bucket *bucket = bucket_at(index, hash, probe);

		for (uint32_t i = 0; i < MR_BUCKET_ENTRIES; i++) {
			uint32_t entry = load(&bucket->entry[i]);

			if (!entry || load(&bucket->hash[i]) != hash ||
				(entry != known && !index->has_key(index->context, entry - 1, key)))
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

uint32_t mr_index_target(const struct mr_index *index, const struct mr_key *key)
{
	uint32_t probe, place;

	return find(index, mr_key_hash(index->hash_seed, key), key, 0, &probe, &place);
}

static int free_place(const struct mr_bucket *bucket)
{
	for (int i = 0; i < MR_BUCKET_ENTRIES; i++) {
		if (!bucket->entry[i])
			return i;
	}
	return -1;
}

/* The buckets before `probe` were full: as many entries more, or less, lie behind them. */
static void count_passed(const struct mr_index *index, uint32_t hash, uint32_t probe, int change)
{
	for (uint32_t i = 0; i < probe; i++) {
		struct mr_bucket *full = bucket_at(index, hash, i);

		store(&full->passed, full->passed + (uint32_t)change);
	}
}

int mr_index_target_put(const struct mr_index *index, const struct mr_key *key, struct mr_ref ref)
{
	uint32_t hash = mr_key_hash(index->hash_seed, key);
	uint32_t probe = 0, found_probe, found_place;
	int place = -1;

	if (ref.index >= index->max_sessions)
		return -EINVAL;
	if (find(index, hash, key, ref.index + 1, &found_probe, &found_place))
		return -EEXIST;
	for (; probe < MR_BUCKET_PROBES; probe++) {
		place = free_place(bucket_at(index, hash, probe));
		if (place >= 0)
			break;
	}
	if (place < 0)
		return -ENOSPC;
	count_passed(index, hash, probe, 1);
	store(&bucket_at(index, hash, probe)->hash[place], hash);
	store(&bucket_at(index, hash, probe)->entry[place], ref.index + 1);
	return 0;
}

int mr_index_target_del(const struct mr_index *index, const struct mr_key *key)
{
	uint32_t hash = mr_key_hash(index->hash_seed, key);
	uint32_t probe, place;

	if (!find(index, hash, key, 0, &probe, &place))
		return -ENOENT;
	store(&bucket_at(index, hash, probe)->entry[place], 0);
	count_passed(index, hash, probe, -1);
	return 0;
}
