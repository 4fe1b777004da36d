/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mirror.c - netlink to struct mr_kernel_tables: one function a kind of message.
 */
#include "mirror.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "addr.h"

#define RECEIVE_SIZE 65536

struct mr_mirror {
	struct mnl_socket *events;
	struct mnl_socket *requests;
	uint32_t sequence;
	char buffer[RECEIVE_SIZE];
};

/* One array that grows by doubling; a zeroed new element, or NULL. */
static void *append(void **array, size_t *count, size_t *room, size_t size)
{
	void *element;

	if (*count == *room) {
		size_t more = *room ? *room * 2 : 64;
		void *grown = reallocarray(*array, more, size);

		if (!grown)
			return NULL;
		*array = grown;
		*room = more;
	}
	element = (char *)*array + (*count)++ * size;
	/* padding too: snapshots are compared octet by octet */
	memset(element, 0, size);
	return element;
}

/* Leaves `ret` as it is, if the attribute holds no address of the family. */
static bool read_addr(int family, const struct nlattr *attr, struct mr_addr *ret)
{
	return !mr_addr_from_octets(
		family, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr), ret);
}

static void read_via(const struct nlattr *attr, struct mr_hop *hop)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	size_t length = mnl_attr_get_payload_len(attr);

	hop->has_gateway |= length >= sizeof(*via) &&
		!mr_addr_from_octets(
			via->rtvia_family, via->rtvia_addr, length - sizeof(*via), &hop->gateway);
}

static void read_gateway(int family, const struct nlattr *attr, struct mr_hop *hop)
{
	if (mnl_attr_get_type(attr) == RTA_VIA)
		read_via(attr, hop);
	else
		hop->has_gateway |= read_addr(family, attr, &hop->gateway);
}

static void read_multipath(const struct nlattr *attr, struct mr_kernel_route *route)
{
	const struct rtnexthop *next = mnl_attr_get_payload(attr);
	int left = mnl_attr_get_payload_len(attr);

	while (RTNH_OK(next, left) && route->n_hops < MR_HOPS_MAX) {
		const struct nlattr *inner = (const void *)RTNH_DATA(next);
		int inner_left = next->rtnh_len - (int)RTNH_LENGTH(0);
		struct mr_hop *hop = &route->hops[route->n_hops];

		*hop = (struct mr_hop){.ifindex = (uint32_t)next->rtnh_ifindex,
			.weight = (uint16_t)(next->rtnh_hops + 1)};
		for (; mnl_attr_ok(inner, inner_left);
			inner_left -= MNL_ALIGN(inner->nla_len), inner = mnl_attr_next(inner)) {
			if (mnl_attr_get_type(inner) == RTA_GATEWAY ||
				mnl_attr_get_type(inner) == RTA_VIA)
				read_gateway(route->family, inner, hop);
		}
		if (!(next->rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)))
			route->n_hops++;
		left -= (int)RTNH_ALIGN(next->rtnh_len);
		next = RTNH_NEXT(next);
	}
}

static void read_metrics(const struct nlattr *attr, struct mr_kernel_route *route)
{
	const struct nlattr *metric;

	mnl_attr_for_each_nested (metric, attr) {
		if (mnl_attr_get_type(metric) == RTAX_MTU && mnl_attr_get_payload_len(metric) == 4)
			route->mtu = mnl_attr_get_u32(metric);
	}
}

static void read_route_attr(
	const struct nlattr *attr, struct mr_kernel_route *route, struct mr_hop *single)
{
	switch (mnl_attr_get_type(attr)) {
	case RTA_TABLE:
		route->table = mnl_attr_get_u32(attr);
		break;
	case RTA_DST:
		read_addr(route->family, attr, &route->dst);
		break;
	case RTA_PRIORITY:
		route->metric = mnl_attr_get_u32(attr);
		break;
	case RTA_OIF:
		single->ifindex = mnl_attr_get_u32(attr);
		break;
	case RTA_GATEWAY:
	case RTA_VIA:
		read_gateway(route->family, attr, single);
		break;
	case RTA_MULTIPATH:
		read_multipath(attr, route);
		break;
	case RTA_METRICS:
		read_metrics(attr, route);
		break;
	}
}

