// SPDX-License-Identifier: BSD-2-Clause
/*
 * mirror.c - tables of interfaces, own addresses and known neighbours, fed by netlink messages.
 */
#include "mirror.h"

#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NUD_VALID_STATES \
	(NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

/* What the packet path would read of a neighbour. */
struct neighbour {
	uint32_t ifindex;
	struct mr_addr addr;
	bool valid;
	uint8_t mac[6];
};

int mr_mirror_init(struct mr_mirror *mirror)
{
	*mirror = (struct mr_mirror){.ethtool_fd = -1};
	mirror->ethtool_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return mirror->ethtool_fd < 0 ? -errno : 0;
}

void mr_mirror_fini(struct mr_mirror *mirror)
{
	tdestroy(mirror->neighbours, free);
	free(mirror->ifaces);
	free(mirror->addresses);
	if (mirror->ethtool_fd >= 0)
		close(mirror->ethtool_fd);
	*mirror = (struct mr_mirror){.ethtool_fd = -1};
}

/* Makes room for one more element; doubles, up to `max`. */
static int reserve(void *array, size_t *cap, size_t used, size_t size, size_t max)
{
	void **pointer = array;

	if (used < *cap)
		return 0;
	if (used >= max)
		return -ENOSPC;
	size_t cap_new = mr_min(*cap ? *cap * 2 : 16, max);
	void *grown = reallocarray(*pointer, cap_new, size);
	if (!grown)
		return -ENOMEM;
	*pointer = grown;
	*cap = cap_new;
	return 0;
}

/* Interfaces */

static bool vlan_stripped(const struct mr_mirror *mirror, const char *name)
{
	/* The old flags call reads the one feature that matters here without its string set. */
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq request = {.ifr_data = (char *)&flags};

	memcpy(request.ifr_name, name, sizeof(request.ifr_name));
	if (ioctl(mirror->ethtool_fd, SIOCETHTOOL, &request) < 0)
		return false;
	return flags.data & ETH_FLAG_RXVLAN;
}

/* IFLA_LINKINFO: the kind, and a VLAN's tag. */
static void link_info(const struct nlattr *info, struct mr_iface *iface)
{
	const struct nlattr *attr, *data = NULL;

	mnl_attr_for_each_nested (attr, info) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			strncpy(iface->kind_name, mnl_attr_get_str(attr),
				sizeof(iface->kind_name) - 1);
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	if (!strcmp(iface->kind_name, "bond"))
		iface->kind = MR_IFACE_BOND;
	if (strcmp(iface->kind_name, "vlan") || !data)
		return;

	uint16_t protocol = ETH_P_8021Q;
	mnl_attr_for_each_nested (attr, data) {
		if (mnl_attr_get_type(attr) == IFLA_VLAN_ID)
			iface->vlan = mnl_attr_get_u16(attr);
		else if (mnl_attr_get_type(attr) == IFLA_VLAN_PROTOCOL)
			protocol = mr_be16_to_cpu(mnl_attr_get_u16(attr));
	}
	if (protocol == ETH_P_8021Q) /* 802.1ad is not relayed */
		iface->kind = MR_IFACE_VLAN;
}

/* Fills in all of `iface`, the gaps between its fields too: entries are compared as octets. */
static void link_parse(const struct nlmsghdr *message, struct mr_iface *iface)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	uint32_t lower = 0;
	bool foreign = false;
	const struct nlattr *attr;

	memset(iface, 0, sizeof(*iface));
	iface->ifindex = (uint32_t)header->ifi_index;
	iface->ethernet = header->ifi_type == ARPHRD_ETHER;
	iface->up = header->ifi_flags & IFF_UP;
	iface->running = header->ifi_flags & IFF_RUNNING;
	iface->kind = header->ifi_type == ARPHRD_LOOPBACK ? MR_IFACE_LOOPBACK : MR_IFACE_OTHER;
	mnl_attr_for_each (attr, message, sizeof(*header)) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			strncpy(iface->name, mnl_attr_get_str(attr), sizeof(iface->name) - 1);
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(attr) == sizeof(iface->mac))
				memcpy(iface->mac, mnl_attr_get_payload(attr), sizeof(iface->mac));
			break;
		case IFLA_MTU:
			iface->mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK:
			lower = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK_NETNSID:
			foreign = true;
			break;
		case IFLA_MASTER:
			iface->master = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINKINFO:
			link_info(attr, iface);
			break;
		}
	}
	if (iface->kind == MR_IFACE_VLAN && !foreign)
		iface->lower = lower;
}

