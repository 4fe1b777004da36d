// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_feed.c - what the dataplane is told of links and changes, against a real kernel in a
 * namespace.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "feed.h"
#include "mirror.h"
#include "netbed.h"

TestSuite(feed, .timeout = 600);

/* A dataplane that writes down what it is told. */
static struct {
	struct mr_link links[64];
	bool have[64];
	unsigned puts, bumps;
	int refuse;
} told;

static int told_put(struct mr_backend *backend, uint32_t ifindex, const struct mr_link *link)
{
	(void)backend;
	cr_assert_lt(ifindex, 64);
	if (told.refuse)
		return told.refuse;
	told.links[ifindex] = *link;
	told.have[ifindex] = true;
	told.puts++;
	return 0;
}

static int told_del(struct mr_backend *backend, uint32_t ifindex)
{
	(void)backend;
	told.have[ifindex] = false;
	return 0;
}

static void told_bump(struct mr_backend *backend)
{
	(void)backend;
	told.bumps++;
}

static const struct mr_backend_ops told_ops = {
	.link_put = told_put, .link_del = told_del, .routes_changed = told_bump};

static unsigned feed_errors;

static void feed_error(const char *iface, enum mr_feed_news news, const char *why, void *context)
{
	(void)iface, (void)context;
	cr_assert_eq(news, MR_FEED_REFUSED);
	cr_assert_str_eq(why, strerror(E2BIG));
	feed_errors++;
}

Test(feed, dataplane_is_told_of_links_and_changes)
{
	const char *interfaces[] = {"v0", "w0"};
	struct netbed bed;
	struct mr_feed *feed;
	netbed_open(&bed);
	cr_assert_eq(mr_netlink_on_change(bed.netlink, netbed_note, NULL), 0);
	cr_assert_eq(
		mr_feed_open(bed.netlink, &told_ops, NULL, interfaces, 2, feed_error, NULL, &feed),
		0);
	uint32_t v0 = netbed_ifindex("v0");
	cr_assert(told.have[v0]);
	cr_assert_eq(told.links[v0].ifindex, v0);
	cr_assert_eq(told.links[v0].flags, MR_LINK_USED | MR_LINK_VLAN_STRIPPED);
	cr_assert_not(told.have[1], "the loopback leads nowhere");
	cr_assert_eq(told.bumps, 1);

	netbed_here("ip link add w0 type veth peer name w1");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	uint32_t w0 = netbed_ifindex("w0"), w1 = netbed_ifindex("w1");
	cr_assert_eq(told.links[w0].flags, MR_LINK_USED | MR_LINK_VLAN_STRIPPED);
	cr_assert_eq(told.links[w1].flags, MR_LINK_VLAN_STRIPPED);
	cr_assert_gt(told.bumps, 1);

	unsigned puts = told.puts, bumps = told.bumps;
	netbed_here("ip link set w1 mtu 1450");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_eq(told.puts, puts, "nothing that the dataplane's table holds has changed");
	cr_assert_gt(told.bumps, bumps);

	told.refuse = -E2BIG;
	netbed_here("ip link add x0 type veth peer name x1");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_geq(feed_errors, 2);
	told.refuse = 0;
	netbed_here("ip link del w0; ip link set x0 mtu 1400");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_not(told.have[w0] || told.have[w1]);
	cr_assert(told.have[netbed_ifindex("x0")], "tried again");

	bumps = told.bumps;
	mr_feed_close(feed);
	netbed_here("ip link del x0");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_eq(told.bumps, bumps);
	netbed_close(&bed);
}

/* What a dataplane is attached to, and its refusals. */
static struct {
	uint32_t at[2]; /* v0, w0 */
	int refuse;
	unsigned gone, attached, refused;
} follows;

static int follows_set(
	struct mr_backend *backend, const char *name, uint32_t ifindex, struct mr_why *ret_why)
{
	size_t number = strcmp(name, "v0") != 0;

	(void)backend;
	cr_assert_neq(follows.at[number], ifindex);
	cr_assert(!ifindex || ifindex != follows.at[!number], "two names for one interface");
	if (ifindex && follows.refuse) {
		snprintf(ret_why->text, sizeof(ret_why->text), "no");
		return follows.refuse;
	}
	follows.at[number] = ifindex;
	return 0;
}

static void follows_hear(const char *iface, enum mr_feed_news news, const char *why, void *context)
{
	(void)iface, (void)context;
	follows.gone += news == MR_FEED_GONE;
	follows.attached += news == MR_FEED_ATTACHED;
	follows.refused += news == MR_FEED_REFUSED;
	cr_assert_str_eq(why, news == MR_FEED_REFUSED ? "no" : "");
}

