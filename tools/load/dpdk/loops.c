// SPDX-License-Identifier: BSD-2-Clause
/*
 * loops.c - see loops.h.
 */
#include "loops.h"

#include <errno.h>
#include <rte_ethdev.h>
#include <rte_fib.h>
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

struct mr_router {
	const struct mr_bed *bed;
	struct rte_fib *fib;
	struct way ways[MR_BED_PORTS];
	struct rte_mbuf *out[MR_BED_PORTS][MR_BURST];
	uint16_t n_out[MR_BED_PORTS];
};

int mr_router_open(const struct mr_bed *bed, struct mr_router **ret_router, struct mr_why *ret_why)
{
	struct rte_fib_conf conf = {
		.type = RTE_FIB_DIR24_8,
		.default_nh = NO_ROUTE,
		.max_routes = 2 * (MR_BED_SESSIONS_MAX / 256 + 2),
		.dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_2B, .num_tbl8 = 256},
	};
	struct mr_router *router = calloc(1, sizeof(*router));
	int rc = 0;

	if (!router)
		return mr_why_set(ret_why, -ENOMEM, "out of memory");
	router->bed = bed;
	router->fib = rte_fib_create("router", SOCKET_ID_ANY, &conf);
	if (!router->fib)
		rc = -ENOMEM;
	for (uint32_t i = 0; i <= bed->sessions && !rc; i += 256) {
		rc = rte_fib_add(router->fib, MR_BED_CLIENTS + i, 24, 0);
		if (!rc)
			rc = rte_fib_add(router->fib, MR_BED_TARGETS + i, 24, 1);
	}
	if (rc) {
		mr_router_close(router);
		return mr_why_set(ret_why, rc, "the router's table: %s", strerror(-rc));
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

static void route_burst(struct mr_router *router, struct rte_mbuf **frames, uint16_t n)
{
	struct rte_mbuf *good[MR_BURST];
	uint32_t dst[MR_BURST];
	uint64_t hops[MR_BURST];
	int n_good = 0;

	for (uint16_t i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(frames[i + PREFETCH_AHEAD], void *));
		if (!may_be_forwarded(frames[i])) {
			rte_pktmbuf_free(frames[i]);
			continue;
		}
		dst[n_good] = rte_be_to_cpu_32(rte_pktmbuf_mtod_offset(
			frames[i], struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr))
						       ->dst_addr);
		good[n_good++] = frames[i];
	}
	rte_fib_lookup_bulk(router->fib, dst, hops, n_good);
	for (int i = 0; i < n_good; i++) {
		if (hops[i] < NO_ROUTE)
			forward(router, good[i], hops[i]);
		else
			rte_pktmbuf_free(good[i]);
	}
}

unsigned mr_router_poll(struct mr_router *router)
{
	struct rte_mbuf *frames[MR_BURST];
	unsigned total = 0;

	for (unsigned i = 0; i < MR_BED_PORTS; i++) {
		uint16_t n =
			rte_eth_rx_burst(router->bed->backend.ports[i].id, 0, frames, MR_BURST);

		route_burst(router, frames, n);
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
