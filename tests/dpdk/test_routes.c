/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_routes.c - snapshots of routes and neighbours, and the table of ways, without a kernel: what
 * is looked up in them, their limits, and what happens when one takes another's place.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "kernel_bed.h"
#include "tables.h"
#include "ways.h"

TestSuite(routes, .init = kernel_set_up, .fini = kernel_tear_down, .timeout = 240);

Test(routes, the_longest_prefix_wins)
{
	static const struct {
		const char *dst;
		int way;
	} rows[] = {
		{"9.255.255.255", 1},
		{"10.0.0.0", 2},
		{"10.1.255.255", 2},
		{"10.2.0.0", 3},
		{"10.2.2.255", 3},
		{"10.2.3.0", 4},
		{"10.2.3.3", 4},
		{"10.2.3.4", 5},
		{"10.2.3.5", 4},
		{"10.2.3.255", 4},
		{"10.2.4.0", 3},
		{"10.2.255.255", 3},
		{"10.3.0.0", 2},
		{"10.255.255.255", 2},
		{"11.0.0.0", 1},
		{"255.255.255.254", 1},
		{"fc00::", 6},
		{"fd01:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 6},
		{"fd02::", 8},
		{"fd02:0:0:0:ffff:ffff:ffff:ffff", 8},
		{"fd02::1", 8},
		{"fd02::2", 9},
		{"fd02::3", 8},
		{"fd02:0:0:1::", 7},
		{"fd02:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 7},
		{"fd03::", 6},
	};
	struct mr_routes *r;

	add_links(9);
	add_rule(AF_INET, 0, 254);
	add_rule(AF_INET6, 0, 254);
	add_route(254, "10.2.3.0/24", 4);
	add_route(254, "0.0.0.0/0", 1);
	add_route(254, "10.2.3.4/32", 5);
	add_route(254, "10.0.0.0/8", 2);
	add_route(254, "10.2.0.0/16", 3);
	add_route(254, "fd02::/64", 8);
	add_route(254, "::/0", 6);
	add_route(254, "fd02::2/128", 9);
	add_route(254, "fd02::/16", 7);
	r = build();
	for (size_t i = 0; i < ROWS(rows); i++)
		cr_expect_eq(way_to(r, rows[i].dst), rows[i].way, "%s: %d", rows[i].dst,
			way_to(r, rows[i].dst));
	mr_routes_free(r);
}

Test(routes, the_least_metric_wins_wherever_it_stands)
{
	struct mr_routes *r;

	add_links(3);
	add_rule(AF_INET, 0, 254);
	add_route(254, "10.0.0.0/8", 1)->metric = 100;
	add_route(254, "10.0.0.0/8", 2)->metric = 0;
	add_route(254, "10.0.0.0/8", 3)->metric = UINT32_MAX;
	r = build();
	cr_expect_eq(way_to(r, "10.0.0.1"), 2);
	mr_routes_free(r);
	k.routes[1].type = k.routes[0].type; /* sorted by now: the best one goes */
	memmove(&k.routes[0], &k.routes[1], 2 * sizeof(k.routes[0]));
	k.n_routes = 2;
	r = build();
	cr_expect_eq(way_to(r, "10.0.0.1"), 1);
	mr_routes_free(r);
}

Test(routes, a_type_says_what_becomes_of_it)
{
	static const struct {
		uint8_t type;
		int way;
	} rows[] = {
		{RTN_UNICAST, 2}, {RTN_BLACKHOLE, -BPF_FIB_LKUP_RET_BLACKHOLE},
		{RTN_UNREACHABLE, -BPF_FIB_LKUP_RET_UNREACHABLE},
		{RTN_PROHIBIT, -BPF_FIB_LKUP_RET_PROHIBIT},
		{RTN_LOCAL, -BPF_FIB_LKUP_RET_NOT_FWDED},
		{RTN_BROADCAST, -BPF_FIB_LKUP_RET_NOT_FWDED},
		{RTN_THROW, 1}, /* on to the next rule */
	};

	add_links(2);
	for (int family = 0; family < 2; family++) {
		add_rule(family ? AF_INET6 : AF_INET, 1, 100);
		add_rule(family ? AF_INET6 : AF_INET, 2, 254);
		add_route(254, family ? "::/0" : "0.0.0.0/0", 1);
	}
	add_route(100, "10.0.0.0/8", 2);
	add_route(100, "fd02::/16", 2);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_routes *r;

		for (size_t j = 0; j < k.n_routes; j++)
			if (k.routes[j].table == 100)
				k.routes[j].type = rows[i].type;
		r = build();
		cr_expect_eq(way_to(r, "10.0.0.1"), rows[i].way, "IPv4, type %u", rows[i].type);
		cr_expect_eq(way_to(r, "fd02::1"), rows[i].way, "IPv6, type %u", rows[i].type);
		mr_routes_free(r);
	}
}

/* How often each interface was chosen by as many flows as there are ports. */
static void spread(const struct mr_routes *r, const char *net, unsigned shares[MR_HOPS_MAX + 2])
{
	memset(shares, 0, (MR_HOPS_MAX + 2) * sizeof(*shares));
	for (unsigned i = 0; i < 4096; i++) {
		char dst[INET6_ADDRSTRLEN];
		struct mr_flow flow;
		int way;

		snprintf(dst, sizeof(dst), net, i / 256, i % 256);
		flow = flow_to(dst);
		way = way_of(r, &flow);
		cr_assert(way >= 1 && way <= MR_HOPS_MAX, "%s: %d", dst, way);
		shares[way]++;
		flow.sport ^= 1;
		cr_assert_eq(way_of(r, &flow), way, "%s: a datagram of it goes elsewhere", dst);
	}
}

static void multipath(const char *prefix, unsigned count)
{
	struct mr_kernel_route *route = add_route(254, prefix, 1);

	for (route->n_hops = 0; route->n_hops < count; route->n_hops++)
		route->hops[route->n_hops] = (struct mr_hop){
			.ifindex = route->n_hops + 1, .weight = (uint16_t)(route->n_hops ? 1 : 3)};
}

Test(routes, ways_are_used_by_their_weight_and_a_flow_keeps_its_own)
{
	static const unsigned counts[] = {1, 2, MR_HOPS_MAX - 1, MR_HOPS_MAX};

	add_links(MR_HOPS_MAX);
	add_rule(AF_INET, 0, 254);
	add_rule(AF_INET6, 0, 254);
	for (size_t i = 0; i < ROWS(counts); i++) {
		unsigned shares[MR_HOPS_MAX + 2], n = counts[i], one = 4096 / (n + 2);
		struct mr_routes *r;

		k.n_routes = 0;
		multipath("10.0.0.0/8", n);
		multipath("fd02::/16", n);
		r = build();
		for (int family = 0; family < 2; family++) {
			spread(r, family ? "fd02::%x:%x" : "10.7.%u.%u", shares);
			cr_expect(shares[1] > 5 * one / 2 && shares[1] < 7 * one / 2,
				"%u ways: %u by the first, of weight 3", n, shares[1]);
			for (unsigned way = 2; way <= n; way++)
				cr_expect(shares[way] > one / 2 && shares[way] < 3 * one / 2,
					"%u ways: %u by number %u", n, shares[way], way);
			for (unsigned way = n + 1; way <= MR_HOPS_MAX; way++)
				cr_expect_eq(shares[way], 0);
		}
		mr_routes_free(r);
	}
}

Test(routes, a_way_whose_link_is_down_or_gone_is_not_used)
{
	unsigned shares[MR_HOPS_MAX + 2];
	struct mr_routes *r;

	add_links(2); /* there is no third */
	k.links[0].up = false;
	add_rule(AF_INET, 0, 254);
	multipath("10.0.0.0/8", 3);
	r = build();
	spread(r, "10.7.%u.%u", shares);
	cr_expect_eq(shares[2], 4096);
	mr_routes_free(r);
	k.links[1].up = false;
	r = build();
	cr_expect_eq(way_to(r, "10.0.0.1"), -BPF_FIB_LKUP_RET_NOT_FWDED);
	mr_routes_free(r);
}

Test(routes, a_lookup_says_how_to_send)
{
	static const struct {
		uint32_t link, route;
		uint16_t mtu;
	} rows[] = {
		{1500, 0, 1500}, {1500, 1499, 1499}, {1500, 1500, 1500}, {1500, 1501, 1500},
		{65534, 0, 65534}, {65535, 0, 65535}, {65536, 0, 65535}, /* as of the loopback */
	};
	struct mr_flow flow = flow_to("10.0.0.1"), near = flow_to("10.1.0.1");
	struct mr_addr gateway = addr("fe80::1"); /* of the other family, which is allowed */
	struct mr_kernel_route *route;
	struct mr_hop_found found;

	add_links(1);
	add_rule(AF_INET, 0, 254);
	add_route(254, "10.1.0.0/16", 1);
	route = add_route(254, "10.0.0.0/16", 1);
	route->hops[0].has_gateway = true;
	route->hops[0].gateway = gateway;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_routes *r;

		k.links[0].mtu = rows[i].link;
		k.routes[0].mtu = k.routes[1].mtu = rows[i].route;
		r = build();
		cr_assert_eq(mr_routes_lookup(r, &flow, &found), 0);
		cr_expect_eq(found.mtu, rows[i].mtu, "%u of %u: %u", rows[i].route, rows[i].link,
			found.mtu);
		cr_expect(mr_addr_equal(&found.addr, &gateway));
		cr_expect_arr_eq(found.smac, k.links[0].mac, 6);
		cr_assert_eq(mr_routes_lookup(r, &near, &found), 0);
		cr_expect(mr_addr_equal(&found.addr, &near.dst));
		mr_routes_free(r);
	}
}

