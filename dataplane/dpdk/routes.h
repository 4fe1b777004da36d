/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * routes.h - one snapshot of the kernel's routing: rules, tables, next hops, links; and one of its
 * neighbours.
 *
 * A snapshot is built by the control thread (mirror.h), never changed once workers may see it, and
 * freed after a grace period. Only a stale next hop is looked up here, so it is a sorted array that
 * is searched once for each length of prefix. Not rte_fib: each takes some of the 2,560 memory
 * zones of DPDK, and a host may have hundreds of tables.
 */
#ifndef MR_DPDK_ROUTES_H
#define MR_DPDK_ROUTES_H

#include "dpdk.h"

struct mr_routes;
struct mr_neighbours;

/** One way out of a route. */
struct mr_hop {
	uint32_t ifindex;
	bool has_gateway;
	struct mr_addr gateway;
	uint16_t weight;
};

#define MR_HOPS_MAX 16 /* ways of a multipath route; what is beyond is not used */

struct mr_kernel_route {
	int family;
	uint32_t table;
	struct mr_addr dst;
	uint8_t prefix; /* bits of the family's own addresses */
	uint8_t type;   /* RTN_... */
	uint32_t metric;
	uint32_t mtu; /* 0: the link's */
	unsigned n_hops;
	struct mr_hop hops[MR_HOPS_MAX];
};

struct mr_kernel_rule {
	int family;
	uint32_t priority;
	uint8_t action; /* FR_ACT_... */
	uint32_t table;
	uint32_t target; /* FR_ACT_GOTO: priority */
	struct mr_addr src, dst;
	uint8_t src_prefix, dst_prefix; /* 0: any */
	bool invert;
	/* asks for something that the relay's datagrams never have: a mark, an input interface
	 * other than lo, a TOS, a user */
	bool never;
	int suppress_prefix; /* routes of at most so many bits don't count; -1: all count */
	uint16_t sport[2];   /* range, 0: any */
	uint16_t dport[2];
	uint8_t protocol; /* 0: any */
};

struct mr_kernel_link {
	uint32_t ifindex;
	uint32_t mtu;
	uint8_t mac[6];
	bool up;
};

struct mr_kernel_neighbour {
	uint32_t ifindex;
	struct mr_addr addr;
	uint8_t mac[6];
};

/** What was read from the kernel; arrays that grow. */
struct mr_kernel_tables {
	struct mr_kernel_route *routes;
	size_t n_routes, routes_room;
	struct mr_kernel_rule *rules;
	size_t n_rules, rules_room;
	struct mr_kernel_link *links;
	size_t n_links, links_room;
	struct mr_kernel_neighbour *neighbours;
	size_t n_neighbours, neighbours_room;
};

void mr_kernel_tables_clear(struct mr_kernel_tables *k);

/** Builds a snapshot of all but the neighbours. -ENOMEM. Takes nothing over from `k`, sorts it. */
int mr_routes_build(struct mr_kernel_tables *k, struct mr_routes **ret_routes);
void mr_routes_free(struct mr_routes *routes);
/** True if both say the same; NULL is like nothing. */
bool mr_routes_equal(const struct mr_routes *a, const struct mr_routes *b);

int mr_neighbours_build(struct mr_kernel_tables *k, struct mr_neighbours **ret_neighbours);
void mr_neighbours_free(struct mr_neighbours *neighbours);
bool mr_neighbours_equal(const struct mr_neighbours *a, const struct mr_neighbours *b);

/** What the kernel would do with a datagram of this host. */
struct mr_flow {
	struct mr_addr src, dst;
	uint16_t sport, dport; /* host byte order */
};

struct mr_hop_found {
	uint32_t ifindex;
	struct mr_addr addr; /* the gateway, or the destination */
	uint16_t mtu;
	uint8_t smac[6];
};

/** 0 or BPF_FIB_LKUP_RET_...: the codes that bpf_fib_lookup() has for it. Worker. */
int mr_routes_lookup(
	const struct mr_routes *routes, const struct mr_flow *flow, struct mr_hop_found *ret);

/** Worker. */
bool mr_neighbours_lookup(const struct mr_neighbours *neighbours, uint32_t ifindex,
	const struct mr_addr *addr, uint8_t ret_mac[6]);

#endif
