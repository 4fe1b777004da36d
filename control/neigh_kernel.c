// SPDX-License-Identifier: BSD-2-Clause
/*
 * neigh_kernel.c - RTM_GETNEIGH and RTM_NEWNEIGH for single entries.
 */
#include "neigh_kernel.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "mirror.h"

#define REQUEST_SIZE 128

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
	if (manage != MR_NEIGH_UNMANAGE)
		request->nlmsg_flags = NLM_F_CREATE;
	return mr_netlink_request(netlink, request, NULL, NULL);
}
