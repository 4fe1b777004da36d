// SPDX-License-Identifier: BSD-2-Clause
/*
 * routes.c - RTM_GETROUTE: one destination, or the default routes.
 */
#include "routes.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define REQUEST_SIZE 256

/* Next hop of a route message: RTA_GATEWAY is of the route's family, RTA_VIA names its own. */
static bool gateway_parse(const struct nlattr *attr, int family, struct mr_addr *ret_gateway)
{
	const uint8_t *octets = mnl_attr_get_payload(attr);
	size_t length = mnl_attr_get_payload_len(attr);

	if (mnl_attr_get_type(attr) == RTA_VIA) {
		const struct rtvia *via = (const void *)octets;
		if (length < sizeof(*via))
			return false;
		return mr_addr_from_octets(via->rtvia_family, via->rtvia_addr,
			       length - sizeof(*via), ret_gateway) == 0;
	}
	return mr_addr_from_octets(family, octets, length, ret_gateway) == 0;
}

static uint32_t metrics_mtu(const struct nlattr *metrics)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, metrics) {
		if (mnl_attr_get_type(attr) == RTAX_MTU)
			return mnl_attr_get_u32(attr);
	}
	return 0;
}

static enum mr_route_type route_type(uint8_t rtm_type)
{
	switch (rtm_type) {
	case RTN_UNICAST:
		return MR_ROUTE_UNICAST;
	case RTN_LOCAL:
		return MR_ROUTE_LOCAL;
	case RTN_BROADCAST:
	case RTN_ANYCAST:
		return MR_ROUTE_BROADCAST;
	case RTN_MULTICAST:
		return MR_ROUTE_MULTICAST;
	default:
		return MR_ROUTE_REFUSED;
	}
}

/* The answer to "how would you send to it". */
static int route_take(const struct nlmsghdr *message, void *context)
{
	struct mr_route *route = context;
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWROUTE ||
		mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return 0;
	route->type = route_type(header->rtm_type);
	mnl_attr_for_each (attr, message, sizeof(*header)) {
		switch (mnl_attr_get_type(attr)) {
		case RTA_OIF:
			route->oif = mnl_attr_get_u32(attr);
			break;
		case RTA_GATEWAY:
		case RTA_VIA:
			if (gateway_parse(attr, header->rtm_family, &route->gateway))
				route->on_link = false;
			break;
		case RTA_PREFSRC:
			(void)mr_addr_from_octets(header->rtm_family, mnl_attr_get_payload(attr),
				mnl_attr_get_payload_len(attr), &route->source);
			break;
		}
	}
	return 0;
}

static void path_add(struct mr_route *route, uint32_t ifindex)
{
	if (ifindex != route->oif)
		route->oif_alt = ifindex;
	if (route->n_paths < MR_ROUTE_PATHS_MAX)
		route->paths[route->n_paths++] = ifindex;
}

static void paths_take(const struct nlattr *multipath, struct mr_route *route)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
	int left = mnl_attr_get_payload_len(multipath);

	for (; RTNH_OK(hop, left); left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
		path_add(route, (uint32_t)hop->rtnh_ifindex);
}

/*
 * The answer to "which entry of the table matches": the other ways of a multipath route, and the
 * MTU that it was given. The first answer's could be a path MTU, which whoever forges ICMP errors
 * chooses.
 */
static int entry_take(const struct nlmsghdr *message, void *context)
{
	struct mr_route *route = context;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWROUTE ||
		mnl_nlmsg_get_payload_len(message) < sizeof(struct rtmsg))
		return 0;
	mnl_attr_for_each (attr, message, sizeof(struct rtmsg)) {
		switch (mnl_attr_get_type(attr)) {
		case RTA_MULTIPATH:
			paths_take(attr, route);
			break;
		case RTA_METRICS:
			route->mtu = metrics_mtu(attr);
			break;
		}
	}
	return 0;
}

