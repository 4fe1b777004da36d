/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * next_hop.h - asking the kernel's routing, when a session's cached next hop is stale.
 */
#ifndef MR_BPF_NEXT_HOP_H
#define MR_BPF_NEXT_HOP_H

#include "maps.h"
#include "notify.h"

#define LOOPBACK_IFINDEX 1 /* in every network namespace */
#define FAMILY_INET      2
#define FAMILY_INET6     10
#define MTU_MAX          65535 /* the loopback's is one more */

mr_inline __u32 current_generation(void)
{
	__u32 zero = 0;
	const struct mr_state *st = bpf_map_lookup_elem(&state, &zero);

	return st ? st->generation : 0;
}

/*
 * The lookup is made as if the datagram were sent by this host (input interface lo): routes and
 * rules are those that the relay's own traffic would follow, and the NIC need not forward. The
 * daemon turns forwarding on for lo alone, which the helper asks for. No flags: others than 0
 * depend on the kernel.
 */
mr_inline long fib_lookup(
	struct xdp_md *ctx, const struct mr_route *route, struct bpf_fib_lookup *params)
{
	params->ifindex = LOOPBACK_IFINDEX;
	params->l4_protocol = MR_PROTO_UDP;
	params->sport = route->sport;
	params->dport = route->dport;
	if (mr_addr_is_v4(&route->dst)) {
		params->family = FAMILY_INET;
		params->ipv4_src = route->src.w[3];
		params->ipv4_dst = route->dst.w[3];
	} else {
		params->family = FAMILY_INET6;
		__builtin_memcpy(params->ipv6_src, route->src.w, 16);
		__builtin_memcpy(params->ipv6_dst, route->dst.w, 16);
	}
	return bpf_fib_lookup(ctx, params, sizeof(*params), 0);
}

/*
 * The interface of a link that frames can leave by, 0 if there is none. One that was removed and
 * made anew is in the table of links by its name, but not among the devices: without the program,
 * and a redirect there would be lost without a word.
 */
mr_inline __u32 usable_device(const struct mr_link *link)
{
	__u32 ifindex;

	if (!link || !(link->flags & MR_LINK_USED))
		return 0;
	ifindex = link->ifindex;
	return bpf_map_lookup_elem(&devices, &ifindex) ? ifindex : 0;
}

/*
 * What the interface takes; 0, and with it nothing, should it be gone. Not the lookup's own
 * mtu_result: that knows path MTUs, too, which anybody lowers by an ICMP error about a packet that
 * never was. The kernel doesn't look at those either for what it forwards.
 */
mr_inline __u16 device_mtu(struct xdp_md *ctx, __u32 ifindex)
{
	__u32 mtu = 0;

	bpf_check_mtu(ctx, ifindex, &mtu, 0, 0);
	return mtu < MTU_MAX ? (__u16)mtu : MTU_MAX;
}

/* Before Linux 6.3 the helper finds neighbours that are still being asked for, with all zeros. */
mr_inline bool is_no_mac(const __u8 mac[6])
{
	return !(mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

/*
 * Finds the next hop of a route; to_target if it can be used now. With no_neighbour, interface and
 * VLAN are set and the generation is 0, so that it is looked up again. Tells the daemon of
 * failures.
 */
static __attribute__((noinline)) int find_next_hop(
	struct xdp_md *ctx, struct mr_route *route, __u64 session_id, __u64 now)
{
	struct bpf_fib_lookup params = {};
	struct mr_event event = {.time_ns = now, .session_id = session_id};
	__u32 generation = current_generation();
	const struct mr_link *link;
	__u32 ifindex, device;
	long rc;

	rc = fib_lookup(ctx, route, &params);
	/* The kernel puts the gateway in the destination's place, and maybe one of the other
	 * family. */
	if (params.family == FAMILY_INET)
		event.addr = mr_addr_from_v4(params.ipv4_dst);
	else
		__builtin_memcpy(&event.addr, params.ipv6_dst, 16);
	event.ifindex = params.ifindex;
	if (rc != BPF_FIB_LKUP_RET_SUCCESS && rc != BPF_FIB_LKUP_RET_NO_NEIGH) {
		event.kind = MR_EVENT_NO_ROUTE;
		event.addr = route->dst;
		event.ifindex = 0;
		event.detail = (__u32)rc;
		notify(&event);
		return MR_REASON_no_route;
	}
	ifindex = params.ifindex;
	link = bpf_map_lookup_elem(&links, &ifindex);
	device = usable_device(link);
	if (!device) {
		event.kind = MR_EVENT_NO_ROUTE;
		event.detail = MR_DETAIL_NO_DEVICE;
		notify(&event);
		return MR_REASON_no_device;
	}
	route->nh.ifindex = device;
	route->nh.vlan = link->vlan;
	route->nh.mtu = device_mtu(ctx, params.ifindex);
	__builtin_memcpy(route->nh.dmac, params.dmac, 6);
	__builtin_memcpy(route->nh.smac, params.smac, 6);
	route->nh.generation = generation;
	if (rc == BPF_FIB_LKUP_RET_SUCCESS && !is_no_mac(params.dmac))
		return MR_REASON_to_target;
	route->nh.generation = 0;
	event.kind = MR_EVENT_NO_NEIGHBOUR;
	notify(&event);
	return MR_REASON_no_neighbour;
}

#endif
