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
#include <rte_jhash.h>
#include <stdlib.h>
#include <string.h>

/* Routes of one table whose prefixes are equally long. */
struct group {
	int family;
	uint32_t table;
	uint8_t prefix;
	size_t first, count;
};

struct mr_routes {
	struct mr_kernel_route *routes; /* the longest prefix of each table first */
	size_t n_routes;
	struct mr_kernel_rule *rules; /* by family and priority */
	size_t n_rules;
	struct mr_kernel_link *links; /* by ifindex */
	size_t n_links;
	struct group *groups; /* in the same order */
	size_t n_groups;
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

static int compare_groups(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	int order = COMPARE(x->family, y->family);

	if (!order)
		order = COMPARE(x->table, y->table);
	return order ? order : -COMPARE(x->prefix, y->prefix);
}

static struct group group_of(const struct mr_kernel_route *route)
{
	return (struct group){
		.family = route->family, .table = route->table, .prefix = route->prefix};
}

static int compare_prefixes(const void *a, const void *b)
{
	const struct mr_kernel_route *x = a, *y = b;
	const struct group x_group = group_of(x), y_group = group_of(y);
	int order = compare_groups(&x_group, &y_group);

	return order ? order : memcmp(&x->dst, &y->dst, sizeof(x->dst));
}

/* Of routes with the same prefix the one with the least metric comes first. */
static int compare_routes(const void *a, const void *b)
{
	const struct mr_kernel_route *x = a, *y = b;
	int order = compare_prefixes(x, y);

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

/* Leaves of routes with the same prefix the first. */
static void drop_hidden(struct mr_routes *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n_routes; i++) {
		if (!kept || compare_prefixes(&r->routes[kept - 1], &r->routes[i]))
			r->routes[kept++] = r->routes[i];
	}
	r->n_routes = kept;
}

static int build_groups(struct mr_routes *r)
{
	r->groups = calloc(r->n_routes + 1, sizeof(*r->groups));
	if (!r->groups)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_routes; i++) {
		struct group group = group_of(&r->routes[i]);

		if (!r->n_groups || compare_groups(&r->groups[r->n_groups - 1], &group)) {
			group.first = i;
			r->groups[r->n_groups++] = group;
		}
		r->groups[r->n_groups - 1].count++;
	}
	return 0;
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
		drop_hidden(r);
		rc = build_groups(r);
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
	free(routes->groups);
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

/* The first `prefix` bits; they count from where the family's own addresses begin. */
static struct mr_addr masked(const struct mr_addr *addr, uint8_t prefix, int family)
{
	unsigned bits = prefix + (family == AF_INET ? 96u : 0u);
	struct mr_addr net;

	for (unsigned i = 0; i < 4; i++, bits -= mr_min(bits, 32u)) {
		uint32_t mask = bits >= 32 ? UINT32_MAX : bits ? ~(UINT32_MAX >> bits) : 0;

		net.w[i] = addr->w[i] & mr_cpu_to_be32(mask);
	}
	return net;
}

static bool in_prefix(
	const struct mr_addr *addr, const struct mr_addr *net, uint8_t prefix, int family)
{
	struct mr_addr a = masked(addr, prefix, family), b = masked(net, prefix, family);

	return mr_addr_equal(&a, &b);
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

/* The first group of a table, or where it would be. */
static size_t find_table(const struct mr_routes *r, int family, uint32_t table)
{
	const struct group wanted = {.family = family, .table = table, .prefix = UINT8_MAX};
	size_t lo = 0, hi = r->n_groups;

	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (compare_groups(&r->groups[middle], &wanted) < 0)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo;
}

static const struct mr_kernel_route *find_route(
	const struct mr_routes *r, int family, uint32_t table, const struct mr_flow *flow)
{
	for (size_t i = find_table(r, family, table); i < r->n_groups; i++) {
		const struct group *group = &r->groups[i];
		struct mr_kernel_route key = {.family = family, .table = table};
		const struct mr_kernel_route *found;

		if (group->family != family || group->table != table)
			break;
		key.prefix = group->prefix;
		key.dst = masked(&flow->dst, group->prefix, family);
		found = bsearch(&key, &r->routes[group->first], group->count, sizeof(key),
			compare_prefixes);
		if (found)
			return found;
	}
	return NULL;
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
