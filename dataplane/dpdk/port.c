/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port.c - plans the ports, makes their virtual devices, configures and starts them.
 */
#include "port.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eal.h"
#include "kept.h"
#include "packet_socket.h"
#include "preflight.h"
#include "tap.h"

#define FRAME_EXTRA     (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN) /* around an IP packet */
#define ROOM_MIN        RTE_MBUF_DEFAULT_DATAROOM
#define ROOM_MAX        16384U
#define BUFFER_OVERHEAD (sizeof(struct rte_mbuf) + 128) /* of a buffer in its pool */
#define POOL_CACHE      256
#define PACKET_OVERHEAD 96 /* what TPACKET_V2 puts in front of a frame in its ring */
#define DESCRIPTORS     512

/*
 * Octets of a packet socket's ring, in each direction. The kernel goes on filling it while the
 * worker waits for a CPU, for some milliseconds where they share one, and what finds no room then
 * has cost as much as what does. Longer ones leave the cache.
 */
#define RING_SIZE (4U << 20)

static bool is_packet_device(const char *device)
{
	return !strncmp(device, "net_af_packet", strlen("net_af_packet"));
}

/* Octets of a ring's slot: a power of two, so that whole slots fill each block of the ring. */
uint32_t mr_port_packet_room(uint16_t mtu)
{
	return rte_align32pow2(mr_max((uint32_t)mtu + FRAME_EXTRA + PACKET_OVERHEAD, 2048U));
}

/* Data room of the buffers: PMDs that don't scatter must find room for any frame of theirs. */
static uint32_t data_room(const struct mr_backend *b)
{
	uint32_t room = ROOM_MIN;

	for (unsigned i = 0; i < b->n_ports; i++) {
		const struct mr_port *port = &b->ports[i];

		if (port->kernel_sees)
			room = mr_max(room, mr_port_packet_room(port->mtu));
	}
	return mr_min(room, ROOM_MAX) + RTE_PKTMBUF_HEADROOM;
}

static uint32_t descriptors(const struct mr_dpdk_options *o)
{
	return o->descriptors ? o->descriptors : DESCRIPTORS;
}

/* Slots of `frame` octets in a packet socket's ring. They hold no buffers of the pool. */
static uint32_t ring_frames(const struct mr_dpdk_options *o, uint32_t frame)
{
	return o->descriptors ? rte_align32pow2(o->descriptors)
			      : mr_max(RING_SIZE / frame, DESCRIPTORS);
}

/* Every descriptor may hold a buffer, in both directions, and workers some more. */
static uint32_t buffer_count(const struct mr_backend *b)
{
	uint32_t queues = b->n_ports * b->options.workers;

	return queues * (2 * descriptors(&b->options) + MR_BURST) +
		b->options.workers * (POOL_CACHE * 2 + 2 * MR_BURST);
}

static int plan_port(struct mr_backend *b, const char *device, const char *interface, bool packet,
	struct mr_why *ret_why)
{
	struct mr_port *port;

	if (b->n_ports == MR_DPDK_PORTS_MAX)
		return mr_why_set(
			ret_why, -E2BIG, "interfaces: DPDK serves at most %d", MR_DPDK_PORTS_MAX);
	port = &b->ports[b->n_ports];
	*port = (struct mr_port){.mtu = RTE_ETHER_MTU, .kernel_sees = packet};
	for (unsigned i = 0; i < MR_DPDK_WORKERS_MAX; i++)
		port->tap_fds[i] = port->wake_fds[i] = -1;
	if (strlen(interface) >= sizeof(port->ifname))
		return mr_why_set(ret_why, -ENODEV, "%.32s: no such interface", interface);
	strcpy(port->ifname, interface);
	snprintf(port->device, sizeof(port->device), "%.*s", (int)strcspn(device, ","), device);
	if (packet) {
		int rc = mr_preflight_interface(interface, &port->ifindex, &port->mtu, ret_why);

		if (rc)
			return rc;
		if (mr_port_packet_room(port->mtu) > ROOM_MAX)
			return mr_why_set(ret_why, -EMSGSIZE,
				"%s: MTU of %u is more than net_af_packet is used with: at most "
				"%u",
				interface, port->mtu, ROOM_MAX - FRAME_EXTRA - PACKET_OVERHEAD);
	}
	b->n_ports++;
	return 0;
}