/* Where an index stands in the sorted array, or would stand. */
static size_t iface_position(const struct mr_mirror *mirror, uint32_t ifindex)
{
	size_t low = 0, high = mirror->n_ifaces;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (mirror->ifaces[middle].ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct mr_iface *mr_mirror_iface(const struct mr_mirror *mirror, uint32_t ifindex)
{
	size_t at = iface_position(mirror, ifindex);

	return at < mirror->n_ifaces && mirror->ifaces[at].ifindex == ifindex ? &mirror->ifaces[at]
									      : NULL;
}

static int link_remove(struct mr_mirror *mirror, size_t at)
{
	memmove(&mirror->ifaces[at], &mirror->ifaces[at + 1],
		(mirror->n_ifaces - at - 1) * sizeof(*mirror->ifaces));
	mirror->n_ifaces--;
	return 1;
}

int mr_mirror_link(struct mr_mirror *mirror, const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct mr_iface iface;

	/* Bridges speak of their ports under their own family: a RTM_DELLINK there removes a port,
	 * not an interface. */
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
		header->ifi_family != AF_UNSPEC || header->ifi_index <= 0)
		return 0;

	size_t at = iface_position(mirror, (uint32_t)header->ifi_index);
	bool known =
		at < mirror->n_ifaces && mirror->ifaces[at].ifindex == (uint32_t)header->ifi_index;
	if (message->nlmsg_type == RTM_DELLINK)
		return known ? link_remove(mirror, at) : 0;

	link_parse(message, &iface);
	iface.vlan_stripped = iface.ethernet && vlan_stripped(mirror, iface.name);
	if (known) {
		struct mr_iface *old = &mirror->ifaces[at];
		if (!memcmp(old, &iface, sizeof(iface)))
			return 0;
		*old = iface;
		return 1;
	}
	int error = reserve(&mirror->ifaces, &mirror->cap_ifaces, mirror->n_ifaces,
		sizeof(*mirror->ifaces), MR_NETLINK_LINKS_MAX);
	if (error)
		return error;
	memmove(&mirror->ifaces[at + 1], &mirror->ifaces[at],
		(mirror->n_ifaces - at) * sizeof(*mirror->ifaces));
	mirror->ifaces[at] = iface;
	mirror->n_ifaces++;
	return 1;
}

/* Own addresses */

/* Fills in all of `address`, as above. */
static bool address_parse(const struct nlmsghdr *message, struct mr_own_address *address)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	uint32_t flags = header->ifa_flags;
	bool found = false, local = false;
	const struct nlattr *attr;

	memset(address, 0, sizeof(*address));
	address->ifindex = header->ifa_index;
	address->prefix = header->ifa_prefixlen;
	address->scope = header->ifa_scope;
	mnl_attr_for_each (attr, message, sizeof(*header)) {
		const void *octets = mnl_attr_get_payload(attr);
		size_t length = mnl_attr_get_payload_len(attr);

		switch (mnl_attr_get_type(attr)) {
		case IFA_ADDRESS: /* on point-to-point links the peer's, if there is a IFA_LOCAL */
			if (local)
				break;
			/* fall through */
		case IFA_LOCAL:
			if (mr_addr_from_octets(header->ifa_family, octets, length, &address->addr))
				return false;
			found = true;
			local = mnl_attr_get_type(attr) == IFA_LOCAL;
			break;
		case IFA_BROADCAST:
			if (mr_addr_from_octets(
				    header->ifa_family, octets, length, &address->broadcast))
				return false;
			break;
		case IFA_FLAGS:
			flags = mnl_attr_get_u32(attr);
			break;
		}
	}
	address->deprecated = flags & IFA_F_DEPRECATED;
	address->tentative = flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED);
	address->duplicate = flags & IFA_F_DADFAILED;
	address->temporary = header->ifa_family == AF_INET6 && (flags & IFA_F_TEMPORARY);
	return found;
}

