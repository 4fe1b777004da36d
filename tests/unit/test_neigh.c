// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_neigh.c - neighbours stay resolved through what people and networks do to them, and the
 * loopback forwards; each against a real kernel in a namespace.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "changes.h"
#include "loopback.h"
#include "neigh.h"
#include "neigh_kernel.h"
#include "netbed.h"

TestSuite(neigh, .timeout = 600);

static bool kernel_manages(void)
{
	struct utsname name;
	unsigned major = 0, minor = 0;

	uname(&name);
	cr_assert_eq(sscanf(name.release, "%u.%u", &major, &minor), 2);
	return major > 5 || (major == 5 && minor >= 16);
}

/* What a condition of netbed_until() looks at. */
struct asked {
	struct netbed *bed;
	struct mr_addr addr;
	const char *mac;
};

static bool is_valid(void *context)
{
	struct asked *asked = context;
	struct mr_neigh_state state;
	char mac[18];

	if (mr_neigh_state_get(asked->bed->netlink, &asked->addr, &state) || !state.valid)
		return false;
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", state.mac[0], state.mac[1],
		state.mac[2], state.mac[3], state.mac[4], state.mac[5]);
	return !asked->mac || !strcmp(mac, asked->mac);
}

static bool is_managed(void *context)
{
	struct asked *asked = context;
	struct mr_neigh_state state;

	return !mr_neigh_state_get(asked->bed->netlink, &asked->addr, &state) && state.managed;
}

static bool is_not_managed(void *context)
{
	return !is_managed(context);
}

static bool is_gone(void *context)
{
	struct asked *asked = context;
	struct mr_neigh_state state;

	return !mr_neigh_state_get(asked->bed->netlink, &asked->addr, &state) && !state.nud;
}

static void expect_valid(struct netbed *bed, const char *addr, const char *mac)
{
	struct asked asked = {bed, netbed_addr(addr), mac};

	cr_assert(netbed_until(bed, is_valid, &asked), "%s is not resolved%s%s", addr,
		mac ? " to " : "", mac ? mac : "");
}

static void keep(struct mr_neigh *neigh, const char *addr)
{
	struct mr_addr dst = netbed_addr(addr);

	cr_assert_eq(mr_neigh_keep(neigh, &dst), 0);
}

static void drop(struct mr_neigh *neigh, const char *addr)
{
	struct mr_addr dst = netbed_addr(addr);

	mr_neigh_drop(neigh, &dst);
}

static void expect_counts(struct mr_neigh *neigh, size_t destinations, size_t entries)
{
	size_t n_destinations, n_entries;

	mr_neigh_counts(neigh, &n_destinations, &n_entries);
	cr_assert_eq(n_destinations, destinations, "%zu destinations", n_destinations);
	cr_assert_eq(n_entries, entries, "%zu entries", n_entries);
}

/* Neighbours age in a second rather than in a minute. */
static void age_fast(void)
{
	for (int v6 = 0; v6 < 2; v6++) {
		const char *family = v6 ? "ipv6" : "ipv4";
		netbed_here("sysctl -qw net.%s.neigh.v0.base_reachable_time_ms=500 "
			    "net.%s.neigh.v0.delay_first_probe_time=1 "
			    "net.%s.neigh.v0.retrans_time_ms=100",
			family, family, family);
		netbed_here("sysctl -qe -w net.%s.neigh.v0.interval_probe_time_ms=1000", family);
	}
}

/* What must hold both where the kernel manages entries and where the daemon uses them by a timer.
 */
static void lifecycle(bool manage, const char *target)
{
	struct netbed bed;
	struct mr_neigh *neigh;
	netbed_open(&bed);
	age_fast();
	cr_assert_eq(mr_neigh_open(&bed.loop, bed.netlink, manage, &neigh), 0);

	keep(neigh, target);
	expect_valid(&bed, target, NULL);
	cr_assert_eq(mr_neigh_managed(neigh), manage && kernel_manages());

	netbed_here("ip neigh del %s dev v0", target);
	expect_valid(&bed, target, NULL);
	netbed_here("ip neigh del %s dev v0", target);
	expect_valid(&bed, target, NULL);

	netbed_there(&bed, "ip link set p0 address 02:00:00:00:00:77");
	expect_valid(&bed, target, "02:00:00:00:00:77");

	/* Down and up: the kernel forgets all neighbours of the link. */
	netbed_here("ip link set v0 down");
	netbed_here("ip link set v0 up; ip addr replace fd01::1/64 dev v0 nodad");
	expect_valid(&bed, target, NULL);

	drop(neigh, target);
	expect_counts(neigh, 0, 0);
	struct asked asked = {&bed, netbed_addr(target), NULL};
	cr_assert(netbed_until(&bed, is_not_managed, &asked));
	mr_neigh_close(neigh, true);
	netbed_close(&bed);
}

