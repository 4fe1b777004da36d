/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tables.c - the XDP backend's operations on its maps: records, keys, addresses, links, counters.
 */
#include "xdp.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* A full hash says E2BIG; to everybody else that is no space. */
static int put(struct bpf_map *map, const void *key, const void *value, uint64_t flags)
{
	if (!bpf_map_update_elem(bpf_map__fd(map), key, value, flags))
		return 0;
	return errno == E2BIG ? -ENOSPC : -errno;
}

static int get(struct bpf_map *map, const void *key, void *ret_value, uint64_t flags)
{
	return bpf_map_lookup_elem_flags(bpf_map__fd(map), key, ret_value, flags) ? -errno : 0;
}

static int del(struct bpf_map *map, const void *key)
{
	return bpf_map_delete_elem(bpf_map__fd(map), key) ? -errno : 0;
}

int mr_xdp_session_put(struct mr_backend *b, uint32_t index, const struct mr_session *session)
{
	return put(b->skel->maps.sessions, &index, session, BPF_F_LOCK);
}

int mr_xdp_session_get(
	struct mr_backend *b, uint32_t first, uint32_t count, struct mr_session *ret_sessions)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts, .elem_flags = BPF_F_LOCK);
	uint32_t before = first - 1, next = 0, got = count;
	uint32_t *keys;
	int rc;

	if (first >= b->max_sessions || count > b->max_sessions - first)
		return -EINVAL;
	if (count <= 1)
		return count ? get(b->skel->maps.sessions, &first, ret_sessions, BPF_F_LOCK) : 0;
	keys = calloc(count, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	/* A batch starts behind the key it is given. */
	rc = bpf_map_lookup_batch(bpf_map__fd(b->skel->maps.sessions), first ? &before : NULL,
		&next, keys, ret_sessions, &got, &opts);
	free(keys);
	if (rc < 0 && errno != ENOENT) /* the end of the array */
		return -errno;
	return got == count ? 0 : -EIO;
}

int mr_xdp_session_close(struct mr_backend *b, uint32_t index)
{
	struct mr_session session;
	int rc = get(b->skel->maps.sessions, &index, &session, BPF_F_LOCK);

	if (rc < 0)
		return rc;
	/* What packets write between the two calls is lost; `flags` is the daemon's alone. Keys go
	 * before this: only packets that have already found the record can be on their way. */
	session.flags &= (__u8)~MR_SESSION_OPEN;
	/* The routes of a moment ago come back with it. Who reads them without the lock must not
	 * find the version that he began with (quick.h): half of all are between the two. */
	session.version += 1U << 31;
	return put(b->skel->maps.sessions, &index, &session, BPF_F_LOCK);
}

int mr_xdp_address_put(struct mr_backend *b, uint32_t slot, const struct mr_addr *addr)
{
	int rc;

	if (slot >= b->max_addresses)
		return -ENOSPC;
	rc = put(b->skel->maps.addresses, &slot, addr, BPF_ANY);
	if (rc < 0)
		return rc;
	b->addresses[slot] = *addr;
	return mr_xdp_keys_add_address(b, slot, addr);
}

int mr_xdp_address_get(struct mr_backend *b, uint32_t slot, struct mr_addr *ret_addr)
{
	return get(b->skel->maps.addresses, &slot, ret_addr, 0);
}

int mr_xdp_link_put(struct mr_backend *b, uint32_t ifindex, const struct mr_link *link)
{
	return put(b->skel->maps.links, &ifindex, link, BPF_ANY);
}

int mr_xdp_link_del(struct mr_backend *b, uint32_t ifindex)
{
	int rc = del(b->skel->maps.links, &ifindex);

	return rc == -ENOENT ? 0 : rc;
}

int mr_xdp_ways_put(struct mr_backend *b, const struct mr_addr *target,
	const struct mr_addr *upstream, const struct mr_ways *ways)
{
	struct mr_ways_key key = {*target, *upstream};
	int rc;

	if (ways->way[0].ifindex)
		return put(b->skel->maps.ways, &key, ways, BPF_ANY);
	rc = del(b->skel->maps.ways, &key);
	return rc == -ENOENT ? 0 : rc;
}

void mr_xdp_routes_changed(struct mr_backend *b)
{
	/* 0 is what a next hop has that was never looked up. */
	if (!__atomic_add_fetch(&b->state->generation, 1, __ATOMIC_SEQ_CST))
		__atomic_add_fetch(&b->state->generation, 1, __ATOMIC_SEQ_CST);
}

int mr_xdp_stats(struct mr_backend *b, struct mr_reason_count ret_counts[MR_REASON_CAPACITY])
{
	struct mr_reason_count sums[MR_REASON_CAPACITY] = {};
	int cpus = libbpf_num_possible_cpus();
	struct mr_reason_count *each;

	if (cpus < 0)
		return cpus;
	each = calloc((size_t)cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	for (uint32_t reason = 0; reason < MR_REASON_CAPACITY; reason++) {
		int rc = get(b->skel->maps.counts, &reason, each, 0);

		if (rc < 0) {
			free(each);
			return rc;
		}
		for (int cpu = 0; cpu < cpus; cpu++) {
			sums[reason].packets += each[cpu].packets;
			sums[reason].bytes += each[cpu].bytes;
		}
	}
	free(each);
	for (size_t i = 0; i < MR_REASON_CAPACITY; i++)
		ret_counts[i] = sums[i];
	return 0;
}
