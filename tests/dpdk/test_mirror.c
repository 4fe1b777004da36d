/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mirror.c - what is read of a kernel's links, routes, rules and neighbours: this process is
 * in a network namespace of its own, iproute2 says what is there. What a snapshot answers is
 * test_routes.c's, but for one test that asks the kernel the same.
 *
 * Interfaces: lo is 1, the cable v1 - w1 is 2 and 3, v2 - w2 is 4 and 5; all are up.
 */
#include <criterion/criterion.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "kernel_bed.h"
#include "mirror.h"

#define V1 2
#define V2 4

#define BOTH_KINDS (MR_MIRROR_ROUTES | MR_MIRROR_NEIGHBOURS)
#define MANY       2000 /* routes: more than one answer of the kernel's holds */

static struct mr_mirror *mirror;

/** Runs a command of the shell, which must go well. */
static void __attribute__((format(printf, 1, 2))) shell(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	cr_assert_eq(system(command), 0, "%s", command);
}

static void set_up(void)
{
	struct mr_why why = {""};

	cr_assert_eq(unshare(CLONE_NEWNET), 0, "network namespaces need root");
	shell("ip link set lo up");
	shell("ip link add v1 index 2 type veth peer name w1 index 3");
	shell("ip link add v2 index 4 type veth peer name w2 index 5");
	shell("for i in v1 w1 v2 w2; do ip link set $i addrgenmode none up; done");
	shell("ip addr add 192.0.2.1/24 dev v1; ip addr add 2001:db8::1/64 dev v1 nodad");
	shell("ip addr add 198.51.100.1/24 dev v2");
	/* what the kernel says of carriers comes late, and is nobody's change */
	shell("until [ $(ip -o link show up | grep -c 'state UP') = 4 ]; do :; done");
	cr_assert_eq(mr_mirror_open(&mirror, &why), 0, "%s", why.text);
}

static void tear_down(void)
{
	mr_mirror_close(mirror);
	mr_kernel_tables_clear(&k);
}

TestSuite(mirror, .init = set_up, .fini = tear_down, .timeout = 240);

static void read_routes(void)
{
	mr_kernel_tables_clear(&k);
	cr_assert_eq(mr_mirror_read_routes(mirror, &k), 0);
}

static bool same_addr(const struct mr_addr *a, const char *text)
{
	const struct mr_addr b = addr(text);

	return !memcmp(a, &b, sizeof(b));
}

/** The route to "ADDRESS/BITS" in the table, or NULL. */
static const struct mr_kernel_route *find(uint32_t table, const char *prefix)
{
	char text[INET6_ADDRSTRLEN];

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(prefix, "/"), prefix);
	for (size_t i = 0; i < k.n_routes; i++) {
		const struct mr_kernel_route *r = &k.routes[i];

		if (r->table == table && r->prefix == atoi(strchr(prefix, '/') + 1) &&
			r->family == (strchr(text, ':') ? AF_INET6 : AF_INET) &&
			same_addr(&r->dst, text))
			return r;
	}
	return NULL;
}

static void expect_hop(const struct mr_kernel_route *r, unsigned number, uint32_t ifindex,
	const char *gateway, uint16_t weight)
{
	const struct mr_hop *hop = &r->hops[number];

	cr_expect_eq(hop->ifindex, ifindex, "way %u: by %u", number, hop->ifindex);
	cr_expect_eq(hop->weight, weight, "way %u: weight %u", number, hop->weight);
	cr_expect_eq(hop->has_gateway, gateway != NULL, "way %u: gateway", number);
	cr_expect(!gateway || same_addr(&hop->gateway, gateway), "way %u: gateway", number);
}

Test(mirror, links_with_their_mtu_address_and_state)
{
	shell("ip link set v1 mtu 1400 address 02:00:00:00:00:17; ip link set v2 down");
	shell("ip tuntap add t0 mode tun"); /* has no Ethernet address */
	read_routes();
	cr_assert_eq(k.n_links, 6);
	for (size_t i = 0; i < k.n_links; i++) {
		const struct mr_kernel_link *l = &k.links[i];

		if (l->ifindex == V1) {
			cr_expect(l->up);
			cr_expect_eq(l->mtu, 1400);
			cr_expect_arr_eq(l->mac, "\x02\0\0\0\0\x17", 6);
		} else if (l->ifindex == V2) {
			cr_expect(!l->up);
			cr_expect_eq(l->mtu, 1500);
		} else if (l->ifindex > 5) {
			cr_expect_arr_eq(l->mac, "\0\0\0\0\0\0", 6);
		}
	}
}

