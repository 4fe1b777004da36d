/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packet_socket.h - the sockets inside net_af_packet, which it neither shows nor sets up to our
 * needs: found by what they are bound to, used to wait on, and told to leave out what the host
 * itself sends.
 *
 * DPDK gives the driver no receive interrupts (looked at up to 26.03); where it does, this can go.
 */
#ifndef MR_DPDK_PACKET_SOCKET_H
#define MR_DPDK_PACKET_SOCKET_H

#include <stdint.h>

#define MR_PACKET_SOCKETS_MAX 1024

/** Packet sockets of this process, ascending. */
struct mr_packet_sockets {
	unsigned count;
	int fds[MR_PACKET_SOCKETS_MAX];
};

void mr_packet_sockets_list(struct mr_packet_sockets *ret);

/**
 * Those bound to `ifindex` that came since `before`, in the order of the driver's queues. Each is
 * made to ignore outgoing frames.
 * \return their number, at most `max`
 */
unsigned mr_packet_sockets_new(
	const struct mr_packet_sockets *before, uint32_t ifindex, int *ret_fds, unsigned max);

#endif