int mr_ports_plan(struct mr_backend *b, const char *const *interfaces, size_t n_interfaces,
	size_t *ret_memory, struct mr_why *ret_why)
{
	const struct mr_dpdk_options *o = &b->options;
	size_t named = o->n_devices + o->n_vdevs;
	uint32_t page = (uint32_t)getpagesize();

	if (n_interfaces < named)
		return mr_why_set(ret_why, -EINVAL,
			"interfaces: %zu for %zu devices of dpdk { }: name an interface for each "
			"device",
			n_interfaces, named);
	for (size_t i = 0; i < n_interfaces; i++) {
		char name[40];
		const char *device = name;
		bool packet;
		int rc;

		snprintf(name, sizeof(name), "net_af_packet%zu", i);
		if (i < o->n_devices)
			device = o->devices[i];
		else if (i < named)
			device = o->vdevs[i - o->n_devices];
		packet = is_packet_device(device);
		if (packet && o->exception == MR_EXCEPTION_TAP)
			return mr_why_set(ret_why, -EINVAL,
				"dpdk option exception=tap: the kernel sees what arrives at %s "
				"already: leave it out",
				interfaces[i]);
		if (!packet && o->exception == MR_EXCEPTION_KERNEL)
			return mr_why_set(ret_why, -EINVAL,
				"dpdk option exception=kernel: the kernel does not see what "
				"arrives "
				"at %s: leave it out",
				device);
		rc = plan_port(b, device, interfaces[i], packet, ret_why);
		if (rc)
			return rc;
	}
	/* Without huge pages no buffer crosses the border of a page that it fits into. */
	*ret_memory = (size_t)buffer_count(b) * RTE_ALIGN(data_room(b) + BUFFER_OVERHEAD, page);
	return 0;
}

/* Makes the virtual device of port `i`, whose sockets, if it has any, wake the workers. */
static int probe_vdev(struct mr_backend *b, unsigned i, struct mr_why *ret_why)
{
	const struct mr_dpdk_options *o = &b->options;
	struct mr_port *port = &b->ports[i];
	struct mr_packet_sockets before;
	char args[512];

	if (i < o->n_devices + o->n_vdevs) {
		const char *vdev = o->vdevs[i - o->n_devices];

		snprintf(args, sizeof(args), "%s", vdev + strcspn(vdev, ","));
		memmove(args, args + (*args == ','), strlen(args) + !*args);
	} else {
		uint32_t frame = mr_port_packet_room(port->mtu);

		snprintf(args, sizeof(args), "iface=%s,qpairs=%u,framesz=%u,blocksz=%u,framecnt=%u",
			port->ifname, o->workers, frame, mr_max(frame, (uint32_t)getpagesize()),
			ring_frames(o, frame));
	}
	mr_packet_sockets_list(&before);
	mr_eal_error("");
	if (rte_eal_hotplug_add("vdev", port->device, args))
		return mr_why_set(ret_why, -EIO, "%s (%s): DPDK can't make it: %s", port->device,
			port->ifname, mr_eal_error("wrong arguments?"));
	if (port->kernel_sees)
		port->n_sockets =
			mr_packet_sockets_new(&before, port->ifindex, port->wake_fds, o->workers);
	return 0;
}

static struct rte_eth_conf port_conf(const struct mr_backend *b, const struct mr_port *port,
	const struct rte_eth_dev_info *info, bool interrupts)
{
	/*
	 * No checksum offload on receive: a virtio device would then deliver unfinished checksums
	 * of senders on its host, and the core updates checksums without looking at the payload. No
	 * VLAN stripping: the core reads and writes tags in the frame.
	 */
	struct rte_eth_conf conf = {
		.rxmode.mtu = port->kernel_sees ? 0 : port->mtu,
		.txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
		.intr_conf.rxq = interrupts,
	};

	if (!port->kernel_sees && port->mtu + FRAME_EXTRA > ROOM_MIN)
		conf.rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	if (b->options.workers > 1 && info->flow_type_rss_offloads) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
	}
	return conf;
}

