// SPDX-License-Identifier: BSD-2-Clause
/*
 * bed.c - EAL, two ports of rings with TAPs, tables full of sessions, routing.
 */
#include "bed.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/leg.h"
#include "eal.h"
#include "events.h"
#include "frames.h"
#include "keys.h"
#include "routes.h"
#include "tables.h"
#include "tap.h"
#include "worker.h"

#define POOL_SIZE    4095
#define POOL_CACHE   256
#define POOL_MEMORY  ((size_t)(POOL_SIZE + 1) * 4096)
#define OTHER_MEMORY ((size_t)160 << 20) /* the other loop's routes, above all */

/* Routers' frames of IPv6 autoconfiguration would come out at the ports. */
static int own_namespace(struct mr_why *why)
{
	int fd;

	if (unshare(CLONE_NEWNET))
		return mr_why_set(why, -errno, "network namespace: %m: run it as root");
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return 0; /* a kernel without IPv6 */
	if (write(fd, "1", 1) != 1)
		return mr_why_set(why, -EIO, "disable_ipv6: %m");
	close(fd);
	return 0;
}

static struct rte_ring *make_ring(const char *format, unsigned port)
{
	char name[32];

	snprintf(name, sizeof(name), format, port);
	return rte_ring_create(name, MR_BED_FRAMES, SOCKET_ID_ANY,
		RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

static int open_port(struct mr_bed *bed, unsigned i, struct mr_why *why)
{
	struct mr_port *port = &bed->backend.ports[i];
	struct rte_eth_conf conf = {0};
	uint16_t mtu;
	int id, rc;

	*port = (struct mr_port){.mtu = RTE_ETHER_MTU};
	snprintf(port->ifname, sizeof(port->ifname), "bed%u", i);
	snprintf(port->device, sizeof(port->device), "ring%u", i);
	for (unsigned w = 0; w < MR_DPDK_WORKERS_MAX; w++)
		port->tap_fds[w] = port->wake_fds[w] = -1;
	bed->in[i] = make_ring("in%u", i);
	bed->out[i] = make_ring("out%u", i);
	if (!bed->in[i] || !bed->out[i])
		return mr_why_set(why, -ENOMEM, "rings: out of memory");
	id = rte_eth_from_rings(port->device, &bed->in[i], 1, &bed->out[i], 1, 0);
	if (id < 0)
		return mr_why_set(why, -EIO, "%s: no port", port->device);
	port->id = (uint16_t)id;
	rc = rte_eth_dev_configure(port->id, 1, 1, &conf);
	if (!rc)
		rc = rte_eth_rx_queue_setup(port->id, 0, MR_BED_FRAMES, 0, NULL, bed->backend.pool);
	if (!rc)
		rc = rte_eth_tx_queue_setup(port->id, 0, MR_BED_FRAMES, 0, NULL);
	if (!rc)
		rc = rte_eth_dev_start(port->id);
	if (rc)
		return mr_why_set(why, rc, "%s: %s", port->device, strerror(-rc));
	port->started = true;
	port->multi_segs = true; /* as the driver says of itself */
	port->mac = (struct rte_ether_addr){{0x02, 0, 0, 0, 0, (uint8_t)(1 + i)}};
	bed->backend.n_ports = i + 1;
	rc = mr_tap_open(port, 1, &mtu, why);
	return rc ? rc : mr_tap_start(port, why);
}

/* Clients are behind a router, and so are targets. */
static int put_routes(struct mr_bed *bed)
{
	struct mr_backend *b = &bed->backend;
	struct mr_kernel_route routes[MR_BED_PORTS] = {0};
	struct mr_kernel_link links[MR_BED_PORTS] = {0};
	struct mr_kernel_neighbour neighbours[MR_BED_PORTS] = {0};
	struct mr_kernel_rule rule = {
		.family = AF_INET,
		.action = FR_ACT_TO_TBL,
		.table = RT_TABLE_MAIN,
		.suppress_prefix = -1,
		.src = mr_addr_from_v4(0),
		.dst = mr_addr_from_v4(0),
	};
	struct mr_kernel_tables k = {
		.routes = routes,
		.n_routes = MR_BED_PORTS,
		.rules = &rule,
		.n_rules = 1,
		.links = links,
		.n_links = MR_BED_PORTS,
		.neighbours = neighbours,
		.n_neighbours = MR_BED_PORTS,
	};
	int rc = 0;

	for (unsigned i = 0; i < MR_BED_PORTS && !rc; i++) {
		uint32_t ifindex = b->ports[i].ifindex;
		struct mr_link link = {.ifindex = ifindex, .flags = MR_LINK_USED};
		struct mr_addr router = mr_addr_from_v4(mr_cpu_to_be32(MR_BED_ROUTERS + i));

		routes[i] = (struct mr_kernel_route){
			.family = AF_INET,
			.table = RT_TABLE_MAIN,
			.type = RTN_UNICAST,
			.dst = mr_addr_from_v4(mr_cpu_to_be32(i ? MR_BED_TARGETS : MR_BED_CLIENTS)),
			.prefix = 10,
			.n_hops = 1,
			.hops[0] = {ifindex, true, router, 1},
		};
		links[i] = (struct mr_kernel_link){.ifindex = ifindex, .mtu = 1500, .up = true};
		memcpy(links[i].mac, &b->ports[i].mac, sizeof(links[i].mac));
		neighbours[i] = (struct mr_kernel_neighbour){
			ifindex, router, {0x02, 0, 0, 0, 0xff, (uint8_t)i}};
		rc = mr_tables_link_put(&b->tables, ifindex, &link);
	}
	if (!rc)
		rc = mr_routes_build(&k, &b->routes);
	return rc ? rc : mr_neighbours_build(&k, &b->neighbours);
}

static int put_session(struct mr_tables *t, uint32_t index)
{
	const struct mr_bed_session s = mr_bed_session(index);
	struct mr_session session = {
		.id = index + 1,
		.flags = MR_SESSION_OPEN,
		.current = MR_NO_SLOT,
		.public_port = mr_cpu_to_be16(s.public_port),
		.target_port = mr_cpu_to_be16(s.target_port),
		.upstream_base = s.upstream_port,
		.target = mr_addr_from_v4(mr_cpu_to_be32(s.target)),
		.upstream = mr_addr_from_v4(mr_cpu_to_be32(s.upstream)),
	};
	struct mr_addr public = mr_addr_from_v4(mr_cpu_to_be32(s.public));
	struct mr_key key = mr_key_public(&public, session.public_port);
	uint32_t slot = index / MR_BED_PER_ADDRESS;
	int rc;

	rc = mr_keys_address_put(t, slot, &public);
	if (!rc)
		rc = mr_tables_session_put(t, index, &session);
	if (!rc)
		rc = mr_keys_public_put(t, &key, (struct mr_ref){index, slot});
	key = mr_key_target(&session.target, session.target_port, session.upstream_base);
	return rc ? rc : mr_keys_target_put(t, &key, (struct mr_ref){index, 0});
}

static void forget(const struct mr_event *event, void *context)
{
	(void)event;
	(void)context;
}

static void poll_worker(struct mr_bed *bed)
{
	while (mr_worker_poll(bed->worker))
		;
}

/*
 * A datagram of each client gives it a leg, an answer makes that the current one and finds its next
 * hop; the answer's way back comes with the target's next datagram.
 */
static int open_sessions(struct mr_bed *bed, struct mr_why *why)
{
	struct mr_bed_turn turn = {.count = bed->sessions + 1};
	uint64_t datagrams = 2 * (uint64_t)turn.count + MR_BED_FRAMES;

	for (uint32_t i = 0; i < turn.count; i++) {
		int rc = put_session(&bed->backend.tables, i);

		if (rc)
			return mr_why_set(why, rc, "session %u: %s", i, strerror(-rc));
	}
	for (unsigned port = 0; port < MR_BED_PORTS; port++) {
		while (turn.next[port] < datagrams) {
			mr_bed_fill(bed, port, &turn, MR_BED_RELAYED);
			poll_worker(bed);
			if (!mr_bed_take(bed, !port))
				return mr_why_set(why, -EIO,
					"the worker does not send a datagram of every session");
			mr_events_take(&bed->backend.events, MR_BED_FRAMES, forget, NULL);
		}
	}
	return 0;
}

static int open_started(
	struct mr_bed *bed, const struct mr_backend_config *config, struct mr_why *why)
{
	struct mr_backend *b = &bed->backend;
	int rc = mr_tables_open(config, 1, &b->tables, why);

	if (!rc)
		rc = mr_events_open(&b->events, why);
	if (rc)
		return rc;
	b->pool = rte_pktmbuf_pool_create(
		"packets", POOL_SIZE, POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	bed->worker = rte_zmalloc("worker", sizeof(*bed->worker), RTE_CACHE_LINE_SIZE);
	if (!b->pool || !bed->worker)
		return mr_why_set(why, -ENOMEM, "buffers: out of memory");
	for (unsigned i = 0; i < MR_BED_PORTS && !rc; i++)
		rc = open_port(bed, i, why);
	for (unsigned i = 0; i < MR_BED_PORTS && !rc; i++)
		rc = rte_pktmbuf_alloc_bulk(b->pool, bed->frames[i], MR_BED_FRAMES);
	if (!rc)
		rc = mr_worker_prepare(b, 0, bed->worker);
	if (!rc)
		rc = put_routes(bed);
	if (rc)
		return *why->text ? rc : mr_why_set(why, rc, "ports: %s", strerror(-rc));
	rte_rcu_qsbr_thread_register(b->tables.rcu, 0);
	rte_rcu_qsbr_thread_online(b->tables.rcu, 0);
	return open_sessions(bed, why);
}

int mr_bed_open(
	const struct mr_bed_options *options, struct mr_bed *ret_bed, struct mr_why *ret_why)
{
	struct mr_backend_config config = {
		.max_sessions = options->sessions + 1,
		.upstream_lo = MR_BED_UPSTREAM_LO,
	};
	struct mr_backend *b = &ret_bed->backend;
	char hugepages[64];
	const char *const words[] = {hugepages};
	int rc;

	*ret_bed = (struct mr_bed){.sessions = options->sessions};
	b->events.fd = -1;
	snprintf(hugepages, sizeof(hugepages), "hugepages=%.32s", options->hugepages);
	rc = mr_dpdk_options_parse(words, 1, &b->options, ret_why);
	if (!rc)
		rc = own_namespace(ret_why);
	if (!rc)
		rc = mr_eal_start(&b->options,
			mr_tables_memory(&config) + POOL_MEMORY + OTHER_MEMORY, &b->huge, ret_why);
	if (rc)
		return rc;
	ret_bed->payload_sum = mr_bed_payload_sum();
	rc = open_started(ret_bed, &config, ret_why);
	if (rc)
		mr_bed_close(ret_bed);
	return rc;
}

void mr_bed_close(struct mr_bed *bed)
{
	struct mr_backend *b = &bed->backend;

	if (bed->worker)
		mr_worker_clear(bed->worker);
	for (unsigned i = 0; i < b->n_ports; i++) {
		rte_eth_dev_stop(b->ports[i].id);
		rte_eth_dev_close(b->ports[i].id);
		mr_tap_close(&b->ports[i]);
	}
	mr_routes_free(b->routes);
	mr_neighbours_free(b->neighbours);
	mr_events_close(&b->events);
	if (b->tables.rcu)
		mr_tables_close(&b->tables);
	mr_eal_stop();
}