int mr_mirror_address(struct mr_mirror *mirror, const struct nlmsghdr *message)
{
	struct mr_own_address address;
	struct mr_own_address *known = NULL;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct ifaddrmsg) ||
		!address_parse(message, &address))
		return 0;
	for (size_t i = 0; i < mirror->n_addresses && !known; i++) {
		struct mr_own_address *one = &mirror->addresses[i];
		if (one->ifindex == address.ifindex && one->prefix == address.prefix &&
			mr_addr_equal(&one->addr, &address.addr))
			known = one;
	}
	if (message->nlmsg_type == RTM_DELADDR) {
		if (known)
			*known = mirror->addresses[--mirror->n_addresses];
		return known != NULL;
	}
	if (known) {
		if (!memcmp(known, &address, sizeof(address)))
			return 0; /* lifetimes, as each router advertisement renews them */
		*known = address;
		return 1;
	}
	int error = reserve(&mirror->addresses, &mirror->cap_addresses, mirror->n_addresses,
		sizeof(*mirror->addresses), MR_NETLINK_ADDRESSES_MAX);
	if (error)
		return error;
	mirror->addresses[mirror->n_addresses++] = address;
	return 1;
}

/* Neighbours */

static int neighbour_compare(const void *a, const void *b)
{
	const struct neighbour *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return memcmp(&x->addr, &y->addr, sizeof(x->addr));
}

int mr_mirror_neighbour_parse(
	const struct nlmsghdr *message, struct mr_mirror_neighbour *ret_neighbour)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	struct mr_mirror_neighbour neighbour = {0};
	bool found = false;
	const struct nlattr *attr;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
		(header->ndm_family != AF_INET && header->ndm_family != AF_INET6))
		return -EINVAL;
	neighbour.ifindex = (uint32_t)header->ndm_ifindex;
	neighbour.state = header->ndm_state;
	neighbour.flags = header->ndm_flags;
	mnl_attr_for_each (attr, message, sizeof(*header)) {
		const void *octets = mnl_attr_get_payload(attr);
		size_t length = mnl_attr_get_payload_len(attr);

		switch (mnl_attr_get_type(attr)) {
		case NDA_DST:
			if (mr_addr_from_octets(
				    header->ndm_family, octets, length, &neighbour.addr))
				return -EINVAL;
			found = true;
			break;
		case NDA_LLADDR:
			neighbour.has_mac = length == sizeof(neighbour.mac);
			if (neighbour.has_mac)
				memcpy(neighbour.mac, octets, sizeof(neighbour.mac));
			break;
		case NDA_FLAGS_EXT:
			neighbour.managed =
				length == 4 && (mnl_attr_get_u32(attr) & NTF_EXT_MANAGED);
			break;
		case NDA_PROTOCOL:
			neighbour.protocol = length == 1 ? mnl_attr_get_u8(attr) : 0;
			break;
		}
	}
	if (!found || (neighbour.flags & NTF_PROXY))
		return -EINVAL;
	*ret_neighbour = neighbour;
	return 0;
}

/* Adds an entry to the tree. Too many, or no memory: it is not remembered and stays news. */
static void neighbour_remember(struct mr_mirror *mirror, const struct neighbour *now)
{
	if (mirror->n_neighbours >= MR_MIRROR_NEIGHBOURS_MAX)
		return;
	struct neighbour *copy = malloc(sizeof(*copy));
	if (!copy)
		return;
	*copy = *now;
	if (tsearch(copy, &mirror->neighbours, neighbour_compare))
		mirror->n_neighbours++;
	else
		free(copy);
}

int mr_mirror_neighbour(struct mr_mirror *mirror, const struct nlmsghdr *message,
	struct mr_mirror_neighbour *ret_neighbour)
{
	if (mr_mirror_neighbour_parse(message, ret_neighbour))
		return 0;

	struct neighbour now = {
		.ifindex = ret_neighbour->ifindex,
		.addr = ret_neighbour->addr,
		.valid = message->nlmsg_type == RTM_NEWNEIGH && ret_neighbour->has_mac &&
			(ret_neighbour->state & NUD_VALID_STATES),
	};
	if (now.valid)
		memcpy(now.mac, ret_neighbour->mac, sizeof(now.mac));

	struct neighbour **node = tfind(&now, &mirror->neighbours, neighbour_compare);
	if (!node) {
		if (now.valid)
			neighbour_remember(mirror, &now);
		return now.valid || message->nlmsg_type == RTM_DELNEIGH;
	}
	struct neighbour *known = *node;
	if (now.valid) {
		bool news = memcmp(known->mac, now.mac, sizeof(now.mac)) != 0;
		*known = now;
		return news;
	}
	/* Only valid ones are remembered. */
	tdelete(&now, &mirror->neighbours, neighbour_compare);
	free(known);
	mirror->n_neighbours--;
	return 1;
}