Test(mirror, routes_of_one_way)
{
	static const struct {
		const char *words;
		uint32_t table;
		const char *prefix;
		uint8_t type;
		uint32_t metric, mtu, ifindex; /* 0: there is no way */
		const char *gateway;
	} rows[] = {
		{"10.1.0.0/16 dev v2", 254, "10.1.0.0/16", RTN_UNICAST, 0, 0, V2, NULL},
		{"10.2.0.0/16 via 192.0.2.9", 254, "10.2.0.0/16", RTN_UNICAST, 0, 0, V1,
			"192.0.2.9"},
		{"10.3.0.0/16 via inet6 2001:db8::9 dev v1", 254, "10.3.0.0/16", RTN_UNICAST, 0, 0,
			V1, "2001:db8::9"},
		{"10.4.0.0/16 via 192.0.2.9 table 1000 metric 7", 1000, "10.4.0.0/16", RTN_UNICAST,
			7, 0, V1, "192.0.2.9"},
		{"10.5.0.0/16 via 192.0.2.9 mtu 1300", 254, "10.5.0.0/16", RTN_UNICAST, 0, 1300, V1,
			"192.0.2.9"},
		{"10.6.0.0/16 via 192.0.2.9 mtu lock 1280 window 9", 254, "10.6.0.0/16",
			RTN_UNICAST, 0, 1280, V1, "192.0.2.9"},
		{"default via 198.51.100.9 table 4294967295", UINT32_MAX, "0.0.0.0/0", RTN_UNICAST,
			0, 0, V2, "198.51.100.9"},
		{"10.7.7.7 dev v1", 254, "10.7.7.7/32", RTN_UNICAST, 0, 0, V1, NULL},
		{"10.8.0.0/16 nhid 1", 254, "10.8.0.0/16", RTN_UNICAST, 0, 0, V1, "192.0.2.8"},
		{"blackhole 10.9.0.0/16", 254, "10.9.0.0/16", RTN_BLACKHOLE, 0, 0, 0, NULL},
		{"unreachable 10.10.0.0/16", 254, "10.10.0.0/16", RTN_UNREACHABLE, 0, 0, 0, NULL},
		{"prohibit 10.11.0.0/16", 254, "10.11.0.0/16", RTN_PROHIBIT, 0, 0, 0, NULL},
		{"throw 10.12.0.0/16 table 100", 100, "10.12.0.0/16", RTN_THROW, 0, 0, 0, NULL},
		{"local 10.13.0.0/16 dev lo", 255, "10.13.0.0/16", RTN_LOCAL, 0, 0, 1, NULL},
		{"fd02::/16 via 2001:db8::9", 254, "fd02::/16", RTN_UNICAST, 1024, 0, V1,
			"2001:db8::9"},
		{"fd03::1 dev v1 metric 5 mtu 1280", 254, "fd03::1/128", RTN_UNICAST, 5, 1280, V1,
			NULL},
		{"unreachable ::/0 table 300", 300, "::/0", RTN_UNREACHABLE, 1024, 0, 1, NULL},
	};

	shell("ip nexthop add id 1 via 192.0.2.8 dev v1");
	for (size_t i = 0; i < ROWS(rows); i++)
		shell("ip %s route add %s", strchr(rows[i].prefix, ':') ? "-6" : "-4",
			rows[i].words);
	read_routes();
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct mr_kernel_route *r = find(rows[i].table, rows[i].prefix);

		cr_assert_not_null(r, "%s: not read", rows[i].words);
		cr_expect_eq(r->type, rows[i].type, "%s: type %u", rows[i].words, r->type);
		cr_expect_eq(r->metric, rows[i].metric, "%s: metric %u", rows[i].words, r->metric);
		cr_expect_eq(r->mtu, rows[i].mtu, "%s: MTU %u", rows[i].words, r->mtu);
		cr_assert_eq(r->n_hops, rows[i].ifindex ? 1 : 0, "%s: %u ways", rows[i].words,
			r->n_hops);
		if (rows[i].ifindex)
			expect_hop(r, 0, rows[i].ifindex, rows[i].gateway, 1);
	}
}