Test(routes, nothing_leads_nowhere)
{
	struct mr_routes *r = build();

	cr_expect_eq(way_to(r, "10.0.0.1"), -BPF_FIB_LKUP_RET_NOT_FWDED);
	cr_expect_eq(way_to(r, "fd02::1"), -BPF_FIB_LKUP_RET_NOT_FWDED);
	mr_routes_free(r);
	add_rule(AF_INET, 0, 254); /* of a table that isn't there */
	r = build();
	cr_expect_eq(way_to(r, "10.0.0.1"), -BPF_FIB_LKUP_RET_NOT_FWDED);
	mr_routes_free(r);
	mr_routes_free(NULL);
}

Test(routes, an_older_snapshot_holds_until_it_is_freed)
{
	struct mr_routes *before, *after, *again;

	add_links(2);
	add_rule(AF_INET, 0, 254);
	add_route(254, "0.0.0.0/0", 1);
	add_route(254, "10.0.0.0/8", 2);
	before = build();
	k.routes[0] = k.routes[--k.n_routes]; /* sorted by now: 10.0.0.0/8 goes */
	after = build();
	cr_expect_eq(way_to(before, "10.0.0.1"), 2);
	cr_expect_eq(way_to(after, "10.0.0.1"), 1);
	cr_expect_not(mr_routes_equal(before, after));
	mr_routes_free(before);
	cr_expect_eq(way_to(after, "10.0.0.1"), 1);
	k.routes[0].hops[0].ifindex = 2;
	again = build();
	cr_expect_eq(way_to(again, "10.0.0.1"), 2);
	cr_expect_not(mr_routes_equal(after, again));
	mr_routes_free(again);
	mr_routes_free(after);
}

