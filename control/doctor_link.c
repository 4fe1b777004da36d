// SPDX-License-Identifier: BSD-2-Clause
/*
 * doctor_link.c - the interfaces that the dataplane is attached to: driver, XDP mode, offloads
 * that change what XDP sees, MTU.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doctor_private.h"

#define MTU_MIN      1300 /* mosh's largest datagram is 1280 in IPv4, 20 more in IPv6 */
#define MTU_PAGE     3498 /* what native XDP takes in one page of 4096 */
#define KERNEL_FRAGS 5018

static int ethtool(int fd, const char *iface, void *data)
{
	struct ifreq request = {.ifr_data = data};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", iface);
	return ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

static void driver_get(int fd, const char *iface, char *ret_driver, size_t size)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};

	snprintf(ret_driver, size, "%s", ethtool(fd, iface, &info) ? "unknown" : info.driver);
}

/* Number of a feature in the kernel's list, by name; -1: none of that name. */
static int feature_find(int fd, const char *iface, const char *name)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} set = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES}};
	struct ethtool_gstrings *strings;
	int found = -1;

	if (ethtool(fd, iface, &set) || !set.info.sset_mask)
		return -1;
	strings = calloc(1, sizeof(*strings) + (size_t)set.count * ETH_GSTRING_LEN);
	if (!strings)
		return -1;
	strings->cmd = ETHTOOL_GSTRINGS;
	strings->string_set = ETH_SS_FEATURES;
	strings->len = set.count;
	if (!ethtool(fd, iface, strings))
		for (uint32_t i = 0; i < strings->len && i < set.count && found < 0; i++)
			if (!strncmp((const char *)strings->data + (size_t)i * ETH_GSTRING_LEN,
				    name, ETH_GSTRING_LEN))
				found = (int)i;
	free(strings);
	return found;
}

static bool feature_is_on(int fd, const char *iface, const char *name)
{
	int number = feature_find(fd, iface, name);
	bool on = false;

	if (number < 0)
		return false;
	uint32_t blocks = (uint32_t)number / 32 + 1;
	struct ethtool_gfeatures *features =
		calloc(1, sizeof(*features) + blocks * sizeof(features->features[0]));
	if (!features)
		return false;
	features->cmd = ETHTOOL_GFEATURES;
	features->size = blocks;
	if (!ethtool(fd, iface, features))
		on = features->features[number / 32].active & (1U << (number % 32));
	free(features);
	return on;
}

/* IFLA_XDP_ATTACHED of an interface, as RTM_NEWLINK says it. */
static int xdp_take(const struct nlmsghdr *message, void *context)
{
	uint8_t *attached = context;
	const struct nlattr *attr, *nested;

	if (message->nlmsg_type != RTM_NEWLINK ||
		mnl_nlmsg_get_payload_len(message) < sizeof(struct ifinfomsg))
		return 0;
	mnl_attr_for_each (attr, message, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) != IFLA_XDP)
			continue;
		mnl_attr_for_each_nested (nested, attr) {
			if (mnl_attr_get_type(nested) == IFLA_XDP_ATTACHED)
				*attached = mnl_attr_get_u8(nested);
		}
	}
	return 0;
}

static int xdp_attached(struct mr_netlink *netlink, uint32_t ifindex, uint8_t *ret_attached)
{
	char buffer[128] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header;

	request->nlmsg_type = RTM_GETLINK;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->ifi_index = (int)ifindex;
	*ret_attached = XDP_ATTACHED_NONE;
	return mr_netlink_request(netlink, request, xdp_take, ret_attached);
}

static void examine_mode(
	struct report *report, const struct mr_iface *iface, const char *name, const char *driver)
{
	uint8_t attached;
	int error = xdp_attached(report->doctor->netlink, iface->ifindex, &attached);