Test(mirror, routes_of_several_ways)
{
	const struct mr_kernel_route *r;

	shell("ip route add 10.1.0.0/16 nexthop via 192.0.2.9 weight 3 nexthop dev v2 weight 256");
	shell("ip route add 10.2.0.0/16 nexthop via inet6 2001:db8::9 dev v1"
	      " nexthop via 198.51.100.9");
	shell("ip route add fd02::/16 nexthop via 2001:db8::9 weight 2"
	      " nexthop via 2001:db8::a weight 5");
	shell("ip nexthop add id 1 via 192.0.2.8 dev v1; ip nexthop add id 2 via 198.51.100.8 dev "
	      "v2");
	shell("ip nexthop add id 3 group 1/2,5; ip route add 10.3.0.0/16 nhid 3");
	read_routes();
	r = find(254, "10.1.0.0/16");
	cr_assert(r && r->n_hops == 2);
	expect_hop(r, 0, V1, "192.0.2.9", 3);
	expect_hop(r, 1, V2, NULL, 256);
	r = find(254, "10.2.0.0/16");
	cr_assert(r && r->n_hops == 2);
	expect_hop(r, 0, V1, "2001:db8::9", 1);
	expect_hop(r, 1, V2, "198.51.100.9", 1);
	r = find(254, "fd02::/16");
	cr_assert(r && r->n_hops == 2);
	expect_hop(r, 0, V1, "2001:db8::9", 2);
	expect_hop(r, 1, V1, "2001:db8::a", 5);
	r = find(254, "10.3.0.0/16");
	cr_assert(r && r->n_hops == 2);
	expect_hop(r, 0, V1, "192.0.2.8", 1);
	expect_hop(r, 1, V2, "198.51.100.8", 5);
}

Test(mirror, ways_beyond_the_last_are_left_out)
{
	static const unsigned counts[] = {MR_HOPS_MAX - 1, MR_HOPS_MAX, MR_HOPS_MAX + 1};

	for (size_t i = 0; i < ROWS(counts); i++) {
		const struct mr_kernel_route *r;

		shell("ip route replace 10.1.0.0/16 "
		      "$(for n in $(seq 10 %u); do echo nexthop via 192.0.2.$n; done)",
			9 + counts[i]);
		read_routes();
		r = find(254, "10.1.0.0/16");
		cr_assert_not_null(r);
		cr_expect_eq(r->n_hops, mr_min(counts[i], MR_HOPS_MAX), "%u of %u ways", r->n_hops,
			counts[i]);
		expect_hop(r, r->n_hops - 1, V1, i ? "192.0.2.25" : "192.0.2.24", 1);
	}
}

Test(mirror, what_no_datagram_is_routed_by_is_left_out)
{
	shell("ip route add 10.1.0.0/16 via 192.0.2.9 tos 0x10");
	shell("ip route add fd02::/16 from 2001:db8::/64 via 2001:db8::9");
	read_routes();
	cr_expect_null(find(254, "10.1.0.0/16"));
	cr_expect_null(find(254, "fd02::/16"));
}

/** Waits until there is news, and takes it. */
static unsigned news(void)
{
	struct pollfd wait = {.fd = mr_mirror_fd(mirror), .events = POLLIN};

	cr_assert_eq(poll(&wait, 1, 20000), 1, "nothing is told");
	return mr_mirror_drain(mirror);
}

/** Reads routes until 10.1.0.0/16 has so many ways. The kernel hears late of a lost carrier. */
static const struct mr_kernel_route *wait_for_ways(unsigned n)
{
	for (;;) {
		const struct mr_kernel_route *r;

		read_routes();
		r = find(254, "10.1.0.0/16");
		cr_assert_not_null(r);
		if (r->n_hops == n)
			return r;
		news();
	}
}

Test(mirror, dead_ways_are_left_out)
{
	shell("ip route add 10.1.0.0/16 nexthop via 192.0.2.9 nexthop via 198.51.100.9");
	shell("ip link set w1 down"); /* v1 has no carrier now */
	expect_hop(wait_for_ways(1), 0, V2, "198.51.100.9", 1);
	shell("ip link set w1 up");
	expect_hop(wait_for_ways(2), 0, V1, "192.0.2.9", 1);
}