Test(routes, snapshots_are_compared_by_all_that_they_say)
{
	struct mr_routes *a, *b;

	add_links(2);
	add_rule(AF_INET, 0, 254);
	add_route(254, "10.0.0.0/8", 1);
	add_route(254, "0.0.0.0/0", 1);
	a = build();
	b = build();
	cr_expect(mr_routes_equal(a, b));
	cr_expect(mr_routes_equal(NULL, NULL));
	cr_expect_not(mr_routes_equal(a, NULL));
	mr_routes_free(b);
	k.links[1].up = false;
	b = build();
	cr_expect_not(mr_routes_equal(a, b), "a link");
	mr_routes_free(b);
	k.links[1].up = true;
	k.rules[0].never = true;
	b = build();
	cr_expect_not(mr_routes_equal(a, b), "a rule");
	mr_routes_free(b);
	k.rules[0].never = false;
	b = build();
	cr_expect(mr_routes_equal(a, b));
	mr_routes_free(b);
	mr_routes_free(a);
}

static void many_routes(unsigned count)
{
	k.n_routes = 0;
	for (unsigned i = 0; i < count; i++) {
		char prefix[64];

		snprintf(prefix, sizeof(prefix), "10.%u.%u.0/24", i / 256, i % 256);
		add_route(254, prefix, i % 2 + 1);
		snprintf(prefix, sizeof(prefix), "fd02:0:%x::/48", i);
		add_route(254, prefix, i % 2 + 1);
	}
}