Test(neigh, ipv4_stays_resolved_where_the_kernel_manages)
{
	lifecycle(true, "10.1.0.2");
}

Test(neigh, ipv6_stays_resolved_where_the_kernel_manages)
{
	lifecycle(true, "fd01::2");
}

Test(neigh, ipv4_stays_resolved_on_old_kernels)
{
	lifecycle(false, "10.1.0.2");
}

Test(neigh, ipv6_stays_resolved_on_old_kernels)
{
	lifecycle(false, "fd01::2");
}

Test(neigh, destinations_behind_one_gateway_share_an_entry)
{
	struct netbed bed;
	struct mr_neigh *neigh;
	netbed_open(&bed);
	netbed_here("ip route add 10.5.0.0/16 via 10.1.0.2");
	cr_assert_eq(mr_neigh_open(&bed.loop, bed.netlink, true, &neigh), 0);
	keep(neigh, "10.5.0.1");
	keep(neigh, "10.5.0.2");
	keep(neigh, "10.5.0.2");
	expect_counts(neigh, 2, 1);
	expect_valid(&bed, "10.1.0.2", NULL);
	drop(neigh, "10.5.0.2");
	expect_counts(neigh, 2, 1);
	drop(neigh, "10.5.0.2");
	drop(neigh, "10.5.0.1");
	expect_counts(neigh, 0, 0);
	mr_neigh_close(neigh, true);
	netbed_close(&bed);
}

static bool next_hop_changed(void *context)
{
	struct mr_neigh_entry entry;
	struct asked *asked = context;

	return !mr_neigh_entry_get(
		       asked->bed->netlink, netbed_ifindex("v0"), &asked->addr, &entry) &&
		entry.has_mac && entry.managed == kernel_manages();
}

Test(neigh, routes_that_come_later_or_change_are_followed)
{
	struct netbed bed;
	struct mr_neigh *neigh;
	netbed_open(&bed);
	netbed_there(&bed, "ip addr add 10.1.0.3/24 dev p0");
	cr_assert_eq(mr_neigh_open(&bed.loop, bed.netlink, true, &neigh), 0);
	keep(neigh, "10.5.0.1");
	expect_counts(neigh, 1, 0);

	struct asked first = {&bed, netbed_addr("10.1.0.2"), NULL};
	netbed_here("ip route add 10.5.0.0/16 via 10.1.0.2");
	cr_assert(netbed_until(&bed, next_hop_changed, &first));

	struct asked second = {&bed, netbed_addr("10.1.0.3"), NULL};
	netbed_here("ip route replace 10.5.0.0/16 via 10.1.0.3");
	cr_assert(netbed_until(&bed, next_hop_changed, &second));
	expect_counts(neigh, 1, 1);
	cr_assert(netbed_until(&bed, is_not_managed, &first), "the old next hop is let go");
	mr_neigh_close(neigh, true);
	netbed_close(&bed);
}

static bool keeps_nothing(void *neigh)
{
	size_t destinations, entries;

	mr_neigh_counts(neigh, &destinations, &entries);
	return !destinations && !entries;
}

Test(neigh, default_gateways_are_kept)
{
	struct netbed bed;
	struct mr_neigh *neigh;
	netbed_open(&bed);
	netbed_here("ip route add default via 10.1.0.2");
	cr_assert_eq(mr_neigh_open(&bed.loop, bed.netlink, true, &neigh), 0);
	expect_valid(&bed, "10.1.0.2", NULL);
	expect_counts(neigh, 0, 1);
	netbed_here("ip route add default via fd01::2");
	expect_valid(&bed, "fd01::2", NULL);
	expect_counts(neigh, 0, 2);
	netbed_here("ip route del default; ip -6 route del default");
	cr_assert(netbed_until(&bed, keeps_nothing, neigh));
	mr_neigh_close(neigh, true);
	netbed_close(&bed);
}

