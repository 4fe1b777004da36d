// SPDX-License-Identifier: BSD-2-Clause
/*
 * loops.c - see loops.h.
 */
#include "loops.h"

#include <errno.h>
#include <rte_ethdev.h>
#include <rte_fib.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_rcu_qsbr.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"

#define PREFETCH_AHEAD 4
#define NO_ROUTE       MR_BED_PORTS /* next hop: the port otherwise */

struct way {
	struct rte_ether_addr dst, src;
};

/* What a flow is looked up by: as it lies in a frame from the TTL on, without what changes. */
struct flow_key {
	uint8_t ttl, proto;
	rte_be16_t csum;
	rte_be32_t src, dst;
	rte_be16_t sport, dport;
} __attribute__((packed));

#define FLOW_AT (sizeof(struct rte_ether_hdr) + offsetof(struct rte_ipv4_hdr, time_to_live))

_Static_assert(sizeof(struct flow_key) == 16, "layout");

struct mr_router {
	const struct mr_bed *bed;
	struct rte_fib *fib;
	struct rte_hash *flows;
	uint8_t *flow_ports; /* by the position of a flow in the hash */
	struct way ways[MR_BED_PORTS];
	struct rte_mbuf *out[MR_BED_PORTS][MR_BURST];
	uint16_t n_out[MR_BED_PORTS];
};

/* A route of 24 bits for each 256 of the bed's clients and targets. */
static int fill_fib(struct mr_router *router)
{
	struct rte_fib_conf conf = {
		.type = RTE_FIB_DIR24_8,
		.default_nh = NO_ROUTE,
		.max_routes = 2 * (MR_BED_SESSIONS_MAX / 256 + 2),
		.dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_2B, .num_tbl8 = 256},
	};
	int rc = 0;

	router->fib = rte_fib_create("router", SOCKET_ID_ANY, &conf);
	if (!router->fib)
		return -ENOMEM;
	for (uint32_t i = 0; i <= router->bed->sessions && !rc; i += 256) {
		rc = rte_fib_add(router->fib, MR_BED_CLIENTS + i, 24, 0);
		if (!rc)
			rc = rte_fib_add(router->fib, MR_BED_TARGETS + i, 24, 1);
	}
	return rc;
}

static int add_flow(struct mr_router *router, const struct flow_key *key, uint8_t port)
{
	int32_t at = rte_hash_add_key(router->flows, key);

	if (at < 0)
		return at;
	router->flow_ports[at] = port;
	return 0;
}

/* Both directions of each session; half full at the most. */
static int fill_flows(struct mr_router *router)
{
	const uint32_t n = router->bed->sessions + 1;
	struct rte_hash_parameters parameters = {
		.name = "flows",
		.entries = 4 * n,
		.key_len = sizeof(struct flow_key),
		.hash_func = rte_hash_crc,
		.socket_id = SOCKET_ID_ANY,
	};
	int rc = 0;

	router->flows = rte_hash_create(&parameters);
	router->flow_ports = calloc(4 * (size_t)n + 1, 1);
	if (!router->flows || !router->flow_ports)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && !rc; i++) {
		const struct mr_bed_session s = mr_bed_session(i);
		struct flow_key out = {
			.proto = IPPROTO_UDP,
			.src = rte_cpu_to_be_32(s.client),
			.dst = rte_cpu_to_be_32(s.target),
			.sport = rte_cpu_to_be_16(s.client_port),
			.dport = rte_cpu_to_be_16(s.target_port),
		};
		struct flow_key back = {
			.proto = IPPROTO_UDP,
			.src = out.dst,
			.dst = out.src,
			.sport = out.dport,
			.dport = out.sport,
		};

		rc = add_flow(router, &out, 1);
		if (!rc)
			rc = add_flow(router, &back, 0);
	}
	return rc;
}

int mr_router_open(const struct mr_bed *bed, struct mr_router **ret_router, struct mr_why *ret_why)
{
	struct mr_router *router = calloc(1, sizeof(*router));
	int rc;

	if (!router)
		return mr_why_set(ret_why, -ENOMEM, "out of memory");
	router->bed = bed;
	rc = fill_fib(router);
	if (!rc)
		rc = fill_flows(router);
	if (rc) {
		mr_router_close(router);
		return mr_why_set(ret_why, rc, "the router's tables: %s", strerror(-rc));
	}
	for (unsigned i = 0; i < MR_BED_PORTS; i++)
		router->ways[i] = (struct way){
			.dst = {{0x02, 0, 0, 0, 0xff, (uint8_t)i}},
			.src = bed->backend.ports[i].mac,
		};
	*ret_router = router;
	return 0;
}

void mr_router_close(struct mr_router *router)
{
	rte_fib_free(router->fib);
	rte_hash_free(router->flows);
	free(router->flow_ports);
	free(router);
}

