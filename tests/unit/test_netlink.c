// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_netlink.c - the mirror of the kernel's network, its news and routes, each against a real
 * kernel in a namespace. What the dataplane is told of it is test_feed.c's.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "mirror.h"
#include "netbed.h"
#include "route_cache.h"
#include "routes.h"

TestSuite(net, .timeout = 600);

Test(net, interfaces_come_change_and_go)
{
	struct netbed bed;
	netbed_open(&bed);
	cr_assert_eq(mr_netlink_on_change(bed.netlink, netbed_note, NULL), 0);

	const struct mr_iface *v0 = mr_netlink_iface_by_name(bed.netlink, "v0");
	cr_assert_not_null(v0);
	cr_assert(v0->up && v0->ethernet);
	cr_assert_eq(v0->mtu, 1500);
	cr_assert_eq(mr_netlink_iface(bed.netlink, v0->ifindex), v0);
	cr_assert_eq(mr_netlink_iface_by_name(bed.netlink, "lo")->kind, MR_IFACE_LOOPBACK);
	netbed_run(&bed, 100);
	netbed_seen = 0;

	netbed_here("ip link add w0 type veth peer name w1");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	const struct mr_iface *ifaces;
	cr_assert_eq(mr_netlink_ifaces(bed.netlink, &ifaces), 4);
	for (size_t i = 1; i < 4; i++)
		cr_assert_lt(ifaces[i - 1].ifindex, ifaces[i].ifindex);

	netbed_here("ip link set w0 mtu 1400");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_eq(mr_netlink_iface_by_name(bed.netlink, "w0")->mtu, 1400);

	netbed_here("ethtool -K v0 rx-vlan-offload off");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_not(mr_netlink_iface_by_name(bed.netlink, "v0")->vlan_stripped);
	netbed_here("ethtool -K v0 rx-vlan-offload on");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert(mr_netlink_iface_by_name(bed.netlink, "v0")->vlan_stripped);

	netbed_here("ip link del w0");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	cr_assert_eq(mr_netlink_ifaces(bed.netlink, &ifaces), 2);
	cr_assert_null(mr_netlink_iface_by_name(bed.netlink, "w0"));
	netbed_close(&bed);
}

/* Adds an interface to a mirror as the kernel would announce it. */
static void link_feed(
	struct mr_mirror *mirror, int ifindex, const char *kind, uint32_t lower, uint16_t vlan)
{
	char buffer[512] __attribute__((aligned(8))) = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = RTM_NEWLINK;
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifi_type = 1;
	header->ifi_index = ifindex;
	mnl_attr_put_strz(message, IFLA_IFNAME, kind);
	if (lower)
		mnl_attr_put_u32(message, IFLA_LINK, lower);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, kind);
	struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	if (vlan) {
		mnl_attr_put_u16(message, IFLA_VLAN_ID, vlan);
		mnl_attr_put_u16(message, IFLA_VLAN_PROTOCOL, mr_cpu_to_be16(ETH_P_8021Q));
	}
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	cr_assert_eq(mr_mirror_link(mirror, message), 1);
	cr_assert_eq(mr_mirror_link(mirror, message), 0, "the same again is no news");
}

Test(net, vlan_device_is_read_from_its_message)
{
	struct mr_mirror mirror;
	cr_assert_eq(mr_mirror_init(&mirror), 0);
	link_feed(&mirror, 7, "vlan", 3, 100);
	link_feed(&mirror, 3, "bond", 0, 0);
	const struct mr_iface *vlan = mr_mirror_iface(&mirror, 7);
	cr_assert_eq(vlan->kind, MR_IFACE_VLAN);
	cr_assert_eq(vlan->vlan, 100);
	cr_assert_eq(vlan->lower, 3);
	cr_assert_eq(mr_mirror_iface(&mirror, 3)->kind, MR_IFACE_BOND);
	cr_assert_null(mr_mirror_iface(&mirror, 5));
	mr_mirror_fini(&mirror);
}