Test(neigh, permanent_entries_are_left_alone)
{
	struct netbed bed;
	struct mr_neigh *neigh;
	struct mr_neigh_state state;
	netbed_open(&bed);
	netbed_here("ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:55 dev v0 nud permanent");
	cr_assert_eq(mr_neigh_open(&bed.loop, bed.netlink, true, &neigh), 0);
	struct mr_addr dst = netbed_addr("10.1.0.2");
	keep(neigh, "10.1.0.2");
	mr_neigh_resolve(neigh, 0, &dst);
	netbed_run(&bed, 100);
	drop(neigh, "10.1.0.2");
	cr_assert_eq(mr_neigh_state_get(bed.netlink, &dst, &state), 0);
	cr_assert_eq(state.nud, NUD_PERMANENT);
	cr_assert_eq(state.mac[5], 0x55);
	mr_neigh_close(neigh, true);
	netbed_close(&bed);
}

/* An entry that is managed, and that somebody then sets by hand: from now on it is theirs. */
Test(neigh, entries_that_are_made_permanent_later_are_left_alone)
{
	struct netbed bed;
	struct mr_neigh *neigh;
	struct mr_neigh_state state;

	netbed_open(&bed);
	for (int unmark = 0; unmark < 2; unmark++) {
		struct asked asked = {&bed, netbed_addr("10.1.0.2"), NULL};
		cr_assert_eq(mr_neigh_open(&bed.loop, bed.netlink, true, &neigh), 0);
		keep(neigh, "10.1.0.2");
		cr_assert(netbed_until(&bed, is_valid, &asked));
		netbed_here(
			"ip neigh replace 10.1.0.2 lladdr 02:00:00:00:00:55 dev v0 nud permanent");
		mr_neigh_resolve(neigh, 0, &asked.addr);
		mr_neigh_verify(neigh, &asked.addr);
		/* Routes and links change, time passes: each looks at every entry again. */
		netbed_here("ip route add 10.7.0.0/16 via 10.1.0.2; ip link set v0 mtu 1400");
		netbed_run(&bed, 2500);
		cr_assert_eq(mr_neigh_state_get(bed.netlink, &asked.addr, &state), 0);
		cr_assert_eq(state.nud, NUD_PERMANENT);
		cr_assert_eq(state.mac[5], 0x55);
		if (unmark)
			drop(neigh, "10.1.0.2");
		mr_neigh_close(neigh, unmark);
		cr_assert_eq(mr_neigh_state_get(bed.netlink, &asked.addr, &state), 0);
		cr_assert_eq(state.nud, NUD_PERMANENT);
		cr_assert_eq(state.mac[5], 0x55);
		netbed_here("ip route del 10.7.0.0/16; ip link set v0 mtu 1500; "
			    "ip neigh del 10.1.0.2 dev v0");
	}
	netbed_close(&bed);
}

Test(neigh, marks_stay_or_go_with_the_daemon_as_asked)
{
	struct netbed bed;
	struct mr_neigh *neigh;
	netbed_open(&bed);
	struct asked asked = {&bed, netbed_addr("10.1.0.2"), NULL};
	for (int unmark = 0; unmark < 2; unmark++) {
		cr_assert_eq(mr_neigh_open(&bed.loop, bed.netlink, true, &neigh), 0);
		keep(neigh, "10.1.0.2");
		expect_valid(&bed, "10.1.0.2", NULL);
		cr_assert_eq(is_managed(&asked), kernel_manages());
		mr_neigh_close(neigh, unmark);
		cr_assert_eq(is_managed(&asked), kernel_manages() && !unmark);
	}
	netbed_close(&bed);
}

Test(neigh, marks_of_a_daemon_that_is_gone_are_taken_off_and_no_others)
{
	struct netbed bed;
	struct mr_neigh *neigh;
	struct asked ours4 = {.addr = netbed_addr("10.1.0.2")};
	struct asked ours6 = {.addr = netbed_addr("fd01::2")};
	struct asked theirs = {.addr = netbed_addr("10.1.0.77")};

	if (!kernel_manages())
		return;
	netbed_open(&bed);
	ours4.bed = ours6.bed = theirs.bed = &bed;
	netbed_here("ip neigh add 10.1.0.77 dev v0 managed");
	cr_assert_eq(mr_neigh_open(&bed.loop, bed.netlink, true, &neigh), 0);
	keep(neigh, "10.1.0.2");
	keep(neigh, "fd01::2");
	mr_neigh_close(neigh, false);
	cr_assert(is_managed(&ours4));
	cr_assert(is_managed(&ours6));
	cr_assert_eq(mr_neigh_unmanage_left(bed.netlink), 0);
	cr_expect(is_not_managed(&ours4));
	cr_expect(is_not_managed(&ours6));
	cr_expect(is_managed(&theirs), "somebody else's");
	cr_expect_eq(mr_neigh_unmanage_left(bed.netlink), 0, "none is left");
	netbed_close(&bed);
}