static int read_route(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(message);
	struct mr_kernel_tables *k = context;
	struct mr_hop single = {.weight = 1};
	struct mr_kernel_route *route;
	const struct nlattr *attr;

	/* Cached entries aren't routes; the TOS of a relayed datagram isn't routed by. */
	if (message->nlmsg_type != RTM_NEWROUTE || rt->rtm_flags & RTM_F_CLONED || rt->rtm_tos)
		return MNL_CB_OK;
	if (rt->rtm_family != AF_INET && rt->rtm_family != AF_INET6)
		return MNL_CB_OK;
	/* source-specific routes of IPv6 are rare, and not mirrored */
	if (rt->rtm_src_len)
		return MNL_CB_OK;
	route = append((void **)&k->routes, &k->n_routes, &k->routes_room, sizeof(*route));
	if (!route)
		return MNL_CB_ERROR;
	route->family = rt->rtm_family;
	route->table = rt->rtm_table;
	route->prefix = rt->rtm_dst_len;
	route->type = rt->rtm_type;
	if (route->family == AF_INET)
		route->dst = mr_addr_from_v4(0);
	mnl_attr_for_each (attr, message, sizeof(*rt))
		read_route_attr(attr, route, &single);
	if (single.ifindex && !route->n_hops && !(rt->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)))
		route->hops[route->n_hops++] = single;
	/* A route all of whose ways are dead isn't there. */
	if (route->type == RTN_UNICAST && !route->n_hops)
		k->n_routes--;
	return MNL_CB_OK;
}

static void read_port_range(const struct nlattr *attr, uint16_t ret[2])
{
	const struct fib_rule_port_range *range = mnl_attr_get_payload(attr);

	if (mnl_attr_get_payload_len(attr) < sizeof(*range))
		return;
	ret[0] = range->start;
	ret[1] = range->end;
}

static void read_rule_attr(const struct nlattr *attr, struct mr_kernel_rule *rule)
{
	switch (mnl_attr_get_type(attr)) {
	case FRA_PRIORITY:
		rule->priority = mnl_attr_get_u32(attr);
		break;
	case FRA_TABLE:
		rule->table = mnl_attr_get_u32(attr);
		break;
	case FRA_GOTO:
		rule->target = mnl_attr_get_u32(attr);
		break;
	case FRA_SRC:
		read_addr(rule->family, attr, &rule->src);
		break;
	case FRA_DST:
		read_addr(rule->family, attr, &rule->dst);
		break;
	case FRA_SUPPRESS_PREFIXLEN:
		rule->suppress_prefix = (int)mnl_attr_get_u32(attr);
		break;
	case FRA_IIFNAME:
		rule->never |= strcmp(mnl_attr_get_str(attr), "lo") != 0;
		break;
	case FRA_FWMARK:
		rule->never |= mnl_attr_get_u32(attr) != 0;
		break;
	case FRA_OIFNAME:
	case FRA_UID_RANGE:
	case FRA_TUN_ID:
	case FRA_L3MDEV:
		rule->never = true;
		break;
	case FRA_SPORT_RANGE:
		read_port_range(attr, rule->sport);
		break;
	case FRA_DPORT_RANGE:
		read_port_range(attr, rule->dport);
		break;
	case FRA_IP_PROTO:
		rule->protocol = mnl_attr_get_u8(attr);
		break;
	}
}