static const struct mr_own_address *own_address(const struct netbed *bed, const char *text)
{
	struct mr_addr addr = netbed_addr(text);
	const struct mr_own_address *all;
	size_t count = mr_netlink_addresses(bed->netlink, &all);

	for (size_t i = 0; i < count; i++)
		if (mr_addr_equal(&all[i].addr, &addr))
			return &all[i];
	return NULL;
}

static bool duplicate_found(void *context)
{
	const struct mr_own_address *address = own_address(context, "fd01::2");

	return address && address->duplicate;
}

static bool checked_address_known(void *context)
{
	return own_address(context, "fd01::77");
}

Test(net, public_addresses_may_be_tentative_but_not_duplicate)
{
	struct netbed bed;
	struct mr_addr found[8];
	char text[INET6_ADDRSTRLEN];
	netbed_open(&bed);
	netbed_here("sysctl -qw net.ipv6.conf.v0.accept_dad=1 net.ipv6.conf.v0.dad_transmits=1");
	netbed_here("ping -c1 -W5 fd01::2 >/dev/null"); /* before that nobody is asked */
	netbed_here("ip addr add fd01::2/64 dev v0");   /* the peer's */
	cr_assert(netbed_until(&bed, duplicate_found, &bed));
	netbed_here("sysctl -qw net.ipv6.conf.v0.dad_transmits=1000"); /* a second each */
	netbed_here("ip addr add fd01::77/64 dev v0");
	cr_assert(netbed_until(&bed, checked_address_known, &bed));
	cr_assert(own_address(&bed, "fd01::77")->tentative);

	size_t count = mr_netlink_public_addresses(bed.netlink, netbed_ifindex("v0"), found, 8);
	cr_assert_eq(count, 3);
	cr_assert_str_eq(mr_addr_format(&found[1], text, sizeof(text)), "fd01::1");
	cr_assert_str_eq(mr_addr_format(&found[2], text, sizeof(text)), "fd01::77");
	netbed_close(&bed);
}

Test(net, public_addresses_are_global_and_ipv4_first)
{
	struct netbed bed;
	struct mr_addr found[8];
	char text[INET6_ADDRSTRLEN];
	netbed_open(&bed);
	cr_assert_eq(mr_netlink_on_change(bed.netlink, netbed_note, NULL), 0);
	netbed_here("ip addr add 169.254.9.9/16 scope link dev v0");
	netbed_here("ip addr add fd01::99/64 dev v0 nodad preferred_lft 0");
	netbed_here("ip addr add 10.1.0.3/24 dev v0");
	netbed_expect(&bed, MR_NETLINK_ADDRESSES);

	size_t count = mr_netlink_public_addresses(bed.netlink, netbed_ifindex("v0"), found, 8);
	cr_assert_eq(count, 3);
	cr_assert_str_eq(mr_addr_format(&found[0], text, sizeof(text)), "10.1.0.1");
	cr_assert_str_eq(mr_addr_format(&found[1], text, sizeof(text)), "10.1.0.3");
	cr_assert_str_eq(mr_addr_format(&found[2], text, sizeof(text)), "fd01::1");
	cr_assert_eq(mr_netlink_public_addresses(bed.netlink, netbed_ifindex("lo"), found, 8), 0);

	netbed_here("ip addr del 10.1.0.3/24 dev v0");
	netbed_expect(&bed, MR_NETLINK_ADDRESSES);
	cr_assert_not(mr_netlink_is_own(bed.netlink, &(struct mr_addr){.w = {0}}));
	struct mr_addr gone = netbed_addr("10.1.0.3");
	cr_assert_not(mr_netlink_is_own(bed.netlink, &gone));
	netbed_close(&bed);
}

