/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * routes.c - builds snapshots of the kernel's routing and walks them as the kernel does: rules in
 * order, the longest prefix in each table, one of its next hops by a hash over the addresses.
 */
#include "routes.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_jhash.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_ROUTE UINT64_MAX

/* One table of one family. */
struct table {
	uint32_t id;
	int family;
	struct rte_fib *fib4;
	struct rte_fib6 *fib6;
};

struct mr_routes {
	struct mr_kernel_route *routes; /* a fib's next hop is an index into these */
	size_t n_routes;
	struct mr_kernel_rule *rules; /* by family and priority */
	size_t n_rules;
	struct mr_kernel_link *links; /* by ifindex */
	size_t n_links;
	struct table *tables;
	size_t n_tables;
};

struct mr_neighbours {
	size_t count;
	struct mr_kernel_neighbour entries[]; /* by ifindex and address */
};

void mr_kernel_tables_clear(struct mr_kernel_tables *k)
{
	free(k->routes);
	free(k->rules);
	free(k->links);
	free(k->neighbours);
	*k = (struct mr_kernel_tables){0};
}

#define COMPARE(a, b) ((a) < (b) ? -1 : (a) > (b))

/* Same family, table and prefix together, the one with the least metric first. */
static int compare_routes(const void *a, const void *b)
{
	const struct mr_kernel_route *x = a, *y = b;
	int order = COMPARE(x->family, y->family);

	if (!order)
		order = COMPARE(x->table, y->table);
	if (!order)
		order = memcmp(&x->dst, &y->dst, sizeof(x->dst));
	if (!order)
		order = COMPARE(x->prefix, y->prefix);
	return order ? order : COMPARE(x->metric, y->metric);
}

static int compare_rules(const void *a, const void *b)
{
	const struct mr_kernel_rule *x = a, *y = b;
	int order = COMPARE(x->family, y->family);

	return order ? order : COMPARE(x->priority, y->priority);
}

static int compare_links(const void *a, const void *b)
{
	const struct mr_kernel_link *x = a, *y = b;

	return COMPARE(x->ifindex, y->ifindex);
}

static int compare_neighbours(const void *a, const void *b)
{
	const struct mr_kernel_neighbour *x = a, *y = b;
	int order = COMPARE(x->ifindex, y->ifindex);

	return order ? order : memcmp(&x->addr, &y->addr, sizeof(x->addr));
}

static bool same_prefix(const struct mr_kernel_route *a, const struct mr_kernel_route *b)
{
	return a->family == b->family && a->table == b->table && a->prefix == b->prefix &&
		mr_addr_equal(&a->dst, &b->dst);
}

static int create_fib(struct table *t, size_t n_routes)
{
	static unsigned serial; /* names must be unique while an older snapshot lives */
	char name[32];

	snprintf(name, sizeof(name), "mr%u", serial++);
	if (t->family == AF_INET) {
		struct rte_fib_conf conf = {
			.type = RTE_FIB_DUMMY,
			.default_nh = NO_ROUTE,
			.max_routes = (int)n_routes + 1,
		};

		t->fib4 = rte_fib_create(name, SOCKET_ID_ANY, &conf);
		return t->fib4 ? 0 : -ENOMEM;
	}
	struct rte_fib6_conf conf = {
		.type = RTE_FIB6_DUMMY,
		.default_nh = NO_ROUTE,
		.max_routes = (int)n_routes + 1,
	};

	t->fib6 = rte_fib6_create(name, SOCKET_ID_ANY, &conf);
	return t->fib6 ? 0 : -ENOMEM;
}

static int add_route(struct table *t, const struct mr_kernel_route *route, uint64_t index)
{
	if (t->family == AF_INET)
		return rte_fib_add(t->fib4, mr_be32_to_cpu(route->dst.w[3]), route->prefix, index);
	return rte_fib6_add(t->fib6, (const uint8_t *)&route->dst, route->prefix, index);
}

/* The routes of one table begin at `first`; returns how many they are, or -ENOMEM. */
static ssize_t build_table(struct mr_routes *r, size_t first)
{
	const struct mr_kernel_route *route = &r->routes[first];
	struct table *t = &r->tables[r->n_tables];
	size_t end = first;
	int rc;

	while (end < r->n_routes && r->routes[end].family == route->family &&
		r->routes[end].table == route->table)
		end++;
	*t = (struct table){.id = route->table, .family = route->family};
	rc = create_fib(t, end - first);
	if (rc)
		return rc;
	r->n_tables++;
	for (size_t i = first; i < end; i++) {
		if (i > first && same_prefix(&r->routes[i - 1], &r->routes[i]))
			continue;
		rc = add_route(t, &r->routes[i], i);
		if (rc)
			return rc;
	}
	return (ssize_t)(end - first);
}

static int copy(void **ret, const void *from, size_t count, size_t size)
{
	*ret = malloc(count ? count * size : 1);
	if (!*ret)
		return -ENOMEM;
	if (count)
		memcpy(*ret, from, count * size);
	return 0;
}