	if (report->doctor->dataplane == MR_DATAPLANE_DPDK)
		finding_add(report, FINDING_OK, name, phrase("driver %s, DPDK", driver).text, NULL);
	else if (error)
		finding_add(report, FINDING_WARN, name,
			phrase("driver %s, can't ask for its XDP program: %s", driver,
				strerror(-error))
				.text,
			NULL);
	else if (attached == XDP_ATTACHED_NONE)
		finding_add(report, FINDING_FAIL, name,
			phrase("driver %s, no XDP program is attached: nothing is relayed", driver)
				.text,
			"somebody took it off; restart moshrelayd");
	else if (attached == XDP_ATTACHED_SKB)
		finding_add(report, FINDING_WARN, name,
			phrase("driver %s, generic XDP", driver).text,
			"slower than native XDP; a driver with native XDP support takes "
			"--dataplane xdp");
	else
		finding_add(report, FINDING_OK, name, phrase("driver %s, native XDP", driver).text,
			NULL);
}

static void examine_offloads(
	struct report *report, int fd, const struct mr_iface *iface, const char *name)
{
	static const struct {
		const char *feature, *option;
	} merging[] = {{"rx-lro", "lro"}, {"rx-gro-hw", "rx-gro-hw"}};
	const struct mr_iface *ifaces;
	size_t count = mr_netlink_ifaces(report->doctor->netlink, &ifaces);

	for (size_t i = 0; i < sizeof(merging) / sizeof(*merging); i++)
		if (feature_is_on(fd, iface->name, merging[i].feature))
			finding_add(report, FINDING_WARN, name,
				phrase("%s is on: the card merges packets before XDP sees them",
					merging[i].feature)
					.text,
				phrase("ethtool -K %s %s off", iface->name, merging[i].option)
					.text);
	for (size_t i = 0; iface->vlan_stripped && i < count; i++) {
		if (ifaces[i].kind != MR_IFACE_VLAN || ifaces[i].lower != iface->ifindex)
			continue;
		finding_add(report, FINDING_WARN, name,
			phrase("rx-vlan-offload is on and %s is a VLAN on it: tags are off before "
			       "XDP sees a frame; by which VLAN an answer came is not checked, "
			       "and generic XDP sends datagrams on with the tag that they had",
				ifaces[i].name)
				.text,
			phrase("ethtool -K %s rx-vlan-offload off", iface->name).text);
		break;
	}
}

static void examine_mtu(struct report *report, const struct mr_iface *iface, const char *name)
{
	if (iface->mtu < MTU_MIN)
		finding_add(report, FINDING_WARN, name,
			phrase("MTU %u: mosh's largest datagram, 1280 octets in IPv4, is %u where "
			       "it "
			       "becomes IPv6, and is dropped",
				iface->mtu, MTU_MIN)
				.text,
			phrase("ip link set %s mtu 1500, if the network carries that", iface->name)
				.text);
	else if (iface->mtu > MTU_PAGE && kernel_version() < KERNEL_FRAGS)
		finding_add(report, FINDING_WARN, name,
			phrase("MTU %u: before Linux 5.18 XDP takes no frames over one page",
				iface->mtu)
				.text,
			phrase("ip link set %s mtu %u, or a newer kernel", iface->name, MTU_PAGE)
				.text);
}

static void examine_link(struct report *report, int fd, const char *iface_name)
{
	const struct mr_iface *iface =
		mr_netlink_iface_by_name(report->doctor->netlink, iface_name);
	struct phrase name = phrase("interface %s", iface_name);
	char driver[64];

	if (!iface) {
		finding_add(report, FINDING_FAIL, name.text, "there is no such interface",
			"create it, or name another with -i");
		return;
	}
	driver_get(fd, iface->name, driver, sizeof(driver));
	examine_mode(report, iface, name.text, driver);
	if (!iface->up || !iface->running)
		finding_add(report, FINDING_FAIL, name.text, iface->up ? "has no link" : "is down",
			iface->up ? "look at the cable or the other end"
				  : phrase("ip link set %s up", iface->name).text);
	const struct mr_iface *master =
		iface->master ? mr_netlink_iface(report->doctor->netlink, iface->master) : NULL;
	if (master)
		finding_add(report, FINDING_WARN, name.text,
			phrase("is a port of %s (%s): routes lead there, not here", master->name,
				master->kind_name)
				.text,
			phrase("attach to %s instead: -i %s", master->name, master->name).text);
	examine_offloads(report, fd, iface, name.text);
	examine_mtu(report, iface, name.text);
}

void examine_links(struct report *report)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (size_t i = 0; i < report->doctor->n_interfaces; i++)
		examine_link(report, fd, report->doctor->interfaces[i]);
	if (fd >= 0)
		close(fd);
}
