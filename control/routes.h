/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * routes.h - asks the kernel's routing, rules included, how a destination is reached.
 *
 * Nothing is kept here: each question is one or two netlink requests, some tens of microseconds.
 * The packet path asks for itself (bpf_fib_lookup); this is for opening sessions, for neighbours
 * and for diagnosis.
 */
#ifndef MR_CONTROL_ROUTES_H
#define MR_CONTROL_ROUTES_H

#include "netlink.h"

/** What is asked. Zero means "not given", but for `dst`. */
struct mr_route_query {
	struct mr_addr dst;
	struct mr_addr src; /* source address, for rules that look at it */
	uint32_t oif;
	uint32_t mark;
	bool one_path; /* don't look for the other paths of a multipath route: half the work */
};

enum mr_route_type {
	MR_ROUTE_UNICAST,
	MR_ROUTE_LOCAL,     /* this host itself */
	MR_ROUTE_BROADCAST, /* broadcast or anycast */
	MR_ROUTE_MULTICAST,
	MR_ROUTE_REFUSED, /* blackhole, unreachable or prohibit */
};

/** Paths of a multipath route that are looked at. */
#define MR_ROUTE_PATHS_MAX MR_WAYS_MAX

/** What the kernel would do with a packet of this host. */
struct mr_route {
	enum mr_route_type type;
	bool on_link;     /* the destination is its own next hop */
	uint32_t oif;     /* may be a VLAN device; 0 for MR_ROUTE_REFUSED */
	uint32_t oif_alt; /* another interface of a multipath route, 0: none */
	/* all of them, `oif` too; one for each path: an interface may stand there twice */
	uint32_t paths[MR_ROUTE_PATHS_MAX];
	size_t n_paths;         /* 0: it is not a multipath route, or was asked for one path */
	uint32_t mtu;           /* as configured: the route's, else the interface's */
	struct mr_addr gateway; /* next hop; equals the destination if on_link. May be of the
				   other family (RFC 5549) */
	struct mr_addr source;  /* what the kernel would send from: U of a session */
};

/**
 * \return 0, also for types that no packet can be sent by; -ENETUNREACH: no route at all;
 * another -errno: the kernel could not be asked.
 */
int mr_route_get(
	struct mr_netlink *netlink, const struct mr_route_query *query, struct mr_route *ret_route);

/**
 * A session's way to its target: asks for the source address first, then again with it, so that
 * rules by source address take part as they will for each packet.
 * -ENETUNREACH: no route, or a type other than MR_ROUTE_UNICAST (then `ret_route` is filled in all
 * the same, so that the caller can say why).
 */
int mr_route_to_target(
	struct mr_netlink *netlink, const struct mr_addr *target, struct mr_route *ret_route);

/**
 * The interface of the default route, IPv4's else IPv6's, the lowest metric; below a VLAN device:
 * the device itself, not its carrier. -ENETUNREACH: no default route.
 */
int mr_route_default_iface(struct mr_netlink *netlink, uint32_t *ret_ifindex);

/** A gateway of a default route in the main table. */
struct mr_route_gateway {
	uint32_t ifindex;
	struct mr_addr addr;
};

/** Gateways of all default routes. `*ret_count` is at most `max`. */
int mr_route_default_gateways(struct mr_netlink *netlink, struct mr_route_gateway *ret_gateways,
	size_t max, size_t *ret_count);

/** "unicast", "local", ... */
const char *mr_route_type_name(enum mr_route_type type);

#endif
