/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kept.h - what net_af_packet changes of the kernel's interface when it starts, and must not: the
 * neighbours and the promiscuous mode.
 *
 * DPDK gives a port that starts its own hardware address once more, and net_af_packet hands that
 * to the kernel. A hardware address that is set, be it to what it was, makes the kernel forget all
 * neighbours of the interface, those that an administrator has set for good too. Then it sets the
 * promiscuous mode to what DPDK believes it to be. Seen in DPDK 22.11.
 */
#ifndef MR_DPDK_KEPT_H
#define MR_DPDK_KEPT_H

#include "backend.h"

struct mr_kept;

/** Reads what there is, before the port starts. 0 or -errno with `ret_why`. */
int mr_kept_read(
	const char *name, uint32_t ifindex, struct mr_kept **ret_kept, struct mr_why *ret_why);

/**
 * Puts it back; what has become known in between stays. Neighbours that the kernel had found out by
 * itself come back as ones that it makes sure of at their next use. 0 or -errno with `ret_why`.
 */
int mr_kept_put_back(const struct mr_kept *kept, struct mr_why *ret_why);

void mr_kept_free(struct mr_kept *kept);

#endif