Test(net, own_and_broadcast_addresses)
{
	static const struct {
		const char *addr;
		bool own, broadcast;
	} rows[] = {
		{"10.1.0.1", true, false},
		{"10.1.0.2", false, false},
		{"10.1.0.255", false, true},
		{"10.1.0.0", false, true},
		{"255.255.255.255", false, true},
		{"127.0.0.1", true, false},
		{"127.9.9.9", true, false},
		{"10.1.1.255", false, false},
		{"10.5.0.8", true, false}, /* a /31 has no broadcast address */
		{"10.5.0.9", false, false},
		{"fd01::1", true, false},
		{"fd01::2", false, false},
		{"::1", true, false},
	};
	struct netbed bed;
	netbed_open(&bed);
	cr_assert_eq(mr_netlink_on_change(bed.netlink, netbed_note, NULL), 0);
	netbed_here("ip addr add 10.5.0.8/31 dev v0");
	netbed_expect(&bed, MR_NETLINK_ADDRESSES);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct mr_addr addr = netbed_addr(rows[i].addr);
		cr_expect_eq(
			mr_netlink_is_own(bed.netlink, &addr), rows[i].own, "own %s", rows[i].addr);
		cr_expect_eq(mr_netlink_is_broadcast(bed.netlink, &addr), rows[i].broadcast,
			"broadcast %s", rows[i].addr);
	}
	netbed_close(&bed);
}

Test(net, aging_of_a_neighbour_is_no_news_its_address_is)
{
	struct netbed bed;
	netbed_open(&bed);
	cr_assert_eq(mr_netlink_on_change(bed.netlink, netbed_note, NULL), 0);

	netbed_here("ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:01 dev v0 nud reachable");
	netbed_expect(&bed, MR_NETLINK_NEIGHBOURS);
	netbed_run(&bed, 1500); /* IPv6 routers are solicited, and the like */
	netbed_seen = 0;
	netbed_here("ip neigh change 10.1.0.9 lladdr 02:00:00:00:00:01 dev v0 nud stale");
	netbed_here("ip neigh change 10.1.0.9 lladdr 02:00:00:00:00:01 dev v0 nud reachable");
	netbed_run(&bed, 200);
	cr_assert_eq(netbed_seen & MR_NETLINK_NEIGHBOURS, 0, "a flip of states was told");

	netbed_here("ip neigh change 10.1.0.9 lladdr 02:00:00:00:00:02 dev v0 nud stale");
	netbed_expect(&bed, MR_NETLINK_NEIGHBOURS);
	netbed_here("ip neigh del 10.1.0.9 dev v0");
	netbed_expect(&bed, MR_NETLINK_NEIGHBOURS);
	netbed_close(&bed);
}

Test(net, each_kind_of_event_is_told_as_what_it_is)
{
	struct netbed bed;
	netbed_open(&bed);
	cr_assert_eq(mr_netlink_on_change(bed.netlink, netbed_note, NULL), 0);
	netbed_here("ip route add 10.5.0.0/16 via 10.1.0.2");
	netbed_expect(&bed, MR_NETLINK_ROUTES);
	netbed_here("ip route add default via 10.1.0.2");
	netbed_expect(&bed, MR_NETLINK_ROUTES | MR_NETLINK_DEFAULT_ROUTES);
	netbed_here("ip rule add from 10.1.0.1 lookup 100");
	netbed_expect(&bed, MR_NETLINK_ROUTES);
	netbed_here("ip nexthop add id 5 via 10.1.0.2 dev v0");
	netbed_expect(&bed, MR_NETLINK_ROUTES);
	netbed_here("sysctl -qw net.ipv4.conf.v0.forwarding=1");
	netbed_expect(&bed, MR_NETLINK_FORWARDING);
	netbed_close(&bed);
}

/* More events than the socket holds, while nobody reads; w0 has an MTU of 1234 at their end. */
static void lose_events(void)
{
	netbed_here("for i in $(seq 15000); do echo link set w0 mtu $((1400 + i %% 2)); done |"
		    "ip -batch -");
	netbed_here("ip link set w0 mtu 1234");
}

