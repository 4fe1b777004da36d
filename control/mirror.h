/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mirror.h - the tables behind netlink.h: interfaces, own addresses, and what is known of
 * neighbours. Turns netlink messages into entries and says whether they were news.
 *
 * Private to netlink.c. Owns no socket, but for one datagram socket to ask ethtool with.
 */
#ifndef MR_CONTROL_MIRROR_H
#define MR_CONTROL_MIRROR_H

#include "netlink.h"

/** Neighbours remembered in order to tell news from aging; beyond, each message is news. */
#define MR_MIRROR_NEIGHBOURS_MAX 65536

struct mr_mirror {
	struct mr_iface *ifaces; /* sorted by index */
	size_t n_ifaces, cap_ifaces;
	struct mr_own_address *addresses; /* in no order */
	size_t n_addresses, cap_addresses;
	void *neighbours; /* tsearch(3) tree */
	size_t n_neighbours;
	int ethtool_fd;
};

/** A neighbour message, taken apart. */
struct mr_mirror_neighbour {
	uint32_t ifindex;
	struct mr_addr addr;
	uint16_t state;
	uint8_t flags;
	bool managed;     /* NTF_EXT_MANAGED */
	uint8_t protocol; /* who made it: RTPROT_...; 0: not said */
	bool has_mac;
	uint8_t mac[6];
};

int mr_mirror_init(struct mr_mirror *mirror);
void mr_mirror_fini(struct mr_mirror *mirror);

/** NULL: no such interface. Good until the mirror changes. */
const struct mr_iface *mr_mirror_iface(const struct mr_mirror *mirror, uint32_t ifindex);

/**
 * Takes in RTM_NEWLINK or RTM_DELLINK, RTM_NEWADDR or RTM_DELADDR.
 * \return 1 the mirror has changed, 0 nothing new (or not for us), -ENOMEM, -ENOSPC.
 */
int mr_mirror_link(struct mr_mirror *mirror, const struct nlmsghdr *message);
int mr_mirror_address(struct mr_mirror *mirror, const struct nlmsghdr *message);

/** As above for RTM_NEWNEIGH or RTM_DELNEIGH; `ret_neighbour` is filled in when it is about IP. */
int mr_mirror_neighbour(struct mr_mirror *mirror, const struct nlmsghdr *message,
	struct mr_mirror_neighbour *ret_neighbour);

/** Only takes the message apart. -EINVAL: not a neighbour of IPv4 or IPv6. */
int mr_mirror_neighbour_parse(
	const struct nlmsghdr *message, struct mr_mirror_neighbour *ret_neighbour);

#endif