Test(routes, a_table_holds_all_of_its_routes)
{
	static const unsigned counts[] = {1, 2, 3, 1000, 20000};

	add_links(2);
	add_rule(AF_INET, 0, 254);
	add_rule(AF_INET6, 0, 254);
	for (size_t i = 0; i < ROWS(counts); i++) {
		struct mr_routes *r;

		many_routes(counts[i]);
		r = build();
		for (unsigned j = 0; j <= counts[i]; j++) {
			int way = j < counts[i] ? (int)j % 2 + 1 : -BPF_FIB_LKUP_RET_NOT_FWDED;
			char dst[64];

			snprintf(dst, sizeof(dst), "10.%u.%u.9", j / 256, j % 256);
			cr_assert_eq(way_to(r, dst), way, "%s of %u", dst, counts[i]);
			snprintf(dst, sizeof(dst), "fd02:0:%x::9", j);
			cr_assert_eq(way_to(r, dst), way, "%s of %u", dst, counts[i]);
		}
		mr_routes_free(r);
	}
}

Test(routes, as_many_tables_as_a_host_may_have)
{
	static const unsigned counts[] = {1, 255, 256, 1500};

	add_links(1);
	for (size_t i = 0; i < ROWS(counts); i++) {
		struct mr_routes *r, *next;

		k.n_rules = k.n_routes = 0;
		for (unsigned t = 1; t <= counts[i]; t++) {
			char prefix[64];

			add_rule(AF_INET, t, t);
			snprintf(prefix, sizeof(prefix), "10.%u.%u.0/24", t / 256, t % 256);
			add_route(t, prefix, 1);
		}
		r = build();
		next = build(); /* both are there for a moment when routes change */
		for (unsigned t = 0; t <= counts[i] + 1; t++) {
			char dst[64];

			snprintf(dst, sizeof(dst), "10.%u.%u.9", t / 256, t % 256);
			cr_assert_eq(way_to(next, dst),
				t >= 1 && t <= counts[i] ? 1 : -BPF_FIB_LKUP_RET_NOT_FWDED,
				"%u of %u", t, counts[i]);
		}
		mr_routes_free(r);
		mr_routes_free(next);
	}
}

/* Neighbours */

/* Last octet of the neighbour's address, -1: it isn't known. */
static int mac_of(const struct mr_neighbours *n, uint32_t ifindex, const char *address)
{
	struct mr_addr a = addr(address);
	uint8_t mac[6];

	return mr_neighbours_lookup(n, ifindex, &a, mac) ? mac[5] : -1;
}

