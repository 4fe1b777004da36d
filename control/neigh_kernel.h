/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neigh_kernel.h - the kernel's side of one neighbour entry: look at it, and make it be resolved.
 *
 * For neigh.c, and for whoever detaches without a daemon. Knows which entries are not ours to
 * touch; keeps nothing.
 */
#ifndef MR_CONTROL_NEIGH_KERNEL_H
#define MR_CONTROL_NEIGH_KERNEL_H

#include "netlink.h"

struct mr_neigh_entry {
	uint16_t nud;  /* NUD_... */
	uint8_t flags; /* NTF_... */
	bool managed;
	bool has_mac;
	uint8_t mac[6];
};

/** -ENOENT: there is none. */
int mr_neigh_entry_get(struct mr_netlink *netlink, uint32_t ifindex, const struct mr_addr *addr,
	struct mr_neigh_entry *ret_entry);

enum mr_neigh_manage {
	MR_NEIGH_AS_IT_IS,
	MR_NEIGH_MANAGE,
	MR_NEIGH_UNMANAGE, /* never makes an entry */
};

/**
 * Makes the kernel resolve or verify an entry, as if it had something to send, and marks it.
 * Permanent and externally learned entries are somebody's: they are left alone, and 0 is returned.
 * -ENOBUFS: the kernel's table is full (gc_thresh3). -ENOENT only from MR_NEIGH_UNMANAGE.
 */
int mr_neigh_entry_use(struct mr_netlink *netlink, uint32_t ifindex, const struct mr_addr *addr,
	enum mr_neigh_manage manage);

/**
 * Takes the managed mark off every entry that mr_neigh_entry_use() put it on, in this process or in
 * one that is gone: their protocol says so, which "ip neigh" shows as 109. 0 or -errno.
 */
int mr_neigh_unmanage_left(struct mr_netlink *netlink);

/**
 * Makes the kernel ask an entry's present link address whether it still answers, though it may
 * think that it knows. The entry stays usable meanwhile, and fails after some 3 s without answer.
 * Takes the managed mark off. -EALREADY: there is nothing to verify, or it is somebody's.
 */
int mr_neigh_entry_probe(struct mr_netlink *netlink, uint32_t ifindex, const struct mr_addr *addr);

#endif