int mr_routes_build(struct mr_kernel_tables *k, struct mr_routes **ret_routes)
{
	struct mr_routes *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	qsort(k->routes, k->n_routes, sizeof(*k->routes), compare_routes);
	qsort(k->rules, k->n_rules, sizeof(*k->rules), compare_rules);
	qsort(k->links, k->n_links, sizeof(*k->links), compare_links);
	r->n_routes = k->n_routes;
	r->n_rules = k->n_rules;
	r->n_links = k->n_links;
	rc = copy((void **)&r->routes, k->routes, k->n_routes, sizeof(*k->routes));
	if (!rc)
		rc = copy((void **)&r->rules, k->rules, k->n_rules, sizeof(*k->rules));
	if (!rc)
		rc = copy((void **)&r->links, k->links, k->n_links, sizeof(*k->links));
	if (!rc) {
		r->tables = calloc(k->n_routes + 1, sizeof(*r->tables));
		rc = r->tables ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < r->n_routes && !rc;) {
		ssize_t n = build_table(r, i);

		if (n < 0)
			rc = (int)n;
		else
			i += (size_t)n;
	}
	if (rc) {
		mr_routes_free(r);
		return rc;
	}
	*ret_routes = r;
	return 0;
}

void mr_routes_free(struct mr_routes *routes)
{
	if (!routes)
		return;
	for (size_t i = 0; i < routes->n_tables; i++) {
		rte_fib_free(routes->tables[i].fib4);
		rte_fib6_free(routes->tables[i].fib6);
	}
	free(routes->tables);
	free(routes->routes);
	free(routes->rules);
	free(routes->links);
	free(routes);
}

static bool same_array(const void *a, size_t n, const void *b, size_t m, size_t size)
{
	return n == m && (!n || !memcmp(a, b, n * size));
}

bool mr_routes_equal(const struct mr_routes *a, const struct mr_routes *b)
{
	if (!a || !b)
		return a == b;
	return same_array(a->routes, a->n_routes, b->routes, b->n_routes, sizeof(*a->routes)) &&
		same_array(a->rules, a->n_rules, b->rules, b->n_rules, sizeof(*a->rules)) &&
		same_array(a->links, a->n_links, b->links, b->n_links, sizeof(*a->links));
}

int mr_neighbours_build(struct mr_kernel_tables *k, struct mr_neighbours **ret_neighbours)
{
	struct mr_neighbours *n = malloc(sizeof(*n) + k->n_neighbours * sizeof(n->entries[0]));

	if (!n)
		return -ENOMEM;
	n->count = k->n_neighbours;
	if (n->count)
		memcpy(n->entries, k->neighbours, n->count * sizeof(n->entries[0]));
	qsort(n->entries, n->count, sizeof(n->entries[0]), compare_neighbours);
	*ret_neighbours = n;
	return 0;
}

void mr_neighbours_free(struct mr_neighbours *neighbours)
{
	free(neighbours);
}

bool mr_neighbours_equal(const struct mr_neighbours *a, const struct mr_neighbours *b)
{
	if (!a || !b)
		return a == b;
	return same_array(a->entries, a->count, b->entries, b->count, sizeof(a->entries[0]));
}

bool mr_neighbours_lookup(const struct mr_neighbours *neighbours, uint32_t ifindex,
	const struct mr_addr *addr, uint8_t ret_mac[6])
{
	struct mr_kernel_neighbour key = {.ifindex = ifindex, .addr = *addr};
	const struct mr_kernel_neighbour *found = bsearch(&key, neighbours->entries,
		neighbours->count, sizeof(neighbours->entries[0]), compare_neighbours);

	if (!found)
		return false;
	memcpy(ret_mac, found->mac, 6);
	return true;
}

static const struct mr_kernel_link *find_link(const struct mr_routes *r, uint32_t ifindex)
{
	struct mr_kernel_link key = {.ifindex = ifindex};

	return bsearch(&key, r->links, r->n_links, sizeof(*r->links), compare_links);
}

/* `prefix` counts the bits of the family's own addresses. */
static bool in_prefix(
	const struct mr_addr *addr, const struct mr_addr *net, uint8_t prefix, int family)
{
	unsigned bits = prefix + (family == AF_INET ? 96u : 0u);

	for (unsigned i = 0; i < 4; i++, bits -= mr_min(bits, 32u)) {
		uint32_t mask = bits >= 32 ? UINT32_MAX : bits ? ~(UINT32_MAX >> bits) : 0;

		if (mr_be32_to_cpu(addr->w[i] ^ net->w[i]) & mask)
			return false;
	}
	return true;
}

static bool in_range(uint16_t port, const uint16_t range[2])
{
	return !range[1] || (port >= range[0] && port <= range[1]);
}

static bool rule_matches(const struct mr_kernel_rule *rule, const struct mr_flow *flow)
{
	bool matches = !rule->never &&
		in_prefix(&flow->src, &rule->src, rule->src_prefix, rule->family) &&
		in_prefix(&flow->dst, &rule->dst, rule->dst_prefix, rule->family) &&
		in_range(flow->sport, rule->sport) && in_range(flow->dport, rule->dport) &&
		(!rule->protocol || rule->protocol == IPPROTO_UDP);

	return matches != rule->invert;
}