/* RFC 1812, 5.2.2, but for the header's checksum, which a NIC would have looked at. */
static bool may_be_forwarded(const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const void *)(eth + 1);

	return eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) &&
		m->data_len >= sizeof(*eth) + sizeof(*ip) && ip->version_ihl == RTE_IPV4_VHL_DEF &&
		rte_be_to_cpu_16(ip->total_length) >= sizeof(*ip) && ip->time_to_live > 1;
}

/* One less to live, and the checksum that follows from it: RFC 1624. */
static void forward(struct mr_router *router, struct rte_mbuf *m, uint64_t port)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (void *)(eth + 1);
	uint32_t sum = ip->hdr_checksum + rte_cpu_to_be_16(0x0100);

	eth->dst_addr = router->ways[port].dst;
	eth->src_addr = router->ways[port].src;
	ip->time_to_live--;
	ip->hdr_checksum = (uint16_t)(sum + (sum >> 16));
	router->out[port][router->n_out[port]++] = m;
}

/* Frees what may not be forwarded; the rest is in ret_good, without gaps. */
static int check_burst(struct rte_mbuf **frames, uint16_t n, struct rte_mbuf **ret_good)
{
	int n_good = 0;

	for (uint16_t i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(frames[i + PREFETCH_AHEAD], void *));
		if (may_be_forwarded(frames[i]))
			ret_good[n_good++] = frames[i];
		else
			rte_pktmbuf_free(frames[i]);
	}
	return n_good;
}

static void look_up_routes(
	const struct mr_router *router, struct rte_mbuf **frames, int n, uint64_t *ret_ports)
{
	uint32_t dst[MR_BURST];

	for (int i = 0; i < n; i++)
		dst[i] = rte_be_to_cpu_32(rte_pktmbuf_mtod_offset(
			frames[i], struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr))
						  ->dst_addr);
	rte_fib_lookup_bulk(router->fib, dst, ret_ports, n);
}

static void look_up_flows(
	const struct mr_router *router, struct rte_mbuf **frames, int n, uint64_t *ret_ports)
{
	struct flow_key keys[MR_BURST];
	const void *at[MR_BURST];
	int32_t found[MR_BURST];

	for (int i = 0; i < n; i++) {
		memcpy(&keys[i], rte_pktmbuf_mtod_offset(frames[i], void *, FLOW_AT),
			sizeof(keys[i]));
		keys[i].ttl = 0;
		keys[i].csum = 0;
		at[i] = &keys[i];
	}
	rte_hash_lookup_bulk(router->flows, at, (uint32_t)n, found);
	for (int i = 0; i < n; i++)
		ret_ports[i] = found[i] < 0 ? NO_ROUTE : router->flow_ports[found[i]];
}

static void route_burst(
	struct mr_router *router, enum mr_router_kind kind, struct rte_mbuf **frames, uint16_t n)
{
	struct rte_mbuf *good[MR_BURST];
	uint64_t ports[MR_BURST];
	int n_good = check_burst(frames, n, good);

	if (!n_good)
		return;
	if (kind == MR_ROUTER_FLOWS)
		look_up_flows(router, good, n_good, ports);
	else
		look_up_routes(router, good, n_good, ports);
	for (int i = 0; i < n_good; i++) {
		if (ports[i] < NO_ROUTE)
			forward(router, good[i], ports[i]);
		else
			rte_pktmbuf_free(good[i]);
	}
}

unsigned mr_router_poll(struct mr_router *router, enum mr_router_kind kind)
{
	struct rte_mbuf *frames[MR_BURST];
	unsigned total = 0;

	for (unsigned i = 0; i < MR_BED_PORTS; i++) {
		uint16_t n =
			rte_eth_rx_burst(router->bed->backend.ports[i].id, 0, frames, MR_BURST);

		route_burst(router, kind, frames, n);
		total += n;
		for (unsigned o = 0; o < MR_BED_PORTS; o++) {
			uint16_t sent;

			if (!router->n_out[o])
				continue;
			sent = rte_eth_tx_burst(router->bed->backend.ports[o].id, 0, router->out[o],
				router->n_out[o]);
			rte_pktmbuf_free_bulk(router->out[o] + sent, router->n_out[o] - sent);
			router->n_out[o] = 0;
		}
	}
	return total;
}

unsigned mr_ports_poll(const struct mr_bed *bed)
{
	struct rte_mbuf *frames[MR_BURST];
	unsigned total = 0;

	for (unsigned i = 0; i < MR_BED_PORTS; i++) {
		uint16_t n = rte_eth_rx_burst(bed->backend.ports[i].id, 0, frames, MR_BURST);
		uint16_t sent = rte_eth_tx_burst(bed->backend.ports[!i].id, 0, frames, n);

		rte_pktmbuf_free_bulk(frames + sent, n - sent);
		total += n;
	}
	return total;
}