static int read_rule(const struct nlmsghdr *message, void *context)
{
	const struct fib_rule_hdr *hdr = mnl_nlmsg_get_payload(message);
	struct mr_kernel_tables *k = context;
	struct mr_kernel_rule *rule;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWRULE ||
		(hdr->family != AF_INET && hdr->family != AF_INET6))
		return MNL_CB_OK;
	rule = append((void **)&k->rules, &k->n_rules, &k->rules_room, sizeof(*rule));
	if (!rule)
		return MNL_CB_ERROR;
	rule->family = hdr->family;
	rule->action = hdr->action;
	rule->table = hdr->table;
	rule->src_prefix = hdr->src_len;
	rule->dst_prefix = hdr->dst_len;
	rule->invert = hdr->flags & FIB_RULE_INVERT;
	rule->never = hdr->tos;
	rule->suppress_prefix = -1;
	if (rule->family == AF_INET)
		rule->src = rule->dst = mr_addr_from_v4(0);
	mnl_attr_for_each (attr, message, sizeof(*hdr))
		read_rule_attr(attr, rule);
	return MNL_CB_OK;
}

static int read_link(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct mr_kernel_tables *k = context;
	struct mr_kernel_link *link;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	link = append((void **)&k->links, &k->n_links, &k->links_room, sizeof(*link));
	if (!link)
		return MNL_CB_ERROR;
	link->ifindex = (uint32_t)info->ifi_index;
	link->up = info->ifi_flags & IFF_UP;
	mnl_attr_for_each (attr, message, sizeof(*info)) {
		if (mnl_attr_get_type(attr) == IFLA_MTU)
			link->mtu = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == IFLA_ADDRESS &&
			mnl_attr_get_payload_len(attr) == sizeof(link->mac))
			memcpy(link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
	}
	return MNL_CB_OK;
}

#define NUD_USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

static int read_neighbour(const struct nlmsghdr *message, void *context)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(message);
	struct mr_kernel_neighbour found = {0}, *neighbour;
	const struct nlattr *attr;
	struct mr_kernel_tables *k = context;
	bool has_addr = false, has_mac = false;

	if (message->nlmsg_type != RTM_NEWNEIGH || !(nd->ndm_state & NUD_USABLE) ||
		(nd->ndm_family != AF_INET && nd->ndm_family != AF_INET6))
		return MNL_CB_OK;
	found.ifindex = (uint32_t)nd->ndm_ifindex;
	mnl_attr_for_each (attr, message, sizeof(*nd)) {
		if (mnl_attr_get_type(attr) == NDA_DST) {
			has_addr = read_addr(nd->ndm_family, attr, &found.addr);
		} else if (mnl_attr_get_type(attr) == NDA_LLADDR &&
			mnl_attr_get_payload_len(attr) == sizeof(found.mac)) {
			memcpy(found.mac, mnl_attr_get_payload(attr), sizeof(found.mac));
			has_mac = true;
		}
	}
	if (!has_addr || !has_mac)
		return MNL_CB_OK;
	neighbour = append(
		(void **)&k->neighbours, &k->n_neighbours, &k->neighbours_room, sizeof(*neighbour));
	if (!neighbour)
		return MNL_CB_ERROR;
	memcpy(neighbour, &found, sizeof(found));
	return MNL_CB_OK;
}

static struct mnl_socket *open_socket(unsigned groups)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (socket && mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID)) {
		mnl_socket_close(socket);
		return NULL;
	}
	return socket;
}

static int dump_once(struct mr_mirror *m, uint16_t type, uint8_t family, size_t header, mnl_cb_t fn,
	struct mr_kernel_tables *k)
{
	char request[256] = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(request);
	ssize_t length;
	int rc = MNL_CB_OK;

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = ++m->sequence;
	*(uint8_t *)mnl_nlmsg_put_extra_header(message, header) = family;
	if (mnl_socket_sendto(m->requests, message, message->nlmsg_len) < 0)
		return -errno;
	while (rc > MNL_CB_STOP) {
		length = mnl_socket_recvfrom(m->requests, m->buffer, sizeof(m->buffer));
		if (length < 0)
			return -errno;
		errno = 0;
		rc = mnl_cb_run(m->buffer, (size_t)length, m->sequence,
			mnl_socket_get_portid(m->requests), fn, k);
		if (rc == MNL_CB_ERROR)
			return errno ? -errno : -ENOMEM;
	}
	return 0;
}

