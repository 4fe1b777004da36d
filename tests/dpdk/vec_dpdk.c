// SPDX-License-Identifier: BSD-2-Clause
/*
 * vec_dpdk.c - see vec_dpdk.h. The worker is the module's own, polled on the test's thread.
 */
#include "vec_dpdk.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/csum.h"
#include "core/parse.h"
#include "eal.h"
#include "events.h"
#include "keys.h"
#include "routes.h"
#include "tables.h"
#include "worker.h"

#define FIRST_IFINDEX 11 /* model.py has interfaces 11 to 14 */
#define PORTS         4
#define RING_SIZE     64
#define POOL_SIZE     1023
#define MAX_SESSIONS  16
#define TAIL          16 /* octets that go into further segments */

struct mr_vec_dpdk {
	struct mr_backend backend;
	struct mr_worker *worker;
	struct rte_ring *in[PORTS], *out[PORTS];
	int kernel_fds[PORTS]; /* what is passed comes out here */
	uint64_t counts[MR_REASON_CAPACITY];
	enum mr_vec_shape shape;
};

static uint64_t clock_ns;

static uint64_t set_clock(void)
{
	return clock_ns;
}

static int open_port(struct mr_vec_dpdk *bed, unsigned i)
{
	struct mr_port *port = &bed->backend.ports[i];
	struct rte_eth_conf conf = {0};
	char name[32];
	int fds[2], id;

	snprintf(name, sizeof(name), "in%u", i);
	bed->in[i] = rte_ring_create(name, RING_SIZE, SOCKET_ID_ANY, 0);
	snprintf(name, sizeof(name), "out%u", i);
	bed->out[i] = rte_ring_create(name, RING_SIZE, SOCKET_ID_ANY, 0);
	snprintf(name, sizeof(name), "wire%u", i);
	if (!bed->in[i] || !bed->out[i])
		return -ENOMEM;
	id = rte_eth_from_rings(name, &bed->in[i], 1, &bed->out[i], 1, 0);
	if (id < 0)
		return -EIO;
	if (rte_eth_dev_configure((uint16_t)id, 1, 1, &conf) ||
		rte_eth_rx_queue_setup((uint16_t)id, 0, RING_SIZE, 0, NULL, bed->backend.pool) ||
		rte_eth_tx_queue_setup((uint16_t)id, 0, RING_SIZE, 0, NULL) ||
		rte_eth_dev_start((uint16_t)id))
		return -EIO;
	/* A datagram socket keeps the ends of frames, as a TAP does. */
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds))
		return -errno;
	*port = (struct mr_port){
		.id = (uint16_t)id,
		.ifindex = FIRST_IFINDEX + i,
		.mtu = RTE_ETHER_MTU,
		.has_tap = true,
		.started = true,
	};
	for (unsigned w = 0; w < MR_DPDK_WORKERS_MAX; w++)
		port->tap_fds[w] = port->wake_fds[w] = -1;
	port->tap_fds[0] = fds[0];
	bed->kernel_fds[i] = fds[1];
	bed->backend.n_ports = i + 1;
	return 0;
}