static int setup_queues(struct mr_backend *b, const struct mr_port *port, struct mr_why *ret_why)
{
	uint16_t rx = (uint16_t)descriptors(&b->options), tx = rx;
	int socket = rte_eth_dev_socket_id(port->id);
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);

	for (uint16_t q = 0; q < b->options.workers && !rc; q++) {
		rc = rte_eth_rx_queue_setup(port->id, q, rx, (unsigned)socket, NULL, b->pool);
		if (!rc)
			rc = rte_eth_tx_queue_setup(port->id, q, tx, (unsigned)socket, NULL);
	}
	if (rc)
		return mr_why_set(ret_why, rc, "%s (%s): queues: %s", port->device, port->ifname,
			mr_eal_error(strerror(-rc)));
	return 0;
}

/* Drivers that know no greatest MTU may know a longest frame. */
static uint32_t mtu_max(const struct rte_eth_dev_info *info)
{
	const uint32_t extra = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;

	if (info->max_mtu != UINT16_MAX || info->max_rx_pktlen <= extra)
		return info->max_mtu;
	return mr_min(info->max_rx_pktlen - extra, UINT16_MAX);
}

static int configure(struct mr_backend *b, struct mr_port *port, struct mr_why *ret_why)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	uint16_t workers = (uint16_t)b->options.workers;
	int rc = rte_eth_dev_info_get(port->id, &info);

	if (rc)
		return mr_why_set(ret_why, rc, "%s: %s", port->device, strerror(-rc));
	snprintf(port->driver, sizeof(port->driver), "%s", info.driver_name);
	if (port->kernel_sees && info.if_index != port->ifindex)
		return mr_why_set(ret_why, -EINVAL,
			"%s: listens on another interface than %s: name them in the same order",
			port->device, port->ifname);
	if (info.max_rx_queues < workers || info.max_tx_queues < workers)
		return mr_why_set(ret_why, -EINVAL,
			"%s (%s): has %u queues, but there are %u workers: lower workers or name "
			"fewer lcores in dpdk { }",
			port->device, port->ifname, mr_min(info.max_rx_queues, info.max_tx_queues),
			workers);
	if (!port->kernel_sees && port->mtu > mtu_max(&info))
		return mr_why_set(ret_why, -EINVAL,
			"%s: has an MTU of %u, and %s takes no more than %u: ip link set %s mtu %u",
			port->ifname, port->mtu, port->device, mtu_max(&info), port->ifname,
			mtu_max(&info));
	/* Whether a driver has interrupts is known only when it is asked to use them. */
	port->interrupts = !b->options.poll && !port->kernel_sees;
	port->multi_segs = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	conf = port_conf(b, port, &info, port->interrupts);
	rc = rte_eth_dev_configure(port->id, workers, workers, &conf);
	if (rc && port->interrupts) {
		port->interrupts = false;
		conf.intr_conf.rxq = 0;
		rc = rte_eth_dev_configure(port->id, workers, workers, &conf);
	}
	if (rc)
		return mr_why_set(ret_why, rc, "%s (%s): can't be configured: %s", port->device,
			port->ifname, mr_eal_error(strerror(-rc)));
	mr_eal_error("");
	return setup_queues(b, port, ret_why);
}

/*
 * Descriptors that become readable when frames wait. Without them workers nap. Some drivers have
 * descriptors that need no arming: they are readable as long as there is a frame.
 */
static void find_interrupts(const struct mr_backend *b, struct mr_port *port)
{
	bool wanted = port->interrupts;

	port->interrupts = false;
	for (uint16_t q = 0; q < b->options.workers && wanted; q++) {
		int rc;

		port->wake_fds[q] = rte_eth_dev_rx_intr_ctl_q_get_fd(port->id, q);
		if (port->wake_fds[q] < 0)
			break;
		rc = rte_eth_dev_rx_intr_enable(port->id, q);
		if (!rc) {
			port->interrupts = true;
			rte_eth_dev_rx_intr_disable(port->id, q);
		} else if (rc != -ENOTSUP) {
			port->wake_fds[q] = -1;
		}
	}
	mr_eal_error("");
}

/*
 * Neighbour discovery of IPv6 comes by multicast. An interface that the kernel also has is left as
 * it is: the flags would outlive us.
 */
