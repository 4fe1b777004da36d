/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * relay.bpf.c - the XDP program: finds the session, lets the core decide, sends.
 *
 * What a packet may do is decided in dataplane/core; here are the lookups, the clock, the lock, the
 * counters and the two ways out. Inner functions return a reason; the entry alone makes it an
 * action.
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "next_hop.h"
#include "notify.h"
#include "quick.h"
#include "rewrite.h"

/* Longest payload that a missing UDP checksum is computed for; mosh's datagrams end near 1,300. */
#define SUM_MAX 2048

/*
 * Functions marked so are global: the verifier looks at each once, for any arguments, instead of on
 * every path that leads to it. Pointers may be null in its eyes, sessions travel as indices. A call
 * and what it forgets cost a datagram some nanoseconds: what nearly every one needs is inlined.
 */
#define verified_alone __attribute__((noinline))

/*
 * Whether sessions' current legs are served without the lock (quick.h). Set by the loader, where
 * other CPUs see loads and stores in the order of the program.
 */
const volatile bool quick = false;

struct found {
	__u32 index;
	__u32 public_slot; /* MR_SIDE_CLIENT */
	__u32 side;        /* enum mr_side */
};

mr_inline void *packet_data(const struct xdp_md *ctx)
{
	return (void *)(long)ctx->data;
}

mr_inline void *packet_end(const struct xdp_md *ctx)
{
	return (void *)(long)ctx->data_end;
}

/* Octets of the whole frame. Kernels before 5.18 have no multi-buffer frames and no such helper. */
mr_inline __u32 packet_len(struct xdp_md *ctx)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_xdp_get_buff_len))
		return (__u32)bpf_xdp_get_buff_len(ctx);
	return ctx->data_end - ctx->data;
}

mr_inline const struct mr_state *get_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&state, &zero);
}

/* Number of a public address, or -1 if this is none. */
mr_inline int find_address(const struct mr_state *st, const struct mr_addr *addr)
{
	__u32 home = mr_address_home(addr);

	for (__u32 i = 0; i < MR_ADDRESS_PROBES; i++) {
		__u32 slot = st->address_slots[(home & (MR_ADDRESS_BUCKETS - 1)) + i];
		const struct mr_addr *public;

		if (!slot)
			break;
		slot--;
		public = bpf_map_lookup_elem(&addresses, &slot);
		if (public && mr_addr_equal(public, addr))
			return (int)slot;
	}
	return -1;
}

/* A client's datagram: its session is in the array of ports. */
mr_inline bool find_client(const struct mr_packet *p, struct found *ret)
{
	const struct mr_state *st = get_state();
	const struct mr_port_line *line;
	__u32 index, entry;
	__u16 port;
	int slot;

	if (!st)
		return false;
	slot = find_address(st, &p->dst);
	if (slot < 0)
		return false;
	port = mr_be16_to_cpu(p->dport);
	index = mr_port_line((__u32)slot, port);
	line = bpf_map_lookup_elem(&ports, &index);
	if (!line)
		return false;
	entry = line->entry[port & (MR_PORTS_PER_LINE - 1)];
	if (!entry)
		return false;
	ret->index = entry - 1;
	ret->public_slot = (__u32)slot;
	ret->side = MR_SIDE_CLIENT;
	return true;
}

/* A target's datagram: bucket, and the record that the entry leads to. */
verified_alone int find_target(const struct mr_packet *p, struct found *ret)
{
	const struct mr_state *st = get_state();
	struct mr_key key;
	__u32 hash;

	if (!st || !p || !ret)
		return 0;
	key = mr_key_target(&p->src, p->sport, mr_be16_to_cpu(p->dport));
	hash = mr_key_hash(st->hash_seed, &key);
	for (__u32 probe = 0; probe < MR_BUCKET_PROBES; probe++) {
		__u32 number = (hash + probe) & st->bucket_mask;
		const struct mr_bucket *bucket = bpf_map_lookup_elem(&buckets, &number);

		if (!bucket)
			return 0;
		for (__u32 i = 0; i < MR_BUCKET_ENTRIES; i++) {
			__u32 index = bucket->entry[i] - 1;
			const struct mr_session *s;

			if (bucket->hash[i] != hash || !bucket->entry[i])
				continue;
			s = bpf_map_lookup_elem(&sessions, &index);
			if (!s || !mr_session_has_key(s, &key))
				continue;
			ret->index = index;
			ret->side = MR_SIDE_TARGET;
			return 1;
		}
		if (mr_likely(!bucket->passed))
			break;
	}
	return 0;
}