static int open_started(struct mr_vec_dpdk *bed, struct mr_why *why)
{
	struct mr_backend *b = &bed->backend;
	const struct mr_backend_config config = {
		.max_sessions = MAX_SESSIONS,
		.upstream_lo = 61008,
	};
	int rc = mr_tables_open(&config, 1, &b->tables, why);

	if (!rc)
		rc = mr_events_open(&b->events, why);
	if (rc)
		return rc;
	b->pool = rte_pktmbuf_pool_create(
		"packets", POOL_SIZE, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	bed->worker = rte_zmalloc("worker", sizeof(*bed->worker), RTE_CACHE_LINE_SIZE);
	if (!b->pool || !bed->worker)
		return mr_why_set(why, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < PORTS && !rc; i++)
		rc = open_port(bed, i);
	if (!rc)
		rc = mr_worker_prepare(b, 0, bed->worker);
	if (rc)
		return mr_why_set(why, rc, "ports: %s", strerror(-rc));
	bed->worker->clock = set_clock;
	rte_rcu_qsbr_thread_register(b->tables.rcu, 0);
	return 0;
}

int mr_vec_dpdk_open(struct mr_vec_dpdk **ret_bed, char *why)
{
	static const char *const options[] = {"hugepages=none", "memory=64"};
	struct mr_vec_dpdk *bed = calloc(1, sizeof(*bed));
	struct mr_why text = {""};
	bool huge;
	int rc;

	if (!bed)
		return -ENOMEM;
	rc = mr_dpdk_options_parse(options, 2, &bed->backend.options, &text);
	if (!rc)
		rc = mr_eal_start(&bed->backend.options, 0, &huge, &text);
	if (!rc)
		rc = open_started(bed, &text);
	if (rc) {
		snprintf(why, MR_VEC_WHY, "%s", text.text);
		free(bed);
		return rc;
	}
	*ret_bed = bed;
	return 0;
}

void mr_vec_dpdk_close(struct mr_vec_dpdk *bed)
{
	struct mr_backend *b = &bed->backend;

	mr_worker_clear(bed->worker);
	for (unsigned i = 0; i < b->n_ports; i++) {
		rte_eth_dev_stop(b->ports[i].id);
		rte_eth_dev_close(b->ports[i].id);
		close(b->ports[i].tap_fds[0]);
		close(bed->kernel_fds[i]);
	}
	mr_routes_free(b->routes);
	mr_neighbours_free(b->neighbours);
	mr_events_close(&b->events);
	mr_tables_close(&b->tables);
	mr_eal_stop();
	free(bed);
}

static struct mr_kernel_route default_route(const struct mr_vec_file *file, int family)
{
	struct mr_kernel_route route = {
		.family = family,
		.table = RT_TABLE_MAIN,
		.type = RTN_UNICAST,
		.n_hops = 1,
		.hops[0] = {.ifindex = file->lookup.ifindex, .weight = 1, .has_gateway = true},
	};

	/* any addresses will do: the neighbours' table has them */
	route.hops[0].gateway = (struct mr_addr){.w = {1, 0, 0, (__be32)family}};
	if (family == AF_INET)
		route.dst = mr_addr_from_v4(0);
	return route;
}

unsigned mr_vec_dpdk_lost(const struct mr_vec_dpdk *bed)
{
	return rte_mempool_in_use_count(bed->backend.pool);
}

/* Routing as the file has it: any client is behind a gateway. */
static int put_routes(struct mr_backend *b, const struct mr_vec_file *file)
{
	struct mr_kernel_route routes[] = {
		default_route(file, AF_INET), default_route(file, AF_INET6)};
	struct mr_kernel_rule rules[2] = {{.family = AF_INET}, {.family = AF_INET6}};
	struct mr_kernel_link link = {
		.ifindex = file->lookup.ifindex, .mtu = file->lookup.mtu, .up = true};
	struct mr_kernel_neighbour neighbours[2] = {{0}, {0}};
	struct mr_kernel_tables k = {
		.routes = routes,
		.n_routes = 2,
		.rules = rules,
		.n_rules = 2,
		.links = &link,
		.n_links = 1,
		.neighbours = neighbours,
		.n_neighbours = 2,
	};
	int rc;

	memcpy(link.mac, file->lookup.smac, sizeof(link.mac));
	for (unsigned i = 0; i < 2; i++) {
		rules[i].action = FR_ACT_TO_TBL;
		rules[i].table = RT_TABLE_MAIN;
		rules[i].suppress_prefix = -1;
		if (rules[i].family == AF_INET)
			rules[i].src = rules[i].dst = mr_addr_from_v4(0);
		neighbours[i].ifindex = file->lookup.ifindex;
		neighbours[i].addr = routes[i].hops[0].gateway;
		memcpy(neighbours[i].mac, file->lookup.dmac, sizeof(neighbours[i].mac));
	}
	mr_routes_free(b->routes);
	mr_neighbours_free(b->neighbours);
	b->routes = NULL;
	b->neighbours = NULL;
	rc = mr_routes_build(&k, &b->routes);
	return rc ? rc : mr_neighbours_build(&k, &b->neighbours);
}

int mr_vec_dpdk_world(struct mr_vec_dpdk *bed, const struct mr_vec_file *file)
{
	struct mr_tables *t = &bed->backend.tables;
	int rc = 0;

	for (uint32_t i = 0; i < file->n_addresses && !rc; i++)
		rc = mr_keys_address_put(t, i, &file->addresses[i]);
	for (size_t i = 0; i < file->n_links && !rc; i++)
		rc = mr_tables_link_put(t, file->links[i].ifindex, &file->links[i].link);
	t->generation = file->generation;
	return rc ? rc : put_routes(&bed->backend, file);
}

static int put_session(struct mr_vec_dpdk *bed, const struct mr_vec_file *file,
	const struct mr_vec *row, const struct mr_session *session)
{
	struct mr_tables *t = &bed->backend.tables;
	struct mr_key key = mr_vec_target_key(row);
	struct mr_ref ref = {MR_VEC_INDEX, 0};
	int rc = mr_tables_session_put(t, MR_VEC_INDEX, session);

	if (!rc)
		rc = mr_keys_target_put(t, &key, ref);
	for (uint32_t i = 0; i < file->n_addresses && !rc; i++) {
		ref.public_slot = i;
		key = mr_vec_public_key(file, row, i);
		rc = mr_keys_public_put(t, &key, ref);
	}
	return rc;
}

static int take_session(struct mr_vec_dpdk *bed, const struct mr_vec_file *file,
	const struct mr_vec *row, struct mr_session *ret_session)
{
	struct mr_tables *t = &bed->backend.tables;
	struct mr_key key = mr_vec_target_key(row);
	int rc = mr_tables_session_get(t, MR_VEC_INDEX, 1, ret_session);

	if (!rc)
		rc = mr_keys_target_del(t, &key);
	for (uint32_t i = 0; i < file->n_addresses && !rc; i++) {
		key = mr_vec_public_key(file, row, i);
		rc = mr_keys_public_del(t, &key);
	}
	return rc;
}

/* The one reason that was counted since the last row, MR_REASON_COUNT if it isn't one. */
static enum mr_reason counted(struct mr_vec_dpdk *bed)
{
	enum mr_reason found = MR_REASON_COUNT;
	uint64_t total = 0;

	for (int i = 0; i < MR_REASON_CAPACITY; i++) {
		uint64_t more = bed->worker->counts[i].packets - bed->counts[i];

		bed->counts[i] += more;
		total += more;
		if (more)
			found = (enum mr_reason)i;
	}
	return total == 1 ? found : MR_REASON_COUNT;
}

static void copy_out(const struct rte_mbuf *m, uint8_t *to)
{
	for (; m; m = m->next) {
		memcpy(to, rte_pktmbuf_mtod(m, void *), m->data_len);
		to += m->data_len;
	}
}

/* The frame that came out at whichever port, sent or passed. */
static void collect(struct mr_vec_dpdk *bed, struct mr_vec_result *result)
{
	result->len = 0;
	for (unsigned i = 0; i < PORTS; i++) {
		struct rte_mbuf *m;
		ssize_t length;

		if (!rte_ring_dequeue(bed->out[i], (void **)&m)) {
			result->len = m->pkt_len;
			result->egress = FIRST_IFINDEX + i;
			copy_out(m, result->frame);
			rte_pktmbuf_free(m);
		}
		length = recv(bed->kernel_fds[i], result->frame, sizeof(result->frame), 0);
		if (length >= 0)
			result->len = (size_t)length;
	}
}

/* The sum that the UDP checksum takes the complement of, less the payload's. */
static uint64_t header_sum(const struct mr_packet *p, bool pseudo_only)
{
	__be16 len = mr_cpu_to_be16((__u16)(MR_UDP_LEN + p->payload_len));
	uint64_t sum =
		mr_csum_addr(&p->src) + mr_csum_addr(&p->dst) + len + mr_cpu_to_be16(MR_PROTO_UDP);

	return pseudo_only ? sum : sum + p->sport + p->dport + len;
}

static bool checksum_is_right(const struct mr_vec *row, const struct mr_packet *p)
{
	uint64_t sum = header_sum(p, false) + p->udp_csum +
		rte_raw_cksum(row->in + p->header_len, p->payload_len);

	return p->udp_csum && mr_csum_fold(sum) == 0xffff;
}

bool mr_vec_dpdk_shape(struct mr_vec_dpdk *bed, enum mr_vec_shape shape, const struct mr_vec *row)
{
	struct mr_packet p = {0};
	bool udp = mr_parse(row->in, row->in + row->in_len, (__u32)row->in_len, &p) == MR_PARSED &&
		p.kind == MR_PACKET_UDP;

	bed->shape = shape;
	for (unsigned i = 0; i < PORTS; i++)
		bed->backend.ports[i].multi_segs = shape == MR_VEC_CHAIN;
	switch (shape) {
	case MR_VEC_SEGMENTS:
	case MR_VEC_CHAIN:
		/* drivers fill one segment before they take the next: the headers are in the first
		 */
		return udp && row->in_len > (size_t)p.header_len + 8 + TAIL;
	case MR_VEC_STRIPPED:
		return row->in_len >= 18 && row->in[12] == 0x81 && row->in[13] == 0;
	case MR_VEC_UNFINISHED:
		return udp && mr_reason_verdict(row->reason) == MR_VERDICT_SEND &&
			checksum_is_right(row, &p);
	default:
		return true;
	}
}

/* The last octets in segments of a few. */
static int cut_up(struct mr_vec_dpdk *bed, struct rte_mbuf *m)
{
	const uint8_t *at = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len - TAIL);

	rte_pktmbuf_trim(m, TAIL);
	for (unsigned left = TAIL; left;) {
		uint16_t length = (uint16_t)mr_min(left, 5U);
		struct rte_mbuf *next = rte_pktmbuf_alloc(bed->backend.pool);

		if (!next)
			return -ENOMEM;
		memcpy(rte_pktmbuf_append(next, length), at, length);
		rte_pktmbuf_chain(m, next);
		at += length;
		left -= length;
	}
	return 0;
}