static uint32_t mtu_of_w0(const struct netbed *bed)
{
	const struct mr_iface *iface = mr_netlink_iface_by_name(bed->netlink, "w0");

	return iface ? iface->mtu : 0;
}

Test(net, lost_events_are_made_up_for_and_later_ones_are_heard)
{
	struct netbed bed;
	netbed_open(&bed);
	cr_assert_eq(mr_netlink_on_change(bed.netlink, netbed_note, NULL), 0);
	netbed_here("ip link add w0 type veth peer name w1");
	for (uint64_t times = 1; times <= 2; times++) {
		lose_events();
		netbed_expect(&bed, MR_NETLINK_RESYNC | MR_NETLINK_LINKS | MR_NETLINK_ROUTES);
		cr_assert_eq(mr_netlink_resyncs(bed.netlink), times);
		cr_assert_eq(mtu_of_w0(&bed), 1234, "what waited was older");
		netbed_here("ip link set w0 mtu 1300");
		netbed_expect(&bed, MR_NETLINK_LINKS);
		cr_assert_eq(mtu_of_w0(&bed), 1300);
	}
	netbed_close(&bed);
}

/* The socket that requests are made on is the one with a limit to how long it waits. */
static int request_fd(void)
{
	for (int fd = 0; fd < 256; fd++) {
		struct timeval wait = {0};
		int domain = 0;
		socklen_t size = sizeof(domain), wait_size = sizeof(wait);

		if (!getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) &&
			domain == AF_NETLINK &&
			!getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, &wait_size) && wait.tv_sec)
			return fd;
	}
	return -1;
}

static bool mtu_is_1234(void *bed)
{
	return mtu_of_w0(bed) == 1234;
}

Test(net, where_reading_anew_fails_the_old_holds_and_it_is_tried_again)
{
	struct mr_addr own = netbed_addr("10.1.0.1");
	int pair[2], fd, kept;
	struct netbed bed;

	netbed_open(&bed);
	cr_assert_eq(mr_netlink_on_change(bed.netlink, netbed_note, NULL), 0);
	netbed_here("ip link add w0 type veth peer name w1");
	netbed_expect(&bed, MR_NETLINK_LINKS);
	fd = request_fd();
	cr_assert_geq(fd, 0);
	kept = dup(fd);
	cr_assert_eq(pipe(pair), 0);
	cr_assert_eq(dup2(pair[0], fd), fd);
	lose_events();
	netbed_expect(&bed, MR_NETLINK_RESYNC);
	cr_assert_eq(mtu_of_w0(&bed), 1500, "an interface is missing, or known too well");
	cr_assert_not_null(mr_netlink_iface_by_name(bed.netlink, "v0"));
	cr_assert(mr_netlink_is_own(bed.netlink, &own));
	cr_assert_eq(dup2(kept, fd), fd);
	cr_assert(netbed_until(&bed, mtu_is_1234, &bed));
	close(kept);
	close(pair[0]);
	close(pair[1]);
	netbed_close(&bed);
}