/* The two key spaces may overlap in ports (on different addresses), so the order is only a guess.
 */
mr_inline bool find_session(const struct mr_packet *p, struct found *ret)
{
	const struct mr_state *st = get_state();

	if (!st)
		return false;
	if (mr_be16_to_cpu(p->dport) >= st->upstream_lo)
		return find_target(p, ret) || find_client(p, ret);
	return find_client(p, ret) || find_target(p, ret);
}

/* Makes sure that the record knows by which interface the target is reached now. */
verified_alone int refresh_target(
	struct xdp_md *ctx, struct mr_route *scratch, __u32 index, __u64 now)
{
	struct mr_session *s = bpf_map_lookup_elem(&sessions, &index);
	int reason;

	if (!s || !scratch)
		return MR_REASON_internal;
	if (mr_likely(s->to_target.generation == current_generation()))
		return MR_REASON_to_target;
	scratch->src = s->upstream;
	scratch->dst = s->target;
	scratch->sport = mr_cpu_to_be16(s->upstream_base);
	scratch->dport = s->target_port;
	scratch->side = MR_SIDE_CLIENT;
	reason = find_next_hop(ctx, scratch, s->id, now);
	if (reason != MR_REASON_to_target && reason != MR_REASON_no_neighbour)
		return reason;
	bpf_spin_lock(&s->lock);
	mr_remember_next_hop(s, scratch);
	bpf_spin_unlock(&s->lock);
	return reason;
}

/* Is there more than one way to the target, and is this one of them? */
mr_inline bool is_other_way(
	const struct mr_session *s, const struct mr_packet *p, const struct mr_ingress *in)
{
	struct mr_ways_key key = {s->target, s->upstream};
	const struct mr_ways *all = bpf_map_lookup_elem(&ways, &key);

	return all && mr_ways_have(all, p, in);
}

/* What `ret->ifindex` is, where it isn't simply the interface of the cached next hop. */
verified_alone int look_at_ingress(const struct mr_packet *p, __u32 index, struct mr_ingress *ret)
{
	const struct mr_session *s = bpf_map_lookup_elem(&sessions, &index);
	const struct mr_link *link;
	__u32 ifindex;

	if (!s || !p || !ret)
		return 0;
	ifindex = ret->ifindex;
	link = bpf_map_lookup_elem(&links, &ifindex);
	if (!link)
		return 0;
	ret->ifindex = link->ifindex;
	ret->vlan_stripped = link->flags & MR_LINK_VLAN_STRIPPED;
	ret->other_way = is_other_way(s, p, ret);
	return 1;
}

/* A bond's member stands for the bond; the interface may take tags off. Asked only when it matters.
 */
mr_inline struct mr_ingress learn_ingress(
	struct xdp_md *ctx, const struct mr_session *s, const struct mr_packet *p, __u32 index)
{
	struct mr_ingress in = {.ifindex = ctx->ingress_ifindex};

	if (mr_unlikely(in.ifindex != s->to_target.ifindex ||
		    (p->vlan_tci & MR_VLAN_VID_MASK) != s->to_target.vlan))
		look_at_ingress(p, index, &in);
	return in;
}

verified_alone int decide_client(
	const struct mr_packet *p, __u32 index, __u32 public_slot, __u64 now, struct mr_route *ret)
{
	struct mr_session *s = bpf_map_lookup_elem(&sessions, &index);
	int reason;

	if (!s || !p || !ret)
		return MR_REASON_internal;
	bpf_spin_lock(&s->lock);
	reason = mr_decide_client(s, p, public_slot, now, ret);
	bpf_spin_unlock(&s->lock);
	return reason;
}

verified_alone int decide_target(
	struct xdp_md *ctx, const struct mr_packet *p, __u32 index, __u64 now, struct mr_route *ret)
{
	struct mr_session *s = bpf_map_lookup_elem(&sessions, &index);
	struct mr_ingress ingress;
	const struct mr_addr *public;
	__u32 slot;
	int reason;

	if (!s || !p || !ret)
		return MR_REASON_internal;
	ingress = learn_ingress(ctx, s, p, index);
	bpf_spin_lock(&s->lock);
	reason = mr_decide_target(s, p, &ingress, now, ret);
	bpf_spin_unlock(&s->lock);
	if (reason != MR_REASON_to_client)
		return reason;
	slot = ret->public_slot;
	public = bpf_map_lookup_elem(&addresses, &slot);
	if (!public)
		return MR_REASON_internal;
	ret->src = *public;
	return reason;
}