static void receive_multicast(const struct mr_port *port)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(port->id, &info) || info.if_index)
		return;
	if (rte_eth_allmulticast_enable(port->id))
		rte_eth_promiscuous_enable(port->id);
}

/* Starts the device. What that does to an interface that the kernel has is undone. */
static int start_device(struct mr_port *port, struct mr_why *ret_why)
{
	struct mr_kept *kept = NULL;
	int rc = 0;

	if (port->kernel_sees)
		rc = mr_kept_read(port->ifname, port->ifindex, &kept, ret_why);
	if (rc)
		return rc;
	rc = rte_eth_dev_start(port->id);
	if (rc)
		mr_why_set(ret_why, rc, "%s (%s): does not start: %s", port->device, port->ifname,
			mr_eal_error(strerror(-rc)));
	__atomic_store_n(&port->started, !rc, __ATOMIC_RELEASE);
	if (kept && mr_kept_put_back(kept, rc ? &(struct mr_why){""} : ret_why) && !rc)
		rc = -EIO;
	mr_kept_free(kept);
	return rc;
}

static int start(struct mr_backend *b, struct mr_port *port, struct mr_why *ret_why)
{
	uint16_t mtu;
	int rc = configure(b, port, ret_why);

	if (rc)
		return rc;
	rte_eth_macaddr_get(port->id, &port->mac);
	rc = start_device(port, ret_why);
	if (rc || !port->has_tap)
		return rc;
	if (!rte_eth_dev_get_mtu(port->id, &mtu))
		port->mtu = mtu;
	receive_multicast(port);
	mr_eal_error("");
	find_interrupts(b, port);
	return mr_tap_start(port, ret_why);
}

int mr_port_open(struct mr_backend *b, struct mr_port *port, struct mr_why *ret_why)
{
	unsigned i = (unsigned)(port - b->ports);
	uint16_t mtu;
	int rc = 0;

	if (i >= b->options.n_devices)
		rc = probe_vdev(b, i, ret_why);
	if (rc)
		return rc;
	if (rte_eth_dev_get_port_by_name(port->device, &port->id))
		return mr_why_set(ret_why, -ENODEV, "%s (%s): no driver of DPDK takes it: %s",
			port->device, port->ifname,
			mr_eal_error("is it an Ethernet device, and its driver installed?"));
	if (!port->kernel_sees) {
		rc = mr_tap_open(port, b->options.workers, &mtu, ret_why);
		if (rc)
			return rc;
		port->mtu = mtu ? mtu : port->mtu;
	}
	return start(b, port, ret_why);
}

int mr_ports_open(struct mr_backend *b, struct mr_why *ret_why)
{
	int rc = 0;

	b->pool = rte_pktmbuf_pool_create(
		"packets", buffer_count(b), POOL_CACHE, 0, (uint16_t)data_room(b), SOCKET_ID_ANY);
	if (!b->pool)
		return mr_why_set(ret_why, -ENOMEM,
			"packet buffers don't fit into DPDK's memory: raise memory or lower "
			"descriptors in dpdk { }");
	for (unsigned i = 0; i < b->n_ports; i++)
		b->ports[i].id = RTE_MAX_ETHPORTS;
	for (unsigned i = 0; i < b->n_ports && !rc; i++)
		rc = mr_port_open(b, &b->ports[i], ret_why);
	if (rc)
		mr_ports_close(b);
	return rc;
}

void mr_port_close_device(struct mr_port *port)
{
	if (port->id != RTE_MAX_ETHPORTS) {
		rte_eth_dev_stop(port->id);
		rte_eth_dev_close(port->id);
	}
	port->id = RTE_MAX_ETHPORTS;
	port->started = false;
}

void mr_ports_close(struct mr_backend *b)
{
	for (unsigned i = 0; i < b->n_ports; i++) {
		mr_port_close_device(&b->ports[i]);
		mr_tap_close(&b->ports[i]);
	}
	rte_mempool_free(b->pool);
	b->pool = NULL;
}

const struct mr_port *mr_port_by_ifindex(const struct mr_backend *b, uint32_t ifindex)
{
	for (unsigned i = 0; i < b->n_ports; i++) {
		if (b->ports[i].ifindex == ifindex)
			return &b->ports[i];
	}
	return NULL;
}
