/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keys.c - the tables that lead from endpoints to records: mappings of their maps, written while
 * the program reads them.
 */
#include "xdp.h"

#include <errno.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "index_writer.h"

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

static bool has_key(void *context, uint32_t index, const struct mr_key *key)
{
	struct mr_session s;

	return !mr_xdp_session_get(context, index, 1, &s) && mr_session_has_key(&s, key);
}

static struct mr_index index_of(struct mr_backend *b)
{
	return (struct mr_index){
		.lines = b->lines,
		.buckets = b->buckets,
		.address_slots = b->state->address_slots,
		.addresses = b->addresses,
		.bucket_mask = b->state->bucket_mask,
		.hash_seed = b->state->hash_seed,
		.max_sessions = b->max_sessions,
		.has_key = has_key,
		.context = b,
	};
}

int mr_xdp_keys_add_address(struct mr_backend *b, uint32_t slot, const struct mr_addr *addr)
{
	const struct mr_index index = index_of(b);

	return mr_index_address_put(&index, slot, addr);
}

int mr_xdp_public_put(struct mr_backend *b, const struct mr_key *key, struct mr_ref ref)
{
	const struct mr_index index = index_of(b);

	return mr_index_public_put(&index, key, ref);
}

int mr_xdp_public_del(struct mr_backend *b, const struct mr_key *key)
{
	const struct mr_index index = index_of(b);

	return mr_index_public_del(&index, key);
}

int mr_xdp_target_put(struct mr_backend *b, const struct mr_key *key, struct mr_ref ref)
{
	const struct mr_index index = index_of(b);

	return mr_index_target_put(&index, key, ref);
}

int mr_xdp_target_del(struct mr_backend *b, const struct mr_key *key)
{
	const struct mr_index index = index_of(b);

	return mr_index_target_del(&index, key);
}