Test(net, routes_are_the_kernels)
{
	static const struct {
		const char *dst;
		int result;
		enum mr_route_type type;
		const char *oif, *alt, *gateway, *source;
		uint32_t mtu;
	} rows[] = {
		{"10.1.0.2", 0, MR_ROUTE_UNICAST, "v0", NULL, "10.1.0.2", "10.1.0.1", 1500},
		{"fd01::2", 0, MR_ROUTE_UNICAST, "v0", NULL, "fd01::2", "fd01::1", 1500},
		{"10.5.1.1", 0, MR_ROUTE_UNICAST, "v0", NULL, "10.1.0.2", "10.1.0.1", 1300},
		{"10.6.1.1", 0, MR_ROUTE_UNICAST, "v0", NULL, "fd01::2", "10.1.0.1", 1500},
		{"10.7.1.1", -ENETUNREACH, MR_ROUTE_REFUSED},
		{"10.8.1.1", -ENETUNREACH, MR_ROUTE_REFUSED},
		{"10.1.0.1", -ENETUNREACH, MR_ROUTE_LOCAL},
		{"10.1.0.255", -ENETUNREACH, MR_ROUTE_BROADCAST},
		/* rules by source: the address is v0's, so the table says w0 */
		{"10.9.0.1", 0, MR_ROUTE_UNICAST, "w0", NULL, "10.2.0.7", "10.1.0.1", 1400},
		{"fd09::1", 0, MR_ROUTE_UNICAST, "v0", NULL, "fd01::2", "fd01::1", 1500},
	};
	struct netbed bed;
	char text[INET6_ADDRSTRLEN];
	netbed_open(&bed);
	cr_assert_eq(mr_netlink_on_change(bed.netlink, netbed_note, NULL), 0);
	netbed_here("ip link add w0 mtu 1400 type veth peer name w1");
	netbed_here("ip addr add 10.2.0.1/24 dev w0");
	netbed_here("ip link set w0 up; ip link set w1 up");
	netbed_here("ip route add 10.5.0.0/16 via 10.1.0.2 mtu 1300");
	netbed_here("ip route add 10.6.0.0/16 via inet6 fd01::2 dev v0 src 10.1.0.1");
	netbed_here("ip route add unreachable 10.7.0.0/16");
	netbed_here("ip route add blackhole 10.8.0.0/16");
	netbed_here("ip route add 10.9.0.0/16 via 10.1.0.2");
	netbed_here("ip route add 10.9.0.0/16 via 10.2.0.7 table 100");
	netbed_here("ip rule add from 10.1.0.1 lookup 100");
	netbed_here("ip route add fd09::/64 via fd01::2");
	netbed_expect(&bed, MR_NETLINK_ROUTES | MR_NETLINK_LINKS);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct mr_addr dst = netbed_addr(rows[i].dst);
		struct mr_route route = {0};
		int result = mr_route_to_target(bed.netlink, &dst, &route);
		cr_expect_eq(result, rows[i].result, "%s: %d", rows[i].dst, result);
		cr_expect_eq(route.type, rows[i].type, "%s: %s", rows[i].dst,
			mr_route_type_name(route.type));
		if (result)
			continue;
		cr_expect_eq(route.oif, netbed_ifindex(rows[i].oif), "%s", rows[i].dst);
		cr_expect_eq(route.oif_alt, 0, "%s", rows[i].dst);
		cr_expect_eq(route.mtu, rows[i].mtu, "%s: %u", rows[i].dst, route.mtu);
		cr_expect_str_eq(
			mr_addr_format(&route.gateway, text, sizeof(text)), rows[i].gateway);
		cr_expect_str_eq(mr_addr_format(&route.source, text, sizeof(text)), rows[i].source);
		cr_expect_eq(route.on_link, !strcmp(rows[i].gateway, rows[i].dst));
	}
	netbed_close(&bed);
}