Test(mirror, a_route_of_dead_ways_alone_is_none)
{
	shell("ip route add 10.1.0.0/16 via 192.0.2.9");
	shell("ip link set w1 down");
	for (read_routes(); find(254, "10.1.0.0/16"); read_routes())
		news();
}

Test(mirror, all_of_many_routes_are_read)
{
	shell("for n in $(seq 0 %d); do echo route add 10.1.$((n / 256)).$((n %% 256)) dev v1; done"
	      " | ip -batch -",
		MANY - 1);
	read_routes();
	cr_expect_gt(k.n_routes, MANY);
	cr_expect_not_null(find(254, "10.1.0.0/32"));
	cr_expect_not_null(find(254, "10.1.7.207/32"));
}

/** The rule of that priority, which must be there. */
static struct mr_kernel_rule rule_at(int family, uint32_t priority)
{
	for (size_t i = 0; i < k.n_rules; i++) {
		if (k.rules[i].priority == priority && k.rules[i].family == family)
			return k.rules[i];
	}
	cr_assert_fail("rule %u: not read", priority);
	return (struct mr_kernel_rule){0};
}

Test(mirror, rules_that_every_host_has)
{
	read_routes();
	cr_expect_eq(k.n_rules, 5);
	cr_expect_eq(rule_at(AF_INET, 0).table, RT_TABLE_LOCAL);
	cr_expect_eq(rule_at(AF_INET, 32766).table, RT_TABLE_MAIN);
	cr_expect_eq(rule_at(AF_INET, 32767).table, RT_TABLE_DEFAULT);
	cr_expect_eq(rule_at(AF_INET6, 0).table, RT_TABLE_LOCAL);
	cr_expect_eq(rule_at(AF_INET6, 32766).table, RT_TABLE_MAIN);
	for (size_t i = 0; i < k.n_rules; i++) {
		cr_expect_eq(k.rules[i].action, FR_ACT_TO_TBL);
		cr_expect_eq(k.rules[i].suppress_prefix, -1);
		cr_expect(!k.rules[i].never && !k.rules[i].invert);
	}
}