/* Asks for a next hop whose cached copy is stale, and remembers it. */
verified_alone int renew_next_hop(
	struct xdp_md *ctx, struct mr_route *route, __u32 index, __u64 now)
{
	struct mr_session *s = bpf_map_lookup_elem(&sessions, &index);
	int reason;

	if (!s || !route)
		return MR_REASON_internal;
	reason = find_next_hop(ctx, route, s->id, now);
	if (reason != MR_REASON_to_target)
		return reason;
	bpf_spin_lock(&s->lock);
	mr_remember_next_hop(s, route);
	bpf_spin_unlock(&s->lock);
	return reason;
}

/* Sum over the payload, or -1 if it can't be read. */
verified_alone int payload_sum(struct xdp_md *ctx, __u32 offset, __u32 len)
{
	const void *end = (const void *)(long)ctx->data_end;
	const void *at = (const void *)(long)ctx->data;
	__u32 sum = 0;

	if (offset > MR_ETH_LEN + MR_VLAN_LEN + MR_IPV6_LEN + MR_UDP_LEN || len > SUM_MAX)
		return -1;
	at += offset;
	for (__u32 i = 0; i < SUM_MAX / 2; i++, at += 2) {
		if (2 * i + 1 >= len)
			break;
		if (at + 2 > end)
			return -1;
		sum += ((const struct mr_word *)at)->w;
	}
	if (len & 1) {
		if (at + 1 > end)
			return -1;
		sum += mr_cpu_to_be16((__u16)(*(const __u8 *)at << 8));
	}
	return mr_csum_fold(sum);
}

/*
 * From here on the packet changes: what fails drops it. `data` moves first, so that the new headers
 * end where the old ones did.
 */
mr_inline int rewrite(
	struct xdp_md *ctx, const struct mr_packet *p, const struct mr_route *r, __u32 len)
{
	int grow, sum = 0;

	if (mr_likely(mr_rewrite_is_plain(p, r, len)))
		return mr_rewrite_plain(packet_data(ctx), packet_end(ctx), p, r)
			? MR_REASON_to_target
			: MR_REASON_internal;
	grow = (int)mr_rewrite_len(r) - p->header_len;
	if (mr_unlikely(mr_rewrite_needs_sum(p, r))) {
		sum = payload_sum(ctx, p->header_len, p->payload_len);
		if (sum < 0)
			return MR_REASON_no_checksum;
	}
	if (mr_unlikely(len > p->frame_len) &&
		bpf_xdp_adjust_tail(ctx, (int)p->frame_len - (int)len))
		return MR_REASON_internal;
	if (grow && bpf_xdp_adjust_head(ctx, -grow))
		return MR_REASON_no_headroom;
	if (!mr_rewrite(packet_data(ctx), packet_end(ctx), p, r, (__u64)sum))
		return MR_REASON_internal;
	return MR_REASON_to_target;
}

verified_alone int report_icmp(
	struct xdp_md *ctx, const struct mr_packet *p, __u32 index, __u64 now)
{
	struct mr_session *s = bpf_map_lookup_elem(&sessions, &index);
	struct mr_event event = {.time_ns = now, .index = index, .kind = MR_EVENT_ICMP};
	__be64 payload;
	int reason;

	if (!s || !p)
		return MR_REASON_internal;
	bpf_spin_lock(&s->lock);
	reason = mr_decide_icmp(s, p);
	bpf_spin_unlock(&s->lock);
	if (reason != MR_REASON_icmp_hint)
		return reason;
	payload = mr_cpu_to_be64(p->nonce);
	__builtin_memcpy(event.payload, &payload, sizeof(event.payload));
	event.session_id = s->id;
	event.slot = (__u8)(mr_be16_to_cpu(p->dport) & (MR_LEGS - 1));
	event.addr = p->icmp_from;
	event.icmp_type = p->icmp_type;
	event.icmp_code = p->icmp_code;
	event.ifindex = ctx->ingress_ifindex;
	event.detail = p->icmp_mtu;
	notify(&event);
	return reason;
}

verified_alone int report_too_big(
	const struct mr_packet *p, const struct mr_route *r, __u32 index, __u64 now)
{
	const struct mr_session *s = bpf_map_lookup_elem(&sessions, &index);
	struct mr_event event = {.time_ns = now, .index = index, .kind = MR_EVENT_TOO_BIG};

	if (!s || !p || !r)
		return MR_REASON_internal;
	event.session_id = s->id;
	event.slot = r->slot;
	event.addr = r->dst;
	event.port = r->dport;
	event.ifindex = r->nh.ifindex;
	event.detail = mr_rewrite_ip_len(p, r);
	notify(&event);
	return MR_REASON_too_big;
}