Test(net, a_kept_answer_is_good_until_routes_change)
{
	struct mr_addr none = {0}, target = netbed_addr("10.7.0.1"),
		       other = netbed_addr("10.7.0.2");
	struct mr_route_cache *cache;
	struct mr_route route, kept;
	struct netbed bed;
	uint64_t kept_ns;
	bool found;

	netbed_open(&bed);
	netbed_here("ip route add 10.7.0.0/24 via 10.1.0.2");
	netbed_run(&bed, 100);
	cr_assert_eq(mr_route_cache_open(bed.netlink, &cache), 0);
	cr_assert(!mr_route_cache_find(cache, &target, &none, &kept));
	cr_assert_eq(mr_route_to_target(bed.netlink, &target, &route), 0);
	mr_route_cache_keep(cache, &target, &none, &route);
	cr_assert(mr_route_cache_find(cache, &target, &none, &kept));
	cr_assert_eq(memcmp(&route, &kept, sizeof(route)), 0);
	cr_assert(!mr_route_cache_find(cache, &other, &none, &kept), "one target's answer");
	cr_assert(!mr_route_cache_find(cache, &target, &route.source, &kept), "one source's");

	/* The loop doesn't run between the change and the question. */
	netbed_here("ip route add 10.7.0.1/32 dev v0");
	cr_assert(!mr_route_cache_find(cache, &target, &none, &kept));
	/* Where that takes longer than an answer is good for, it says nothing. */
	do {
		kept_ns = uv_hrtime();
		mr_route_cache_keep(cache, &target, &none, &route);
		netbed_here("ip neigh replace 10.1.0.77 lladdr 02:00:00:00:00:77 dev v0");
		found = mr_route_cache_find(cache, &target, &none, &kept);
	} while (!found && uv_hrtime() - kept_ns >= MR_ROUTE_CACHE_TTL_NS);
	cr_assert(found, "neighbours are no routes");
	netbed_here("ip addr add 10.1.0.9/24 dev v0");
	cr_assert(!mr_route_cache_find(cache, &target, &none, &kept));
	mr_route_cache_keep(cache, &target, &none, &route);
	netbed_here("ip rule add to 10.7.0.1 blackhole");
	cr_assert(!mr_route_cache_find(cache, &target, &none, &kept));
	mr_route_cache_keep(cache, &target, &none, &route);
	netbed_run(&bed, MR_ROUTE_CACHE_TTL_NS / 1000000 + 1);
	cr_assert(!mr_route_cache_find(cache, &target, &none, &kept), "too old");
	mr_route_cache_close(cache);
	netbed_close(&bed);
}

Test(net, no_route_at_all_is_said)
{
	struct netbed bed;
	struct mr_route route = {.mtu = 77};
	uint32_t ifindex = 77;
	netbed_open(&bed);
	struct mr_addr dst = netbed_addr("192.0.2.1");
	cr_assert_eq(mr_route_to_target(bed.netlink, &dst, &route), -ENETUNREACH);
	cr_assert_eq(route.mtu, 77, "outputs are left alone");
	cr_assert_eq(mr_route_default_iface(bed.netlink, &ifindex), -ENETUNREACH);
	cr_assert_eq(ifindex, 77);
	netbed_close(&bed);
}

Test(net, default_routes_of_all_kinds)
{
	struct mr_route_gateway gateways[8];
	struct netbed bed;
	size_t count;
	uint32_t ifindex;
	char text[INET6_ADDRSTRLEN];
	netbed_open(&bed);
	netbed_here("ip link add w0 type veth peer name w1");
	netbed_here("ip addr add 10.2.0.1/24 dev w0; ip link set w0 up");
	netbed_here("ip route add default via fd01::2");
	cr_assert_eq(mr_route_default_iface(bed.netlink, &ifindex), 0);
	cr_assert_eq(ifindex, netbed_ifindex("v0"), "IPv6's where IPv4 has none");

	netbed_here("ip route add default metric 50 nexthop via 10.2.0.2 nexthop via 10.1.0.2");
	netbed_here("ip route add default via 10.1.0.3 metric 20");
	cr_assert_eq(mr_route_default_iface(bed.netlink, &ifindex), 0);
	cr_assert_eq(ifindex, netbed_ifindex("v0"), "the lowest metric");
	cr_assert_eq(mr_route_default_gateways(bed.netlink, gateways, 8, &count), 0);
	cr_assert_eq(count, 4);
	cr_assert_eq(mr_route_default_gateways(bed.netlink, gateways, 2, &count), 0);
	cr_assert_eq(count, 2);

	struct mr_addr dst = netbed_addr("192.0.2.1");
	struct mr_route route;
	netbed_here("ip route del default metric 20");
	cr_assert_eq(mr_route_to_target(bed.netlink, &dst, &route), 0);
	cr_assert_neq(route.oif_alt, 0);
	cr_assert_neq(route.oif_alt, route.oif);
	cr_assert(!route.on_link, "%s", mr_addr_format(&route.gateway, text, sizeof(text)));
	netbed_close(&bed);
}