static const struct mr_kernel_route *find_route(
	const struct mr_routes *r, int family, uint32_t table, const struct mr_flow *flow)
{
	uint64_t index = NO_ROUTE;

	for (size_t i = 0; i < r->n_tables; i++) {
		const struct table *t = &r->tables[i];

		if (t->id != table || t->family != family)
			continue;
		if (family == AF_INET) {
			uint32_t ip = mr_be32_to_cpu(flow->dst.w[3]);

			rte_fib_lookup_bulk(t->fib4, &ip, &index, 1);
		} else {
			uint8_t ip[1][RTE_FIB6_IPV6_ADDR_SIZE];

			memcpy(ip[0], &flow->dst, sizeof(ip[0]));
			rte_fib6_lookup_bulk(t->fib6, ip, &index, 1);
		}
		break;
	}
	return index == NO_ROUTE ? NULL : &r->routes[index];
}

/* One of the ways whose link is up, by weight and a hash that a flow keeps. */
static const struct mr_hop *choose_hop(
	const struct mr_routes *r, const struct mr_kernel_route *route, const struct mr_flow *flow)
{
	uint32_t total = 0, at;

	for (unsigned i = 0; i < route->n_hops; i++) {
		const struct mr_kernel_link *link = find_link(r, route->hops[i].ifindex);

		total += link && link->up ? route->hops[i].weight : 0;
	}
	if (!total)
		return NULL;
	at = rte_jhash_2words(rte_jhash(&flow->src, sizeof(flow->src), 0),
		     rte_jhash(&flow->dst, sizeof(flow->dst), 0), 0) %
		total;
	for (unsigned i = 0; i < route->n_hops; i++) {
		const struct mr_kernel_link *link = find_link(r, route->hops[i].ifindex);

		if (!link || !link->up)
			continue;
		if (at < route->hops[i].weight)
			return &route->hops[i];
		at -= route->hops[i].weight;
	}
	return NULL;
}

static int follow_route(const struct mr_routes *r, const struct mr_kernel_route *route,
	const struct mr_flow *flow, struct mr_hop_found *ret)
{
	const struct mr_kernel_link *link;
	const struct mr_hop *hop;

	switch (route->type) {
	case RTN_UNICAST:
		break;
	case RTN_BLACKHOLE:
		return BPF_FIB_LKUP_RET_BLACKHOLE;
	case RTN_UNREACHABLE:
		return BPF_FIB_LKUP_RET_UNREACHABLE;
	case RTN_PROHIBIT:
		return BPF_FIB_LKUP_RET_PROHIBIT;
	default:
		return BPF_FIB_LKUP_RET_NOT_FWDED;
	}
	hop = choose_hop(r, route, flow);
	if (!hop)
		return BPF_FIB_LKUP_RET_NOT_FWDED;
	link = find_link(r, hop->ifindex);
	ret->ifindex = hop->ifindex;
	ret->addr = hop->has_gateway ? hop->gateway : flow->dst;
	ret->mtu = (uint16_t)mr_min(
		route->mtu ? mr_min(route->mtu, link->mtu) : link->mtu, UINT16_MAX);
	memcpy(ret->smac, link->mac, sizeof(ret->smac));
	return BPF_FIB_LKUP_RET_SUCCESS;
}

/* First rule of the family with at least this priority. */
static size_t skip_rules(const struct mr_routes *r, int family, uint32_t priority)
{
	size_t i = 0;

	while (i < r->n_rules && (r->rules[i].family != family || r->rules[i].priority < priority))
		i++;
	return i;
}

int mr_routes_lookup(
	const struct mr_routes *routes, const struct mr_flow *flow, struct mr_hop_found *ret)
{
	int family = mr_addr_is_v4(&flow->dst) ? AF_INET : AF_INET6;

	for (size_t i = skip_rules(routes, family, 0);
		i < routes->n_rules && routes->rules[i].family == family;) {
		const struct mr_kernel_rule *rule = &routes->rules[i++];
		const struct mr_kernel_route *route;

		if (!rule_matches(rule, flow))
			continue;
		switch (rule->action) {
		case FR_ACT_GOTO:
			/* the kernel allows jumps forward alone */
			if (rule->target > rule->priority)
				i = skip_rules(routes, family, rule->target);
			continue;
		case FR_ACT_BLACKHOLE:
			return BPF_FIB_LKUP_RET_BLACKHOLE;
		case FR_ACT_UNREACHABLE:
			return BPF_FIB_LKUP_RET_UNREACHABLE;
		case FR_ACT_PROHIBIT:
			return BPF_FIB_LKUP_RET_PROHIBIT;
		case FR_ACT_TO_TBL:
			break;
		default:
			continue;
		}
		route = find_route(routes, family, rule->table, flow);
		if (!route || route->type == RTN_THROW ||
			(int)route->prefix <= rule->suppress_prefix)
			continue;
		return follow_route(routes, route, flow, ret);
	}
	return BPF_FIB_LKUP_RET_NOT_FWDED;
}
