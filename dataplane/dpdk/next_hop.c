/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * next_hop.c - see next_hop.h. The counterpart of bpf/next_hop.h.
 */
#include "next_hop.h"

#include <string.h>

#include "events.h"
#include "port.h"
#include "routes.h"
#include "tables.h"

static bool can_send(const struct mr_backend *backend, uint32_t ifindex)
{
	const struct mr_port *port = mr_port_by_ifindex(backend, ifindex);

	return port && !__atomic_load_n(&port->gone, __ATOMIC_ACQUIRE);
}

/*
 * Finds the next hop of a route; to_target if it can be used now. With no_neighbour, interface and
 * VLAN are set and the generation is 0, so that it is looked up again. Tells the daemon of
 * failures.
 */
static int find(struct mr_worker *w, uint64_t now, struct mr_route *route, uint64_t session_id)
{
	const struct mr_backend *backend = w->backend;
	struct mr_flow flow = {
		.src = route->src,
		.dst = route->dst,
		.sport = mr_be16_to_cpu(route->sport),
		.dport = mr_be16_to_cpu(route->dport),
	};
	struct mr_event event = {.time_ns = now, .session_id = session_id};
	/* before the tables: they may change meanwhile */
	uint32_t current = mr_tables_generation(&backend->tables);
	const struct mr_link *link;
	struct mr_hop_found hop;
	int rc;

	rc = mr_routes_lookup(__atomic_load_n(&backend->routes, __ATOMIC_ACQUIRE), &flow, &hop);
	if (rc) {
		event.kind = MR_EVENT_NO_ROUTE;
		event.addr = route->dst;
		event.detail = (uint32_t)rc;
		mr_events_notify(w, &event);
		return MR_REASON_no_route;
	}
	event.addr = hop.addr;
	event.ifindex = hop.ifindex;
	link = mr_tables_link(&backend->tables, hop.ifindex);
	if (!link || !(link->flags & MR_LINK_USED) || !can_send(backend, link->ifindex)) {
		event.kind = MR_EVENT_NO_ROUTE;
		event.detail = MR_DETAIL_NO_DEVICE;
		mr_events_notify(w, &event);
		return MR_REASON_no_device;
	}
	route->nh.ifindex = link->ifindex;
	route->nh.vlan = link->vlan;
	route->nh.mtu = hop.mtu;
	memcpy(route->nh.smac, hop.smac, sizeof(route->nh.smac));
	route->nh.generation = current;
	if (mr_neighbours_lookup(__atomic_load_n(&backend->neighbours, __ATOMIC_ACQUIRE),
		    hop.ifindex, &hop.addr, route->nh.dmac))
		return MR_REASON_to_target;
	route->nh.generation = 0;
	event.kind = MR_EVENT_NO_NEIGHBOUR;
	mr_events_notify(w, &event);
	return MR_REASON_no_neighbour;
}

static void remember(struct mr_session *s, const struct mr_route *route)
{
	mr_session_lock(s);
	mr_remember_next_hop(s, route);
	mr_session_unlock(s);
}

void mr_next_hop_of_target(struct mr_worker *w, uint64_t now, struct mr_session *s)
{
	struct mr_route route = {
		.src = s->upstream,
		.dst = s->target,
		.sport = mr_cpu_to_be16(s->upstream_base),
		.dport = s->target_port,
		.side = MR_SIDE_CLIENT,
	};
	int reason;

	if (s->to_target.generation == mr_tables_generation(&w->backend->tables))
		return;
	reason = find(w, now, &route, s->id);
	if (reason == MR_REASON_to_target || reason == MR_REASON_no_neighbour)
		remember(s, &route);
}

int mr_next_hop_renew(
	struct mr_worker *w, uint64_t now, struct mr_session *s, struct mr_route *route)
{
	int reason;

	if (route->nh.generation == mr_tables_generation(&w->backend->tables))
		return MR_REASON_to_target;
	reason = find(w, now, route, s->id);
	if (reason == MR_REASON_to_target)
		remember(s, route);
	return reason;
}
