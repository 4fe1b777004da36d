/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tap.h - the exception path of a port that DPDK owns: a TAP interface of the kernel, one queue a
 * worker, that stands for the port with its MAC address.
 *
 * Own code rather than DPDK's net_tap, which raises a signal in the process for each frame.
 * Checksums and segments of local senders are finished by the kernel: no offload is asked for.
 */
#ifndef MR_DPDK_TAP_H
#define MR_DPDK_TAP_H

#include "dpdk.h"

/**
 * Opens `port->ifname`, or makes it, with `workers` queues: fills in tap_fds, ifindex and has_tap.
 * A TAP that was there keeps its addresses and its MTU, which goes to `*ret_mtu`; else that is 0.
 */
int mr_tap_open(struct mr_port *port, uint32_t workers, uint16_t *ret_mtu, struct mr_why *ret_why);

/** Gives it the port's MAC address and MTU, and sets it up. */
int mr_tap_start(const struct mr_port *port, struct mr_why *ret_why);

/** A TAP begins with a carrier. -errno: the kernel has no such thing (before 5.0). */
int mr_tap_set_carrier(const struct mr_port *port, bool on);

/** Closes the queues; a TAP that was made here goes. */
void mr_tap_close(struct mr_port *port);

/** Sends frames to the kernel, and frees them whether it takes them or not. \return those taken. */
uint16_t mr_tap_send(int fd, struct rte_mbuf **frames, uint16_t count);

/** Frames that the kernel sends, at most `max`. `frame_max`: octets of the longest. */
uint16_t mr_tap_receive(
	int fd, struct rte_mempool *pool, uint32_t frame_max, struct rte_mbuf **ret, uint16_t max);

#endif
