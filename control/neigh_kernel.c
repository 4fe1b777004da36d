// SPDX-License-Identifier: BSD-2-Clause
/*
 * neigh_kernel.c - RTM_GETNEIGH and RTM_NEWNEIGH for single entries. Keeps nothing.
 */
#include "neigh_kernel.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mirror.h"
#include "neigh.h"
#include "routes.h"

#define REQUEST_SIZE 128
#define LEFT_MAX     65536 /* more entries than a kernel's table takes, unless it was widened much */

/* Who has marked an entry, for the one who comes after a daemon that was killed. Not taken by any
 * routing daemon (linux/rtnetlink.h, iproute2's rt_protos). */
#define PROTOCOL 109
#define NUD_VALID_STATES \
	(NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

/* Starts a request about one entry in `buffer`. */
static struct nlmsghdr *request_start(
	char *buffer, uint16_t type, uint32_t ifindex, const struct mr_addr *addr, uint8_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ndmsg *header;
	const void *octets;
	size_t length = mr_addr_octets(addr, &octets);

	request->nlmsg_type = type;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->ndm_family = length == sizeof(__be32) ? AF_INET : AF_INET6;
	header->ndm_ifindex = (int)ifindex;
	header->ndm_flags = flags;
	mnl_attr_put(request, NDA_DST, length, octets);
	return request;
}

static int entry_take(const struct nlmsghdr *message, void *context)
{
	struct mr_neigh_entry *entry = context;
	struct mr_mirror_neighbour neighbour;

	if (message->nlmsg_type != RTM_NEWNEIGH || mr_mirror_neighbour_parse(message, &neighbour))
		return 0;
	*entry = (struct mr_neigh_entry){
		.nud = neighbour.state,
		.flags = neighbour.flags,
		.managed = neighbour.managed,
		.has_mac = neighbour.has_mac,
	};
	memcpy(entry->mac, neighbour.mac, sizeof(entry->mac));
	return 0;
}

int mr_neigh_entry_get(struct mr_netlink *netlink, uint32_t ifindex, const struct mr_addr *addr,
	struct mr_neigh_entry *ret_entry)
{
	char buffer[REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = request_start(buffer, RTM_GETNEIGH, ifindex, addr, 0);
	struct mr_neigh_entry entry = {0};
	int error = mr_netlink_request(netlink, request, entry_take, &entry);

	if (!error)
		*ret_entry = entry;
	return error;
}

int mr_neigh_entry_use(struct mr_netlink *netlink, uint32_t ifindex, const struct mr_addr *addr,
	enum mr_neigh_manage manage)
{
	char buffer[REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct mr_neigh_entry entry = {0};
	int error = mr_neigh_entry_get(netlink, ifindex, addr, &entry);

	/* Looked at first, for NTF_USE makes a permanent entry an ordinary one, without a word. */
	if (error && (error != -ENOENT || manage == MR_NEIGH_UNMANAGE))
		return error;
	if ((entry.nud & (NUD_PERMANENT | NUD_NOARP)) || (entry.flags & NTF_EXT_LEARNED))
		return 0;
	if (manage == MR_NEIGH_UNMANAGE && !entry.managed)
		return 0;

	/* NTF_USE as well, for kernels before 5.16 do not know the attribute and ignore it. */
	struct nlmsghdr *request = request_start(
		buffer, RTM_NEWNEIGH, ifindex, addr, NTF_USE | (entry.flags & NTF_ROUTER));
	if (manage == MR_NEIGH_MANAGE || (manage == MR_NEIGH_AS_IT_IS && entry.managed))
		mnl_attr_put_u32(request, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	if (manage == MR_NEIGH_MANAGE)
		mnl_attr_put_u8(request, NDA_PROTOCOL, PROTOCOL);
	if (manage != MR_NEIGH_UNMANAGE)
		request->nlmsg_flags = NLM_F_CREATE;
	return mr_netlink_request(netlink, request, NULL, NULL);
}

/* Entries that were marked. */
struct left {
	struct marked {
		uint32_t ifindex;
		struct mr_addr addr;
	} * entries;
	size_t n;
};

static int left_take(const struct nlmsghdr *message, void *context)
{
	struct mr_mirror_neighbour neighbour;
	struct left *left = context;

	if (message->nlmsg_type != RTM_NEWNEIGH || mr_mirror_neighbour_parse(message, &neighbour) ||
		!neighbour.managed || neighbour.protocol != PROTOCOL)
		return 0;
	if (left->n == LEFT_MAX)
		return -ENOSPC;
	/* Grows at each power of two. */
	if ((left->n & (left->n - 1)) == 0) {
		size_t size = left->n ? 2 * left->n : 1;
		struct marked *entries = reallocarray(left->entries, size, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		left->entries = entries;
	}
	left->entries[left->n++] = (struct marked){neighbour.ifindex, neighbour.addr};
	return 0;
}

int mr_neigh_unmanage_left(struct mr_netlink *netlink)
{
	char buffer[REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct left left = {0};
	int error;

	request->nlmsg_type = RTM_GETNEIGH;
	request->nlmsg_flags = NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(request, sizeof(struct ndmsg));
	error = mr_netlink_request(netlink, request, left_take, &left);
	/* It changed meanwhile: what there was is here all the same. */
	if (error == -EINTR)
		error = 0;
	for (size_t i = 0; i < left.n; i++) {
		int r = mr_neigh_entry_use(
			netlink, left.entries[i].ifindex, &left.entries[i].addr, MR_NEIGH_UNMANAGE);

		if (r != -ENOENT && !error)
			error = r;
	}
	free(left.entries);
	return error;
}

int mr_neigh_entry_probe(struct mr_netlink *netlink, uint32_t ifindex, const struct mr_addr *addr)
{
	char buffer[REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct mr_neigh_entry entry;
	int error = mr_neigh_entry_get(netlink, ifindex, addr, &entry);

	if (error)
		return error;
	if (!(entry.nud & (NUD_REACHABLE | NUD_STALE | NUD_DELAY)) ||
		(entry.flags & NTF_EXT_LEARNED))
		return -EALREADY;
	struct nlmsghdr *request =
		request_start(buffer, RTM_NEWNEIGH, ifindex, addr, entry.flags & NTF_ROUTER);
	struct ndmsg *header = mnl_nlmsg_get_payload(request);
	header->ndm_state = NUD_PROBE;
	request->nlmsg_flags = NLM_F_REPLACE;
	return mr_netlink_request(netlink, request, NULL, NULL);
}

int mr_neigh_state_get(
	struct mr_netlink *netlink, const struct mr_addr *dst, struct mr_neigh_state *ret_state)
{
	struct mr_route_query query = {.dst = *dst, .one_path = true};
	struct mr_neigh_entry entry = {0};
	struct mr_route route;
	int error = mr_route_get(netlink, &query, &route);

	if (error)
		return error;
	if (route.type != MR_ROUTE_UNICAST)
		return -ENETUNREACH;
	error = mr_neigh_entry_get(netlink, route.oif, &route.gateway, &entry);
	if (error && error != -ENOENT)
		return error;
	*ret_state = (struct mr_neigh_state){
		.ifindex = route.oif,
		.next_hop = route.gateway,
		.nud = entry.nud,
		.valid = entry.has_mac && (entry.nud & NUD_VALID_STATES),
		.managed = entry.managed,
	};
	memcpy(ret_state->mac, entry.mac, sizeof(ret_state->mac));
	return 0;
}