static int ask(struct mr_netlink *netlink, const struct mr_route_query *query, uint32_t flags,
	mr_netlink_reply_fn *fn, struct mr_route *route)
{
	static const struct mr_addr none;
	char buffer[REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *header;
	const void *octets;
	size_t length = mr_addr_octets(&query->dst, &octets);

	request->nlmsg_type = RTM_GETROUTE;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->rtm_family = length == sizeof(__be32) ? AF_INET : AF_INET6;
	header->rtm_dst_len = (uint8_t)(length * 8);
	header->rtm_flags = flags;
	mnl_attr_put(request, RTA_DST, length, octets);
	if (!mr_addr_equal(&query->src, &none) &&
		mr_addr_is_v4(&query->src) == mr_addr_is_v4(&query->dst)) {
		length = mr_addr_octets(&query->src, &octets);
		header->rtm_src_len = (uint8_t)(length * 8);
		mnl_attr_put(request, RTA_SRC, length, octets);
	}
	if (query->oif)
		mnl_attr_put_u32(request, RTA_OIF, query->oif);
	if (query->mark)
		mnl_attr_put_u32(request, RTA_MARK, query->mark);
	return mr_netlink_request(netlink, request, fn, route);
}

int mr_route_get(
	struct mr_netlink *netlink, const struct mr_route_query *query, struct mr_route *ret_route)
{
	struct mr_route route = {.type = MR_ROUTE_REFUSED, .on_link = true, .gateway = query->dst};
	int error = ask(netlink, query, 0, route_take, &route);

	/* Routes that refuse are answered by the error that a sender would get. */
	if (error == -EACCES || error == -EINVAL || error == -EHOSTUNREACH) {
		route = (struct mr_route){.type = MR_ROUTE_REFUSED, .gateway = query->dst};
		*ret_route = route;
		return 0;
	}
	if (error)
		return error;
	/* A refusal of this second question costs no more than what it would have told. */
	if (route.type == MR_ROUTE_UNICAST && !query->one_path)
		(void)ask(netlink, query, RTM_F_FIB_MATCH, entry_take, &route);
	if (!route.mtu) {
		const struct mr_iface *iface = mr_netlink_iface(netlink, route.oif);
		route.mtu = iface ? iface->mtu : 0;
	}
	*ret_route = route;
	return 0;
}

int mr_route_to_target(
	struct mr_netlink *netlink, const struct mr_addr *target, struct mr_route *ret_route)
{
	struct mr_route_query query = {.dst = *target, .one_path = true};
	struct mr_route route;
	int error = mr_route_get(netlink, &query, &route);

	if (error)
		return error;
	if (route.type == MR_ROUTE_UNICAST) {
		query.src = route.source;
		query.one_path = false;
		error = mr_route_get(netlink, &query, &route);
		if (error)
			return error;
		route.source = query.src;
	}
	*ret_route = route;
	return route.type == MR_ROUTE_UNICAST ? 0 : -ENETUNREACH;
}

/* Default routes */

struct defaults {
	struct mr_route_gateway *gateways; /* NULL: only the best interface is wanted */
	size_t max, count;
	uint32_t oif;
	uint32_t metric;
};

static void gateway_add(
	struct defaults *defaults, uint32_t ifindex, const struct nlattr *attr, int family)
{
	struct mr_route_gateway gateway = {.ifindex = ifindex};

	if (!gateway_parse(attr, family, &gateway.addr))
		return;
	for (size_t i = 0; i < defaults->count; i++)
		if (defaults->gateways[i].ifindex == ifindex &&
			mr_addr_equal(&defaults->gateways[i].addr, &gateway.addr))
			return;
	if (defaults->count < defaults->max)
		defaults->gateways[defaults->count++] = gateway;
}

static void default_offer(struct defaults *defaults, uint32_t oif, uint32_t metric)
{
	if (!defaults->oif || metric < defaults->metric) {
		defaults->oif = oif;
		defaults->metric = metric;
	}
}

static void multipath_take(
	struct defaults *defaults, const struct nlattr *paths, int family, uint32_t metric)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(paths);
	int left = mnl_attr_get_payload_len(paths);

	for (; RTNH_OK(hop, left); left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop)) {
		const struct nlattr *attr = (const void *)RTNH_DATA(hop);
		int attrs = hop->rtnh_len - (int)sizeof(*hop);

		default_offer(defaults, (uint32_t)hop->rtnh_ifindex, metric);
		for (; mnl_attr_ok(attr, attrs);
			attrs -= MNL_ALIGN(attr->nla_len), attr = mnl_attr_next(attr))
			if (mnl_attr_get_type(attr) == RTA_GATEWAY ||
				mnl_attr_get_type(attr) == RTA_VIA)
				gateway_add(defaults, (uint32_t)hop->rtnh_ifindex, attr, family);
	}
}