static void unfinish(struct rte_mbuf *m, const struct mr_vec *row)
{
	struct mr_packet p = {0};
	uint16_t sum;

	mr_parse(row->in, row->in + row->in_len, (__u32)row->in_len, &p);
	sum = mr_csum_fold(header_sum(&p, true));
	memcpy(rte_pktmbuf_mtod_offset(m, void *, p.header_len - sizeof(sum)), &sum, sizeof(sum));
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
}

/* A row's frame as the port would hand it over. */
static struct rte_mbuf *make_frame(struct mr_vec_dpdk *bed, const struct mr_vec *row)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(bed->backend.pool);
	char *data = m ? rte_pktmbuf_append(m, (uint16_t)row->in_len) : NULL;

	if (!data)
		return NULL;
	memcpy(data, row->in, row->in_len);
	if ((bed->shape == MR_VEC_SEGMENTS || bed->shape == MR_VEC_CHAIN) && cut_up(bed, m))
		return NULL;
	if (bed->shape == MR_VEC_STRIPPED)
		rte_vlan_strip(m);
	if (bed->shape == MR_VEC_UNFINISHED)
		unfinish(m, row);
	return m;
}

int mr_vec_dpdk_run(struct mr_vec_dpdk *bed, const struct mr_vec_file *file,
	const struct mr_vec *row, struct mr_session *session, struct mr_vec_result *ret_result)
{
	struct rte_rcu_qsbr *rcu = bed->backend.tables.rcu;
	struct rte_mbuf *m = make_frame(bed, row);
	unsigned port = row->ingress - FIRST_IFINDEX;
	int rc;

	if (!m || port >= PORTS)
		return m ? -EINVAL : -ENOMEM;
	rc = put_session(bed, file, row, session);
	if (rc)
		return rc;
	clock_ns = row->clock_ns;
	rte_ring_enqueue(bed->in[port], m);
	rte_rcu_qsbr_thread_online(rcu, 0);
	mr_worker_poll(bed->worker);
	rte_rcu_qsbr_thread_offline(rcu, 0);
	memset(ret_result, 0, sizeof(*ret_result));
	collect(bed, ret_result);
	ret_result->reason = counted(bed);
	mr_events_take(&bed->backend.events, 2 * MR_VEC_EVENTS, mr_vec_keep_event, ret_result);
	return take_session(bed, file, row, session);
}
