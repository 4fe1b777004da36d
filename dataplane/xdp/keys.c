/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keys.c - the tables that lead from endpoints to records, written through mappings of their maps.
 *
 * The program reads while this writes. A daemon that is killed between two stores leaves at the
 * worst an entry counted as passed that isn't there, which costs a look at one more bucket.
 */
#include "xdp.h"

#include <errno.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static size_t lines_size(const struct mr_backend *b)
{
	return (size_t)b->max_addresses * MR_PORT_LINES * sizeof(struct mr_port_line);
}

static size_t buckets_size(const struct mr_backend *b)
{
	return ((size_t)b->state->bucket_mask + 1) * sizeof(struct mr_bucket);
}

static void *map_whole(struct bpf_map *map, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	return at == MAP_FAILED ? NULL : at;
}

/* A daemon that was killed while it put one may not have come to where packets look for it. */
static int take_addresses(struct mr_backend *b)
{
	static const struct mr_addr none;
	int rc = 0;

	for (uint32_t slot = 0; slot < MR_PUBLIC_MAX && rc >= 0; slot++) {
		rc = mr_xdp_address_get(b, slot, &b->addresses[slot]);
		if (rc >= 0 && !mr_addr_equal(&b->addresses[slot], &none))
			rc = mr_xdp_keys_add_address(b, slot, &b->addresses[slot]);
	}
	return rc;
}

int mr_xdp_keys_map(struct mr_backend *b)
{
	b->lines = map_whole(b->skel->maps.ports, lines_size(b));
	if (!b->lines)
		return -errno;
	b->buckets = map_whole(b->skel->maps.buckets, buckets_size(b));
	if (!b->buckets)
		return -errno;
	return take_addresses(b);
}

void mr_xdp_keys_unmap(struct mr_backend *b)
{
	if (b->buckets)
		munmap(b->buckets, buckets_size(b));
	if (b->lines)
		munmap(b->lines, lines_size(b));
}

static void store(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

int mr_xdp_keys_add_address(struct mr_backend *b, uint32_t slot, const struct mr_addr *addr)
{
	uint8_t *home = &b->state->address_slots[mr_address_home(addr)];

	for (int i = 0; i < MR_ADDRESS_PROBES; i++) {
		if (home[i] && home[i] != slot + 1)
			continue;
		__atomic_store_n(&home[i], (uint8_t)(slot + 1), __ATOMIC_RELEASE);
		return 0;
	}
	return -ENOSPC;
}

/* The entry of a public endpoint; NULL if the address isn't a public one. */
static uint32_t *port_entry(struct mr_backend *b, const struct mr_key *key)
{
	const uint8_t *home = &b->state->address_slots[mr_address_home(&key->addr)];
	uint16_t port = mr_be16_to_cpu(key->port);

	for (int i = 0; i < MR_ADDRESS_PROBES && home[i]; i++) {
		uint32_t slot = home[i] - 1U;

		if (slot < MR_PUBLIC_MAX && mr_addr_equal(&b->addresses[slot], &key->addr))
			return &b->lines[mr_port_line(slot, port)].entry[port % MR_PORTS_PER_LINE];
	}
	return NULL;
}

int mr_xdp_public_put(struct mr_backend *b, const struct mr_key *key, struct mr_ref ref)
{
	uint32_t *entry = port_entry(b, key);

	if (!entry || ref.index >= b->max_sessions)
		return -EINVAL;
	if (*entry)
		return -EEXIST;
	store(entry, ref.index + 1);
	return 0;
}

int mr_xdp_public_del(struct mr_backend *b, const struct mr_key *key)
{
	uint32_t *entry = port_entry(b, key);

	if (!entry || !*entry)
		return -ENOENT;
	store(entry, 0);
	return 0;
}

static struct mr_bucket *probe_bucket(struct mr_backend *b, uint32_t hash, uint32_t probe)
{
	return &b->buckets[(hash + probe) & b->state->bucket_mask];
}

static bool leads_to(struct mr_backend *b, uint32_t entry, const struct mr_key *key)
{
	struct mr_session s;

	return !mr_xdp_session_get(b, entry - 1, 1, &s) && mr_session_has_key(&s, key);
}

/*
 * Where a key of the targets' side lies: probe and place in the bucket. `known`: an entry, 0 for
 * none, whose record is known to have the key; reading it would cost a system call.
 */
static int find_entry(struct mr_backend *b, uint32_t hash, const struct mr_key *key, uint32_t known,
	uint32_t *ret_probe, uint32_t *ret_place)
{
	for (uint32_t probe = 0; probe < MR_BUCKET_PROBES; probe++) {
		const struct mr_bucket *bucket = probe_bucket(b, hash, probe);

		for (uint32_t i = 0; i < MR_BUCKET_ENTRIES; i++) {
			if (!bucket->entry[i] || bucket->hash[i] != hash ||
				(bucket->entry[i] != known && !leads_to(b, bucket->entry[i], key)))
				continue;
			*ret_probe = probe;
			*ret_place = i;
			return 0;
		}
		if (!bucket->passed)
			break;
	}
	return -ENOENT;
}

static int free_place(const struct mr_bucket *bucket)
{
	for (int i = 0; i < MR_BUCKET_ENTRIES; i++)
		if (!bucket->entry[i])
			return i;
	return -1;
}

int mr_xdp_target_put(struct mr_backend *b, const struct mr_key *key, struct mr_ref ref)
{
	uint32_t hash = mr_key_hash(b->state->hash_seed, key);
	uint32_t probe = 0, found_probe, found_place;
	int place = -1;

	if (ref.index >= b->max_sessions)
		return -EINVAL;
	/* The record was put before its key. */
	if (!find_entry(b, hash, key, ref.index + 1, &found_probe, &found_place))
		return -EEXIST;
	for (; probe < MR_BUCKET_PROBES; probe++) {
		place = free_place(probe_bucket(b, hash, probe));
		if (place >= 0)
			break;
	}
	if (place < 0)
		return -ENOSPC;
	for (uint32_t i = 0; i < probe; i++)
		store(&probe_bucket(b, hash, i)->passed, probe_bucket(b, hash, i)->passed + 1);
	probe_bucket(b, hash, probe)->hash[place] = hash;
	store(&probe_bucket(b, hash, probe)->entry[place], ref.index + 1);
	return 0;
}

int mr_xdp_target_del(struct mr_backend *b, const struct mr_key *key)
{
	uint32_t hash = mr_key_hash(b->state->hash_seed, key);
	uint32_t probe, place;
	int rc = find_entry(b, hash, key, 0, &probe, &place);

	if (rc < 0)
		return rc;
	store(&probe_bucket(b, hash, probe)->entry[place], 0);
	for (uint32_t i = 0; i < probe; i++)
		store(&probe_bucket(b, hash, i)->passed, probe_bucket(b, hash, i)->passed - 1);
	return 0;
}
