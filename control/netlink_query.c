// SPDX-License-Identifier: BSD-2-Clause
/*
 * netlink_query.c - questions that the mirror of interfaces and addresses answers. No system call
 * is made here.
 */
#include <assert.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "netlink.h"

const struct mr_iface *mr_netlink_iface_by_name(const struct mr_netlink *netlink, const char *name)
{
	const struct mr_iface *ifaces;
	size_t count = mr_netlink_ifaces(netlink, &ifaces);

	for (size_t i = 0; i < count; i++)
		if (!strncmp(ifaces[i].name, name, sizeof(ifaces[i].name)))
			return &ifaces[i];
	return NULL;
}

const struct mr_iface *mr_netlink_carrier(
	const struct mr_netlink *netlink, uint32_t ifindex, uint16_t *ret_vlan)
{
	const struct mr_iface *iface = mr_netlink_iface(netlink, ifindex);
	uint16_t vlan = 0;

	if (iface && iface->kind == MR_IFACE_VLAN) {
		vlan = iface->vlan;
		iface = iface->lower ? mr_netlink_iface(netlink, iface->lower) : NULL;
		if (iface && iface->kind == MR_IFACE_VLAN)
			iface = NULL; /* a tag in a tag is not relayed */
	}
	if (iface)
		*ret_vlan = vlan;
	return iface;
}

static bool is_public(const struct mr_own_address *address, uint32_t ifindex)
{
	return address->ifindex == ifindex && address->scope == RT_SCOPE_UNIVERSE &&
		!address->deprecated && !address->duplicate && !address->temporary;
}

size_t mr_netlink_public_addresses(const struct mr_netlink *netlink, uint32_t ifindex,
	struct mr_addr *ret_addresses, size_t max)
{
	const struct mr_own_address *addresses;
	size_t count = mr_netlink_addresses(netlink, &addresses), found = 0;

	for (int v6 = 0; v6 < 2; v6++) {
		for (size_t i = 0; i < count && found < max; i++) {
			const struct mr_addr *addr = &addresses[i].addr;
			bool again = false;

			if (!is_public(&addresses[i], ifindex) || mr_addr_is_v4(addr) == v6)
				continue;
			for (size_t j = 0; j < found; j++)
				again |= mr_addr_equal(&ret_addresses[j], addr);
			if (!again)
				ret_addresses[found++] = *addr;
		}
	}
	return found;
}

bool mr_netlink_is_own(const struct mr_netlink *netlink, const struct mr_addr *addr)
{
	static const struct mr_addr loopback = {.w = {0, 0, 0, mr_cpu_to_be32(1)}};
	const struct mr_own_address *addresses;
	size_t count = mr_netlink_addresses(netlink, &addresses);

	if (mr_addr_equal(addr, &loopback) ||
		(mr_addr_is_v4(addr) && mr_be32_to_cpu(addr->w[3]) >> 24 == IN_LOOPBACKNET))
		return true;
	for (size_t i = 0; i < count; i++)
		if (mr_addr_equal(&addresses[i].addr, addr))
			return true;
	return false;
}

bool mr_netlink_is_broadcast(const struct mr_netlink *netlink, const struct mr_addr *addr)
{
	const struct mr_own_address *addresses;
	size_t count = mr_netlink_addresses(netlink, &addresses);

	if (!mr_addr_is_v4(addr))
		return false;
	uint32_t host = mr_be32_to_cpu(addr->w[3]);
	if (host == INADDR_BROADCAST || host == INADDR_ANY)
		return true;
	for (size_t i = 0; i < count; i++) {
		if (!mr_addr_is_v4(&addresses[i].addr))
			continue;
		if (mr_addr_equal(&addresses[i].broadcast, addr))
			return true;
		if (addresses[i].prefix == 0 || addresses[i].prefix > 30)
			continue; /* RFC 3021: a /31 has neither */
		uint32_t mask = UINT32_MAX << (32 - addresses[i].prefix);
		uint32_t net = mr_be32_to_cpu(addresses[i].addr.w[3]) & mask;
		if (host == net || host == (net | ~mask))
			return true;
	}
	return false;
}