Test(feed, dataplane_follows_the_names_of_its_interfaces)
{
	static const struct mr_backend_ops ops = {.link_put = told_put,
		.link_del = told_del,
		.routes_changed = told_bump,
		.interface_set = follows_set};
	const char *interfaces[] = {"v0", "w0"};
	struct netbed bed;
	struct mr_feed *feed;

	netbed_open(&bed);
	cr_assert_eq(mr_netlink_on_change(bed.netlink, netbed_note, NULL), 0);
	netbed_here("ip link add w0 type veth peer name w1");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	follows.at[0] = netbed_ifindex("v0");
	follows.at[1] = netbed_ifindex("w0");
	cr_assert_eq(
		mr_feed_open(bed.netlink, &ops, NULL, interfaces, 2, follows_hear, NULL, &feed), 0);
	netbed_here("ip link set w0 mtu 1400");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_eq(follows.attached + follows.gone, 0, "it is the same one");

	netbed_here("ip link del w0");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_eq(follows.at[1], 0);
	netbed_here("ip link add w0 type veth peer name w1");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_eq(follows.at[1], netbed_ifindex("w0"));
	cr_assert(follows.gone == 1 && follows.attached == 1 && !follows.refused);

	/* Names are swapped before anybody looks. */
	netbed_here("ip link set v0 down; ip link set v0 name x; ip link set w0 name v0; "
		    "ip link set x name w0");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_eq(follows.at[0], netbed_ifindex("v0"));
	cr_assert_eq(follows.at[1], netbed_ifindex("w0"));
	cr_assert(follows.gone == 1 && follows.attached == 3 && !follows.refused);

	/* Refused, told once, and tried again with each change. */
	follows.refuse = -EOPNOTSUPP;
	netbed_here("ip link del v0; ip link add v0 type veth peer name v1");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	netbed_here("ip link set v0 mtu 1400");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert(follows.at[0] == 0 && follows.refused == 1);
	follows.refuse = 0;
	netbed_here("ip link set v0 mtu 1500");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_eq(follows.at[0], netbed_ifindex("v0"));
	mr_feed_close(feed);
	netbed_close(&bed);
}

/* Says what the kernel would say of an interface, to whoever listens in this namespace. */
static void say_link(uint32_t ifindex, const char *name, const char *kind, uint32_t master)
{
	char buffer[512] __attribute__((aligned(8))) = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct sockaddr_nl everybody = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	struct mnl_socket *socket = mnl_socket_open(NETLINK_ROUTE);
	struct ifinfomsg *header;

	message->nlmsg_type = RTM_NEWLINK;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifi_type = 1; /* Ethernet */
	header->ifi_index = (int)ifindex;
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	if (master)
		mnl_attr_put_u32(message, IFLA_MASTER, master);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, kind);
	mnl_attr_nest_end(message, info);
	cr_assert_not_null(socket);
	cr_assert_gt(sendto(mnl_socket_get_fd(socket), message, message->nlmsg_len, 0,
			     (struct sockaddr *)&everybody, sizeof(everybody)),
		0);
	mnl_socket_close(socket);
}

/* Frames come in by the members, and what the routing knows is the bond. Not every kernel that
 * tests run on has bonds, so the messages are made up. */
Test(feed, member_of_a_bond_stands_for_the_bond)
{
	const char *interfaces[] = {"bond0"};
	struct netbed bed;
	struct mr_feed *feed;
	netbed_open(&bed);
	cr_assert_eq(mr_netlink_on_change(bed.netlink, netbed_note, NULL), 0);
	cr_assert_eq(
		mr_feed_open(bed.netlink, &told_ops, NULL, interfaces, 1, feed_error, NULL, &feed),
		0);
	say_link(40, "bond0", "bond", 0);
	say_link(41, "port0", "veth", 40);
	say_link(42, "bridge0", "bridge", 0);
	say_link(43, "port1", "veth", 42);
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_eq(told.links[40].ifindex, 40);
	cr_assert(told.links[40].flags & MR_LINK_USED);
	cr_assert_eq(told.links[41].ifindex, 40, "a bond's member");
	cr_assert(told.links[41].flags & MR_LINK_USED);
	cr_assert_eq(told.links[43].ifindex, 43, "a bridge's port is itself");
	say_link(41, "port0", "veth", 0);
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_eq(told.links[41].ifindex, 41, "no longer a member");
	cr_assert_not(told.links[41].flags & MR_LINK_USED);
	mr_feed_close(feed);
	netbed_close(&bed);
}