Test(routes, neighbours_are_found_by_interface_and_address)
{
	struct mr_neighbours *none, *some, *other;

	cr_assert_eq(mr_neighbours_build(&k, &none), 0);
	cr_expect_eq(mac_of(none, 1, "10.0.0.1"), -1);
	add_neighbour(2, "10.0.0.1", 21);
	add_neighbour(1, "fe80::1", 16);
	add_neighbour(1, "10.0.0.2", 12);
	add_neighbour(1, "10.0.0.1", 11);
	cr_assert_eq(mr_neighbours_build(&k, &some), 0);
	cr_expect_eq(mac_of(some, 1, "10.0.0.1"), 11);
	cr_expect_eq(mac_of(some, 1, "10.0.0.2"), 12);
	cr_expect_eq(mac_of(some, 1, "fe80::1"), 16);
	cr_expect_eq(mac_of(some, 2, "10.0.0.1"), 21);
	cr_expect_eq(mac_of(some, 2, "fe80::1"), -1);
	cr_expect_eq(mac_of(some, 3, "10.0.0.1"), -1);
	cr_expect_eq(mac_of(some, 1, "10.0.0.3"), -1);
	k.neighbours[0].mac[5] = 22;
	cr_assert_eq(mr_neighbours_build(&k, &other), 0);
	cr_expect_eq(mac_of(other, 2, "10.0.0.1"), 22);
	cr_expect_not(mr_neighbours_equal(some, other));
	cr_expect_not(mr_neighbours_equal(some, none));
	cr_expect(mr_neighbours_equal(some, some));
	mr_neighbours_free(none);
	mr_neighbours_free(some);
	mr_neighbours_free(other);
}

/* Ways */

static struct mr_tables open_tables(uint32_t sessions)
{
	const struct mr_backend_config config = {.max_sessions = sessions, .upstream_lo = 61008};
	struct mr_tables t = {0};
	struct mr_why why = {""};

	cr_assert_eq(mr_tables_open(&config, 1, &t, &why), 0, "%s", why.text);
	return t;
}

static bool knows(const struct mr_tables *t, uint32_t target, uint32_t ifindex, uint16_t vlan)
{
	struct mr_session s = {.target = mr_addr_from_v4(mr_cpu_to_be32(target))};
	struct mr_ingress in = {.ifindex = ifindex};
	struct mr_packet p = {.vlan_tci = vlan};

	return mr_ways_know(t, &s, &p, &in);
}

static int put_ways(struct mr_tables *t, uint32_t target, struct mr_ways ways)
{
	struct mr_addr to = mr_addr_from_v4(mr_cpu_to_be32(target)), from = {0};

	return mr_ways_put(t, &to, &from, &ways);
}

Test(routes, ways_come_change_and_go)
{
	struct mr_tables t = open_tables(16);

	cr_expect_not(knows(&t, 1, 4, 0));
	cr_expect_eq(put_ways(&t, 1, (struct mr_ways){0}), 0, "nothing of nothing");
	cr_expect_eq(
		put_ways(&t, 1, (struct mr_ways){{{.ifindex = 4}, {.ifindex = 5, .vlan = 7}}}), 0);
	cr_expect(knows(&t, 1, 4, 0));
	cr_expect(knows(&t, 1, 5, 7));
	cr_expect_not(knows(&t, 1, 5, 0));
	cr_expect_not(knows(&t, 1, 6, 0));
	cr_expect_not(knows(&t, 2, 4, 0));
	cr_expect_eq(put_ways(&t, 1, (struct mr_ways){{{.ifindex = 6}, {.ifindex = 4}}}), 0);
	cr_expect(knows(&t, 1, 6, 0));
	cr_expect_not(knows(&t, 1, 5, 7));
	cr_expect_eq(put_ways(&t, 1, (struct mr_ways){0}), 0);
	cr_expect_not(knows(&t, 1, 6, 0));
	mr_tables_close(&t);
}

Test(routes, each_session_may_have_its_own_ways)
{
	const struct mr_ways two = {{{.ifindex = 4}, {.ifindex = 5}}};
	const uint32_t sessions = 64;
	struct mr_tables t = open_tables(sessions);

	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 1; i <= sessions; i++)
			cr_assert_eq(put_ways(&t, i, two), 0, "number %u, round %d", i, round);
		for (uint32_t i = 1; i <= sessions; i++)
			cr_assert(knows(&t, i, 5, 0));
		cr_expect_not(knows(&t, sessions + 1, 5, 0));
		cr_expect_eq(put_ways(&t, sessions + 1, two), -ENOSPC);
		for (uint32_t i = 1; i <= sessions; i++)
			cr_assert_eq(put_ways(&t, i, (struct mr_ways){0}), 0);
		cr_expect_not(knows(&t, 1, 5, 0));
	}
	cr_assert_eq(put_ways(&t, 1, two), 0);
	mr_tables_close(&t); /* frees what is left */
}
