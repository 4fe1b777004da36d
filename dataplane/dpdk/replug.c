/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replug.c - the order in which workers are led away from a port's interface and to its successor.
 *
 * Away: no new next hop leads to the port (`gone`), those that are cached are stale (generation),
 * and when all workers have been through their bursts nobody is left there. Only then is anything
 * closed. Workers go on with the other ports all the while.
 */
#include "replug.h"

#include <errno.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control.h"
#include "eal.h"
#include "port.h"
#include "preflight.h"
#include "tables.h"
#include "tap.h"
#include "worker.h"

static void unwatch(const struct mr_backend *b, int *fds, bool ours)
{
	for (uint32_t i = 0; i < b->options.workers; i++) {
		int fd = fds[i];

		if (fd < 0)
			continue;
		epoll_ctl(b->workers[i].epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		fds[i] = -1;
		if (ours)
			close(fd);
	}
}

static int watch(const struct mr_backend *b, const struct mr_port *port)
{
	int rc = 0;

	for (uint32_t i = 0; i < b->options.workers && !rc; i++)
		rc = mr_worker_watch(&b->workers[i], port);
	return rc;
}

/* When it returns no worker sends by the port's interface, nor will. */
static void leave(struct mr_backend *b, struct mr_port *port)
{
	__atomic_store_n(&port->gone, true, __ATOMIC_RELEASE);
	mr_tables_bump_generation(&b->tables);
	mr_tables_wait(&b->tables);
	__atomic_store_n(&port->ifindex, 0, __ATOMIC_RELAXED);
}

/* The other way round. `port` is ready for whatever workers do with it. */
static void arrive(struct mr_backend *b, struct mr_port *port, uint32_t ifindex)
{
	__atomic_store_n(&port->ifindex, ifindex, __ATOMIC_RELAXED);
	__atomic_store_n(&port->gone, false, __ATOMIC_RELEASE);
	mr_tables_bump_generation(&b->tables);
}

/* net_af_packet */

static void leave_packet(struct mr_backend *b, struct mr_port *port)
{
	__atomic_store_n(&port->started, false, __ATOMIC_RELEASE);
	leave(b, port);
	unwatch(b, port->wake_fds, false);
	mr_port_close_device(port);
	rte_eal_hotplug_remove("vdev", port->device);
	mr_eal_error("");
}

/* Buffers were made for the interfaces that there were at the start. */
static int check_mtu(const struct mr_backend *b, const struct mr_port *port, uint16_t mtu,
	struct mr_why *ret_why)
{
	uint32_t room = rte_pktmbuf_data_room_size(b->pool) - RTE_PKTMBUF_HEADROOM;

	if (mr_port_packet_room(mtu) <= room)
		return 0;
	return mr_why_set(ret_why, -EMSGSIZE,
		"%s: its MTU of %u is more than DPDK's buffers of %u octets were made for: lower "
		"it, or restart moshrelayd",
		port->ifname, mtu, room);
}

static int join_packet(
	struct mr_backend *b, struct mr_port *port, uint32_t ifindex, struct mr_why *ret_why)
{
	uint32_t found;
	uint16_t mtu;
	int rc = mr_preflight_interface(port->ifname, &found, &mtu, ret_why);

	if (rc)
		return rc;
	if (found != ifindex)
		return mr_why_set(
			ret_why, -ENODEV, "%s: has become another interface again", port->ifname);
	rc = check_mtu(b, port, mtu, ret_why);
	if (rc)
		return rc;
	/* Workers don't look at a port that is not started. */
	port->mtu = mtu;
	port->ifindex = ifindex;
	rc = mr_port_open(b, port, ret_why);
	if (!rc) {
		rc = watch(b, port);
		if (rc)
			mr_why_set(ret_why, rc, "%s: %s", port->ifname, strerror(-rc));
	}
	if (rc)
		leave_packet(b, port);
	else
		arrive(b, port, ifindex);
	return rc;
}

/* TAPs */

static void leave_tap(struct mr_backend *b, struct mr_port *port)
{
	int fds[MR_DPDK_WORKERS_MAX];

	mr_control_lock(b);
	leave(b, port);
	memcpy(fds, port->tap_fds, sizeof(fds));
	for (uint32_t i = 0; i < b->options.workers; i++)
		__atomic_store_n(&port->tap_fds[i], -1, __ATOMIC_RELAXED);
	mr_control_unlock(b);
	mr_tables_wait(&b->tables); /* nobody reads or writes them any more */
	unwatch(b, fds, true);
}

static int join_tap(
	struct mr_backend *b, struct mr_port *port, uint32_t ifindex, struct mr_why *ret_why)
{
	struct mr_port fresh = *port;
	uint16_t mtu;
	int rc;

	for (unsigned i = 0; i < MR_DPDK_WORKERS_MAX; i++)
		fresh.tap_fds[i] = -1;
	rc = mr_tap_open(&fresh, b->options.workers, &mtu, ret_why);
	if (rc)
		return rc;
	if (fresh.ifindex != ifindex)
		rc = mr_why_set(
			ret_why, -ENODEV, "%s: has become another interface again", port->ifname);
	if (!rc)
		rc = mr_tap_start(&fresh, ret_why);
	for (uint32_t i = 0; i < b->options.workers && !rc; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fresh.tap_fds[i]};

		if (epoll_ctl(b->workers[i].epoll_fd, EPOLL_CTL_ADD, fresh.tap_fds[i], &event))
			rc = mr_why_set(ret_why, -errno, "%s: epoll: %m", port->ifname);
	}
	if (rc) {
		mr_tap_close(&fresh);
		return rc;
	}
	mr_control_lock(b);
	for (uint32_t i = 0; i < b->options.workers; i++)
		__atomic_store_n(&port->tap_fds[i], fresh.tap_fds[i], __ATOMIC_RELAXED);
	if (port->link_seen && !port->link_up)
		mr_tap_set_carrier(port, false);
	arrive(b, port, ifindex);
	mr_control_unlock(b);
	return 0;
}

int mr_replug(struct mr_backend *b, const char *name, uint32_t ifindex, struct mr_why *ret_why)
{
	struct mr_port *port = NULL;

	for (unsigned i = 0; i < b->n_ports && !port; i++) {
		if (!strcmp(b->ports[i].ifname, name))
			port = &b->ports[i];
	}
	if (!port)
		return mr_why_set(ret_why, -ENOENT, "%s: not one of the relay's interfaces", name);
	if (port->gone ? !ifindex : port->ifindex == ifindex)
		return 0;
	if (!port->gone && port->has_tap)
		leave_tap(b, port);
	else if (!port->gone)
		leave_packet(b, port);
	if (!ifindex)
		return 0;
	return port->has_tap ? join_tap(b, port, ifindex, ret_why)
			     : join_packet(b, port, ifindex, ret_why);
}
