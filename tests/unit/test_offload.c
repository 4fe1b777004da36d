/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_offload.c - rx-vlan-offload goes off where generic XDP needs it off, nowhere else, and comes
 * back; against a real kernel in a namespace. Not every kernel that tests run on has VLAN devices,
 * so the messages about those are made up.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netbed.h"
#include "vlan_offload.h"

static struct mr_strv interfaces, carriers;
static char dir[] = "/tmp/mr-offload-XXXXXX";
static unsigned turned_off, refused;

static void hear(const char *iface, int error, void *context)
{
	(void)iface, (void)context;
	cr_assert(!error || error == -EOPNOTSUPP);
	turned_off += !error;
	refused += error != 0;
}

/* Says that there is a VLAN device, or, without a tag, a port of `lower`. */
static void say(uint32_t ifindex, const char *name, uint32_t lower, uint16_t vlan)
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
	mnl_attr_put_u32(message, vlan ? IFLA_LINK : IFLA_MASTER, lower);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, vlan ? "vlan" : "dummy");
	struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	if (vlan)
		mnl_attr_put_u16(message, IFLA_VLAN_ID, vlan);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	cr_assert_not_null(socket);
	cr_assert_gt(sendto(mnl_socket_get_fd(socket), message, message->nlmsg_len, 0,
			     (struct sockaddr *)&everybody, sizeof(everybody)),
		0);
	mnl_socket_close(socket);
}

static bool is_off(void *name)
{
	return mr_vlan_offload_get(name) == 0;
}

static bool is_refused(void *count)
{
	return refused == *(unsigned *)count;
}

static void set_up(struct netbed *bed, struct mr_changes **ret_changes)
{
	netbed_open(bed);
	netbed_here("ip link add w0 type veth peer name w1");
	cr_assert(mkdtemp(dir));
	cr_assert_eq(mr_changes_open(dir, ret_changes), 0);
	cr_assert_eq(mr_strv_add(&carriers, "v0"), 0);
	cr_assert_eq(mr_strv_add(&carriers, "w0"), 0);
	netbed_run(bed, 100);
}

static void tear_down(struct netbed *bed, struct mr_changes *changes)
{
	mr_changes_close(changes);
	netbed_here("rm -r %s", dir);
	mr_strv_clear(&interfaces);
	mr_strv_clear(&carriers);
	netbed_close(bed);
}

Test(offload, goes_off_below_vlans_alone_and_comes_back)
{
	struct mr_vlan_offload *offload;
	struct mr_changes *changes;
	struct mr_why why = {""};
	struct netbed bed;

	set_up(&bed, &changes);
	say(50, "v0.7", netbed_ifindex("v0"), 7);
	netbed_run(&bed, 100);
	cr_assert_eq(mr_vlan_offload_get("v0"), 1);
	cr_assert_eq(mr_vlan_offload_open(bed.netlink, &interfaces, &carriers, changes, hear, NULL,
			     &offload, &why),
		0);
	cr_assert_eq(mr_vlan_offload_get("v0"), 0);
	cr_assert_eq(mr_vlan_offload_get("w0"), 1, "no VLAN there");
	cr_assert_eq(turned_off, 1);

	say(51, "w0.8", netbed_ifindex("w0"), 8);
	cr_assert(netbed_until(&bed, is_off, "w0"), "a VLAN that comes later");
	cr_assert_eq(turned_off, 2);
	cr_assert_eq(mr_changes_list(changes)->n, 2);

	/* A daemon that ends leaves it; the one that detaches knows of it from the file. */
	mr_vlan_offload_close(offload);
	mr_changes_close(changes);
	cr_assert_eq(mr_vlan_offload_get("v0"), 0);
	cr_assert_eq(mr_changes_open(dir, &changes), 0);
	mr_vlan_offload_put_back(changes);
	cr_assert(mr_vlan_offload_get("v0") == 1 && mr_vlan_offload_get("w0") == 1);
	cr_assert_eq(mr_changes_list(changes)->n, 0);
	tear_down(&bed, changes);
}

Test(offload, what_was_off_stays_off)
{
	struct mr_vlan_offload *offload;
	struct mr_changes *changes;
	struct mr_why why = {""};
	struct netbed bed;

	set_up(&bed, &changes);
	netbed_here("ethtool -K v0 rxvlan off");
	say(50, "v0.7", netbed_ifindex("v0"), 7);
	netbed_run(&bed, 100);
	cr_assert_eq(mr_vlan_offload_open(bed.netlink, &interfaces, &carriers, changes, hear, NULL,
			     &offload, &why),
		0);
	mr_vlan_offload_close(offload);
	mr_vlan_offload_put_back(changes);
	cr_assert_eq(mr_vlan_offload_get("v0"), 0);
	cr_assert_eq(turned_off, 0);
	tear_down(&bed, changes);
}

Test(offload, where_it_cannot_go_off_the_start_is_refused_for_vlans_that_are_asked_for)
{
	struct mr_vlan_offload *offload;
	struct mr_changes *changes;
	struct mr_why why = {""};
	struct netbed bed;
	unsigned one = 1;

	set_up(&bed, &changes);
	/* As far as messages say, v0 has a port: tags are off before frames get there. */
	say(60, "port0", netbed_ifindex("v0"), 0);
	say(50, "v0.7", netbed_ifindex("v0"), 7);
	netbed_run(&bed, 100);
	cr_assert_eq(mr_vlan_offload_open(bed.netlink, &interfaces, &carriers, changes, hear, NULL,
			     &offload, &why),
		0, "another one's VLAN");
	cr_assert(is_refused(&one));
	say(51, "v0.8", netbed_ifindex("v0"), 8);
	netbed_run(&bed, 100);
	cr_assert(is_refused(&one), "told once");
	mr_vlan_offload_close(offload);

	cr_assert_eq(mr_strv_add(&interfaces, "v0.8"), 0);
	cr_assert_eq(mr_vlan_offload_open(bed.netlink, &interfaces, &carriers, changes, hear, NULL,
			     &offload, &why),
		-EOPNOTSUPP);
	cr_assert_not_null(strstr(why.text, "v0.8: v0 takes tags off"), "%s", why.text);
	cr_assert_eq(mr_vlan_offload_get("v0"), 1, "left as it was");
	cr_assert_eq(mr_changes_list(changes)->n, 0);
	tear_down(&bed, changes);
}
