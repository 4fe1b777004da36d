/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * decide.h - what happens to a parsed packet of a session, and what it teaches the session.
 *
 * The caller has found the session, holds its lock, has read the clock before taking it
 * (CLOCK_MONOTONIC, ns) and turns the result into a next hop and a rewrite. Nothing here reads or
 * writes the packet.
 */
#ifndef MR_CORE_DECIDE_H
#define MR_CORE_DECIDE_H

#include "event.h"
#include "leg.h"

enum mr_side {
	MR_SIDE_CLIENT, /* from a client, on to the target */
	MR_SIDE_TARGET,
};

/** Where a packet goes on: the endpoints it is rewritten to, and the session's cached next hop. */
struct mr_route {
	struct mr_addr src; /* MR_SIDE_TARGET: filled in by the caller from `public_slot` */
	struct mr_addr dst;
	__be16 sport;
	__be16 dport;
	__u8 slot;
	__u8 public_slot;
	__u8 events; /* 1 << enum mr_event_kind, of LEG, PROVEN, ROAMED */
	__u8 side;   /* enum mr_side */
	struct mr_next_hop nh;
};

/** Where a packet came in, as far as rules ask. */
struct mr_ingress {
	__u32 ifindex;
	bool vlan_stripped; /* the interface may have taken a tag off */
	bool other_way;     /* one of the ways to the target, if not the one that is cached */
};

/** Did a packet from the target come in by one of the ways to it? */
mr_inline bool mr_ways_have(
	const struct mr_ways *all, const struct mr_packet *p, const struct mr_ingress *in)
{
	__u16 vid = p->vlan_tci & MR_VLAN_VID_MASK;
	bool found = false;

	for (__u32 i = 0; i < MR_WAYS_MAX; i++) {
		const struct mr_way *way = &all->way[i];

		found |= way->ifindex && way->ifindex == in->ifindex &&
			(vid == way->vlan || (!vid && in->vlan_stripped));
	}
	return found;
}

/** What is wrong with a session's datagram, whoever sent it; to_target if nothing is. */
mr_inline enum mr_reason mr_check_datagram(
	const struct mr_session *s, const struct mr_packet *p, __u64 direction)
{
	if (!(s->flags & MR_SESSION_OPEN))
		return MR_REASON_session_closed;
	if (p->payload_len < MR_MOSH_MIN_LEN)
		return MR_REASON_runt;
	if ((p->nonce & MR_MOSH_TO_CLIENT) != direction)
		return MR_REASON_direction;
	if (p->ttl <= 1)
		return MR_REASON_ttl_expired;
	return MR_REASON_to_target;
}

/** Counts a datagram on a stream of sequence numbers; `next` is the newest + 1, 0 if none is known.
 */
mr_inline void mr_count_seq(struct mr_flow_stats *stats, __u64 *next, __u64 seq)
{
	if (seq >= *next) {
		if (*next)
			stats->lost += seq - *next;
		*next = seq + 1;
		return;
	}
	stats->reordered++;
	if (stats->lost)
		stats->lost--; /* it was late, not lost */
}

/** A client's datagram on the current leg. */
mr_inline void mr_account_current(struct mr_session *s, const struct mr_packet *p, __u64 now)
{
	__u64 seq = p->nonce & MR_MOSH_SEQ_MASK;

	s->from_client.datagrams++;
	s->from_client.bytes += p->payload_len;
	s->client_ns = now;
	/* A forged number from far ahead must not count as so many losses. */
	if (seq < s->client_seq || mr_seq_plausible(s, seq, now)) {
		mr_count_seq(&s->from_client, &s->client_seq, seq);
		s->client_last = seq + 1;
	}
}

/** A client's datagram on another leg that it has. */
mr_inline void mr_account_other(
	struct mr_session *s, __u32 slot, const struct mr_packet *p, __u64 now)
{
	struct mr_leg *leg = &s->legs[slot & (MR_LEGS - 1)];
	__u64 seq = p->nonce & MR_MOSH_SEQ_MASK;

	s->from_client.datagrams++;
	s->from_client.bytes += p->payload_len;
	leg->client_ns = now;
	leg->datagrams++;
	if (seq >= leg->next_seq && mr_seq_plausible(s, seq, now))
		leg->next_seq = seq + 1;
}

/** The way from a leg to the target. */
mr_inline void mr_route_client(
	const struct mr_session *s, __u32 slot, __u32 public_slot, struct mr_route *ret)
{
	ret->src = s->upstream;
	ret->dst = s->target;
	ret->sport = mr_cpu_to_be16((__u16)(s->upstream_base + slot));
	ret->dport = s->target_port;
	ret->slot = (__u8)slot;
	ret->public_slot = (__u8)public_slot;
	ret->side = MR_SIDE_CLIENT;
	ret->nh = s->to_target;
}

/**
 * A datagram from a client at a session's public endpoint.
 *
 * @param public_slot  which public address it came to
 * @param ret          set if the result's verdict is SEND
 */
