/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel_bed.c - see kernel_bed.h.
 */
#include "kernel_bed.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>

#include "addr.h"
#include "eal.h"

struct mr_kernel_tables k;

void kernel_set_up(void)
{
	static const char *const texts[] = {"hugepages=none", "memory=64"};
	static struct mr_dpdk_options options; /* points into itself */
	struct mr_why why = {""};
	bool huge;

	cr_assert_eq(mr_dpdk_options_parse(texts, 2, &options, &why), 0, "%s", why.text);
	cr_assert_eq(mr_eal_start(&options, 0, &huge, &why), 0, "%s", why.text);
}

void kernel_tear_down(void)
{
	mr_kernel_tables_clear(&k);
	mr_eal_stop();
}

struct mr_addr addr(const char *text)
{
	struct mr_addr a;

	cr_assert_eq(mr_addr_parse(text, &a), 0, "%s", text);
	return a;
}

static void *more(void *array, size_t *count, size_t size)
{
	array = reallocarray(array, ++*count, size);
	cr_assert_not_null(array);
	memset((char *)array + (*count - 1) * size, 0, size);
	return array;
}

struct mr_kernel_route *add_route(uint32_t table, const char *prefix, uint32_t ifindex)
{
	char text[INET6_ADDRSTRLEN + 4];
	struct mr_kernel_route *r;

	k.routes = more(k.routes, &k.n_routes, sizeof(*k.routes));
	r = &k.routes[k.n_routes - 1];
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(prefix, "/"), prefix);
	*r = (struct mr_kernel_route){
		.family = strchr(text, ':') ? AF_INET6 : AF_INET,
		.table = table,
		.dst = addr(text),
		.prefix = (uint8_t)atoi(strchr(prefix, '/') + 1),
		.type = RTN_UNICAST,
		.n_hops = 1,
		.hops[0] = {.ifindex = ifindex, .weight = 1},
	};
	return r;
}

struct mr_kernel_rule *add_rule(int family, uint32_t priority, uint32_t table)
{
	struct mr_kernel_rule *r;

	k.rules = more(k.rules, &k.n_rules, sizeof(*k.rules));
	r = &k.rules[k.n_rules - 1];
	*r = (struct mr_kernel_rule){
		.family = family,
		.priority = priority,
		.action = FR_ACT_TO_TBL,
		.table = table,
		.suppress_prefix = -1,
	};
	if (family == AF_INET)
		r->src = r->dst = mr_addr_from_v4(0);
	return r;
}

struct mr_kernel_link *add_link(uint32_t ifindex)
{
	struct mr_kernel_link *l;

	k.links = more(k.links, &k.n_links, sizeof(*k.links));
	l = &k.links[k.n_links - 1];
	*l = (struct mr_kernel_link){.ifindex = ifindex,
		.mtu = 1500,
		.mac = {2, 0, 0, 0, 0, (uint8_t)ifindex},
		.up = true};
	return l;
}

void add_links(uint32_t last)
{
	for (uint32_t i = 1; i <= last; i++)
		add_link(i);
}

void add_neighbour(uint32_t ifindex, const char *address, uint8_t mac)
{
	struct mr_kernel_neighbour *n;

	k.neighbours = more(k.neighbours, &k.n_neighbours, sizeof(*k.neighbours));
	n = &k.neighbours[k.n_neighbours - 1];
	n->ifindex = ifindex;
	n->addr = addr(address);
	n->mac[5] = mac;
}

struct mr_routes *build(void)
{
	struct mr_routes *r = NULL;

	cr_assert_eq(mr_routes_build(&k, &r), 0);
	return r;
}

struct mr_flow flow_to(const char *dst)
{
	struct mr_flow flow = {.dst = addr(dst), .sport = 61008, .dport = 60001};

	flow.src = addr(strchr(dst, ':') ? "2001:db8::1" : "192.0.2.1");
	return flow;
}

int way_of(const struct mr_routes *r, const struct mr_flow *flow)
{
	struct mr_hop_found found;
	int rc = mr_routes_lookup(r, flow, &found);

	return rc ? -rc : (int)found.ifindex;
}

int way_to(const struct mr_routes *r, const char *dst)
{
	struct mr_flow flow = flow_to(dst);

	return way_of(r, &flow);
}
