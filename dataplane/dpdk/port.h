/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port.h - the ports of DPDK: from options and interfaces to started devices with a queue a worker.
 *
 * Which interface a port has: the first interfaces of the configuration are those of `devices` and
 * then of `vdevs`, in order (their TAPs, to be made where they are not there); each further one is
 * an interface of the kernel that net_af_packet listens on.
 */
#ifndef MR_DPDK_PORT_H
#define MR_DPDK_PORT_H

#include "dpdk.h"

/** Octets of DPDK memory that the packet buffers take. */
int mr_ports_plan(struct mr_backend *b, const char *const *interfaces, size_t n_interfaces,
	size_t *ret_memory, struct mr_why *ret_why);

/** After mr_eal_start(): makes, configures and starts all. A failure closes them again. */
int mr_ports_open(struct mr_backend *b, struct mr_why *ret_why);

/** One of them; its device, if it is a virtual one, is not there yet. A failure may leave it half
 * open: mr_port_close_device(). */
int mr_port_open(struct mr_backend *b, struct mr_port *port, struct mr_why *ret_why);

/** Gives the device back, but for what the bus knows of a virtual one. No worker uses it. */
void mr_port_close_device(struct mr_port *port);

/** Stops and closes them. No worker runs. */
void mr_ports_close(struct mr_backend *b);

/** Octets of a buffer that any frame of net_af_packet on such an interface fits into. */
uint32_t mr_port_packet_room(uint16_t mtu);

/** NULL: no port has this interface. */
const struct mr_port *mr_port_by_ifindex(const struct mr_backend *b, uint32_t ifindex);

#endif