/* Decides under the lock, sees to events and next hops. */
verified_alone int decide_slowly(struct xdp_md *ctx, const struct mr_packet *p,
	const struct found *f, __u64 now, struct mr_route *route)
{
	int forward, reason;

	if (!p || !f || !route)
		return MR_REASON_internal;
	if (p->kind == MR_PACKET_ICMP)
		return f->side == MR_SIDE_TARGET ? report_icmp(ctx, p, f->index, now)
						 : MR_REASON_not_for_us;
	if (f->side == MR_SIDE_CLIENT) {
		forward = decide_client(p, f->index, f->public_slot, now, route);
	} else {
		refresh_target(ctx, route, f->index, now);
		forward = decide_target(ctx, p, f->index, now, route);
	}
	if (mr_reason_verdict(forward) != MR_VERDICT_SEND)
		return forward;
	if (mr_unlikely(route->events))
		notify_leg(route, f->index, now);
	if (mr_unlikely(route->nh.generation != current_generation())) {
		reason = renew_next_hop(ctx, route, f->index, now);
		if (reason != MR_REASON_to_target)
			return reason;
	}
	return forward;
}

/* Without the lock; false: it takes the lock. */
mr_inline bool decide_quickly(struct xdp_md *ctx, const struct mr_packet *p, const struct found *f,
	__u64 now, struct mr_route *route)
{
	struct mr_session *s = bpf_map_lookup_elem(&sessions, &f->index);
	__u32 generation = current_generation();
	const struct mr_addr *public;
	struct mr_ingress ingress;
	__u32 slot;

	if (!quick || !s || p->kind != MR_PACKET_UDP)
		return false;
	if (f->side == MR_SIDE_CLIENT)
		return mr_quick_client(s, p, f->public_slot, generation, now, route);
	ingress = learn_ingress(ctx, s, p, f->index);
	if (!mr_quick_target(s, p, &ingress, generation, now, route))
		return false;
	slot = route->public_slot;
	public = bpf_map_lookup_elem(&addresses, &slot);
	if (public)
		route->src = *public;
	return public;
}

/* A packet that leads to a session. */
mr_inline int relay(struct xdp_md *ctx, const struct mr_packet *p, const struct found *f, __u32 len,
	struct mr_route *route)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	int forward, reason;

	if (mr_likely(decide_quickly(ctx, p, f, now, route)))
		forward = f->side == MR_SIDE_CLIENT ? MR_REASON_to_target : MR_REASON_to_client;
	else
		forward = decide_slowly(ctx, p, f, now, route);
	if (mr_reason_verdict(forward) != MR_VERDICT_SEND)
		return forward;
	if (mr_unlikely(mr_rewrite_check(p, route) != MR_REASON_to_target))
		return report_too_big(p, route, f->index, now);
	reason = rewrite(ctx, p, route, len);
	return reason == MR_REASON_to_target ? forward : reason;
}

mr_inline void count(__u32 reason, __u32 len)
{
	struct mr_reason_count *c = bpf_map_lookup_elem(&counts, &reason);

	if (!c)
		return;
	c->packets++;
	c->bytes += len;
}

mr_inline int handle(struct xdp_md *ctx, __u32 len, struct mr_route *route)
{
	struct mr_packet p;
	struct found f = {};
	int reason;

	reason = mr_parse(packet_data(ctx), packet_end(ctx), len, &p);
	if (reason != MR_PARSED)
		return reason;
	if (!find_session(&p, &f))
		return p.kind == MR_PACKET_ICMP ? MR_REASON_not_for_us : MR_REASON_no_session;
	return relay(ctx, &p, &f, len, route);
}

SEC("xdp.frags")
int moshrelay(struct xdp_md *ctx)
{
	struct mr_route route = {};
	__u32 len = packet_len(ctx);
	int reason = handle(ctx, len, &route);

	count((__u32)reason, len);
	switch (mr_reason_verdict(reason)) {
	case MR_VERDICT_PASS:
		return XDP_PASS;
	case MR_VERDICT_SEND:
		if (route.nh.ifindex == ctx->ingress_ifindex)
			return XDP_TX;
		return (int)bpf_redirect_map(&devices, route.nh.ifindex, XDP_DROP);
	case MR_VERDICT_DROP:
		break;
	}
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