Test(neigh, what_is_to_be_kept_soon_is_resolved_by_the_next_round_and_dropped_as_ever)
{
	const struct mr_addr dst = netbed_addr("10.1.0.2");
	struct netbed bed;
	struct mr_neigh *neigh;
	netbed_open(&bed);
	struct asked asked = {&bed, dst, NULL};
	cr_assert_eq(mr_neigh_open(&bed.loop, bed.netlink, true, &neigh), 0);
	cr_assert_eq(mr_neigh_keep_soon(neigh, &dst), 0);
	cr_assert(is_gone(&asked), "it is resolved at once, not soon");
	expect_valid(&bed, "10.1.0.2", NULL);
	cr_assert_eq(is_managed(&asked), kernel_manages());
	mr_neigh_drop(neigh, &dst);
	cr_assert(is_not_managed(&asked));
	mr_neigh_close(neigh, false);
	netbed_close(&bed);
}

struct missed {
	struct asked asked;
	struct mr_neigh *neigh;
	uint32_t ifindex;
	struct mr_addr named;
};

/* As the dataplane tells it: with each packet, for a single request may fail. */
static bool resolves(void *context)
{
	struct missed *missed = context;

	mr_neigh_resolve(missed->neigh, missed->ifindex, &missed->named);
	return is_valid(&missed->asked);
}

Test(neigh, missed_next_hops_are_resolved_whichever_way_they_are_named)
{
	static const struct {
		const char *named;
		bool with_link;
		const char *resolved;
	} rows[] = {
		{"10.1.0.2", true, "10.1.0.2"},
		{"10.5.0.1", true, "10.1.0.2"}, /* the final destination */
		{"10.5.0.2", false, "10.1.0.2"},
		{"fd01::2", true, "fd01::2"},
		{"fd01::2", false, "fd01::2"},
	};
	struct netbed bed;
	struct mr_neigh *neigh;
	netbed_open(&bed);
	netbed_here("ip route add 10.5.0.0/16 via 10.1.0.2");
	cr_assert_eq(mr_neigh_open(&bed.loop, bed.netlink, true, &neigh), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct missed missed = {
			.asked = {&bed, netbed_addr(rows[i].resolved), NULL},
			.neigh = neigh,
			.ifindex = rows[i].with_link ? netbed_ifindex("v0") : 0,
			.named = netbed_addr(rows[i].named),
		};
		netbed_here("ip neigh flush dev v0");
		cr_assert(netbed_until(&bed, is_gone, &missed.asked));
		cr_assert(netbed_until(&bed, resolves, &missed), "row %zu: %s is not resolved", i,
			rows[i].resolved);
	}
	/* An interface that is gone, the loopback, no route: nothing happens. */
	struct mr_addr nowhere = netbed_addr("192.0.2.1");
	mr_neigh_resolve(neigh, 9999, &nowhere);
	mr_neigh_resolve(neigh, 1, &nowhere);
	mr_neigh_resolve(neigh, 0, &nowhere);
	mr_neigh_close(neigh, true);
	netbed_close(&bed);
}

/* The kernel's own ageing would find the new address after many minutes. */
static void verify(bool manage, const char *target)
{
	struct netbed bed;
	struct mr_neigh *neigh;
	netbed_open(&bed);
	struct mr_addr dst = netbed_addr(target), stranger = netbed_addr("10.1.0.99");
	struct asked asked = {&bed, dst, NULL};
	netbed_here("sysctl -qw net.ipv4.neigh.v0.retrans_time_ms=100 "
		    "net.ipv6.neigh.v0.retrans_time_ms=100 "
		    "net.ipv4.neigh.v0.base_reachable_time_ms=3600000 "
		    "net.ipv6.neigh.v0.base_reachable_time_ms=3600000");
	cr_assert_eq(mr_neigh_open(&bed.loop, bed.netlink, manage, &neigh), 0);
	keep(neigh, target);
	expect_valid(&bed, target, NULL);
	netbed_there(
		&bed, "sysctl -qw net.ipv4.conf.p0.arp_notify=0 net.ipv6.conf.p0.ndisc_notify=0");
	netbed_there(&bed, "ip link set p0 address 02:00:00:00:00:78");
	mr_neigh_verify(neigh, &stranger);
	mr_neigh_verify(neigh, &dst);
	cr_assert_eq(is_managed(&asked), manage && kernel_manages());
	expect_valid(&bed, target, "02:00:00:00:00:78");
	mr_neigh_close(neigh, true);
	netbed_close(&bed);
}

