/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * silence.h - keeps the kernel from answering for the relay where it also sees what arrives
 * (net_af_packet): an nftables table of our own that drops the kernel's copies, before conntrack
 * and any firewall.
 *
 * The table belongs to our netlink socket (flag owner), so that the kernel removes it when the
 * process ends, however it ends. Upstream ports are dropped only where no local program has them.
 * Called by the control thread, but for open and close.
 */
#ifndef MR_DPDK_SILENCE_H
#define MR_DPDK_SILENCE_H

#include "dpdk.h"

struct mr_silence;

/** A change of what is dropped. */
struct mr_silence_change {
	struct mr_addr addr; /* public: where clients send to */
	uint16_t port;       /* host byte order; upstream: the first of MR_LEGS */
	bool upstream;
	bool add;
};

int mr_silence_open(struct mr_silence **ret_silence, struct mr_why *ret_why);
void mr_silence_close(struct mr_silence *silence);

/** Applies changes in order, in one transaction. -EIO, -ENOMEM: none was. */
int mr_silence_apply(struct mr_silence *silence, const struct mr_silence_change *changes,
	size_t count, struct mr_why *ret_why);

#endif
