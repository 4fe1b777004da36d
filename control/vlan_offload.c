/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vlan_offload.c - looks for VLAN devices on the carriers, and sets the one feature by ethtool.
 */
#include "vlan_offload.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHANGE "rx-vlan-offload was on: "

struct mr_vlan_offload {
	struct mr_netlink *netlink;
	const struct mr_strv *interfaces, *carriers;
	struct mr_changes *changes;
	mr_vlan_offload_fn *fn;
	void *context;
	uint32_t *refused; /* for each carrier: the ifindex that was complained about, 0: none */
};

/* The flags call knows this feature without the driver's list of names. */
static int flags_call(const char *iface, uint32_t command, uint32_t *flags)
{
	struct ethtool_value value = {.cmd = command, .data = *flags};
	struct ifreq request = {.ifr_data = (char *)&value};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", iface);
	error = ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
	close(fd);
	if (!error)
		*flags = value.data;
	return error;
}

int mr_vlan_offload_get(const char *iface)
{
	uint32_t flags = 0;
	int error = flags_call(iface, ETHTOOL_GFLAGS, &flags);

	return error ? error : (flags & ETH_FLAG_RXVLAN) != 0;
}

int mr_vlan_offload_set(const char *iface, bool on)
{
	uint32_t flags = 0;
	int r = flags_call(iface, ETHTOOL_GFLAGS, &flags);

	if (r)
		return r;
	flags = on ? flags | ETH_FLAG_RXVLAN : flags & ~(uint32_t)ETH_FLAG_RXVLAN;
	r = flags_call(iface, ETHTOOL_SFLAGS, &flags);
	if (r)
		return r;
	/* A driver may nod and do nothing. */
	r = mr_vlan_offload_get(iface);
	return r < 0 ? r : r == on ? 0 : -EOPNOTSUPP;
}

/* Frames of a bond or a bridge come in by its ports: there the kernel takes tags off by itself. */
static bool has_ports(const struct mr_netlink *netlink, uint32_t ifindex)
{
	const struct mr_iface *ifaces;
	size_t count = mr_netlink_ifaces(netlink, &ifaces);

	for (size_t i = 0; i < count; i++)
		if (ifaces[i].master == ifindex)
			return true;
	return false;
}

/* A VLAN device on the carrier; one that the configuration names, if there is such. */
static const struct mr_iface *find_vlan(
	const struct mr_vlan_offload *offload, uint32_t ifindex, bool *ret_named)
{
	const struct mr_iface *ifaces, *found = NULL;
	size_t count = mr_netlink_ifaces(offload->netlink, &ifaces);

	*ret_named = false;
	for (size_t i = 0; i < count && !*ret_named; i++) {
		if (ifaces[i].kind != MR_IFACE_VLAN || ifaces[i].lower != ifindex)
			continue;
		found = &ifaces[i];
		*ret_named = mr_strv_contains(offload->interfaces, found->name);
	}
	return found;
}

static int turn_off(struct mr_vlan_offload *offload, const struct mr_iface *carrier)
{
	char change[sizeof(CHANGE) + IF_NAMESIZE];
	int r;

	if (has_ports(offload->netlink, carrier->ifindex))
		return -EOPNOTSUPP;
	snprintf(change, sizeof(change), CHANGE "%s", carrier->name);
	(void)mr_changes_add(offload->changes, change);
	r = mr_vlan_offload_set(carrier->name, false);
	if (r)
		(void)mr_changes_remove(offload->changes, change);
	return r;
}

/* One carrier. -errno: it can't be relayed in VLANs; `*ret_vlan` is one that is asked for, or NULL.
 */
static int examine(struct mr_vlan_offload *offload, size_t number, const struct mr_iface **ret_vlan)
{
	const char *name = offload->carriers->items[number];
	const struct mr_iface *carrier = mr_netlink_iface_by_name(offload->netlink, name), *vlan;
	bool named;
	int r;

	*ret_vlan = NULL;
	vlan = carrier ? find_vlan(offload, carrier->ifindex, &named) : NULL;
	if (!vlan || offload->refused[number] == carrier->ifindex ||
		(!has_ports(offload->netlink, carrier->ifindex) && mr_vlan_offload_get(name) != 1))
		return 0;
	r = turn_off(offload, carrier);
	if (r)
		offload->refused[number] = carrier->ifindex;
	if (r && named)
		*ret_vlan = vlan;
	offload->fn(name, r, offload->context);
	return r;
}

static void changed(unsigned changes, void *context)
{
	struct mr_vlan_offload *offload = context;
	const struct mr_iface *vlan;

	if (!(changes & MR_NETLINK_LINKS))
		return;
	for (size_t i = 0; i < offload->carriers->n; i++)
		(void)examine(offload, i, &vlan);
}

int mr_vlan_offload_open(struct mr_netlink *netlink, const struct mr_strv *interfaces,
	const struct mr_strv *carriers, struct mr_changes *changes, mr_vlan_offload_fn *fn,
	void *context, struct mr_vlan_offload **ret_offload, struct mr_why *ret_why)
{
	struct mr_vlan_offload *offload = calloc(1, sizeof(*offload));
	const struct mr_iface *vlan = NULL;
	int r = -ENOMEM;

	if (!offload)
		return r;
	*offload = (struct mr_vlan_offload){netlink, interfaces, carriers, changes, fn, context,
		calloc(carriers->n ? carriers->n : 1, sizeof(*offload->refused))};
	if (offload->refused)
		r = mr_netlink_on_change(netlink, changed, offload);
	for (size_t i = 0; !r && i < carriers->n; i++) {
		r = examine(offload, i, &vlan);
		if (r && !vlan)
			r = 0;
		if (r)
			snprintf(ret_why->text, sizeof(ret_why->text),
				"interface %s: %s takes tags off frames before generic XDP sees "
				"them, and that can't be turned off: use --dataplane xdp or dpdk",
				vlan->name, carriers->items[i]);
	}
	if (r) {
		mr_vlan_offload_close(offload);
		return r;
	}
	*ret_offload = offload;
	return 0;
}

void mr_vlan_offload_put_back(struct mr_changes *changes)
{
	const struct mr_strv *list = mr_changes_list(changes);

	for (size_t i = list->n; i-- > 0;) {
		const char *change = list->items[i];

		if (strncmp(change, CHANGE, strlen(CHANGE)))
			continue;
		/* An interface that is gone took the setting along. */
		(void)mr_vlan_offload_set(change + strlen(CHANGE), true);
		(void)mr_changes_remove(changes, change);
	}
}

void mr_vlan_offload_close(struct mr_vlan_offload *offload)
{
	if (!offload)
		return;
	mr_netlink_ignore(offload->netlink, offload);
	free(offload->refused);
	free(offload);
}