Test(mirror, rules_for_what_a_relayed_datagram_never_has)
{
	static const struct {
		const char *words;
		bool never;
	} rows[] = {
		{"lookup 1000", false},
		{"iif lo lookup 1000", false},
		{"iif v1 lookup 1000", true},
		{"fwmark 5 lookup 1000", true},
		{"oif v1 lookup 1000", true},
		{"iif lo oif v1 lookup 1000", true},
		{"tos 0x10 lookup 1000", true},
		{"uidrange 0-5 lookup 1000", true},
		{"l3mdev", true},
		{"ipproto udp lookup 1000", false},
		{"from 10.0.0.0/8 lookup 1000", false},
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		shell("ip rule add pref %zu %s", 100 + i, rows[i].words);
	read_routes();
	for (size_t i = 0; i < ROWS(rows); i++)
		cr_expect_eq(rule_at(AF_INET, (uint32_t)(100 + i)).never, rows[i].never, "%s",
			rows[i].words);
}

Test(mirror, rules_with_all_their_words)
{
	struct mr_kernel_rule r;

	shell("ip rule add pref 101 not from 10.0.0.0/8 to 10.2.3.4 table 70000");
	shell("ip rule add pref 102 ipproto udp sport 61008-65534 dport 60001 table 9");
	shell("ip rule add pref 103 table main suppress_prefixlength 0");
	shell("ip rule add pref 104 goto 32766; ip rule add pref 105 blackhole");
	shell("ip -6 rule add pref 106 from fd02::/16 to fd03::1 table 9");
	read_routes();
	r = rule_at(AF_INET, 101);
	cr_expect(r.invert && r.table == 70000 && r.action == FR_ACT_TO_TBL);
	cr_expect(r.src_prefix == 8 && same_addr(&r.src, "10.0.0.0"));
	cr_expect(r.dst_prefix == 32 && same_addr(&r.dst, "10.2.3.4"));
	r = rule_at(AF_INET, 102);
	cr_expect_eq(r.protocol, IPPROTO_UDP);
	cr_expect(r.sport[0] == 61008 && r.sport[1] == 65534, "%u-%u", r.sport[0], r.sport[1]);
	cr_expect(r.dport[0] == 60001 && r.dport[1] == 60001, "%u-%u", r.dport[0], r.dport[1]);
	cr_expect(!r.invert && !r.src_prefix && !r.dst_prefix);
	r = rule_at(AF_INET, 103);
	cr_expect(r.table == RT_TABLE_MAIN && r.suppress_prefix == 0);
	r = rule_at(AF_INET, 104);
	cr_expect(r.action == FR_ACT_GOTO && r.target == 32766);
	cr_expect_eq(rule_at(AF_INET, 105).action, FR_ACT_BLACKHOLE);
	r = rule_at(AF_INET6, 106);
	cr_expect(r.src_prefix == 16 && same_addr(&r.src, "fd02::"));
	cr_expect(r.dst_prefix == 128 && same_addr(&r.dst, "fd03::1"));
}

/** The neighbour's last octet of hardware address, or -1 if it isn't among those read. */
static int neighbour(uint32_t ifindex, const char *address)
{
	for (size_t i = 0; i < k.n_neighbours; i++) {
		if (k.neighbours[i].ifindex == ifindex && same_addr(&k.neighbours[i].addr, address))
			return k.neighbours[i].mac[5];
	}
	return -1;
}

Test(mirror, neighbours_that_have_an_address_to_send_to)
{
	static const struct {
		const char *address, *state;
		bool usable;
	} rows[] = {
		{"192.0.2.10", "permanent", true},
		{"192.0.2.11", "noarp", true},
		{"192.0.2.12", "reachable", true},
		{"192.0.2.13", "stale", true},
		{"192.0.2.14", "delay", true},
		{"192.0.2.15", "probe", true},
		{"192.0.2.16", "failed", false},
		{"192.0.2.17", "none", false},
		{"2001:db8::10", "permanent", true},
		{"2001:db8::11", "stale", true},
		{"2001:db8::12", "failed", false},
	};

	/* nobody answers: as they are they must stay until they are read */
	shell("sysctl -qw net.ipv4.neigh.v1.retrans_time_ms=600000");
	shell("sysctl -qw net.ipv4.neigh.v1.delay_first_probe_time=600");
	for (size_t i = 0; i < ROWS(rows); i++)
		shell("ip neigh add %s dev v1 lladdr 02:00:00:00:00:%02zx nud %s", rows[i].address,
			i + 1, rows[i].state);
	shell("ip neigh add 192.0.2.10 dev v2 lladdr 02:00:00:00:00:ff nud permanent");
	shell("ip neigh add proxy 192.0.2.40 dev v1");
	cr_assert_eq(mr_mirror_read_neighbours(mirror, &k), 0);
	for (size_t i = 0; i < ROWS(rows); i++)
		cr_expect_eq(neighbour(V1, rows[i].address), rows[i].usable ? (int)i + 1 : -1,
			"%s, %s: %d", rows[i].address, rows[i].state,
			neighbour(V1, rows[i].address));
	cr_expect_eq(neighbour(V2, "192.0.2.10"), 0xff);
	cr_expect_eq(neighbour(V1, "192.0.2.40"), -1);
}

/*
 * The kernel tells of a change before it answers whoever made it. Of its own it tells as well, when
 * it gets round to it (a carrier, an address that is valid now): what comes beside the wanted news
 * isn't looked at unless it comes each time.
 */
Test(mirror, each_change_is_told_once_and_by_its_kind)
{
	static const struct {
		const char *command, *undo;
		unsigned kinds;
	} rows[] = {
		{"ip neigh add 192.0.2.9 dev v1 lladdr 02:00:00:00:00:09 nud permanent",
			"ip neigh del 192.0.2.9 dev v1", MR_MIRROR_NEIGHBOURS},
		{"ip -6 neigh add 2001:db8::9 dev v1 lladdr 02:00:00:00:00:09 nud permanent",
			"ip -6 neigh del 2001:db8::9 dev v1", MR_MIRROR_NEIGHBOURS},
		{"ip route add 10.1.0.0/16 dev v1", "ip route del 10.1.0.0/16", MR_MIRROR_ROUTES},
		{"ip route add fd02::/16 dev v1", "ip route del fd02::/16", MR_MIRROR_ROUTES},
		{"ip rule add pref 100 table 100", "ip rule del pref 100", MR_MIRROR_ROUTES},
		{"ip -6 rule add pref 100 table 100", "ip -6 rule del pref 100", MR_MIRROR_ROUTES},
		{"ip link set v1 mtu 1400", "ip link set v1 mtu 1500", MR_MIRROR_ROUTES},
		{"ip link add v3 type veth peer name w3", "ip link del v3", MR_MIRROR_ROUTES},
		{"ip neigh add 192.0.2.9 dev v1 lladdr 02:00:00:00:00:09 nud permanent;"
		 "ip route add 10.2.0.0/16 dev v1",
			"ip neigh del 192.0.2.9 dev v1; ip route del 10.2.0.0/16", BOTH_KINDS},
	};

	for (size_t i = 0; i < ROWS(rows) * 2; i++) {
		const char *command = i % 2 ? rows[i / 2].undo : rows[i / 2].command;
		unsigned wanted = rows[i / 2].kinds, again = 1, kinds = 0;

		for (unsigned n = 0; n < 20 && (kinds != wanted || again); n++) {
			if (n)
				shell("%s", i % 2 ? rows[i / 2].command : rows[i / 2].undo);
			mr_mirror_drain(mirror);
			shell("%s", command);
			kinds = mr_mirror_drain(mirror);
			again = mr_mirror_drain(mirror);
			cr_assert_eq(kinds & wanted, wanted, "%s: only %x", command, kinds);
		}
		cr_expect_eq(kinds, wanted, "%s: %x", command, kinds);
		cr_expect_eq(again, 0, "%s: told again: %x", command, again);
	}
}

Test(mirror, lost_news_counts_as_all_of_it)
{
	const int size = 1; /* the kernel's least */

	cr_assert_eq(
		setsockopt(mr_mirror_fd(mirror), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	shell("for n in $(seq 0 255); do echo route add 10.1.0.$n dev v1; done | ip -batch -");
	cr_expect_eq(news(), BOTH_KINDS);
	shell("ip route add 10.2.0.0/16 dev v1");
	cr_expect_eq(news(), MR_MIRROR_ROUTES, "deaf afterwards");
}

/** What the kernel itself says of a datagram of the relay's from 192.0.2.1. */
static int kernels_way_to(const char *dst)
{
	char command[256], name[IFNAMSIZ] = "";
	FILE *answer;

	snprintf(command, sizeof(command),
		"ip -o route get %s from 192.0.2.1 ipproto udp sport 61008 dport 60001 |"
		" sed 's/.* dev \\([^ ]*\\).*/\\1/'",
		dst);
	answer = popen(command, "r");
	cr_assert_not_null(answer);
	cr_assert_eq(fscanf(answer, "%15s", name), 1, "%s", dst);
	pclose(answer);
	return !strcmp(name, "v1") ? V1 : !strcmp(name, "v2") ? V2 : 1;
}

Test(mirror, a_snapshot_of_it_answers_as_the_kernel)
{
	static const char *const targets[] = {"10.0.0.1", "10.1.0.1", "10.1.2.3", "10.2.0.1",
		"10.3.0.1", "10.4.0.1", "10.5.0.1", "10.6.0.1", "192.0.2.77", "198.51.100.77"};
	struct mr_routes *r;

	shell("ip route add default via 192.0.2.9");
	shell("ip route add 10.1.0.0/16 dev v2; ip route add 10.1.2.0/24 dev v1");
	shell("ip rule add pref 100 fwmark 5 table 100; ip route add default dev v2 table 100");
	shell("ip rule add pref 101 to 10.2.0.0/16 table 101; ip route add default dev v2 table "
	      "101");
	shell("ip rule add pref 102 to 10.3.0.0/16 dport 60000-61000 table 101");
	shell("ip rule add pref 103 to 10.4.0.0/16 dport 60002-61000 table 101");
	shell("ip rule add pref 104 not to 10.0.0.0/8 from 10.0.0.0/8 table 101");
	shell("ip rule add pref 105 to 10.5.0.0/16 ipproto tcp table 101");
	shell("ip rule add pref 106 to 10.6.0.0/16 iif lo table 102;"
	      " ip route add throw 10.6.0.0/16 table 102; ip route add default dev v2 table 102");
	read_routes();
	r = build();
	for (size_t i = 0; i < ROWS(targets); i++)
		cr_expect_eq(way_to(r, targets[i]), kernels_way_to(targets[i]), "%s: %d, not %d",
			targets[i], way_to(r, targets[i]), kernels_way_to(targets[i]));
	mr_routes_free(r);
}