static int default_take(const struct nlmsghdr *message, void *context)
{
	struct defaults *defaults = context;
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr, *gateway = NULL, *paths = NULL;
	uint32_t oif = 0, metric = 0;

	if (message->nlmsg_type != RTM_NEWROUTE ||
		mnl_nlmsg_get_payload_len(message) < sizeof(*header) || header->rtm_dst_len ||
		header->rtm_table != RT_TABLE_MAIN || header->rtm_type != RTN_UNICAST)
		return 0;
	mnl_attr_for_each (attr, message, sizeof(*header)) {
		switch (mnl_attr_get_type(attr)) {
		case RTA_OIF:
			oif = mnl_attr_get_u32(attr);
			break;
		case RTA_PRIORITY:
			metric = mnl_attr_get_u32(attr);
			break;
		case RTA_GATEWAY:
		case RTA_VIA:
			gateway = attr;
			break;
		case RTA_MULTIPATH:
			paths = attr;
			break;
		}
	}
	if (oif)
		default_offer(defaults, oif, metric);
	if (oif && gateway)
		gateway_add(defaults, oif, gateway, header->rtm_family);
	if (paths)
		multipath_take(defaults, paths, header->rtm_family, metric);
	return 0;
}

static int defaults_dump(struct mr_netlink *netlink, int family, struct defaults *defaults)
{
	char buffer[REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	int error = -EINTR;

	/* -EINTR: the table changed under the dump. After a few of those take what there is. */
	for (int try = 0; try < 4 && error == -EINTR; try++) {
		struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
		struct rtmsg *header;

		request->nlmsg_type = RTM_GETROUTE;
		request->nlmsg_flags = NLM_F_DUMP;
		header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
		header->rtm_family = (unsigned char)family;
		header->rtm_table = RT_TABLE_MAIN;
		error = mr_netlink_request(netlink, request, default_take, defaults);
	}
	return error == -EINTR ? 0 : error;
}

int mr_route_default_iface(struct mr_netlink *netlink, uint32_t *ret_ifindex)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < 2; i++) {
		struct defaults defaults = {0};
		int error = defaults_dump(netlink, families[i], &defaults);
		if (error)
			return error;
		if (defaults.oif) {
			*ret_ifindex = defaults.oif;
			return 0;
		}
	}
	return -ENETUNREACH;
}

int mr_route_default_gateways(struct mr_netlink *netlink, struct mr_route_gateway *ret_gateways,
	size_t max, size_t *ret_count)
{
	struct defaults defaults = {.gateways = ret_gateways, .max = max};
	int error = defaults_dump(netlink, AF_INET, &defaults);

	if (!error)
		error = defaults_dump(netlink, AF_INET6, &defaults);
	if (error)
		return error;
	*ret_count = defaults.count;
	return 0;
}

const char *mr_route_type_name(enum mr_route_type type)
{
	switch (type) {
	case MR_ROUTE_UNICAST:
		return "unicast";
	case MR_ROUTE_LOCAL:
		return "local";
	case MR_ROUTE_BROADCAST:
		return "broadcast";
	case MR_ROUTE_MULTICAST:
		return "multicast";
	case MR_ROUTE_REFUSED:
		return "refused";
	}
	return "?";
}