mr_inline enum mr_reason mr_decide_client(struct mr_session *s, const struct mr_packet *p,
	__u32 public_slot, __u64 now, struct mr_route *ret)
{
	enum mr_reason reason = mr_check_datagram(s, p, 0);
	__u64 seq = p->nonce & MR_MOSH_SEQ_MASK;
	__u32 slot;

	if (reason != MR_REASON_to_target)
		return reason;
	ret->events = 0;
	slot = mr_leg_find(s, p, public_slot);
	if (slot >= MR_LEGS) {
		slot = mr_leg_choose(s, p, seq, now);
		if (slot >= MR_LEGS)
			return MR_REASON_no_slot;
		mr_leg_claim(s, slot, p, public_slot, now);
		ret->events = 1 << MR_EVENT_LEG;
	}
	if (slot == s->current)
		mr_account_current(s, p, now);
	else
		mr_account_other(s, slot, p, now);
	mr_route_client(s, slot, public_slot, ret);
	return MR_REASON_to_target;
}

/** True if a packet from the target may come in here. `to_target` has been looked up before. */
mr_inline bool mr_ingress_ok(
	const struct mr_session *s, const struct mr_packet *p, const struct mr_ingress *in)
{
	__u16 vid = p->vlan_tci & MR_VLAN_VID_MASK;

	if (in->other_way)
		return true;
	return in->ifindex == s->to_target.ifindex &&
		(vid == s->to_target.vlan || (!vid && in->vlan_stripped));
}

/** A target's datagram. */
mr_inline void mr_account_target(struct mr_session *s, const struct mr_packet *p)
{
	s->from_target.datagrams++;
	s->from_target.bytes += p->payload_len;
	mr_count_seq(&s->from_target, &s->target_seq, p->nonce & MR_MOSH_SEQ_MASK);
}

/** The target has answered on the current leg. */
mr_inline void mr_prove_current(struct mr_session *s, __u64 now)
{
	s->proven_seq = s->client_seq;
	s->proven_ns = now;
	s->target_ns = now;
}

/** The target has answered on a leg: it is proven, and the current one from now on. */
mr_inline void mr_prove(struct mr_session *s, __u32 slot, __u64 now, struct mr_route *ret)
{
	struct mr_leg *leg = &s->legs[slot & (MR_LEGS - 1)];

	if (slot == s->current) {
		mr_prove_current(s, now);
		return;
	}
	if (leg->state == MR_LEG_UNPROVEN) {
		__u64 rtt_us = mr_ns_since(now, leg->claimed_ns) / MR_NS_PER_US;

		leg->state = MR_LEG_PROVEN;
		s->rtt_us = (__u32)(rtt_us > 0xffffffff ? 0xffffffff : rtt_us ? rtt_us : 1);
		ret->events |= 1 << MR_EVENT_PROVEN;
	}
	if (s->proven_ns)
		ret->events |= 1 << MR_EVENT_ROAMED;
	mr_leg_make_current(s, slot, now);
	if (leg->next_seq > s->proven_seq)
		s->proven_seq = leg->next_seq;
	s->proven_ns = now;
}

/** The way from the target to the current leg. */
mr_inline void mr_route_target(const struct mr_session *s, __u32 slot, struct mr_route *ret)
{
	ret->dst = s->client;
	ret->sport = s->public_port;
	ret->dport = s->client_port;
	ret->slot = (__u8)slot;
	ret->public_slot = s->client_public;
	ret->side = MR_SIDE_TARGET;
	ret->nh = s->to_client;
}

/** A datagram from the target to a session's block of upstream ports. As mr_decide_client(). */
mr_inline enum mr_reason mr_decide_target(struct mr_session *s, const struct mr_packet *p,
	const struct mr_ingress *in, __u64 now, struct mr_route *ret)
{
	__u32 slot = mr_be16_to_cpu(p->dport) & (MR_LEGS - 1);
	enum mr_reason reason;

	if (!mr_addr_equal(&s->upstream, &p->dst))
		return MR_REASON_no_session;
	reason = mr_check_datagram(s, p, MR_MOSH_TO_CLIENT);
	if (reason != MR_REASON_to_target)
		return reason;
	if (!mr_ingress_ok(s, p, in))
		return MR_REASON_wrong_interface;
	if (s->legs[slot].state == MR_LEG_EMPTY)
		return MR_REASON_empty_slot;

	ret->events = 0;
	mr_account_target(s, p);
	mr_prove(s, slot, now, ret);
	mr_route_target(s, slot, ret);
	return MR_REASON_to_client;
}

/** An ICMP error whose quotation led to this session. Nothing is believed; the daemon hears of it.
 */
mr_inline enum mr_reason mr_decide_icmp(const struct mr_session *s, const struct mr_packet *p)
{
	if (!(s->flags & MR_SESSION_OPEN) || !mr_addr_equal(&s->upstream, &p->dst))
		return MR_REASON_not_for_us;
	return MR_REASON_icmp_hint;
}

/**
 * Remembers a next hop that was looked up for `route`, without the lock: the session may have moved
 * on since, on another CPU, or the record be another session's.
 */
mr_inline void mr_remember_next_hop(struct mr_session *s, const struct mr_route *route)
{
	if (route->side == MR_SIDE_CLIENT) {
		if (s->target_port != route->dport || !mr_addr_equal(&s->target, &route->dst) ||
			!mr_addr_equal(&s->upstream, &route->src))
			return;
		mr_session_change(s);
		s->to_target = route->nh;
		mr_session_changed(s);
		return;
	}
	if (s->current != route->slot || s->client_public != route->public_slot ||
		s->client_port != route->dport || !mr_addr_equal(&s->client, &route->dst))
		return;
	mr_session_change(s);
	s->to_client = route->nh;
	mr_session_changed(s);
}

#endif