Test(neigh, silent_ipv4_next_hop_is_looked_for_anew)
{
	verify(true, "10.1.0.2");
	verify(false, "10.1.0.2");
}

Test(neigh, silent_ipv6_next_hop_is_looked_for_anew)
{
	verify(true, "fd01::2");
}

Test(neigh, resolving_is_rate_limited)
{
	struct netbed bed;
	struct mr_neigh *neigh;
	netbed_open(&bed);
	netbed_here("ip addr add 10.4.0.1/16 dev v0");
	netbed_here("sysctl -qw net.ipv4.neigh.v0.mcast_solicit=10"); /* none fails in the test */
	cr_assert_eq(mr_neigh_open(&bed.loop, bed.netlink, true, &neigh), 0);
	uv_update_time(&bed.loop);
	unsigned found = 0;
	for (unsigned i = 2; i < 2 + MR_NEIGH_RESOLVE_RATE + 200; i++) {
		struct mr_addr addr = mr_addr_from_v4(mr_cpu_to_be32(0x0a040000 + i));
		mr_neigh_resolve(neigh, netbed_ifindex("v0"), &addr);
	}
	for (unsigned i = 2; i < 2 + MR_NEIGH_RESOLVE_RATE + 200; i++) {
		struct mr_addr addr = mr_addr_from_v4(mr_cpu_to_be32(0x0a040000 + i));
		struct mr_neigh_entry entry;
		found += !mr_neigh_entry_get(bed.netlink, netbed_ifindex("v0"), &addr, &entry);
	}
	cr_assert_eq(found, MR_NEIGH_RESOLVE_RATE, "%u", found);
	mr_neigh_close(neigh, true);
	netbed_close(&bed);
}

/* The loopback */

static bool forwards(void *context)
{
	(void)context;
	return mr_loopback_forwarding(AF_INET) == 1 && mr_loopback_forwarding(AF_INET6) == 1;
}