/* Asks for all of a kind; what a failed answer leaves behind goes with its socket. */
static int dump(struct mr_mirror *m, uint16_t type, uint8_t family, size_t header, mnl_cb_t fn,
	struct mr_kernel_tables *k)
{
	struct mnl_socket *fresh;
	int rc = dump_once(m, type, family, header, fn, k);

	if (!rc)
		return 0;
	fresh = open_socket(0);
	if (!fresh)
		return rc;
	mnl_socket_close(m->requests);
	m->requests = fresh;
	return rc;
}

int mr_mirror_read_routes(struct mr_mirror *m, struct mr_kernel_tables *ret_tables)
{
	int rc = dump(m, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), read_link, ret_tables);

	if (!rc)
		rc = dump(m, RTM_GETRULE, AF_INET, sizeof(struct fib_rule_hdr), read_rule,
			ret_tables);
	if (!rc)
		rc = dump(m, RTM_GETROUTE, AF_INET, sizeof(struct rtmsg), read_route, ret_tables);
	if (rc)
		return rc;
	/* A kernel without IPv6 has no such rules and routes; that is no failure. */
	rc = dump(m, RTM_GETRULE, AF_INET6, sizeof(struct fib_rule_hdr), read_rule, ret_tables);
	if (rc == -EOPNOTSUPP || rc == -EAFNOSUPPORT)
		return 0;
	return rc ? rc
		  : dump(m, RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg), read_route, ret_tables);
}

int mr_mirror_read_neighbours(struct mr_mirror *m, struct mr_kernel_tables *ret_tables)
{
	return dump(m, RTM_GETNEIGH, AF_UNSPEC, sizeof(struct ndmsg), read_neighbour, ret_tables);
}

int mr_mirror_open(struct mr_mirror **ret_mirror, struct mr_why *ret_why)
{
	static const int size = 4 << 20;
	struct mr_mirror *m = calloc(1, sizeof(*m));

	if (!m)
		return mr_why_set(ret_why, -ENOMEM, "netlink: out of memory");
	m->sequence = (uint32_t)time(NULL);
	m->requests = open_socket(0);
	m->events = open_socket(RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE |
		RTMGRP_IPV6_ROUTE | (1 << (RTNLGRP_IPV6_RULE - 1)));
	if (!m->requests || !m->events) {
		int error = errno;

		mr_mirror_close(m);
		return mr_why_set(ret_why, -error, "netlink: %s", strerror(error));
	}
	setsockopt(mnl_socket_get_fd(m->events), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	*ret_mirror = m;
	return 0;
}

void mr_mirror_close(struct mr_mirror *mirror)
{
	if (!mirror)
		return;
	if (mirror->events)
		mnl_socket_close(mirror->events);
	if (mirror->requests)
		mnl_socket_close(mirror->requests);
	free(mirror);
}

int mr_mirror_fd(const struct mr_mirror *mirror)
{
	return mnl_socket_get_fd(mirror->events);
}

static unsigned changes_of(const struct nlmsghdr *message, ssize_t length)
{
	unsigned changes = 0;
	int left = (int)length;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		bool neighbour =
			message->nlmsg_type == RTM_NEWNEIGH || message->nlmsg_type == RTM_DELNEIGH;

		changes |= neighbour ? MR_MIRROR_NEIGHBOURS : MR_MIRROR_ROUTES;
	}
	return changes;
}

unsigned mr_mirror_drain(struct mr_mirror *m)
{
	unsigned changes = 0;

	for (;;) {
		ssize_t length = recv(
			mr_mirror_fd(m), m->buffer, sizeof(m->buffer), MSG_DONTWAIT | MSG_TRUNC);

		if (length >= 0) {
			changes |= changes_of(
				(const void *)m->buffer, mr_min(length, (ssize_t)RECEIVE_SIZE));
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != ENOBUFS)
			return changes;
		changes = MR_MIRROR_ROUTES | MR_MIRROR_NEIGHBOURS;
	}
}