Test(neigh, loopback_forwards_and_real_interfaces_do_not)
{
	struct netbed bed;
	struct mr_loopback *loopback;
	struct mr_why why;
	netbed_open(&bed);
	netbed_here("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
	cr_assert_not(forwards(NULL));
	cr_assert_eq(mr_loopback_open(bed.netlink, NULL, NULL, NULL, &loopback, &why), 0, "%s",
		why.text);
	cr_assert(forwards(NULL));
	netbed_here("test \"$(sysctl -n net.ipv4.conf.v0.forwarding net.ipv6.conf.v0.forwarding "
		    "net.ipv4.ip_forward | tr -d '\\n')\" = 000");

	/* Somebody's start-up script turns routing on, and off again: everywhere. */
	netbed_here("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
	netbed_here("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
	cr_assert_not(forwards(NULL));
	cr_assert(netbed_until(&bed, forwards, NULL));
	mr_loopback_close(loopback, false);
	cr_assert(forwards(NULL), "XDP goes on and needs it");
	netbed_close(&bed);
}

Test(neigh, loopback_is_put_back_as_it_was)
{
	static const struct {
		const char *before, *meanwhile, *after; /* IPv4, IPv6 */
	} rows[] = {
		{"net.ipv4.conf.lo.forwarding=0 net.ipv6.conf.lo.forwarding=0", "", "00"},
		{"net.ipv4.conf.lo.forwarding=1 net.ipv6.conf.lo.forwarding=0", "", "10"},
		{"net.ipv4.conf.lo.forwarding=0 net.ipv6.conf.lo.forwarding=1", "", "01"},
		/* The host became a router: all of its interfaces are as one. */
		{"net.ipv4.conf.lo.forwarding=0 net.ipv6.conf.lo.forwarding=0",
			"net.ipv4.ip_forward=1", "10"},
	};
	char dir[] = "/tmp/mr-rest-XXXXXX";
	struct mr_loopback *loopback;
	struct mr_changes *changes;
	struct netbed bed;
	struct mr_why why;

	cr_assert(mkdtemp(dir));
	netbed_open(&bed);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		netbed_here("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 %s",
			rows[i].before);
		/* The daemon dies and comes back: the next one knows what the first one did. */
		for (int life = 0; life < 2; life++) {
			cr_assert_eq(mr_changes_open(dir, &changes), 0);
			cr_assert_eq(
				mr_loopback_open(bed.netlink, changes, NULL, NULL, &loopback, &why),
				0);
			cr_assert(forwards(NULL));
			if (life && rows[i].meanwhile[0])
				netbed_here("sysctl -qw %s", rows[i].meanwhile);
			mr_loopback_close(loopback, life);
			cr_assert(life || forwards(NULL));
			mr_changes_close(changes);
		}
		netbed_here("test \"$(sysctl -n net.ipv4.conf.lo.forwarding "
			    "net.ipv6.conf.lo.forwarding | tr -d '\\n')\" = %s",
			rows[i].after);
	}
	netbed_here("rmdir %s", dir); /* and nothing is left to be put back */
	netbed_close(&bed);
}

/* What was written before a reboot, or in another network namespace, is no news of this one. */
Test(neigh, changes_of_another_boot_are_forgotten)
{
	char dir[] = "/tmp/mr-rest-XXXXXX";
	struct mr_changes *changes;

	cr_assert(mkdtemp(dir));
	cr_assert_eq(mr_changes_open(dir, &changes), 0);
	cr_assert_eq(mr_changes_add(changes, "one"), 0);
	cr_assert_eq(mr_changes_add(changes, "two"), 0);
	cr_assert_eq(mr_changes_add(changes, "one"), 0);
	mr_changes_close(changes);
	cr_assert_eq(mr_changes_open(dir, &changes), 0);
	cr_assert_eq(mr_changes_list(changes)->n, 2);
	cr_assert_eq(mr_changes_remove(changes, "one"), 0);
	cr_assert(mr_changes_has(changes, "two") && !mr_changes_has(changes, "one"));
	mr_changes_close(changes);

	netbed_here("sed -i '1s/boot ./boot x/' %s/changes", dir);
	cr_assert_eq(mr_changes_open(dir, &changes), 0);
	cr_assert_eq(mr_changes_list(changes)->n, 0);
	cr_assert_eq(mr_changes_add(changes, "three"), 0);
	mr_changes_close(changes);
	cr_assert_eq(mr_changes_open(dir, &changes), 0);
	cr_assert_eq(mr_changes_list(changes)->n, 1);
	mr_changes_close(changes);
	netbed_here("rm -r %s", dir);
}

static bool has_learned_route(void *context)
{
	(void)context;
	return system("ip -6 route show default proto ra | grep -q fe80") == 0;
}

/* A router advertises itself from time to time: a link that has just come up may miss one. */
static bool advertised(void *bed)
{
	/* type 134, hop limit 64, router lifetime 1800 s; the kernel fills the checksum in */
	netbed_there(bed,
		"/usr/bin/python3 -c \"import socket,struct\n"
		"s=socket.socket(socket.AF_INET6,socket.SOCK_RAW,58)\n"
		"s.setsockopt(41,18,255)\n" /* IPV6_MULTICAST_HOPS */
		"p=socket.if_nametoindex('p0')\n"
		"s.bind(('fe80::2',0,0,p))\n"
		"s.sendto(struct.pack('!BBHBBHII',134,0,0,64,0,1800,0,0),"
		"('ff02::1',0,0,p))\"");
	return has_learned_route(NULL);
}

Test(neigh, routes_from_router_advertisements_survive)
{
	struct netbed bed;
	struct mr_loopback *loopback;
	struct mr_why why;
	netbed_open(&bed);
	netbed_here("sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.v0.accept_ra=1");
	netbed_there(&bed, "ip addr add fe80::2/64 dev p0 nodad");
	cr_assert(netbed_until(&bed, advertised, &bed), "no route was learned");
	cr_assert_eq(mr_loopback_open(bed.netlink, NULL, NULL, NULL, &loopback, &why), 0, "%s",
		why.text);
	cr_assert(has_learned_route(NULL), "the learned route is lost");
	netbed_here("test $(sysctl -n net.ipv6.conf.v0.accept_ra) = 1");
	mr_loopback_close(loopback, true);
	netbed_close(&bed);
}
